"""DVC's records of its queue where its command line does not help: what a worker's death left half made, and the same experiment once more.

These few functions use DVC's own modules, which requirements.txt pins.
"""

import shutil
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from ablations.repository import QueueEntry, git, unfinished
from ablations.run import orphans
from sentiment.terminal.errors import UserError
from sentiment.terminal.progress import say

_WORKSPACES = Path(".dvc/tmp/exps")
_MESSAGES = _WORKSPACES / "celery" / "broker" / "processed"
_TIME_TO_SET_UP_SECONDS = 5.0


def entries(commit: str) -> list[QueueEntry]:
    """List the queued, running and failed experiments that depart from a commit, after clearing what a dead worker left half made.

    Parameters
    ----------
    commit : str
        The commit.

    Raises
    ------
    UserError
        Where DVC does not tell.
    """
    if not orphans.live_workers():
        clear_half_made()
    try:
        return unfinished(commit)
    except UserError:
        if not clear_half_made():
            raise
        return unfinished(commit)


def clear_half_made() -> int:
    """Mark experiments as failed whose worker died before their workspace was whole.

    DVC takes them for running, finds no workspace, and fails in every question about its experiments.

    Returns
    -------
    int
        How many there were.
    """
    if not any(_MESSAGES.glob("*.msg")):
        return 0
    from dvc.repo import Repo

    with Repo() as repo:
        queue = repo.experiments.celery_queue
        dead = dict(_half_made(queue))
        if dead and orphans.live_workers():
            time.sleep(_TIME_TO_SET_UP_SECONDS)  # one that lives may be setting it up
            still, working = dict(_half_made(queue)), queue._get_running_task_ids()
            dead = {task: name for task, name in dead.items() if task in still and task not in working}
        for task, name in dead.items():
            queue.celery.backend.mark_as_failure(task, None)
            say(f"{name}: its queue worker was killed while it set the workspace up; that is cleared")
    if not orphans.live_workers():
        prefix = git("rev-parse", "--show-prefix").strip()
        for folder in _WORKSPACES.glob("tmp*"):
            if folder.is_dir() and not (folder / prefix / ".dvc").is_dir():
                shutil.rmtree(folder, ignore_errors=True)
    return len(dead)


def _half_made(queue: Any) -> Iterator[tuple[str, str]]:
    for result, entry in queue._iter_active_tasks():
        try:
            info = queue._load_info(entry.stash_rev)
            whole = (Path(info.root_dir) / info.dvc_dir / ".dvc").is_dir()
        except (OSError, ValueError, KeyError, TypeError):
            whole = False
        if not whole:
            yield str(result.id), str(entry.name or entry.stash_rev[:7])


def queue_again(name: str, stashed: str, commit: str) -> None:
    """Queue an experiment once more as it was queued before: on the same commit and with the same code, whatever was committed or edited since.

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
