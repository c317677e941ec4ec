"""The same experiment once more: as it was queued before, whatever was committed or edited since.

DVC's command line queues what the workspace and HEAD have now; this uses DVC's own modules, which requirements.txt pins.
"""

import shutil
from pathlib import Path


def queue_again(name: str, stashed: str, commit: str) -> None:
    """Queue an experiment on the commit and with the code and the parameters that it was queued with before.

    Parameters
    ----------
    name : str
        The experiment.
    stashed : str
        The commit in which DVC keeps what it was queued with: its task.
    commit : str
        The commit that it departs from.
    """
    from dvc.repo import Repo
    from dvc.repo.experiments.queue.base import QueueEntry as Queued
    from dvc.repo.experiments.queue.tasks import run_exp

    with Repo() as repo:
        queue = repo.experiments.celery_queue
        entry = Queued(repo.root_dir, queue.scm.root_dir, queue.ref, stashed, commit, None, name, commit)
        shutil.rmtree(Path(queue.pid_dir) / stashed, ignore_errors=True)  # the process and the log of the try before
        note = queue.stash.format_message(commit, baseline_rev=commit, name=name)
        queue.scm.set_ref(queue.ref, stashed, message=f"commit: {note}")
        queue.celery.signature(run_exp.s(entry.asdict(), copy_paths=None, message=None)).delay()
