"""A training in several processes: how it starts itself, who is first, and what they tell each other.

The stage runs as it is under an outer ``torchrun`` (several machines), which sets RANK and WORLD_SIZE.
On one machine the environment variable SENTIMENT_PROCESSES is enough: `launch` does the same there.
"""

import logging
import os
import sys
import uuid

import numpy as np
import numpy.typing as npt
import torch
import torch.distributed

from sentiment.terminal.errors import UserError
from sentiment.terminal.signals import stop_signals

PROCESSES_VARIABLE = "SENTIMENT_PROCESSES"


def count() -> int:
    """Return the number of processes of this training."""
    return int(os.environ.get("WORLD_SIZE", "1"))


def rank() -> int:
    """Return which of them this one is, from 0. The first one alone writes and speaks."""
    return int(os.environ.get("RANK", "0"))


def launch(module: str) -> bool:
    """Run a module in as many processes as the environment asks for, and wait for them.

    Parameters
    ----------
    module : str
        As for ``python -m``.

    Returns
    -------
    bool
        True when they have ended well. False where nothing was started: one process is enough, or this
        is one of several already.

    Raises
    ------
    UserError
        Where SENTIMENT_PROCESSES is no number from 1.
    SystemExit
        Where a process failed, with its status; it has said why.
    """
    asked = os.environ.get(PROCESSES_VARIABLE, "1")
    if not (asked.isascii() and asked.isdigit() and int(asked) > 0):
        raise UserError(f"{PROCESSES_VARIABLE}={asked}: it must be a number from 1")
    if "WORLD_SIZE" in os.environ or int(asked) == 1:
        return False
    from torch.distributed.elastic.multiprocessing.api import SignalException
    from torch.distributed.elastic.multiprocessing.errors import ChildFailedError
    from torch.distributed.launcher.api import LaunchConfig, elastic_launch

    logging.getLogger("torch.distributed.elastic").setLevel(logging.CRITICAL)  # the failed process says it in one line
    os.environ.setdefault("TORCH_CPP_LOG_LEVEL", "ERROR")  # advice about speed, once a process
    os.environ.setdefault("OMP_NUM_THREADS", str(max(1, torch.get_num_threads() // int(asked))))
    config = LaunchConfig(
        min_nodes=1,
        max_nodes=1,
        nproc_per_node=int(asked),
        run_id=uuid.uuid4().hex,
        rdzv_backend="c10d",
        rdzv_endpoint="localhost:0",
        max_restarts=0,
        signals_to_handle=",".join(number.name for number in stop_signals()),
    )
    try:
        elastic_launch(config, sys.executable)("-m", module)
    except ChildFailedError as error:
        sys.exit(max(1, error.get_first_failure()[1].exitcode))
    except SignalException:
        sys.exit(130)
    return True


def join(device: str) -> None:
    """Bring the processes together; nothing is done where there is one.

    Raises
    ------
    UserError
        Where there are more of them on this machine than GPUs: NCCL takes one process a GPU.
    """
    if count() > 1 and not torch.distributed.is_initialized():
        if device == "cuda":
            here, gpus = int(os.environ.get("LOCAL_WORLD_SIZE", "1")), torch.cuda.device_count()
            if here > gpus:
                raise UserError(
                    f"{PROCESSES_VARIABLE}={here}: this machine has {gpus} GPU{'s' if gpus > 1 else ''}, and each process needs one to itself: "
                    f"set {PROCESSES_VARIABLE}={gpus}, or SENTIMENT_DEVICE=cpu"
                )
            torch.cuda.set_device(int(os.environ.get("LOCAL_RANK", "0")))
        torch.distributed.init_process_group("nccl" if device == "cuda" else "gloo")


def wait() -> None:
    """Wait until every process has come here."""
    if count() > 1:
        torch.distributed.barrier()


def any_of(flag: bool, device: torch.device) -> bool:
    """Tell whether the flag is set in one process at least: all get the same answer."""
    if count() == 1:
        return flag
    flags = torch.tensor([float(flag)], device=device)
    torch.distributed.all_reduce(flags, op=torch.distributed.ReduceOp.MAX)
    return bool(flags.item())


def sum_of(values: npt.NDArray[np.float64], device: torch.device) -> npt.NDArray[np.float64]:
    """Add up what each process holds: all get the same sum."""
    if count() == 1:
        return values
    tensor = torch.from_numpy(values).to(device)
    torch.distributed.all_reduce(tensor)
    total: npt.NDArray[np.float64] = tensor.cpu().numpy()
    return total
