"""How many experiments run at once, and how the cores are shared out among them."""

import os
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

from ablations.repository import environment
from sentiment.core import paths
from sentiment.terminal.errors import UserError

THREADS_VARIABLE = "OMP_NUM_THREADS"


@dataclass(frozen=True)
class QueueWorkers:
    """How many experiments run at once, and with how many threads each.

    Attributes
    ----------
    jobs : int
        Queue workers.
    environment : mapping
        What they are started with. With one worker and no OMP_NUM_THREADS, the number of threads
        is torch's own, as in `dvc repro`.
    """

    jobs: int
    environment: Mapping[str, str]


def share_out(jobs: int) -> QueueWorkers:
    """Share the cores out among workers.

    Parameters
    ----------
    jobs : int
        Workers.

    Returns
    -------
    QueueWorkers
        Workers × threads is at most the number of cores: beyond it, all of them collapse.

    Raises
    ------
    UserError
        Where there are more workers than cores, or OMP_NUM_THREADS asks for too much.
    """
    cores = cores_here()
    if not 1 <= jobs <= cores:
        raise UserError(f"--jobs {jobs}: this machine has {cores} cores, so 1 to {cores}")
    asked = os.environ.get(THREADS_VARIABLE, "")
    more = {paths.MAIN_ROOT_VARIABLE: str(Path.cwd().resolve())}
    if asked.isdigit() and int(asked) * jobs > cores:
        raise UserError(f"OMP_NUM_THREADS={asked} with --jobs {jobs}: more threads than the {cores} cores; unset it or ask for fewer jobs")
    if jobs > 1 and not asked.isdigit():
        more[THREADS_VARIABLE] = str(cores // jobs)
    return QueueWorkers(jobs, environment(**more))


def cores_here() -> int:
    """Return the number of cores that this process may use."""
    return len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1
