"""Single files of an experiment's cached outputs: from the cache or a remote, without a checkout."""

import json
from collections.abc import Mapping
from functools import cache
from pathlib import Path
from typing import Any

from sentiment.core.checksums import FILE
from sentiment.terminal.errors import UserError
from sentiment.use.commands import run_dvc


def cached_file(stages: Mapping[str, Any], stage: str, path: Path) -> Path | None:
    """Return where the cache has a file of a stage's output folder, None where it has not.

    Parameters
    ----------
    stages : mapping
        Of a dvc.lock.
    stage : str
        The stage.
    path : Path
        The file, directly in a folder that is an output.
    """
    hashes = {out["path"]: str(out.get("md5", "")) for out in stages.get(stage, {}).get("outs") or []}
    try:
        listed = json.loads(_cached(hashes[path.parent.as_posix()]).read_bytes())
        digest = next(str(entry["md5"]) for entry in listed if entry["relpath"] == path.name)
    except (OSError, ValueError, KeyError, TypeError, StopIteration):
        return None
    found = _cached(digest)
    return found if found.is_file() else None


def read_output(path: Path, revision: str) -> bytes | None:
    """Return a file of a commit's outputs, from the cache or a remote; None where neither has it."""
    from dvc.api import DVCFileSystem  # half a second: not for those who find it in the cache
    from dvc.exceptions import DvcException
    from dvc_data.index import DataIndexDirError

    try:
        # Without a root DVC looks for the repository at the root of git's, which may be a folder further up.
        content = DVCFileSystem(str(Path.cwd()), rev=revision).read_bytes(path.as_posix())
    except (OSError, DvcException, DataIndexDirError):
        return None
    return bytes(content)


def read_record(stages: Mapping[str, Any], stage: str, folder: Path, revision: str | None) -> Mapping[str, Any]:
    """Return what a stage wrote down of its run beside its output; empty where it did not, or where nobody has it.

    Parameters
    ----------
    stages : mapping
        Of a dvc.lock.
    stage : str
        The stage.
    folder : Path
        Its output.
    revision : str or None
        The commit, where a remote is to be asked too.
    """
    if path := cached_file(stages, stage, folder / FILE):
        content: bytes | None = path.read_bytes()
    else:
        listed = any(out["path"] == folder.as_posix() for out in stages.get(stage, {}).get("outs") or [])
        content = read_output(folder / FILE, revision) if revision and listed and not cached_folder(stages, stage, folder) else None
    try:
        record = json.loads(content) if content else {}
    except ValueError:
        return {}
    return record if isinstance(record, dict) else {}


def cached_folder(stages: Mapping[str, Any], stage: str, folder: Path) -> bool:
    """Return whether the cache knows which files an output folder has."""
    hashes = {out["path"]: str(out.get("md5", "")) for out in stages.get(stage, {}).get("outs") or []}
    return folder.as_posix() in hashes and _cached(hashes[folder.as_posix()]).is_file()


def _cached(digest: str) -> Path:
    return _cache_folder() / digest[:2] / digest[2:]


@cache
def _cache_folder() -> Path:
    try:
        return Path(run_dvc("cache", "dir").strip()) / "files" / "md5"
    except UserError:
        return Path(".dvc/cache/files/md5")
