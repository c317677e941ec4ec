"""Whether an experiment's results are those of its own parameters, code and data.

`dvc exp save` after an edit makes an experiment that was never run: its commit has the new parameter or code, and so has
its dvc.lock, which `dvc exp save` rewrites. Its results are those of the run before: the stages' own record beside them
says what they ran with.
"""

import hashlib
import subprocess
from collections.abc import Iterable, Mapping
from functools import cache
from typing import Any

from pathspec import GitIgnoreSpec

from sentiment.core import paths
from sentiment.core.code_dependencies import listing_hash
from sentiment.core.files import rounded
from sentiment.core.yaml_text import parse_yaml
from sentiment.evaluation.paths import EVAL_REPORT
from sentiment.settings.schema import flatten, parse_older_parameters
from sentiment.terminal.errors import UserError, shown
from sentiment.use.commands import run_git
from sentiment.use.recorded.cached_outputs import read_record

_LOCK, _IGNORED, _TRACKER = "dvc.lock", ".dvcignore", ".dvc"
_HASH = "md5"
# Stages that write down what they ran with, where, and whether a comparison needs the folder: then it is worth asking a remote for it.
_RECORDS = (("prepare", paths.PREPARED, False), ("split", paths.SPLIT, False), ("train", paths.TRAIN_REPORT, True), ("eval", EVAL_REPORT, True))


@cache
def disagreement(revision: str) -> str | None:
    """Compare an experiment's dvc.lock with the parameters, the code and the data of its own commit.

    Parameters
    ----------
    revision : str
        The experiment's commit, a full hash.

    Returns
    -------
    str or None
        What was never run as the commit has it, in words; None where all agree. What the commit does not hold, such
        as data on a remote without a .dvc file, is not compared.
    """
    commit = _Commit(revision)
    try:
        stages = (parse_yaml(commit.text(_LOCK) or "", _LOCK) or {}).get("stages") or {}
        found = _edited_parameter(stages, commit) or _edited_file(stages, commit) or _other_run(stages) or _other_results(stages, commit, revision)
    except (UserError, AttributeError, TypeError, KeyError, ValueError):
        return f"its {_LOCK} cannot be read"
    return f"was never run as it is (`dvc exp save` after an edit?): {found}" if found else None


def _edited_parameter(stages: Mapping[str, Any], commit: "_Commit") -> str | None:
    for name, stage in stages.items():
        for file, recorded in (stage.get("params") or {}).items():
            text = commit.text(file)
            if text is None:
                continue
            current = parse_yaml(text, file) or {}
            for key, value in _flat(recorded):
                own = _look_up(current, key)
                if own != value:
                    return f"{key} is {shown(own)} in its {file}, and {shown(value)} in what {name} ran with"
    return None


def _edited_file(stages: Mapping[str, Any], commit: "_Commit") -> str | None:
    made = {out["path"] for stage in stages.values() for out in stage.get("outs") or [] if not commit.holds(out["path"])}
    for name, stage in stages.items():
        for entry in [*(stage.get("deps") or []), *(stage.get("outs") or [])]:
            path = entry["path"]
            if path in made or entry.get("hash") != _HASH:
                continue
            own = commit.hash_of(path)
            if own is not None and own != entry.get(_HASH):
                return f"{path} is not the one that {name} ran with"
    return None


def _other_run(stages: Mapping[str, Any]) -> str | None:
    outs = {out["path"]: out.get(_HASH) for stage in stages.values() for out in stage.get("outs") or []}
    for name, stage in stages.items():
        for dep in stage.get("deps") or []:
            if outs.get(dep["path"], dep.get(_HASH)) != dep.get(_HASH):
                return f"{name} ran with another {dep['path']} than its own"
    return None


def _other_results(stages: Mapping[str, Any], commit: "_Commit", revision: str) -> str | None:
    try:
        own = flatten(parse_older_parameters(commit.text(paths.PARAMS.as_posix()) or "", paths.PARAMS.as_posix()))
    except UserError:  # of another version of this project
        own = {}
    for name, folder, needed in _RECORDS:
        record = read_record(stages, name, folder, revision if needed else None)
        for key, value in (record.get("parameters") or {}).items():
            if key in own and rounded(own[key]) != value:
                return f"{key} is {shown(own[key])} in its {paths.PARAMS}, and {shown(value)} in what {name} ran with"
        for path, value in (record.get("code") or {}).items():
            if (hashed := commit.hash_of(path)) is not None and hashed != value:
                return f"{path} is not the one that {name} ran with"
    return None


def _flat(values: Mapping[str, Any], prefix: str = "") -> Iterable[tuple[str, Any]]:
    for key, value in values.items():
        if isinstance(value, dict):
            yield from _flat(value, f"{prefix}{key}.")
        else:
            yield f"{prefix}{key}", value


def _look_up(values: Any, key: str) -> Any:
    for part in key.split("."):
        values = values.get(part) if isinstance(values, dict) else None
    return values


class _Commit:
    """The files of a commit below the current folder, as DVC would hash them."""

    def __init__(self, revision: str) -> None:
        self._revision = revision
        listed = [entry.split("\t", 1) for entry in run_git("ls-tree", "-r", "-z", revision).split("\0") if entry]
        self._blobs = {path: described.split()[2] for described, path in listed}
        self._ignored = GitIgnoreSpec.from_lines((self.text(_IGNORED) or "").splitlines())

    def text(self, path: str) -> str | None:
        """Return a file's text, None where the commit has none."""
        return _content(self._blobs[path]).decode("utf-8", errors="replace") if path in self._blobs else None

    def holds(self, path: str) -> bool:
        """Return whether the commit has the file, files below it, or its .dvc file."""
        return path in self._blobs or f"{path}{_TRACKER}" in self._blobs or any(name.startswith(f"{path}/") for name in self._blobs)

    def hash_of(self, path: str) -> str | None:
        """Return the MD5 that dvc.lock would record, None where the commit does not hold the content."""
        if path in self._blobs:
            return _md5(self._blobs[path])
        if (tracker := self.text(f"{path}{_TRACKER}")) is not None:
            return str(parse_yaml(tracker, f"{path}{_TRACKER}")["outs"][0].get(_HASH))
        below = [name for name in self._blobs if name.startswith(f"{path}/") and not self._ignored.match_file(name)]
        if any(name.endswith(_TRACKER) for name in below):  # DVC hashes what these stand for as well, and git does not have it
            return None
        return listing_hash({name.removeprefix(f"{path}/"): _md5(self._blobs[name]) for name in below}) if below else None


def _content(blob: str) -> bytes:
    return subprocess.run(["git", "cat-file", "blob", blob], capture_output=True, check=True).stdout


@cache
def _md5(blob: str) -> str:
    return hashlib.md5(_content(blob), usedforsecurity=False).hexdigest()
