"""How the files of a source are read, in words: what was found out about each, and what is unusual."""

from pathlib import Path

from sentiment.data.reading.delimited import Told, dialect_of
from sentiment.data.reading.encodings import encoding_of
from sentiment.data.reading.formats import TEXT_FILE, kind_of
from sentiment.data.reading.raw_lines import UTF_8
from sentiment.data.reading.sources import SourceFile
from sentiment.terminal.progress import say


def how_read(file: SourceFile, told: Told) -> str | None:
    """Say how a file is read where that is not as usual: ``in gb18030, cells parted by semicolons``.

    Parameters
    ----------
    file : SourceFile
        A file of a source.
    told : Told
        What a user says of it.

    Returns
    -------
    str or None
        None for UTF-8 with the delimiter of the file's name and a header, and for parquet, xlsx and folders.
    """
    path, kind = file.path, kind_of(file.path)
    words: list[str] = []
    if kind in (".csv", ".tsv"):
        tabs = kind == ".tsv"
        words = dialect_of(path, tabs, told).differs(tabs)
        words += ["without a header"] if told.header is False else []
    elif kind in (".json", ".jsonl") or path.suffix == TEXT_FILE:
        encoding = told.encoding or encoding_of(path)
        words = [f"in {encoding}"] if encoding != UTF_8 else []
    return ", ".join(words) or None


def say_how(stage: str, files: list[SourceFile], source: Path, told: Told, correction: str) -> dict[str, str]:
    """Say in a line how each file is read, where that is not as usual.

    Parameters
    ----------
    stage : str
        Who says it: ``prepare`` or ``fetch``.
    files : list of SourceFile
        The files of the source.
    source : Path
        The file or folder that they are in: files are named from there.
    told : Told
        What a user says of them.
    correction : str
        What to do where an encoding that was found out is wrong: ``--encoding NAME``.

    Returns
    -------
    dict of str to str
        What was said, by the file's name.
    """
    found: dict[str, str] = {}
    for file in files:
        if words := how_read(file, told):
            name = file.path.name if file.path == source else file.path.relative_to(source).as_posix()
            found[name] = words
            guessed = f" (if that is wrong: {correction})" if not told.encoding and words.startswith("in ") else ""
            say(f"{stage}: {name} is read as {kind_of(file.path) or TEXT_FILE}, {words}{guessed}")
    return found
