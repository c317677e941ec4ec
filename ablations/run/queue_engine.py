"""The default engine: DVC's queue and its workers, on this machine."""

import shutil
import time
from collections.abc import Hashable, Mapping
from pathlib import Path

from ablations.plan.points import Point
from ablations.repository import QueueEntry, dvc, environment, unfinished
from ablations.run import orphans
from ablations.run.cores import THREADS_VARIABLE
from ablations.run.engine import SubmittedJob
from ablations.run.preconditions import check_repository
from ablations.run.queueing import queue_point
from sentiment.terminal.errors import UserError
from sentiment.terminal.progress import say

FOLDER = Path(".dvc/tmp/ablations")
_STALLED_SECONDS = 60.0
_LOOK_EVERY_SECONDS = 0.5
_TIME_TO_END_SECONDS = 20.0


class DvcQueue:
    """DVC's queue.

    Parameters
    ----------
    commit : str
        What the experiments depart from.
    """

    def __init__(self, commit: str) -> None:
        self._commit = commit
        self._environment: Mapping[str, str] = environment()
        self._workers = 1
        self._rows: dict[str, QueueEntry] = {}
        self._submitted: set[str] = set()
        self._stashed: dict[str, str] = {}  # as what this call queued a point: once more means the same again
        self._moving_at, self._done_before = time.monotonic(), 0

    def check(self) -> None:
        """Refuse a shallow clone, a cache whose path DVC cannot write, and an environment in which no worker would start."""
        if shutil.which("dvc", path=environment()["PATH"]) is None:
            raise UserError(
                "DVC's queue starts the program `dvc`, which is not on PATH: activate the environment that has it (`. .venv/bin/activate`)"
            )
        check_repository()

    def begin(self, environment: Mapping[str, str], jobs: int) -> None:
        """Have no worker of an earlier call train with another number of threads."""
        self._environment, self._workers = environment, jobs
        if not orphans.worker_threads() <= {environment.get(THREADS_VARIABLE, "")}:
            if any(row.state == "running" and not orphans.is_orphan(row) for row in unfinished(self._commit)):
                raise UserError(
                    "a queue worker with another number of threads is at work: let it end, or end it with `python -m ablations stop`, "
                    "and run this again"
                )
            orphans.end_workers()
        orphans.clear_half_made()

    def jobs(self) -> dict[str, SubmittedJob]:
        """Ask DVC for the rows that have not ended in success; half a second of a core."""
        self._rows = {row.name: row for row in unfinished(self._commit)}
        self._stashed.update({name: row.task for name, row in self._rows.items() if name in self._submitted})
        return {name: _job(row) for name, row in self._rows.items()}

    def submit(self, point: Point, forced: bool) -> None:
        """Queue a point; one that this call queued before is queued as it was."""
        queue_point(point, self._commit, self._stashed.get(point.name), forced, self._environment)
        self._submitted.add(point.name)

    def collect(self, job: SubmittedJob, attempt: int) -> Path | None:
        """Take a row out of the queue; an orphan is ended first."""
        row = self._rows[job.name]
        if job.state == "lost":
            orphans.end(row.root)
            orphans.release(row)
            orphans.clear_workspace(row.root)
            return None
        kept = None
        if row.log is not None and row.log.exists():
            kept = FOLDER / "logs" / f"{row.name}-{attempt}.log"
            kept.parent.mkdir(parents=True, exist_ok=True)
            shutil.copyfile(row.log, kept)
        dvc("queue", "remove", row.task)
        return kept

    def keep_going(self, waiting: bool, done: int) -> None:
        """Start the workers that are missing, and end those that live and take nothing up, as one that was told to stop now and then does."""
        now = time.monotonic()
        running = any(row.state == "running" for row in self._rows.values())
        if running or not waiting or not orphans.live_workers() or done != self._done_before:
            self._moving_at, self._done_before = now, done
        elif now - self._moving_at > _STALLED_SECONDS:
            say("the queue's worker takes nothing up: it is started anew")
            orphans.end_workers()
            self._moving_at = now
        if waiting and len(orphans.live_workers()) < self._workers:
            dvc("queue", "start", "-j", str(self._workers), environment=self._environment, output=FOLDER / "queue.log")

    def pulse(self) -> Hashable:
        """Return the number of live workers."""
        return len(orphans.live_workers())

    def at_work(self) -> bool:
        """Return whether a worker lives."""
        return bool(orphans.live_workers())

    def stop(self) -> int:
        """End the workers and what they run."""
        if orphans.live_workers():
            dvc("queue", "stop", environment=environment())
        running = [row for row in unfinished(self._commit) if row.state == "running"]
        for row in running:
            orphans.end(row.root)
        until = time.monotonic() + _TIME_TO_END_SECONDS
        while orphans.live_workers() and time.monotonic() < until:
            time.sleep(_LOOK_EVERY_SECONDS)
        orphans.end_workers()
        orphans.clear_half_made()
        return len(running)


def _job(row: QueueEntry) -> SubmittedJob:
    if row.state == "running" and orphans.is_orphan(row):
        return SubmittedJob(row.name, "lost", row.log, "its queue worker is gone")
    return SubmittedJob(row.name, row.state, row.log)
