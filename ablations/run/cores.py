"""How many experiments run at once, and how the cores are shared out among them."""

import os
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

from ablations.repository import environment
from sentiment.core import paths
from sentiment.core.checkpoint_mirror import CHECKPOINTS_VARIABLE, check_mirror, mirror_address
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


def share_out(jobs: int, on_cluster: bool = False) -> QueueWorkers:
    """Share the cores out among workers.

    Parameters
    ----------
    jobs : int
        Workers.
    on_cluster : bool
        They run on other machines too, whose cores are not known here.

    Returns
    -------
    QueueWorkers
        Workers × threads is at most the number of cores: beyond it, all of them collapse.

    Raises
    ------
    UserError
        Where there are more workers than cores, or OMP_NUM_THREADS asks for too much; on a cluster, where it is not set.
    """
    cores = cores_here()
    if on_cluster:
        if jobs < 1 or not os.environ.get(THREADS_VARIABLE, "").isdigit():
            raise UserError(
                f"with RAY_ADDRESS, {THREADS_VARIABLE} says how many threads (CPUs) each experiment takes: set it, and --jobs to 1 or more"
            )
        return QueueWorkers(jobs, environment(**{paths.MAIN_ROOT_VARIABLE: str(shared_folder())}))
    if not 1 <= jobs <= cores:
        raise UserError(f"--jobs {jobs}: this machine has {cores} cores, so 1 to {cores}")
    asked = os.environ.get(THREADS_VARIABLE, "")
    more = {paths.MAIN_ROOT_VARIABLE: str(shared_folder())}
    if asked.isdigit() and int(asked) * jobs > cores:
        raise UserError(f"OMP_NUM_THREADS={asked} with --jobs {jobs}: more threads than the {cores} cores; unset it or ask for fewer jobs")
    if jobs > 1 and not asked.isdigit():
        more[THREADS_VARIABLE] = str(cores // jobs)
    return QueueWorkers(jobs, environment(**more))


def cores_here() -> int:
    """Return the number of cores that this process may use."""
    return len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1


def shared_folder() -> Path:
    """Return where checkpoints, logs and SwanLab's runs of all workers go: the folder ``SENTIMENT_CHECKPOINTS``, else the checkout.

    Raises
    ------
    UserError
        Where ``SENTIMENT_CHECKPOINTS`` is neither a folder that is there nor an address that can be used.
    """
    given = os.environ.get(CHECKPOINTS_VARIABLE)
    check_mirror()
    if not given or mirror_address():
        return Path.cwd().resolve()
    if not (folder := Path(given)).is_absolute() or not folder.is_dir():
        raise UserError(
            f"{CHECKPOINTS_VARIABLE}={given}: no folder that is there, given from the root, and no address, as s3://bucket/checkpoints: "
            "a folder must be on storage that all workers share, as NFS; `mkdir -p` makes it"
        )
    return folder.resolve()
