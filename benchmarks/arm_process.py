"""One arm of a comparison: a process of its own that trains one way when it is asked to, and waits while another one works."""

import argparse
import ctypes
import json
import os
import resource
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from dataclasses import asdict, dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np
import torch
from transformers import AutoTokenizer

from benchmarks.recipe import CLASSES, Recipe, Training, arms_on
from benchmarks.samples import Sample, read_reviews, training_flops
from sentiment.model.tokens import LENGTH_STEP, TokenizedTexts, tokenize

_SEED = 0
_WARM_UP_STRIDE = 32
_ENOUGH_FREE = 0.7  # of a GPU's memory, for the other arms
_LR = 2e-5


@dataclass(frozen=True)
class Round:
    """What one arm did with one sample."""

    seconds: float
    examples: int
    tokens: int
    padded_tokens: int
    flops: float
    peak_mib: float


class ArmEnded(Exception):
    """The process of an arm ended before it was told to."""


class ArmProcess:
    """A process that trains one way when it is told to."""

    def __init__(self, name: str, options: argparse.Namespace, model: Path) -> None:
        self.name = name
        settings = {"recipe": asdict(_recipe(name, options)), "model": model, "options": vars(options)}
        environment = dict(os.environ)
        if name != "tutorial":
            environment.setdefault("GOMP_SPINCOUNT", "5000")  # as the stages set it
        self._process = subprocess.Popen(
            [sys.executable, "-m", "benchmarks.train_throughput", "--worker", json.dumps(settings, default=str)],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            text=True,
            env=environment,
        )

    def run(self, number: int) -> Round:
        """Train on the sample of a round and wait for the result.

        Raises
        ------
        ArmEnded
            Where there is none.
        """
        assert self._process.stdin is not None and self._process.stdout is not None
        try:
            self._process.stdin.write(f"{number}\n")
            self._process.stdin.flush()
        except BrokenPipeError:
            pass  # its output has ended too
        for line in self._process.stdout:
            if line.startswith("{"):
                return Round(**json.loads(line))
        status = self._process.wait()
        killed = " (out of memory? name fewer arms with --arms)" if status < 0 else ""
        raise ArmEnded(f"the arm {self.name!r} ended early with status {status}{killed}")

    def end(self) -> None:
        """Let the process end."""
        assert self._process.stdin is not None
        with suppress(BrokenPipeError):
            self._process.stdin.close()
        self._process.wait()


def work_as_arm(settings: dict[str, Any]) -> None:
    """Be an arm: read the number of a round, train, write the result, until there are no more."""
    options = argparse.Namespace(**settings["options"])
    training = Training(Recipe(**settings["recipe"]), Path(settings["model"]), options.device, options.batch_size, options.length, _LR)
    tokenizer = AutoTokenizer.from_pretrained(settings["model"])
    texts, labels = read_reviews(Path(options.reviews))
    for line in sys.stdin:
        if int(line) == 0 and options.device != "cuda":  # there each round makes itself ready
            warm_up(training, options.length, options.batch_size)
        rows = np.random.default_rng((_SEED, int(line))).choice(len(texts), options.batch_size * options.steps, replace=False)
        sample = Sample(tokenize(tokenizer, [texts[row] for row in rows], options.length, "head"), labels[rows])
        result = measured(training, sample, int(line), options.device, options.batch_size)
        print(json.dumps(asdict(result)), flush=True)
        _release_memory(training, options.device)


def measured(training: Training, sample: Sample, epoch: int, device: str, batch_size: int) -> Round:
    """Train on a sample once and time it."""
    if device == "cuda":
        training.make_ready(sample, epoch)
    else:  # one step takes back the memory that was given away
        list(training.epoch(sample.take(np.argsort(sample.texts.lengths)[-batch_size:])))
    synchronize(device)
    start = time.perf_counter()
    steps = list(training.epoch(sample, epoch))
    float(steps[-1].loss)
    synchronize(device)
    return Round(
        seconds=time.perf_counter() - start,
        examples=len(sample.labels),
        tokens=sum(step.tokens for step in steps),
        padded_tokens=sum(step.padded_tokens for step in steps),
        flops=training_flops(training.model, sample.texts.lengths),
        peak_mib=_peak_mib(device),
    )


def warm_up(training: Training, max_length: int, batch_size: int) -> None:
    """Take a step at lengths all over: the first steps of a process allocate memory and compile kernels."""
    generator = np.random.default_rng(_SEED)
    for length in range(LENGTH_STEP, max_length + 1, _WARM_UP_STRIDE):
        ids = [generator.integers(training.model.config.vocab_size, size=length, dtype=np.int32) for _ in range(batch_size)]
        texts = TokenizedTexts(ids, np.full(batch_size, length, dtype=np.int64))
        list(training.epoch(Sample(texts, np.arange(batch_size, dtype=np.int64) % CLASSES)))
        if training.pads_to_maximum:
            return


def _peak_mib(device: str) -> float:
    if device == "cuda":
        return float(torch.cuda.max_memory_allocated() / 2**20)
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / (2**20 if sys.platform == "darwin" else 2**10)


def _release_memory(training: Training, device: str) -> None:
    # Arms that wait would hold what they keep between steps: ten of them do not fit into a laptop, nor into a GPU.
    if device == "cuda":
        torch.cuda.empty_cache()
        free, total = torch.cuda.mem_get_info()
        if free < _ENOUGH_FREE * total:
            training.release()
            torch.cuda.empty_cache()
    elif sys.platform.startswith("linux"):
        with suppress(OSError, AttributeError):
            ctypes.CDLL("libc.so.6").malloc_trim(0)


def synchronize(device: str) -> None:
    """Wait until the device has done what it was given."""
    if device == "cuda":
        torch.cuda.synchronize()


def show_line(line: str) -> None:
    """Show a line of progress, apart from what is measured."""
    print(line, file=sys.stderr, flush=True)


@contextmanager
def running_arm(name: str, options: argparse.Namespace, model: Path) -> Iterator[ArmProcess]:
    """Keep the process of an arm while the block runs."""
    arm = ArmProcess(name, options, model)
    try:
        yield arm
    finally:
        arm.end()


def _recipe(name: str, options: argparse.Namespace) -> Recipe:
    recipe = arms_on(options.device)[name]
    return replace(recipe, bf16=recipe.bf16 and options.precision == "auto")
