"""Writing files whole or not at all, and the same bytes for the same content."""

import json
import math
import shutil
from collections.abc import Iterable, Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any

SIGNIFICANT_DIGITS = 6


@contextmanager
def replacing(path: Path) -> Iterator[Path]:
    """Give a temporary name beside `path`; rename it to `path` when the block ends well.

    A killed process leaves ``.<name>.partial`` at the most, which git and DVC ignore and the
    next run overwrites.

    Parameters
    ----------
    path : Path
        The file or folder to write. Its parent is made; what stood there before is replaced.

    Yields
    ------
    Path
        Where to write: nothing exists there. Make a file or a folder of it.
    """
    path.parent.mkdir(parents=True, exist_ok=True)
    partial = path.with_name(f".{path.name}.partial")
    remove(partial)
    try:
        yield partial
    except BaseException:
        remove(partial)
        raise
    if path.is_dir() or partial.is_dir():
        remove(path)
    partial.replace(path)


def remove(path: Path) -> None:
    """Remove a file or a whole folder; what is not there is no error."""
    if path.is_dir() and not path.is_symlink():
        shutil.rmtree(path)
    else:
        path.unlink(missing_ok=True)


def write_text(path: Path, text: str) -> None:
    r"""Write `text` as UTF-8 with ``\n`` line ends, whole or not at all."""
    with replacing(path) as partial:
        partial.write_text(text, encoding="utf-8", newline="\n")


def write_json(path: Path, content: Any) -> None:
    """Write JSON with sorted keys and floats of six significant digits.

    Parameters
    ----------
    path : Path
        Where to.
    content : Any
        Dicts, lists and scalars. A float that is not finite becomes ``null``, as JSON has no
        name for it.
    """
    write_text(path, json.dumps(_plain(content), indent=2, sort_keys=True, ensure_ascii=False, allow_nan=False) + "\n")


def write_tsv(path: Path, columns: Sequence[str], rows: Iterable[Sequence[Any]]) -> None:
    """Write a table as tab-separated values with a header; floats have six significant digits.

    Parameters
    ----------
    path : Path
        Where to.
    columns : sequence of str
        The header.
    rows : iterable of sequences
        One value a column; a tab or line break inside a string becomes a space.
    """
    lines = ["\t".join(columns)]
    lines.extend("\t".join(_cell(value) for value in row) for row in rows)
    write_text(path, "\n".join(lines) + "\n")


def read_tsv(path: Path) -> dict[str, list[float]]:
    """Read a numeric table that `write_tsv` wrote, as one list a column."""
    header, *lines = path.read_text(encoding="utf-8").splitlines()
    rows = [[float(cell) for cell in line.split("\t")] for line in lines]
    return {name: [row[index] for row in rows] for index, name in enumerate(header.split("\t"))}


def read_json(path: Path) -> Any:
    """Read a JSON file."""
    return json.loads(path.read_text(encoding="utf-8"))


def rounded(value: Any) -> Any:
    """Return a number as `write_json` writes it; anything else, and a number that is not finite, as it is."""
    return float(f"{value:.{SIGNIFICANT_DIGITS}g}") if isinstance(value, float) and math.isfinite(value) else value


def _plain(content: Any) -> Any:
    if isinstance(content, dict):
        return {str(key): _plain(value) for key, value in content.items()}
    if isinstance(content, list | tuple):
        return [_plain(value) for value in content]
    if isinstance(content, float):
        return rounded(content) if math.isfinite(content) else None
    if hasattr(content, "item"):  # a NumPy scalar
        return _plain(content.item())
    return content


def _cell(value: Any) -> str:
    if hasattr(value, "item"):
        value = value.item()
    if isinstance(value, float):
        return f"{value:.{SIGNIFICANT_DIGITS}g}"
    return " ".join(str(value).split())
