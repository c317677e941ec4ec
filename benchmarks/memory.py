"""A command run as a user would run it, with the memory it takes over time."""

import os
import subprocess
import time
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import psutil

from sentiment.terminal.errors import UserError

ROOT = Path(__file__).resolve().parents[1]
_EVERY_SECONDS = 0.05


@dataclass(frozen=True)
class MeasuredRun:
    """What a command took.

    Attributes
    ----------
    seconds : float
        Wall time.
    memory : list of int
        Bytes of the process and those it started together (resident), one reading each 50 ms.
    """

    seconds: float
    memory: list[int]

    def peak_mib(self, share: float = 1.0) -> float:
        """Return the highest memory in MiB within the first `share` of the run."""
        return max(self.memory[: max(1, round(share * len(self.memory)))]) / 2**20


def run_measured(command: Sequence[str], folder: Path = ROOT) -> MeasuredRun:
    """Run a command in a folder, with this checkout's packages; its standard output is dropped.

    Raises
    ------
    UserError
        Where it ends with another status than 0.
    """
    start = time.perf_counter()
    process = psutil.Popen(command, cwd=folder, env={**os.environ, "PYTHONPATH": str(ROOT)}, stdout=subprocess.DEVNULL)
    memory = [0]
    try:
        while process.poll() is None:
            memory.append(_resident(process))
            time.sleep(_EVERY_SECONDS)
    finally:
        if process.poll() is None:
            process.terminate()
            process.wait()
    if process.returncode:
        raise UserError(f"`{' '.join(command[1:])}` ended with status {process.returncode}: see above")
    return MeasuredRun(time.perf_counter() - start, memory)


def _resident(process: psutil.Process) -> int:
    total = 0
    try:
        for one in [process, *process.children(recursive=True)]:
            total += one.memory_info().rss
    except psutil.NoSuchProcess:  # it ended in between
        pass
    return total
