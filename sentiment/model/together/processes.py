"""A training in several processes: how it starts itself, who is first, and what they tell each other.

`launch` starts them: SENTIMENT_PROCESSES on this machine, and with SENTIMENT_NODE on several machines. The stage also runs
as it is under an outer ``torchrun``, which sets RANK and WORLD_SIZE.
"""

import logging
import os
import re
import sys
import uuid
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt
import torch
import torch.distributed

from sentiment.model.together.node_watch import watched_nodes
from sentiment.terminal.errors import UserError, error_line
from sentiment.terminal.progress import say
from sentiment.terminal.signals import stop_signals

PROCESSES_VARIABLE = "SENTIMENT_PROCESSES"
NODE_VARIABLE = "SENTIMENT_NODE"
_NODE = re.compile(r"(?P<number>\d+)/(?P<count>\d+)@(?P<address>[^\s/@]+:\d+)", re.ASCII)
_WAIT_SECONDS = 600  # for the other machines


@dataclass(frozen=True)
class _Node:
    number: int
    count: int
    address: str


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
        Where SENTIMENT_PROCESSES is no number from 1, SENTIMENT_NODE is not of the form ``0/2@HOST:PORT``, or the
        other machines do not come.
    SystemExit
        Where a process failed, with its status; it has said why.
    """
    asked = os.environ.get(PROCESSES_VARIABLE, "1")
    if not (asked.isascii() and asked.isdigit() and int(asked) > 0):
        raise UserError(f"{PROCESSES_VARIABLE}={asked}: it must be a number from 1")
    node = _node()
    if "WORLD_SIZE" in os.environ or (int(asked) == 1 and node.count == 1):
        return False
    from torch.distributed.elastic.multiprocessing.api import SignalException
    from torch.distributed.elastic.multiprocessing.errors import ChildFailedError
    from torch.distributed.launcher.api import LaunchConfig, elastic_launch

    logging.getLogger("torch.distributed.elastic").setLevel(logging.CRITICAL)  # the failed process says it in one line
    os.environ.setdefault("TORCH_CPP_LOG_LEVEL", "ERROR")  # advice about speed, once a process
    os.environ.setdefault("OMP_NUM_THREADS", str(max(1, torch.get_num_threads() // int(asked))))
    if node.count > 1:
        say(f"train: machine {node.number} of {node.count} (counted from 0): waiting for the others at {node.address}")
        meeting: dict[str, Any] = {
            "run_id": "sentiment",
            "rdzv_backend": "static",
            "rdzv_endpoint": node.address,
            "rdzv_configs": {"rank": node.number, "timeout": _WAIT_SECONDS},
        }
    else:
        meeting = {"run_id": uuid.uuid4().hex, "rdzv_backend": "c10d", "rdzv_endpoint": "localhost:0"}
    config = LaunchConfig(
        min_nodes=node.count,
        max_nodes=node.count,
        nproc_per_node=int(asked),
        max_restarts=0,
        **meeting,
        signals_to_handle=",".join(number.name for number in stop_signals()),
    )
    try:
        elastic_launch(config, sys.executable)("-m", module)
    except ChildFailedError as error:
        sys.exit(max(1, error.get_first_failure()[1].exitcode))
    except SignalException:
        sys.exit(130)
    except torch.distributed.DistError as error:
        raise UserError(
            f"{NODE_VARIABLE}: the machines do not meet at {node.address} ({error_line(str(error))}): start all {node.count} within "
            f"{_WAIT_SECONDS // 60} minutes; machine 0 must have that address and the port free, and the others must reach it"
        ) from None
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


@contextmanager
def together() -> Iterator[None]:
    """End with one line where a process of another machine is gone while the block runs.

    Raises
    ------
    UserError
        Where the connection to it is lost. Where it does not answer any more, this process ends at once.
    """
    if count() == 1:
        yield
        return
    try:
        with watched_nodes():
            yield
    except RuntimeError as error:  # gloo raises no kind of its own
        if not isinstance(error, torch.distributed.DistError) and "gloo" not in str(error):
            raise
        raise UserError(
            "another process of this training is gone: start it again as before, on every machine; it resumes from its checkpoint"
        ) from None


def all_agree(value: str) -> bool:
    """Tell whether every process of this training has the same value: all get the same answer."""
    if count() == 1:
        return True
    values: list[str] = [""] * count()
    torch.distributed.all_gather_object(values, value)
    return len(set(values)) == 1


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


def _node() -> _Node:
    asked = os.environ.get(NODE_VARIABLE)
    if not asked:
        return _Node(0, 1, "")
    found = _NODE.fullmatch(asked)
    if found is None or int(found["number"]) >= int(found["count"]):
        raise UserError(
            f"{NODE_VARIABLE}={asked}: it must be NUMBER/COUNT@HOST:PORT, numbers from 0, with an address of machine 0: 0/2@192.168.0.10:29500"
        )
    return _Node(int(found["number"]), int(found["count"]), found["address"])
