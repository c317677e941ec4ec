"""What the parts share: the device, the model, the reviews, and how large everything is."""

import os
import subprocess
import sys
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

from benchmarks.recipe import BERT_BASE

_SMALL = {"hidden_size": 64, "num_hidden_layers": 2, "num_attention_heads": 2, "intermediate_size": 128, "max_position_embeddings": 64}
STEPS = ("graph", "compiled", "eager")


@dataclass(frozen=True)
class Sizes:
    """How much is measured: on a CPU just enough to see that all of it runs.

    Attributes
    ----------
    config : dict
        Of the encoder, which has random weights.
    length : int
        Tokens a text at most.
    batch_sizes : tuple of int
        Examples a step; the first one is also that of the profile and of the trainings that are compared.
    steps, rounds : int
        Steps of a round, rounds of a comparison.
    rows : int
        Reviews of a whole training, three epochs of it.
    """

    config: Mapping[str, int]
    length: int
    batch_sizes: tuple[int, ...]
    steps: int
    rounds: int
    rows: int


FULL = Sizes(BERT_BASE, 512, (32, 8), 32, 3, 3200)
SMALL = Sizes(_SMALL, 64, (4,), 4, 1, 32)


@dataclass(frozen=True)
class Setting:
    """Where the parts run.

    Attributes
    ----------
    device : str
        cuda or cpu.
    model : Path
        Folder of the random encoder and its tokenizer.
    reviews : Path
        parquet or jsonl with text and label.
    sizes : Sizes
        How much is measured.
    arms : tuple of str
        Of the comparison.
    encoder : Path or None
        Folder of a pretrained encoder for the stages, in place of the packaged one.
    scratch : Path
        For what the parts write in between.
    """

    device: str
    model: Path
    reviews: Path
    sizes: Sizes
    arms: tuple[str, ...]
    encoder: Path | None
    scratch: Path


def run_module(
    module: str, *arguments: str, environment: Mapping[str, str] | None = None, cwd: Path | None = None, timeout: float = 600.0
) -> subprocess.CompletedProcess[str]:
    """Run a module of this project in a process of its own and return what it said."""
    root = Path(__file__).resolve().parents[2]
    variables = {**os.environ, "PYTHONPATH": os.pathsep.join(filter(None, [str(root), os.environ.get("PYTHONPATH")])), **(environment or {})}
    return subprocess.run(
        [sys.executable, "-m", module, *arguments], cwd=cwd or root, env=variables, capture_output=True, text=True, check=False, timeout=timeout
    )


def last_line(text: str) -> str:
    """Return the last line that holds anything."""
    lines: list[str] = [line for line in text.splitlines() if line.strip()]
    return lines[-1] if lines else ""


def show_progress(line: str) -> None:
    """Show how far a measurement is."""
    print(line, file=sys.stderr, flush=True)
