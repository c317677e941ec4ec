"""The files of an experiment that the report reads: from git, from the cache or a remote, without a checkout."""

import json
from collections.abc import Mapping
from functools import cache
from pathlib import Path
from typing import Any

from ablations.repository import lock, outputs, show_file
from sentiment.core import paths
from sentiment.data.counts import JSON
from sentiment.data.paths import SPLIT_REPORT
from sentiment.evaluation.paths import EVAL_REPORT
from sentiment.training.paths import TRAIN_METRICS
from sentiment.use.recorded.cached_outputs import cached_file, read_output

STEPS = paths.TRAIN_REPORT / paths.STEP_CURVE
VALIDATION = paths.TRAIN_REPORT / paths.VALIDATION_CURVE
RUN = paths.TRAIN_REPORT / paths.RUN_SUMMARY
PREDICTIONS = EVAL_REPORT / "predictions.parquet"
SPLIT_COUNTS = SPLIT_REPORT / JSON
_STAGES = {STEPS: "train", VALIDATION: "train", RUN: "train", PREDICTIONS: "eval", SPLIT_COUNTS: "split"}


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
        self._name, self._revision = name, revision

    def read(self, path: Path) -> bytes:
        """Return the content of `STEPS`, `VALIDATION`, `RUN`, `PREDICTIONS` or `SPLIT_COUNTS`.

        Raises
        ------
        UnreadableError
            Where neither the cache nor a remote has it.
        """
        cached = cached_file(lock(self._revision), _STAGES[path], path)
        content = cached.read_bytes() if cached else read_output(path, self._revision)
        if content is None:
            raise UnreadableError(
                f"{path} is neither in the cache nor on a remote: `python -m sentiment receive {self._name}` fetches it where it was shared, "
                "`python -m ablations run` makes what its plan has anew"
            )
        return content


@cache
def training_summary(name: str, revision: str) -> Mapping[str, Any]:
    """Return the figures of an experiment's training, its precision and its threads.

    Parameters
    ----------
    name, revision : str
        The experiment and its commit. Earlier versions of this project kept all of them in `TRAIN_METRICS`.

    Raises
    ------
    UnreadableError
        Where its figures are nowhere, or are no figures.
    """
    try:
        in_git = json.loads(show_file(revision, TRAIN_METRICS) or "{}")
        if isinstance(in_git, dict) and "threads" in in_git:
            return in_git
        summary = json.loads(ExperimentFiles(name, revision).read(RUN))
    except ValueError as error:
        raise UnreadableError(f"the figures of its training are damaged ({error})") from None
    if not isinstance(summary, dict):
        raise UnreadableError(f"{RUN} holds no figures")
    return summary


@cache
def is_readable(name: str, revision: str) -> bool:
    """Return whether the report could read an experiment: all its files are in the cache, or on a remote."""
    files = ExperimentFiles(name, revision)
    counts = [SPLIT_COUNTS] if SPLIT_REPORT.as_posix() in outputs(lock(revision), "split") else []
    try:
        training_summary(name, revision)
        for path in (STEPS, VALIDATION, PREDICTIONS, *counts):
            files.read(path)
    except UnreadableError:
        return False
    return True
