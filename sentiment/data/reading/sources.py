"""Which files a source has, and which split each belongs to."""

import re
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

from sentiment.data.reading.formats import KINDS, TEXT_FILE, kind_of, text_files
from sentiment.terminal.errors import UserError

WHOLE = "all"  # the split of a source that names none

_SPLIT_NAMES = {
    **dict.fromkeys(["train", "training"], "train"),
    **dict.fromkeys(["validation", "valid", "val", "dev"], "validation"),
    "test": "test",
}
_UNLABELLED = ("unsup", "unsupervised", "unlabelled", "unlabeled")
_ORIGIN = "origin.json"  # what fetch writes beside the data
_MOST_CLASS_FILES = 50  # text files beside each other, a class each
_WORD = re.compile(r"[A-Za-z]+")


@dataclass(frozen=True)
class SourceFile:
    """One file of a source, or one folder of text files.

    Attributes
    ----------
    path : Path
        The file or folder.
    split : str
        train, validation, test, or all where the source names no splits.
    name : str
        How the ids of its rows begin: the path below the source, without suffix; empty for the file's own name.
    only : tuple of (str, frozenset of str), or None
        A column and its values: rows with another value are not of this split.
    """

    path: Path
    split: str
    name: str = ""
    only: tuple[str, frozenset[str]] | None = None


def find_files(source: Path, told: str) -> tuple[list[SourceFile], list[Path]]:
    """Find the files of a source and their splits.

    Parameters
    ----------
    source : Path
        One file, or a folder. In a folder, a file whose name (or whose folder's name) starts with
        train, validation (valid, val, dev) or test belongs to that split. Where none does, the last
        words count if they tell every file's split (``imdb_train.csv`` and ``imdb_test.csv``). A folder without data
        files may hold a folder for each class with one text file a row, below a folder for each
        split or not (``train/pos/*.txt``).
    told : str
        How an error names the source: ``prepare.source = data/imdb``.

    Returns
    -------
    files : list of SourceFile
        In the order of their paths. Where no name tells a split, all are of split ``all``.
    ignored : list of Path
        What belongs to no split although others do (``unsupervised.parquet``), and text files
        without a class.

    Raises
    ------
    UserError
        Where the source is missing, has no file of a known kind, names splits without train, or
        holds a symbolic link that leads nowhere or to a folder; and where a name may mean a split
        (``my_test_2.csv``), as its rows would be learned from.
    """
    if not source.exists():
        linked = "a symbolic link that leads nowhere" if source.is_symlink() else "no such file or folder"
        raise UserError(f"{told}: {linked}; for a dataset of the Hub or a file elsewhere, run `python -m sentiment fetch` first")
    if source.is_file():
        if kind_of(source) is None:
            raise UserError(
                f"{told}: unknown kind of file; known are {', '.join(KINDS)} (text also as .gz, .bz2, .xz); "
                "python -m sentiment fetch takes .zip and .tar.gz, too"
            )
        return [SourceFile(source, WHOLE)], []
    paths = _data_files(source)
    unlabelled: list[Path] = []
    if paths:
        splits = {path: _split_of(path.relative_to(source).parts) for path in paths}
    else:
        folders = _class_folders(source)
        unlabelled = [folder for folder in folders if folder.name.lower() in _UNLABELLED]
        splits = {folder: _split_of_folder(folder.relative_to(source).parts[:-1]) for folder in folders if folder not in unlabelled}
    if not splits:
        paths = [path for path in text_files(source) if path.suffix == TEXT_FILE]
        splits = dict.fromkeys(paths) if 2 <= len(paths) <= _MOST_CLASS_FILES else {}
    if not splits:
        raise UserError(f"{told}: the folder has no {', '.join(KINDS)} file, and no folders of {TEXT_FILE} files")
    if not any(splits.values()):
        splits = _told_by_last_words(paths) or splits
    if not any(splits.values()):
        _refuse_what_may_be_a_split(paths)
        return [SourceFile(path, WHOLE, name) for path, name in _names(list(splits), source).items()], unlabelled
    if "train" not in splits.values():
        found = ", ".join(sorted({split for split in splits.values() if split}))
        raise UserError(f"{told}: has a split {found} but none whose name starts with train")
    names = _names([path for path, split in splits.items() if split], source)
    files = [SourceFile(path, splits[path] or WHOLE, name) for path, name in names.items()]
    return files, [*(path for path, split in splits.items() if not split), *unlabelled]


def _data_files(source: Path) -> list[Path]:
    # A .json file beside others describes them, more often than not.
    paths = [path for path in _walk(source) if kind_of(path)]
    return [path for path in paths if kind_of(path) != ".json"] or [path for path in paths if path.name != _ORIGIN]


def _walk(source: Path) -> Iterator[Path]:
    for path in sorted(source.rglob("*")):
        if any(part.startswith(".") for part in path.relative_to(source).parts):
            continue
        if path.is_symlink():
            if not path.exists():
                raise UserError(f"{path}: a symbolic link that leads nowhere or in a circle: remove it")
            if path.is_dir():
                raise UserError(f"{path}: a symbolic link to a folder, which is not followed: put the folder itself there")
        if path.is_file():
            yield path


def _names(paths: list[Path], source: Path) -> dict[Path, str]:
    # train/0.parquet and test/0.parquet must not give the same ids; reviews.csv beside reviews.jsonl neither.
    names = {path: path.relative_to(source).with_suffix("").as_posix() for path in paths}
    if len(set(names.values())) < len(names):
        return {path: path.relative_to(source).as_posix() for path in paths}
    return names


def _class_folders(source: Path) -> list[Path]:
    found = []
    for folder in sorted({path.parent for path in _walk(source)} - {source}):
        parts = folder.relative_to(source).parts
        below_a_split = len(parts) == 2 and _split_of_folder(parts[:1]) is not None
        if (below_a_split or (len(parts) == 1 and _split_of(parts) is None)) and text_files(folder):
            found.append(folder)
    return found


def _split_of_folder(parts: tuple[str, ...]) -> str | None:
    # 20news-bydate-train: the last word says it where the first says nothing.
    return _split_of(parts) or next((_SPLIT_NAMES[last] for part in parts if (last := _last_word(part)) in _SPLIT_NAMES), None)


def _last_word(name: str) -> str:
    words: list[str] = _WORD.findall(name)
    return words[-1].lower() if words else ""


def _told_by_last_words(paths: list[Path]) -> dict[Path, str | None]:
    splits = {path: _SPLIT_NAMES.get((_words(path) or [""])[-1]) for path in paths}
    return splits if "train" in splits.values() and all(splits.values()) else {}


def _refuse_what_may_be_a_split(paths: list[Path]) -> None:
    for path in paths:
        for word in _words(path):
            if split := _SPLIT_NAMES.get(word):
                raise UserError(
                    f"{path}: is it the {split} split? Only the first word of a name tells: call it {split}.… (and the others train.…), "
                    "or take the split's name out of it; `python -m sentiment fetch --split FILES=train …` tells without renaming"
                )


def _words(path: Path) -> list[str]:
    return [word.lower() for word in _WORD.findall(path.name.split(".")[0])]


def _split_of(parts: tuple[str, ...]) -> str | None:
    for part in reversed(parts):
        word = _WORD.match(part)
        if word and word.group().lower() in _SPLIT_NAMES:
            return _SPLIT_NAMES[word.group().lower()]
    return None


def split_named(name: str) -> str | None:
    """Return the split that a name begins with (``dev`` is validation), None where it names none."""
    return _split_of((name,))
