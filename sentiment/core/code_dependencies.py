"""Which code a stage's result depends on: the one place that knows how dvc.yaml names it, and how DVC hashes it.

dvc.yaml names rooms (folders) and single files. DVC hashes a folder with every file in it that .dvcignore leaves: so do these functions.
"""

import hashlib
import json
from collections.abc import Mapping
from pathlib import Path, PurePosixPath
from typing import Any

import yaml
from pathspec import GitIgnoreSpec

_ROOTS = ("sentiment", "stages")


def is_code(dependency: object) -> bool:
    """Return whether an entry of a stage's deps, in dvc.yaml or dvc.lock, is code and not data."""
    return isinstance(dependency, str) and PurePosixPath(dependency).parts[:1] in [(root,) for root in _ROOTS]


def declared_code(stage: str, root: Path = Path()) -> list[str]:
    """Return the code dependencies of a stage as dvc.yaml names them.

    Parameters
    ----------
    stage : str
        Its name in dvc.yaml.
    root : Path, optional
        The repository's root.

    Returns
    -------
    list of str
        Files and folders, in dvc.yaml's order.
    """
    stages: Mapping[str, Any] = yaml.safe_load((root / "dvc.yaml").read_text(encoding="utf-8"))["stages"]
    return [dependency for dependency in stages[stage]["deps"] if is_code(dependency)]


def is_single_module(dependency: str) -> bool:
    """Return whether an entry of a dvc.lock names one module of sentiment/, as all did before the code was laid out in folders."""
    path = PurePosixPath(dependency)
    return path.parts[:1] == ("sentiment",) and path.suffix == ".py"


def declared_parameters(stage: str, root: Path = Path()) -> list[str]:
    """Return the sections and parameters that dvc.yaml declares for a stage."""
    stages: Mapping[str, Any] = yaml.safe_load((root / "dvc.yaml").read_text(encoding="utf-8"))["stages"]
    return [name for name in stages[stage].get("params") or [] if isinstance(name, str)]


def code_files(stage: str, root: Path = Path()) -> list[Path]:
    """Return every file that a stage's code dependencies come to, relative to `root`, in the order of their paths."""
    ignored = _ignored(root)
    return sorted(file for dependency in declared_code(stage, root) for file in _files(root, PurePosixPath(dependency), ignored))


def code_hashes(stage: str, root: Path = Path()) -> dict[str, str]:
    """Return the hash that dvc.lock would record now for each code dependency of a stage.

    Parameters
    ----------
    stage : str
        Its name in dvc.yaml.
    root : Path, optional
        The repository's root.

    Returns
    -------
    dict of str to str
        By dependency as dvc.yaml names it: the MD5 of a file, or of a folder's list of files with the ending ``.dir``. A
        dependency that does not exist has none.
    """
    ignored = _ignored(root)
    hashes: dict[str, str] = {}
    for dependency in declared_code(stage, root):
        path = root / dependency
        if path.is_dir():
            files = _files(root, PurePosixPath(dependency), ignored)
            hashes[dependency] = listing_hash({file.relative_to(dependency).as_posix(): file_hash(root / file) for file in files})
        elif path.exists():
            hashes[dependency] = file_hash(path)
    return hashes


def listing_hash(files: Mapping[str, str]) -> str:
    """Return DVC's name for a folder: the MD5 of its list of files, given by the MD5 of each relative path."""
    listed = [{"md5": digest, "relpath": path} for path, digest in sorted(files.items())]
    return _md5(json.dumps(listed, sort_keys=True).encode()) + ".dir"


def file_hash(path: Path) -> str:
    """Return a file's MD5, which is DVC's name for its content."""
    return _md5(path.read_bytes())


def _md5(content: bytes) -> str:
    return hashlib.md5(content, usedforsecurity=False).hexdigest()


def _ignored(root: Path) -> GitIgnoreSpec:
    path = root / ".dvcignore"
    return GitIgnoreSpec.from_lines(path.read_text(encoding="utf-8").splitlines() if path.exists() else [])


def _files(root: Path, dependency: PurePosixPath, ignored: GitIgnoreSpec) -> list[Path]:
    path = root / dependency
    if not path.is_dir():
        return [Path(dependency)] if path.exists() else []
    found = (file.relative_to(root) for file in path.rglob("*") if not file.is_dir())
    return [file for file in found if not ignored.match_file(file.as_posix())]
