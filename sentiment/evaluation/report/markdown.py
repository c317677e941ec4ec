"""Markdown of texts that come from outside: shown as text, whatever stands in them."""

from collections.abc import Sequence
from pathlib import PurePosixPath


def table(header: Sequence[str], rows: Sequence[Sequence[str]]) -> list[str]:
    """Return the lines of a table; cells are Markdown already."""
    lines = [f"| {' | '.join(header)} |", f"|{' --- |' * len(header)}"]
    return lines + [f"| {' | '.join(row)} |" for row in rows]


def pictures(*names: str, width: str = "48%") -> list[str]:
    """Return a line of PNG figures that lie beside the report, each of a share of the page's width."""
    return [" ".join(f'<img src="{PurePosixPath(name + ".png")}" alt="{name}" width="{width}">' for name in names)]


def code(text: str) -> str:
    """Show a text as code."""
    return f"`{text.replace('`', chr(39))}`"


def plain(text: str, length: int = 80) -> str:
    """Show a text of at most `length` characters as it is: nothing in it may become a tag, a link or a new cell."""
    short = " ".join(text.split())
    short = short if len(short) <= length else short[: length - 1] + "…"
    for character in "\\`*_[]|":
        short = short.replace(character, "\\" + character)
    return short.replace("&", "&amp;").replace("<", "&lt;").replace(">", "&gt;")
