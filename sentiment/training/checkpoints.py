"""Checkpoints of one training: named after all that its result depends on, and counted only where they are whole."""

import hashlib
import json
import os
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

from sentiment.core.checkpoint_mirror import MANIFEST
from sentiment.core.checkpoint_store import checkpoint_steps, checkpoints_root, discard, empty_trash, lock_training
from sentiment.core.files import read_json, write_json
from sentiment.terminal.errors import Interrupted, UserError
from sentiment.terminal.progress import say
from sentiment.training.mirroring import mirrored

EXPERIMENT_VARIABLE = "DVC_EXP_NAME"
_STATE = "trainer_state.json"


@dataclass(frozen=True)
class Reached:
    """How far a training is when a checkpoint is saved.

    Attributes
    ----------
    step, steps : int
        Optimiser steps done, and those of the whole training.
    seconds : float
        Time that they took.
    ended : bool
        Nothing is left to train, as at the last step or where early stopping ends it.
    """

    step: int
    steps: int
    seconds: float
    ended: bool


def fingerprint(stage: str, inputs: list[Path], settings: dict[str, Any]) -> str:
    """Name a training after what its result depends on.

    Parameters
    ----------
    stage : str
        The stage in dvc.yaml whose declared code counts.
    inputs : list of Path
        Data files.
    settings : dict
        Everything else: parameters, precision, threads, versions.

    Returns
    -------
    str
        16 hexadecimal digits.
    """
    from sentiment.core.code_dependencies import code_files  # here, so that a training without a stage needs no package for it

    digest = hashlib.sha256(json.dumps(settings, sort_keys=True, default=str).encode())
    for path in [*code_files(stage), *inputs]:
        digest.update(hashlib.sha256(path.read_bytes()).digest())
    return digest.hexdigest()[:16]


@contextmanager
def checkpoint_folder(name: str, owner: bool = True) -> Iterator[Path]:
    """Hold a training's checkpoint folder for this training alone.

    Parameters
    ----------
    name : str
        From `fingerprint`.
    owner : bool
        False in all but the first of the processes that share a training: the first holds the folder for them.

    Yields
    ------
    Path
        ``.checkpoints/<name>`` in the main checkout. Its checkpoints stay until `remove_checkpoint` of
        `sentiment.core.checkpoint_store`: the outputs are safe only once DVC has saved them.

    Raises
    ------
    UserError
        Where another process is at the same training.
    Interrupted
        For a KeyboardInterrupt in the block; the message says from which step the next run resumes.
    """
    folder = checkpoints_root() / name
    if not owner:
        yield folder
        return
    with lock_training(name) as mine:
        if not mine:
            raise UserError(f"another process is at this very training already ({folder}): wait for it, or end it and run this again")
        folder.mkdir(exist_ok=True)
        empty_trash(folder)
        try:
            with mirrored(name, folder):
                yield folder
        except KeyboardInterrupt:
            raise Interrupted(_how_to_resume(folder)) from None
        finally:
            if not any(folder.iterdir()):
                folder.rmdir()


def seal(checkpoint: Path, reached: Reached) -> None:
    """Make a checkpoint count: write its manifest, with the size and the digest of each file.

    Parameters
    ----------
    checkpoint : Path
        All its files are written.
    reached : Reached
        How far the training is.
    """
    files = {path.name: _describe(path) for path in sorted(checkpoint.iterdir()) if path.name != MANIFEST}
    write_json(checkpoint / MANIFEST, {"files": files, "experiment": os.environ.get(EXPERIMENT_VARIABLE, ""), **asdict(reached)})


def fault_of(checkpoint: Path) -> str | None:
    """Return what is wrong with a checkpoint, in a few words; None where it is whole."""
    try:
        expected = dict(read_json(checkpoint / MANIFEST)["files"])
    except FileNotFoundError:
        return "it was not saved to the end"
    except (OSError, ValueError, TypeError, KeyError):
        return f"its {MANIFEST} is damaged"
    for name, described in expected.items():
        path = checkpoint / name
        if not path.is_file():
            return f"{name} is missing"
        if path.stat().st_size != described["size"] or _describe(path) != described:
            return f"{name} is damaged"
    return None


def last_checkpoint(folder: Path, with_best: bool = False) -> Path | None:
    """Return the newest whole checkpoint of a training; each one that is not is passed over in one line.

    Parameters
    ----------
    folder : Path
        From `checkpoint_folder`.
    with_best : bool
        The model to keep is that of the best checkpoint so far: a checkpoint then counts only while that one is whole too.
    """
    faults = False
    for step, checkpoint in checkpoint_steps(folder):
        fault = fault_of(checkpoint) or (_fault_of_best(checkpoint) if with_best else None)
        if fault is None:
            return checkpoint
        faults = True
        say(f"train: the checkpoint of step {step} is passed over: {fault} ({checkpoint})")
    if faults:
        say("train: no checkpoint is whole: the training starts anew")
    return None


def prune_checkpoints(folder: Path, keep: int, best_step: int | None) -> None:
    """Remove all but the newest checkpoints.

    Parameters
    ----------
    folder : Path
        From `checkpoint_folder`.
    keep : int
        How many stay, from 2 where `best_step` is given.
    best_step : int or None
        The step of a checkpoint that stays in any case.
    """
    steps = [step for step, _ in checkpoint_steps(folder)]
    staying = [step for step in steps if step == best_step]
    staying += [step for step in steps if step != best_step][: keep - len(staying)]
    for step, checkpoint in checkpoint_steps(folder):
        if step not in staying:
            discard(checkpoint)


def discard_after(folder: Path, checkpoint: Path | None) -> None:
    """Remove the checkpoints that are newer than the one a training resumes from: they were passed over."""
    reached = int(checkpoint.name.split("-")[1]) if checkpoint else -1
    for step, path in checkpoint_steps(folder):
        if step > reached:
            discard(path)


def time_spent(checkpoint: Path | None) -> float:
    """Return the seconds of training that led to a checkpoint; 0 without one."""
    return float(read_json(checkpoint / MANIFEST)["seconds"]) if checkpoint else 0.0


def _fault_of_best(checkpoint: Path) -> str | None:
    step = read_json(checkpoint / _STATE).get("best_global_step")
    best = checkpoint.with_name(f"checkpoint-{step}")
    if step is None or best == checkpoint:
        return None
    fault = fault_of(best) if best.is_dir() else "it is missing"
    return f"of {best.name}, which holds the best model, {fault}" if fault else None


def _how_to_resume(folder: Path) -> str:
    for step, checkpoint in checkpoint_steps(folder):
        if (checkpoint / MANIFEST).exists():
            return f"ended at once; the checkpoint of step {step} is kept: run the same command again to resume from it"
    return "ended at once, before the first checkpoint: the next run starts anew"


def _describe(path: Path) -> dict[str, Any]:
    with path.open("rb") as file:
        digest = hashlib.file_digest(file, "sha256").hexdigest()
    return {"size": path.stat().st_size, "sha256": digest}
