"""Token ids that experiments share: kept in a folder, named after the texts and the tokenizer they come from."""

import hashlib
import os
import time
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any
from zipfile import BadZipFile

import numpy as np
import numpy.typing as npt

from sentiment.core.files import remove
from sentiment.core.paths import main_root

_KEEP = 30  # files; the one that was not used for the longest time goes first
_STALE_SECONDS = 3600.0  # writing takes seconds
_FORMAT = 1

Bodies = list[npt.NDArray[np.int32]]


def token_cache() -> Path:
    """Return the folder of token ids that experiments share, in the main checkout."""
    return main_root() / ".cache" / "tokens"


def kept_bodies(folder: Path, tokenizer: Any, texts: Sequence[str], encode: Callable[[], Bodies]) -> Bodies:
    """Return the token ids of texts, from the folder where they are there already.

    Parameters
    ----------
    folder : Path
        Of the cache; made where it is not there. It may be removed at any time.
    tokenizer : transformers tokenizer
        A fast one: its whole definition is part of the name.
    texts : sequence of str
        The texts.
    encode : callable
        Makes the ids.

    Returns
    -------
    list of ndarray of int32
        What `encode` returns, or returned to an earlier call for the same texts and tokenizer.
    """
    if not texts:
        return encode()
    path = folder / f"{_name(tokenizer, texts)}.npz"
    if (kept := _read(path)) is not None:
        return kept
    bodies = encode()
    try:
        _write(path, bodies)
        _prune(folder)
    except OSError:
        pass  # a full or read-only disk costs the next experiment a few seconds, not this one its training
    return bodies


def _name(tokenizer: Any, texts: Sequence[str]) -> str:
    digest = hashlib.sha256(f"{_FORMAT} {len(texts)} {type(tokenizer).__name__} {tokenizer.backend_tokenizer.to_str()}".encode())
    for text in texts:
        encoded = text.encode()
        digest.update(len(encoded).to_bytes(8, "little"))
        digest.update(encoded)
    return digest.hexdigest()[:32]


def _read(path: Path) -> Bodies | None:
    try:
        with np.load(path) as arrays:
            bodies = np.split(arrays["ids"], arrays["ends"][:-1])
        path.touch()
    except (OSError, ValueError, KeyError, EOFError, BadZipFile):  # not there, or cut short
        return None
    return bodies


def _write(path: Path, bodies: Bodies) -> None:
    ends = np.cumsum([len(body) for body in bodies], dtype=np.int64)
    path.parent.mkdir(parents=True, exist_ok=True)
    # A name of its own: several processes may come to the same texts at once.
    partial = path.with_name(f".{path.stem}.{os.getpid()}.partial")
    try:
        with partial.open("wb") as file:
            np.savez(file, ids=np.concatenate(bodies), ends=ends)
        partial.replace(path)
    finally:
        remove(partial)


def _prune(folder: Path) -> None:
    files = sorted(folder.glob("*.npz"), key=lambda path: path.stat().st_mtime, reverse=True)
    long_ago = time.time() - _STALE_SECONDS
    abandoned = [path for path in folder.glob(".*.partial") if path.stat().st_mtime < long_ago]  # by a process that was killed
    for path in [*files[_KEEP:], *abandoned]:
        remove(path)
