"""The checkpoints of all trainings: where they are, which there are, and how one is removed without a half of it staying.

A training's folder is ``.checkpoints/<name>/`` in the main checkout, beside ``<name>.lock``. What is removed is renamed
first: a name that is there is whole, whenever the process is killed.
"""

import re
import shutil
import uuid
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from sentiment.core.checkpoint_mirror import MANIFEST, remove_mirror
from sentiment.core.files import read_json
from sentiment.core.paths import main_root

TRASH = ".removed-"  # begins the name of what the next training in that folder removes
_FOLDER = ".checkpoints"
_NAME = re.compile(r"[0-9A-Za-z][0-9A-Za-z_-]*")


@dataclass(frozen=True)
class KeptTraining:
    """A training that has a folder of checkpoints.

    Attributes
    ----------
    name : str
        What `remove_checkpoint` takes.
    experiment : str
        DVC's name of the experiment that trained last; empty outside of one.
    step, steps : int
        How far its newest checkpoint is, and where the training ends; 0 where it has none.
    seconds : float
        Time that the training of those steps took.
    ended : bool
        All of it is trained: only writing the outputs can be left.
    locked : bool
        A process is at it.
    size : int
        Bytes on the disk.
    """

    name: str
    experiment: str
    step: int
    steps: int
    seconds: float
    ended: bool
    locked: bool
    size: int


def checkpoints_root() -> Path:
    """Return the folder of all checkpoints, in the main checkout."""
    return main_root() / _FOLDER


@contextmanager
def lock_training(name: str) -> Iterator[bool]:
    """Hold a training's lock while the block runs.

    Parameters
    ----------
    name : str
        The training. `checkpoints_root` is made where it is not there.

    Yields
    ------
    bool
        False where another process holds it.
    """
    from filelock import FileLock, Timeout  # here: a training on a machine of its own needs no lock and no such package

    root = checkpoints_root()
    root.mkdir(parents=True, exist_ok=True)
    lock = FileLock(_lock_file(root, name))
    try:
        lock.acquire(timeout=0)
    except Timeout:
        yield False
        return
    try:
        yield True
    finally:
        if not (root / name).exists():
            _lock_file(root, name).unlink(missing_ok=True)
        lock.release()


def list_checkpoints() -> list[KeptTraining]:
    """List the trainings that have checkpoints, by name."""
    root = checkpoints_root()
    folders = sorted(path for path in root.glob("*") if path.is_dir() and _NAME.fullmatch(path.name))
    return [_describe(folder) for folder in folders]


def remove_checkpoint(name: str) -> bool:
    """Remove a training's checkpoints and its lock, and its mirror where there is one.

    Parameters
    ----------
    name : str
        The training, as `sentiment.training.checkpoints.fingerprint` and reports/train/run.json name it. One that
        has no checkpoints is no error.

    Returns
    -------
    bool
        False where a process is at that training: then nothing is removed.
    """
    root = checkpoints_root()
    if not _NAME.fullmatch(name):
        return True
    if root.is_dir():
        with lock_training(name) as mine:
            if not mine:
                return False
            empty_trash(root)
            discard(root / name)
    remove_mirror(name)
    return True


def discard(path: Path) -> None:
    """Remove a folder so that no half of it is ever found under its name: it is renamed first."""
    if not path.exists():
        return
    trash = path.with_name(f"{TRASH}{path.name}-{uuid.uuid4().hex[:8]}")
    path.rename(trash)
    shutil.rmtree(trash)


def empty_trash(folder: Path) -> None:
    """Complete the removals in a folder that a killed process left incomplete."""
    for trash in folder.glob(f"{TRASH}*"):
        shutil.rmtree(trash, ignore_errors=True)


def checkpoint_steps(folder: Path) -> list[tuple[int, Path]]:
    """Return the checkpoints in a training's folder with their steps, the newest first."""
    found = [(int(path.name.removeprefix("checkpoint-")), path) for path in folder.glob("checkpoint-*") if path.name[11:].isdecimal()]
    return sorted(found, reverse=True)


def size_of(path: Path) -> int:
    """Return the bytes of all files in a folder; one that goes meanwhile counts nothing."""
    total = 0
    for file in path.rglob("*"):
        try:
            total += file.stat().st_size if file.is_file() else 0
        except OSError:
            continue
    return total


def _describe(folder: Path) -> KeptTraining:
    manifest: dict[str, Any] = {}
    for _, checkpoint in checkpoint_steps(folder):
        try:
            manifest = dict(read_json(checkpoint / MANIFEST))
            break
        except (OSError, ValueError, TypeError):
            continue
    with lock_training(folder.name) as free:
        locked = not free
    return KeptTraining(
        name=folder.name,
        experiment=str(manifest.get("experiment") or ""),
        step=int(manifest.get("step") or 0),
        steps=int(manifest.get("steps") or 0),
        seconds=float(manifest.get("seconds") or 0.0),
        ended=bool(manifest.get("ended")),
        locked=locked,
        size=size_of(folder),
    )


def _lock_file(root: Path, name: str) -> Path:
    return root / f"{name}.lock"
