"""Room on the disk: asked for before a training starts, and named where it runs out."""

import errno
import shutil
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from safetensors import SafetensorError

from sentiment.core.checkpoint_store import size_of
from sentiment.terminal.errors import UserError
from sentiment.terminal.quantities import bytes_in_words

_BYTES_OF_A_PARAMETER = 4
_CHECKPOINT_COPIES = 3  # of the weights: they themselves, and AdamW's two moments
_CHECKPOINTS_AT_ONCE = 3  # two that stay, and the one that is being written
_OUTPUT_COPIES = 2  # the model folder, and DVC's cache of it where it cannot be linked
_LITTLE = 64 << 20  # tokenizer, curves, manifests
_FULL = (errno.ENOSPC, errno.EDQUOT, errno.EFBIG)


def require_room(checkpoints: Path, outputs: Path, parameters: int) -> None:
    """Refuse a training whose checkpoints and outputs the disk has no room for.

    Parameters
    ----------
    checkpoints : Path
        The training's folder; what lies in it already counts as room.
    outputs : Path
        A folder on the disk that the model goes to.
    parameters : int
        Of the model.

    Raises
    ------
    UserError
        With the folder, what is needed and what is free, both in bytes.
    """
    needed = {
        checkpoints: checkpoint_bytes(parameters) * _CHECKPOINTS_AT_ONCE - size_of(checkpoints) + _LITTLE,
        outputs.resolve(): parameters * _BYTES_OF_A_PARAMETER * _OUTPUT_COPIES + _LITTLE,
    }
    if checkpoints.stat().st_dev == outputs.stat().st_dev:
        needed = {checkpoints: sum(needed.values())}
    for folder, wanted in needed.items():
        free = shutil.disk_usage(folder).free
        if free < wanted:
            what = "the model's two copies" if folder == outputs.resolve() else "checkpoints and model" if len(needed) == 1 else "checkpoints"
            raise UserError(
                f"{folder}: {bytes_in_words(wanted)} are needed for {what} of this training, {bytes_in_words(free)} are free: make room first "
                "(`python -m sentiment show --disk` lists checkpoints that can go), or train another time"
            )


def checkpoint_bytes(parameters: int) -> int:
    """Return about how large a checkpoint of a model is: weights and the optimiser's two moments, in fp32."""
    return parameters * _BYTES_OF_A_PARAMETER * _CHECKPOINT_COPIES


@contextmanager
def explain_shortage(folder: Path, needed: int = 0) -> Iterator[None]:
    """Turn what a library raises on a full disk into one line.

    Parameters
    ----------
    folder : Path
        Where the block writes.
    needed : int
        About how many bytes it writes; 0 where that is little.

    Raises
    ------
    UserError
        Where the disk, a quota or a limit on the size of files was the reason.
    """
    try:
        yield
    except (OSError, RuntimeError, SafetensorError) as error:
        limit = _file_limit()
        free = shutil.disk_usage(folder if folder.exists() else folder.parent).free
        full = getattr(error, "errno", None) in _FULL or any(text in str(error) for text in ("No space left", "File too large", "quota"))
        if not full and free >= needed and (limit is None or limit >= needed):
            raise
        limited = f", and a file may have {bytes_in_words(limit)} at most (ulimit -f)" if limit is not None else ""
        wanted = f"about {bytes_in_words(needed)} are needed, " if needed else ""
        raise UserError(
            f"{folder}: no room to write to: {wanted}{bytes_in_words(free)} are free{limited}; make room and run the same command again: "
            "it resumes from the last whole checkpoint"
        ) from None


def _file_limit() -> int | None:
    try:
        import resource
    except ImportError:  # not on Windows
        return None
    limit = resource.getrlimit(resource.RLIMIT_FSIZE)[0]
    return None if limit == resource.RLIM_INFINITY else limit
