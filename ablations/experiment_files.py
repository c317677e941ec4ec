"""The files of an experiment's cached outputs: from the cache or a remote, without a checkout."""

import json
from functools import cache
from pathlib import Path, PurePosixPath

from ablations.repository import lock, outputs
from sentiment.core import paths
from sentiment.evaluation.paths import EVAL_REPORT
from sentiment.terminal.errors import UserError
from sentiment.use.commands import run_dvc

STEPS = paths.TRAIN_REPORT / paths.STEP_CURVE
VALIDATION = paths.TRAIN_REPORT / paths.VALIDATION_CURVE
PREDICTIONS = EVAL_REPORT / "predictions.parquet"


class UnreadableError(Exception):
    """An experiment lacks something that the report needs; the message says what, and what helps."""


class ExperimentFiles:
    """Files of an experiment's cached outputs.

    Parameters
    ----------
    name, revision : str
        The experiment and its commit.
    """

    def __init__(self, name: str, revision: str) -> None:
        from dvc.api import DVCFileSystem  # half a second: not for those who only plan

        self._name = name
        # Without a root DVC looks for the repository at the root of git's, which may be a folder further up.
        self._system = DVCFileSystem(str(Path.cwd()), rev=revision)

    def read(self, path: Path) -> bytes:
        """Return a file's content.

        Raises
        ------
        UnreadableError
            Where neither the cache nor a remote has it.
        """
        from dvc.exceptions import DvcException
        from dvc_data.index import DataIndexDirError

        try:
            content = self._system.read_bytes(path.as_posix())
        except (OSError, DvcException, DataIndexDirError):
            raise UnreadableError(
                f"{path} is neither in the cache nor on a remote: `python -m sentiment receive {self._name}` fetches it where it was shared, "
                "`python -m ablations run` makes what its plan has anew"
            ) from None
        return bytes(content)


@cache
def is_readable(name: str, revision: str) -> bool:
    """Return whether the report could read an experiment: all its files are in the cache, or on a remote."""
    stages = lock(revision)
    if all(_is_cached(outputs(stages, stage), path) for stage, path in (("train", STEPS), ("train", VALIDATION), ("eval", PREDICTIONS))):
        return True
    files = ExperimentFiles(name, revision)
    try:
        for path in (STEPS, VALIDATION, PREDICTIONS):
            files.read(path)
    except UnreadableError:
        return False
    return True


def _is_cached(outs: dict[str, str], path: Path) -> bool:
    folder = str(PurePosixPath(path.as_posix()).parent)
    try:
        listed = json.loads(_cached(outs.get(folder, "")).read_bytes())
        digest = next(str(entry["md5"]) for entry in listed if entry["relpath"] == path.name)
    except (OSError, ValueError, KeyError, TypeError, StopIteration):
        return False
    return _cached(digest).is_file()


def _cached(digest: str) -> Path:
    return _cache_folder() / digest[:2] / digest[2:]


@cache
def _cache_folder() -> Path:
    try:
        return Path(run_dvc("cache", "dir").strip()) / "files" / "md5"
    except UserError:
        return Path(".dvc/cache/files/md5")
