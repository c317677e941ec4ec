"""What a runner needs of whatever runs experiments: submit a point, see its progress, collect what it left, stop.

An engine is asked what it is at, never what is done: that is decided by what git and DVC hold.
"""

from collections.abc import Hashable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Protocol

from ablations.plan.points import Point


@dataclass(frozen=True)
class SubmittedJob:
    """An experiment that an engine was given and that has not ended in success, as far as the engine knows.

    Attributes
    ----------
    name : str
        The experiment.
    state : str
        queued, running, failed, or lost: what ran it is gone.
    log : Path or None
        What it printed so far.
    reason : str
        Of one that is failed or lost, in a few words; empty where only the log says it.
    """

    name: str
    state: str
    log: Path | None
    reason: str = ""


class Engine(Protocol):
    """Runs experiments that depart from one commit."""

    def check(self) -> None:
        """Refuse a repository, or an installation, in which this engine would fail or lose experiments: a UserError."""

    def begin(self, environment: Mapping[str, str], jobs: int) -> None:
        """Get ready to run `jobs` experiments at once with `environment`; clear what killed processes left behind."""

    def jobs(self) -> dict[str, SubmittedJob]:
        """Return what was submitted and has not ended in success, by name, whoever submitted it."""

    def submit(self, point: Point, forced: bool) -> None:
        """Hand a point over; `forced` has every stage run, whatever DVC's cache has."""

    def collect(self, job: SubmittedJob, attempt: int) -> Path | None:
        """Take a failed or lost job away, with all that still runs of it, and return where its log is kept."""

    def keep_going(self, waiting: bool, done: int) -> None:
        """Keep workers at work while experiments are `waiting`; `done` is how many have ended in success so far."""

    def pulse(self) -> Hashable:
        """Return something that differs once a job or a worker has ended. It is asked every two seconds, so it must be cheap."""

    def at_work(self) -> bool:
        """Return whether something runs that goes on without this process."""

    def stop(self) -> int:
        """End all of it, the trainings after they have saved a checkpoint; return how many were running."""
