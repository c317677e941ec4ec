"""Fonts for the names of classes: the figures' own, and installed ones for letters that it lacks."""

from collections.abc import Sequence
from functools import lru_cache

from matplotlib.font_manager import findfont, fontManager, get_font

FAMILY = "DejaVu Sans"  # comes with matplotlib: the same on every machine
_SYMBOLIC = ("LastResort", "Noto Color Emoji", "Noto Emoji")  # they have every letter, or none that can be read


def families_for(names: Sequence[str]) -> list[str]:
    """Return the families to write names with: the figures' own, then an installed one for what it lacks, where there is one."""
    missing = sorted({sign for name in names for sign in name if not sign.isspace() and not _has(findfont(FAMILY), sign)})
    found = [family for sign in missing if (family := _family_with(sign))]
    return [FAMILY, *dict.fromkeys(found)]


def writable(name: str) -> bool:
    """Tell whether the figures' font, or an installed one, has every letter of a name."""
    return all(_has(findfont(FAMILY), sign) or _family_with(sign) for sign in "".join(name.split()))


@lru_cache(maxsize=4096)
def _family_with(sign: str) -> str | None:
    # Upright sans fonts first, then by name: the same choice for the same fonts.
    fonts = [font for font in fontManager.ttflist if font.name not in _SYMBOLIC and not font.name.startswith("LastResort")]
    for font in sorted(fonts, key=lambda font: ("sans" not in font.name.lower(), font.style != "normal", abs(_weight(font.weight) - 400), font.name)):
        if _has(font.fname, sign):
            return str(font.name)
    return None


def _weight(weight: int | str) -> int:
    return weight if isinstance(weight, int) else 700 if "bold" in str(weight).lower() else 400


@lru_cache(maxsize=65536)
def _has(path: str, sign: str) -> bool:
    try:
        return bool(get_font(path).get_char_index(ord(sign)))
    except (OSError, RuntimeError):  # a font that FreeType cannot open
        return False
