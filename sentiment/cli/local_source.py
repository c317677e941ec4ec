"""A local source of fetch: its files and archives, how they are read, and what their first rows look like."""

import re
import shutil
import tarfile
import tempfile
import zipfile
from collections import Counter
from collections.abc import Iterator
from contextlib import contextmanager
from itertools import islice
from pathlib import Path

from sentiment.core.tables import SPLITS
from sentiment.data.reading.delimited import Told, first_row_as_data
from sentiment.data.reading.formats import KINDS, TEXT_FILE, kind_of, read_rows
from sentiment.data.reading.raw_lines import DAMAGED, OPENERS
from sentiment.data.reading.sources import SourceFile, find_files
from sentiment.terminal.errors import UserError, shown
from sentiment.terminal.progress import say

TARBALLS = (".tar", ".tar.gz", ".tgz", ".tar.bz2", ".tar.xz")
ARCHIVES = (".zip", *TARBALLS)
_MAC = "__MACOSX"  # macOS adds it to a zip
_SHOWN_ROWS = 3


@contextmanager
def unpacked(source: Path) -> Iterator[Path]:
    """Give the source itself, or, of a zip or tar archive, a temporary folder with what is in it (the file, where it is one).

    Raises
    ------
    UserError
        Where the archive is damaged, or a member of it would be written outside of the folder.
    """
    name = source.name.lower()
    if not name.endswith(ARCHIVES) or source.is_dir():
        yield source
        return
    with tempfile.TemporaryDirectory() as folder:
        try:
            if name.endswith(TARBALLS):
                shutil.unpack_archive(source, folder, "tar", filter="data")
            else:
                shutil.unpack_archive(source, folder, "zip")
        except (shutil.ReadError, zipfile.BadZipFile, tarfile.TarError, RuntimeError, NotImplementedError, *DAMAGED) as error:
            raise UserError(f"{source}: cannot be unpacked ({error}): unpack it and fetch the folder") from None
        shutil.rmtree(Path(folder) / _MAC, ignore_errors=True)
        there = [path for path in Path(folder).iterdir() if not path.name.startswith(".")]
        yield there[0] if len(there) == 1 else Path(folder)


def plain_name(path: Path) -> str:
    """Return a name for a file's data: without the suffixes of its kind, dashes for what a name may not have."""
    name = path.name
    while Path(name).suffix.lower() in (*OPENERS, *KINDS, *ARCHIVES, TEXT_FILE) and Path(name).stem:
        name = Path(name).stem
    return re.sub(r"[^\w.-]+", "-", name).strip("-.") or "data"


def local_files(source: Path, splits: list[str] | None) -> list[SourceFile]:
    """Find the files of a source, by their names or by what ``--split`` says; say what is left out."""
    if splits is not None:
        return _named_files(source, splits)
    files, ignored = find_files(source, str(source))
    for path in ignored:
        say(f"fetch: {path.relative_to(source)} starts with none of train, validation, test (only the first word of a name counts): left out")
    return files


def _named_files(source: Path, splits: list[str]) -> list[SourceFile]:
    files: list[SourceFile] = []
    for item in splits:
        pattern, _, ours = item.partition("=")
        ours = ours or pattern
        if ours not in SPLITS or not source.is_dir():
            raise UserError(
                f"--split {item}: for a local folder write FILES=train, FILES=validation or FILES=test, FILES a name or a pattern like 'part-*.csv'"
            )
        found = sorted(path for path in source.glob(pattern) if kind_of(path) or path.is_dir())
        if not found:
            raise UserError(f"--split {item}: {source} has no file {pattern} of a known kind ({', '.join(KINDS)})")
        files.extend(SourceFile(path, ours) for path in found)
    if doubled := [path for path, count in Counter(file.path for file in files).items() if count > 1]:
        raise UserError(f"--split: {doubled[0]} would stand in two splits")
    return files


def check_headers(files: list[SourceFile], told: Told) -> None:
    """Ask, in an error, where the first row of a delimited file looks like data and nobody said what it is."""
    if told.header is not None:
        return
    for file in files:
        kind = kind_of(file.path)
        if kind in (".csv", ".tsv") and (reason := first_row_as_data(file.path, kind == ".tsv", told)):
            raise UserError(
                f"{file.path}, line 1: is it a header? {reason}: add --no-header (the columns are then column_1, column_2, …), or --header"
            )


def show_first_rows(files: list[SourceFile], told: Told) -> None:
    """Print the first rows of each split as they would be read."""
    for split in dict.fromkeys(file.split for file in files):
        mine = [file for file in files if file.split == split]
        print(f"{split}: {mine[0].path.name}" + (f", the first of {len(mine)} files" if len(mine) > 1 else ""))
        for row in islice(read_rows(mine[0].path, told=told), _SHOWN_ROWS):
            print(f"  {row.number}: " + ", ".join(f"{name} = {shown(value)}" for name, value in row.values.items()))
