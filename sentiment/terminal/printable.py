"""Texts from outside on a terminal."""

_NAMES_SHOWN = 12


def printable(text: str) -> str:
    """Return a text on one line without what a terminal would obey (escape sequences, reversed writing)."""
    return "".join(sign if sign.isprintable() else " " if sign.isspace() else "\ufffd" for sign in " ".join(text.split()))


def listed(names: list[str]) -> str:
    """Return names one after the other, of many the first ones."""
    more = f", … ({len(names):,} in all)" if len(names) > _NAMES_SHOWN else ""
    return ", ".join(names[:_NAMES_SHOWN]) + more
