"""Tasks of DVC's queue that a worker took up and never began.

A worker moves a task's message from one folder to another, makes a workspace, and starts a process there. One that ends
in between leaves a task that DVC takes for running and has no whole record of: from then on `dvc exp show` fails with
``[Errno 2] No such file or directory: '.dvc/tmp/exps/run/….run'``, or for want of the workspace. A worker ends there when
it is killed, and also by itself: `dvc exp run --queue` creates the message's file and writes it a moment later, and a worker
that looks into the folder between the two reads an empty message, fails on it and ends (kombu 5.7, filesystem transport).
"""

import base64
import json
import shutil
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import psutil

_EXPERIMENTS = Path(".dvc/tmp/exps")
_WAITING = _EXPERIMENTS / "celery/broker/in"
_TAKEN_UP = _EXPERIMENTS / "celery/broker/processed"
_RESULTS = _EXPERIMENTS / "celery/result"
_RECORDS = _EXPERIMENTS / "run"
_RUN_TASK = "dvc.repo.experiments.queue.tasks.run_exp"
_CLOCK_SECONDS = 1.0  # by as much, the start of a process and the time of a file may disagree


@dataclass(frozen=True)
class TakenUp:
    """A task that has neither a result nor a process.

    Attributes
    ----------
    name : str
        The experiment.
    revision : str
        Its stashed commit, by which DVC's commands call it.
    message : Path
        The message, where a worker has put it.
    at : float
        When a worker took it up, in seconds since the epoch.
    """

    name: str
    revision: str
    message: Path
    at: float


def not_begun() -> list[TakenUp]:
    """Return the tasks that were taken up and have not begun: being set up by a worker, or lost by one."""
    found = []
    for path in sorted(_TAKEN_UP.glob("*.msg")):
        try:
            content = json.loads(path.read_bytes())
            at = path.stat().st_ctime  # moving a file changes this time and no other
        except (OSError, ValueError):
            continue  # gone by now, or an empty one
        headers = content["headers"]
        if headers.get("task") != _RUN_TASK or (_RESULTS / f"celery-task-meta-{headers['id']}").exists():
            continue
        entry = _entry(content)
        revision = str(entry["stash_rev"])
        if not (_RECORDS / revision / f"{revision}.json").exists():
            found.append(TakenUp(str(entry.get("name") or revision[:7]), revision, path, at))
    return found


def workers_at(task: TakenUp) -> list[int]:
    """Return the process ids of the workers that may be setting a task up.

    Parameters
    ----------
    task : TakenUp
        One that has not begun.

    Returns
    -------
    list of int
        Those that lived when it was taken up and run no other experiment now: a worker has one task at a time.
    """
    return [process.pid for process in psutil.process_iter() if _may_be_at(process, task)]


def put_back(task: TakenUp) -> None:
    """Put the message of a lost task back to where workers look for it."""
    with suppress(FileNotFoundError):  # another process has done so
        task.message.rename(_WAITING / task.message.name)


def remove_workspace(task: TakenUp) -> None:
    """Remove the incomplete workspace of a lost task."""
    try:
        record = json.loads((_RECORDS / task.revision / f"{task.revision}.run").read_bytes())
        root = Path(record["root_dir"])
    except (OSError, ValueError, KeyError, TypeError):
        return
    if root.resolve().parent == _EXPERIMENTS.resolve() and root.name.startswith("tmp"):
        shutil.rmtree(root, ignore_errors=True)


def _entry(content: dict[str, Any]) -> dict[str, Any]:
    arguments, keywords, _ = json.loads(base64.b64decode(content["body"]))
    entry: dict[str, Any] = keywords["entry_dict"] if "entry_dict" in keywords else arguments[0]
    return entry


def _may_be_at(process: psutil.Process, task: TakenUp) -> bool:
    try:
        return (
            "queue-worker" in process.cmdline()
            and Path(process.cwd()).is_relative_to(Path.cwd().resolve())
            and process.status() != psutil.STATUS_ZOMBIE
            and process.create_time() <= task.at + _CLOCK_SECONDS
            and not any("exec-run" in child.cmdline() for child in process.children())
        )
    except (psutil.Error, OSError):
        return False  # another user's, or gone
