"""The machine a stage runs on: device, precision, threads, memory allocator. Set once, at the start of a stage."""

import ctypes
import os
import sys
from dataclasses import dataclass

import torch

from sentiment.model.together import processes
from sentiment.terminal.errors import UserError

DEVICE_VARIABLE = "SENTIMENT_DEVICE"
DETERMINISM_VARIABLE = "SENTIMENT_DETERMINISM"
STEP_VARIABLE = "SENTIMENT_STEP"
_DETERMINISM = ("strict", "loose")
_STEPS = ("eager", "graph", "compiled")

# glibc's malloc.h
_M_TRIM_THRESHOLD, _M_TOP_PAD, _M_MMAP_MAX = -1, -2, -4
_NEVER_TRIM = 2**31 - 1
_HEAP_STEP_BYTES = 64 * 1024 * 1024


@dataclass(frozen=True)
class Runtime:
    """What a result depends on beside its parameters and data.

    Attributes
    ----------
    device : str
        cpu, cuda or mps.
    precision : str
        fp32, or bf16 (autocast; weights stay fp32).
    threads : int
        Threads of one operation on the CPU.
    processes : int
        How many share a training.
    determinism : str
        strict: every run gives the same bits, and what cannot is refused. loose: on a GPU attention's
        backward pass may add in any order.
    step : str
        How the device is given a training step where that is possible: eager (kernel by kernel), graph (recorded
        and replayed, the same kernels) or compiled (replayed, with generated kernels for the encoder's layers).
    """

    device: str
    precision: str
    threads: int
    processes: int = 1
    determinism: str = "strict"
    step: str = "eager"

    def autocast(self) -> torch.autocast:
        """Return the context in which the forward pass runs."""
        return torch.autocast(self.device, dtype=torch.bfloat16, enabled=self.precision == "bf16")


def start_runtime(precision: str, training: bool = False) -> Runtime:
    """Set the process up for computing and say what it got.

    Parameters
    ----------
    precision : str
        auto, fp32 or bf16.
    training : bool
        What is strict then stops at operations that have no deterministic form; elsewhere torch warns of them.

    Returns
    -------
    Runtime
        The device is ``SENTIMENT_DEVICE`` where set, else CUDA, Apple's MPS or the CPU, the first
        that is there. The number of threads is torch's own (``OMP_NUM_THREADS``, else all cores).
        ``SENTIMENT_DETERMINISM`` and ``SENTIMENT_STEP`` are for a GPU.

    Raises
    ------
    UserError
        Where the environment names a device that is not there, or a way that does not exist.
    """
    keep_freed_memory()
    device = _device()
    determinism = _one_of(DETERMINISM_VARIABLE, _DETERMINISM, "strict")
    step = _one_of(STEP_VARIABLE, _STEPS, "graph")
    be_deterministic(device, determinism if training else "loose")
    if device == "cuda":
        torch.set_float32_matmul_precision("high")  # TF32 where a product is not in bf16
    processes.join(device)
    chosen = ("bf16" if has_bf16(device) else "fp32") if precision == "auto" else precision
    # Recorded steps are for one GPU: several processes exchange gradients in the middle of a step.
    step = step if device == "cuda" and processes.count() == 1 else "eager"
    return Runtime(device, chosen, torch.get_num_threads(), processes.count(), determinism, step)


def be_deterministic(device: str, determinism: str) -> None:
    """Set torch up to give the same bits each time, before it does anything on the device.

    Parameters
    ----------
    device : str
        cpu, cuda or mps. Where it is cuda and `determinism` is strict, an operation that has no deterministic
        form raises; elsewhere torch warns of it. Attention's backward pass is deterministic on CUDA only so.
    determinism : str
        strict or loose.
    """
    os.environ.setdefault("CUBLAS_WORKSPACE_CONFIG", ":4096:8")  # cuBLAS repeats itself only with this
    strict = device == "cuda" and determinism == "strict"
    torch.use_deterministic_algorithms(True, warn_only=not strict)
    torch.utils.deterministic.fill_uninitialized_memory = False  # type: ignore[attr-defined]  # costs a pass over each new tensor and hides nothing here


def describe_runtime(runtime: Runtime) -> str:
    """Say in a few words what a stage runs on, and why it does so in fp32 where it does."""
    why = "" if runtime.precision == "bf16" or has_bf16(runtime.device) else ": bf16 products are no faster here"
    together = f"{runtime.processes} processes, " if runtime.processes > 1 else ""
    if runtime.device == "cuda":
        return f"cuda ({torch.cuda.get_device_name()}), {together}{runtime.precision}{why}, {runtime.determinism} determinism"
    threads = "1 thread" if runtime.threads == 1 else f"{runtime.threads} threads"
    return f"{runtime.device}, {together}{threads}{' each' if together else ''}, {runtime.precision}{why}"


def has_bf16(device: str) -> bool:
    """Tell whether a device multiplies bfloat16 matrices in hardware, and faster than fp32 ones.

    Among CPUs that is Intel's AMX and AMD's AVX512-BF16. Intel's AVX512-BF16 without AMX has no more
    throughput than its fp32 (measured: half; docs/performance.md).
    """
    if device == "cuda":
        return bool(torch.cuda.is_bf16_supported(including_emulation=False))
    if device == "cpu":
        has = torch.cpu.get_capabilities()
        return bool(has.get("amx_bf16") or (has.get("avx512_bf16") and "AMD" in str(has.get("cpu_name", ""))))
    return False


def keep_freed_memory() -> None:
    """Tell glibc to keep freed blocks instead of giving them back to the kernel at every step.

    Without this a training step on a CPU spends a good part of its time in page faults. Elsewhere
    (macOS, musl) nothing is done.
    """
    if not sys.platform.startswith("linux"):
        return
    try:
        mallopt = ctypes.CDLL("libc.so.6").mallopt
    except (OSError, AttributeError):
        return
    mallopt(_M_MMAP_MAX, 0)
    mallopt(_M_TRIM_THRESHOLD, _NEVER_TRIM)
    mallopt(_M_TOP_PAD, _HEAP_STEP_BYTES)


def _device() -> str:
    there = ["cpu"]
    if torch.backends.mps.is_available():
        there.insert(0, "mps")
    if torch.cuda.is_available():
        there.insert(0, "cuda")
    wanted = os.environ.get(DEVICE_VARIABLE, there[0])
    if wanted not in there:
        raise UserError(f"{DEVICE_VARIABLE}={wanted}: this machine has {', '.join(there)}")
    return wanted


def _one_of(variable: str, values: tuple[str, ...], default: str) -> str:
    value = os.environ.get(variable, default)
    if value not in values:
        raise UserError(f"{variable}={value}: it must be one of {', '.join(values)}")
    return value
