"""What a data stage counted: for programs, and as a page to read."""

from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

from sentiment.core.files import replacing, write_json, write_text
from sentiment.data.dealing.dropped_rows import escape

JSON = "counts.json"
MARKDOWN = "report.md"


def write_counts(folder: Path, title: str, counts: Mapping[str, Any]) -> None:
    """Write the counts of a stage as counts.json and report.md.

    Parameters
    ----------
    folder : Path
        Is replaced as a whole.
    title : str
        Of the page.
    counts : mapping
        Numbers, texts, lists of them, and mappings of these.
    """
    lines = [f"# {title}", "", "| what | |", "| --- | ---: |"]
    lines += [f"| {escape(name.replace('_', ' '))} | {escape(shown)} |" for name, shown in _flat(counts)]
    with replacing(folder) as partial:
        partial.mkdir()
        write_json(partial / JSON, counts)
        write_text(partial / MARKDOWN, "\n".join([*lines, ""]))


def _flat(counts: Mapping[str, Any], prefix: str = "") -> Iterator[tuple[str, str]]:
    for name, value in counts.items():
        if isinstance(value, Mapping):
            yield from _flat(value, f"{prefix}{name}: ")
        else:
            values = value if isinstance(value, list) else [value]
            yield f"{prefix}{name}", ", ".join(f"{one:,}" if isinstance(one, int) else str(one) for one in values)
