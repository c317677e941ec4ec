"""What a stage wrote, known again: the checksum of each file of its folder, and what the stage ran with.

So a damaged or edited file is never taken for the stage's result, and a result never for that of other parameters.
"""

import hashlib
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from sentiment.core.files import read_json, write_json
from sentiment.terminal.errors import UserError

FILE = "checksums.json"
_FOR_PEOPLE = (".md",)  # may be edited


def write_checksums(folder: Path, parameters: Mapping[str, Any] | None = None, code: Mapping[str, str] | None = None) -> None:
    """Write the SHA-256 of each file below a folder beside them, and what the stage ran with.

    Parameters
    ----------
    folder : Path
        What the stage wrote. Texts for people, which may be edited, are left out.
    parameters : mapping of str to value, optional
        The stage's own, by dotted name.
    code : mapping of str to str, optional
        Hashes of its code, by dependency.
    """
    files = sorted(path for path in folder.rglob("*") if path.is_file() and path.suffix not in _FOR_PEOPLE and path.name != FILE)
    ran_with = {"parameters": parameters, "code": code}
    known = {path.relative_to(folder).as_posix(): _digest(path) for path in files}
    write_json(folder / FILE, {"files": known, **{name: values for name, values in ran_with.items() if values is not None}})


def check_files(folder: Path, stage: str, names: Sequence[str] | None = None) -> None:
    """Check that files are what a stage wrote.

    Parameters
    ----------
    folder : Path
        What `stage` wrote, with `write_checksums`. A folder without checksums, from an older version, is taken as it is.
    stage : str
        For the error.
    names : sequence of str, optional
        The files that are going to be read; by default all that were written.

    Raises
    ------
    UserError
        Where a file is missing, cannot be read or has other content.
    """
    if not folder.is_dir():
        raise UserError(f"{folder / names[0] if names else folder} is missing: run the stage {stage} first (dvc repro, or python -m stages.{stage})")
    known = _read(folder, stage)
    for name in known if names is None else names:
        path = folder / name
        if not path.is_file():
            raise UserError(f"{path} is missing: {_remedy(folder, stage)}")
        if known and known.get(name) != _digest(path):
            raise UserError(f"{path} is not what the stage {stage} wrote (damaged, or edited): {_remedy(folder, stage)}")


def _read(folder: Path, stage: str) -> dict[str, Any]:
    path = folder / FILE
    try:
        known = read_json(path)["files"] if path.exists() else {}
    except (OSError, ValueError, KeyError, TypeError):
        known = None
    if not isinstance(known, dict):
        raise UserError(f"{path} is damaged: {_remedy(folder, stage)}")
    return known


def _remedy(folder: Path, stage: str) -> str:
    return f"`dvc checkout --force {folder}` brings it back from the cache, `python -m stages.{stage}` makes it anew"


def _digest(path: Path) -> str:
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()
