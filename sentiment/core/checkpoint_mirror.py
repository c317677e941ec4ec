"""Checkpoints outside of this machine: a mirror at an address of an object store, as ``s3://bucket/checkpoints``.

``SENTIMENT_CHECKPOINTS`` holds the address; fsspec and its packages speak to the store. A checkpoint lies there as it does here, in
``<address>/<training>/checkpoint-<step>/``, and counts by its manifest, which is written last and removed first.
"""

import json
import os
import threading
from collections.abc import Callable, Sequence
from functools import cached_property
from pathlib import Path, PurePosixPath
from typing import Any, TypeVar

from sentiment.terminal.errors import UserError
from sentiment.terminal.progress import say

MANIFEST = "manifest.json"  # of one checkpoint, written last, here and in a mirror
CHECKPOINTS_VARIABLE = "SENTIMENT_CHECKPOINTS"
_CHECKPOINT = "checkpoint-"
_ANSWER_SECONDS = 60.0

_Answer = TypeVar("_Answer")


def mirror_address() -> str | None:
    """Return the address of the mirror; None where ``SENTIMENT_CHECKPOINTS`` is not set, or a folder."""
    given = os.environ.get(CHECKPOINTS_VARIABLE, "")
    return given.rstrip("/") if "://" in given else None


def check_mirror() -> None:
    """Refuse an address that no installed package can speak to; it is not asked.

    Raises
    ------
    UserError
        With the package that is missing.
    """
    if (address := mirror_address()) is None:
        return
    import fsspec  # here: nothing else needs it

    try:
        fsspec.get_filesystem_class(address.partition("://")[0])
    except (ImportError, ValueError) as error:
        advice = "docs/scale.md lists the package of each storage (S3: dvc-s3 brings s3fs)"
        raise UserError(f"{CHECKPOINTS_VARIABLE}={address}: {reason_of(error)}; {advice}") from None


def reason_of(error: BaseException) -> str:
    """Return in one line why a store did not do what it was asked."""
    return " ".join(str(error).split()) or type(error).__name__


class CheckpointMirror:
    """What a mirror holds of one training.

    Any method raises what the store's package raises, of many kinds. The listings give up after a minute.

    Parameters
    ----------
    address : str
        From `mirror_address`.
    name : str
        The training.
    """

    def __init__(self, address: str, name: str) -> None:
        self.address, self._name = address, name

    @cached_property
    def _store(self) -> tuple[Any, str]:
        return _open(self.address)

    def checkpoints(self) -> dict[int, int]:
        """Return the whole checkpoints: steps, and their sizes in bytes."""
        return {step: sum(files.values()) for step, files in self._files().items() if MANIFEST in files}

    def send(self, step: int, files: Sequence[Path]) -> None:
        """Send a checkpoint; one of that step that is there is replaced.

        Parameters
        ----------
        step : int
            Of the training.
        files : sequence of Path
            All its files, the manifest among them.
        """
        self.remove(step)
        filesystem, _ = self._store
        for path in sorted(files, key=lambda path: path.name == MANIFEST):
            filesystem.put_file(str(path), self._path(step, path.name))

    def fetch(self, step: int, folder: Path) -> None:
        """Fetch a checkpoint.

        Parameters
        ----------
        step : int
            One of `checkpoints`.
        folder : Path
            Where to; it is made. Nobody has compared the files with the manifest yet.
        """
        filesystem, _ = self._store
        manifest = filesystem.cat_file(self._path(step, MANIFEST))
        names = [PurePosixPath(name).name for name in json.loads(manifest)["files"]]
        folder.mkdir(parents=True)
        for name in names:
            filesystem.get_file(self._path(step, name), str(folder / name))
        (folder / MANIFEST).write_bytes(manifest)

    def prune(self, staying: set[int]) -> None:
        """Remove all checkpoints, half ones too, but the newest whole one, newer ones, and those of some steps."""
        found = self._files()
        newest = max((step for step, files in found.items() if MANIFEST in files), default=0)
        for step in found:
            if step < newest and step not in staying:
                self.remove(step)

    def remove(self, step: int | None = None) -> None:
        """Remove the checkpoint of a step, or all of the training; what is not there is no error."""
        filesystem, _ = self._store
        found = self._files()
        for each in found if step is None else [step]:
            for name in sorted(found.get(each, {}), key=lambda name: name != MANIFEST):
                filesystem.rm_file(self._path(each, name))
        folder = self._path(None, "") if step is None else self._path(step, "")
        if found and filesystem.exists(folder):  # a store without folders has none left
            filesystem.rm(folder, recursive=True)

    def _files(self) -> dict[int, dict[str, int]]:
        """List the names and sizes of files by step."""
        filesystem, root = self._store
        found: dict[int, dict[str, int]] = {}
        for parts, size in _listing(filesystem, f"{root}/{self._name}"):
            number = parts[0].removeprefix(_CHECKPOINT)
            if len(parts) == 2 and number.isdecimal():
                found.setdefault(int(number), {})[parts[1]] = size
        return found

    def _path(self, step: int | None, name: str) -> str:
        _, root = self._store
        return "/".join(part for part in (root, self._name, f"{_CHECKPOINT}{step}" if step is not None else "", name) if part)


def list_mirrors(address: str) -> dict[str, int]:
    """Return the trainings that a mirror holds something of, with the bytes that it takes."""
    filesystem, root = _open(address)
    found: dict[str, int] = {}
    for parts, size in _listing(filesystem, root):
        if len(parts) == 3 and parts[1].startswith(_CHECKPOINT):
            found[parts[0]] = found.get(parts[0], 0) + size
    return dict(sorted(found.items()))


def remove_mirror(name: str) -> None:
    """Remove what the mirror, where there is one, holds of a training; one that does not answer costs one line."""
    if (address := mirror_address()) is None:
        return
    try:
        CheckpointMirror(address, name).remove()
    except Exception as error:  # of many kinds, and no result depends on it
        say(f"the mirror of {name} at {address} stays: {reason_of(error)}; `python -m sentiment clean {name}` removes it")


def _open(address: str) -> tuple[Any, str]:
    import fsspec.core  # here: nothing else needs it

    filesystem, root = fsspec.core.url_to_fs(address, **({"auto_mkdir": True} if address.startswith("file://") else {}))
    return filesystem, str(root).rstrip("/")


def _listing(filesystem: Any, folder: str) -> list[tuple[tuple[str, ...], int]]:
    filesystem.invalidate_cache()  # another machine may have written
    found = _answer(lambda: filesystem.find(folder, detail=True))
    above = len(PurePosixPath(folder).parts)
    return [(PurePosixPath(path).parts[above:], int(described.get("size") or 0)) for path, described in found.items()]


def _answer(ask: Callable[[], _Answer]) -> _Answer:
    """Ask a store, and give up after a minute: some clients try for ever."""
    answers: list[_Answer] = []
    errors: list[Exception] = []

    def run() -> None:
        try:
            answers.append(ask())
        except Exception as error:
            errors.append(error)

    thread = threading.Thread(target=run, daemon=True)
    thread.start()
    thread.join(_ANSWER_SECONDS)
    if errors:
        raise errors[0]
    if not answers:
        raise TimeoutError(f"no answer within {_ANSWER_SECONDS:.0f} s")
    return answers[0]
