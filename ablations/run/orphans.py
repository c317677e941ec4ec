"""Experiments whose queue worker is gone: recognised, ended, and taken out of the queue.

A killed worker leaves its experiment behind: the stage trains to its end, nobody collects it, and DVC
lists it as running for ever.
"""

import json
import shutil
import time
from pathlib import Path

import psutil

from ablations.repository import QueueEntry, dvc, git
from sentiment.core.files import write_text

_WORKERS = Path(".dvc/tmp/exps/celery")
_WORKSPACES = Path(".dvc/tmp/exps")
_TIME_TO_SAVE_SECONDS = 90.0  # a stage that is told to stop saves a checkpoint after its current step
_TIME_TO_END_SECONDS = 10.0
_TIME_TO_COLLECT_SECONDS = 2.0


def live_workers() -> list[int]:
    """Return the process ids of this repository's queue workers."""
    found = []
    for path in sorted(_WORKERS.glob("dvc-exp-worker-*.json")):
        try:
            pid = int(json.loads(path.read_text(encoding="utf-8"))["pid"])
        except (OSError, ValueError, KeyError, TypeError):
            continue
        if _is_worker(pid):
            found.append(pid)
    return found


def worker_threads() -> set[str]:
    """Return the OMP_NUM_THREADS that live workers were started with; empty strings where it was not set."""
    found = set()
    for pid in live_workers():
        try:
            found.add(psutil.Process(pid).environ().get("OMP_NUM_THREADS", ""))
        except (psutil.Error, OSError):
            continue
    return found


def end_workers() -> None:
    """End workers that have nothing to do; one that is at work loses its experiment, which becomes an orphan."""
    workers = []
    for pid in live_workers():
        try:
            workers.append(psutil.Process(pid))
        except psutil.Error:
            continue
    for worker in workers:
        _quietly(worker.terminate)
    _, left = psutil.wait_procs(workers, timeout=_TIME_TO_END_SECONDS)
    for worker in left:
        _quietly(worker.kill)
    psutil.wait_procs(left, timeout=_TIME_TO_END_SECONDS)


def is_orphan(row: QueueEntry) -> bool:
    """Tell whether a row that says running has no worker any more.

    Parameters
    ----------
    row : QueueEntry
        A row in the state running.

    Returns
    -------
    bool
        True where the process that runs it is not a live worker's child, or is gone and no worker
        is left that could be collecting it.
    """
    workers = live_workers()
    if row.process is None:
        return not workers
    try:
        parent = psutil.Process(row.process).ppid()
    except psutil.NoSuchProcess:
        return not workers
    return parent not in workers


def end(root: Path | None) -> None:
    """End every process that works in an experiment's workspace, as `end_processes_in` does.

    Parameters
    ----------
    root : Path or None
        The workspace. Only a folder that DVC makes for experiments is looked at.
    """
    if root is not None and _is_workspace(root):
        end_processes_in(root)


def end_processes_in(folder: Path) -> None:
    """End every process whose working folder is a folder, or below it.

    Each is asked first: a training saves a checkpoint, from which it goes on when it is queued
    again. What has not ended after 90 seconds is killed.
    """
    processes = _processes_in(folder)
    for process in processes:
        _quietly(process.terminate)
    _, left = psutil.wait_procs(processes, timeout=_TIME_TO_SAVE_SECONDS)
    for process in left:
        _quietly(process.kill)
    psutil.wait_procs(left, timeout=5)


def release(row: QueueEntry) -> None:
    """Take an orphan, whose processes have ended, out of DVC's queue.

    DVC removes no task that it takes for running, and marks one as failed only when told to kill
    it. The record of its process is closed first: that process id may be another program's by now,
    and must not be signalled.
    """
    if row.log is not None:
        record = row.log.with_suffix(".json")
        try:
            content = json.loads(record.read_text(encoding="utf-8"))
        except (OSError, ValueError):
            content = None
        if isinstance(content, dict) and content.get("returncode") is None:
            write_text(record, json.dumps({**content, "returncode": -1}))
    dvc("queue", "kill", row.task)
    dvc("queue", "remove", row.task)


def clear_workspace(root: Path | None) -> None:
    """Remove the workspace that an orphan left behind."""
    if root is not None and _is_workspace(root):
        time.sleep(_TIME_TO_COLLECT_SECONDS)
        shutil.rmtree(root, ignore_errors=True)


def clear_half_made() -> None:
    """Remove the workspaces that a worker was killed in before they were whole, where no worker lives that may be at one."""
    if live_workers():
        return
    prefix = git("rev-parse", "--show-prefix").strip()
    for folder in _WORKSPACES.glob("tmp*"):
        if folder.is_dir() and not (folder / prefix / ".dvc").is_dir():
            shutil.rmtree(folder, ignore_errors=True)


def _is_workspace(root: Path) -> bool:
    return root.resolve().parent == _WORKSPACES.resolve() and root.name.startswith("tmp")


def _processes_in(root: Path) -> list[psutil.Process]:
    found = []
    folder = root.resolve()
    for process in psutil.process_iter():
        try:
            if Path(process.cwd()).is_relative_to(folder):
                found.append(process)
        except (psutil.Error, OSError):
            continue  # another user's, or gone
    return found


def _is_worker(pid: int) -> bool:
    try:
        process = psutil.Process(pid)
        return "queue-worker" in process.cmdline() and process.status() != psutil.STATUS_ZOMBIE
    except psutil.Error:
        return False


def _quietly(action: object) -> None:
    assert callable(action)
    try:
        action()
    except psutil.Error:
        return
