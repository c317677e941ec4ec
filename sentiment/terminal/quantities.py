"""Sizes and times as people read them."""


def bytes_in_words(size: int) -> str:
    """Write a number of bytes: 1.3 GB."""
    value = float(size)
    for unit in ("B", "kB", "MB"):
        if value < 1000:
            return f"{value:.0f} {unit}"
        value /= 1000
    return f"{value:.1f} GB"


def time_in_words(seconds: float) -> str:
    """Write a time: 40 s, 67 min, 2.2 h."""
    if seconds < 90:
        return f"{seconds:.0f} s"
    return f"{seconds / 60:.0f} min" if seconds < 5400 else f"{seconds / 3600:.1f} h"
