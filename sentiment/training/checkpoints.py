"""Where an interrupted training goes on: a folder a training, named after all that its result depends on."""

import hashlib
import json
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from filelock import FileLock, Timeout

from sentiment.core.code_dependencies import code_files
from sentiment.core.files import remove
from sentiment.core.paths import main_root
from sentiment.terminal.errors import UserError

_STATE = "trainer_state.json"  # written last of a checkpoint's files


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
        ``.checkpoints/<name>`` in the main checkout. It is removed when the block ends well, and
        stays for the next try when it does not.

    Raises
    ------
    UserError
        Where another process is at the same training.
    """
    root = main_root() / ".checkpoints"
    if not owner:
        yield root / name
        return
    root.mkdir(exist_ok=True)
    lock = FileLock(root / f"{name}.lock")
    try:
        lock.acquire(timeout=0)
    except Timeout:
        raise UserError(f"another process is at this very training already ({root / name}): wait for it, or end it and run this again") from None
    folder = root / name
    try:
        folder.mkdir(exist_ok=True)
        yield folder
        remove(folder)
        remove(root / f"{name}.lock")
    finally:
        lock.release()


def last_checkpoint(folder: Path) -> Path | None:
    """Return the newest whole checkpoint of a folder; one that was cut short is passed over."""
    for checkpoint in sorted(folder.glob("checkpoint-*"), key=lambda path: int(path.name.split("-")[1]), reverse=True):
        try:
            json.loads((checkpoint / _STATE).read_text(encoding="utf-8"))
        except (OSError, ValueError):
            continue
        return checkpoint
    return None
