"""Checkpoints that a finished experiment left behind, as where its eval stage came from DVC's cache and removed none."""

import json
from collections.abc import Iterable

from sentiment.core import paths
from sentiment.core.checkpoint_store import list_checkpoints, remove_checkpoint
from sentiment.use.experiment_refs import ExperimentReference


def remove_saved_checkpoints(finished: Iterable[ExperimentReference]) -> None:
    """Remove the checkpoints of trainings whose outputs DVC has.

    Parameters
    ----------
    finished : iterable of ExperimentReference
        Experiments that ended in success.
    """
    left = {kept.name for kept in list_checkpoints() if not kept.locked}
    for reference in finished:
        if not left:
            return
        if (name := _training_of(reference)) in left:
            remove_checkpoint(str(name))
            left.discard(str(name))


def _training_of(reference: ExperimentReference) -> str | None:
    from dvc.api import DVCFileSystem  # half a second: only where there is something to remove
    from dvc.exceptions import DvcException
    from dvc_data.index import DataIndexDirError

    try:
        content = DVCFileSystem(rev=reference.revision).read_bytes(str(paths.TRAIN_REPORT / paths.RUN_SUMMARY))
        return str(json.loads(content)["training"])
    except (OSError, DvcException, DataIndexDirError, ValueError, KeyError):
        return None
