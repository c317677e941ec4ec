"""A mirror of a training's checkpoints while it trains: fetched where this machine has none, and sent in the background."""

import shutil
import threading
import uuid
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

from sentiment.core.checkpoint_mirror import MANIFEST, CheckpointMirror, mirror_address, reason_of
from sentiment.core.checkpoint_store import TRASH, checkpoint_steps, discard
from sentiment.terminal.errors import Interrupted
from sentiment.terminal.progress import say
from sentiment.terminal.quantities import bytes_in_words

_LOOK_EVERY_SECONDS = 0.5
_TIME_TO_SEND_SECONDS = 60.0  # of a training that was asked to end: rented machines go within one or two minutes


@contextmanager
def mirrored(name: str, folder: Path) -> Iterator[None]:
    """Mirror a training's checkpoints while the block runs, where ``SENTIMENT_CHECKPOINTS`` is an address.

    A mirror that does not answer, or takes nothing, costs one line and no more.

    Parameters
    ----------
    name : str
        The training.
    folder : Path
        Its checkpoints. Those of the mirror are fetched first, where one of them is newer than all that are here.
    """
    address = mirror_address()
    if address is None:
        yield
        return
    mirroring = _Mirroring(CheckpointMirror(address, name), folder)
    mirroring.fetch()
    mirroring.start()
    try:
        yield
    except (Interrupted, KeyboardInterrupt):
        mirroring.send_rest()
        raise
    finally:
        mirroring.end()


@dataclass(frozen=True)
class _Saved:
    step: int
    at: int  # nanoseconds; a step that is trained again, as after a damaged checkpoint, is another one


class _Mirroring(threading.Thread):
    def __init__(self, mirror: CheckpointMirror, folder: Path) -> None:
        super().__init__(daemon=True)
        self._mirror, self._folder = mirror, folder
        self._sent: set[_Saved] = set()
        self._kept_some = False
        self._warned = False
        self._enough = threading.Event()  # send what is there, then end
        self._ended = threading.Event()  # begin with no other

    def fetch(self) -> None:
        """Fetch what the mirror has, the newest first; the training compares the files with their digests."""
        here = {saved.step for saved in self._whole()}
        try:
            there = self._mirror.checkpoints()
        except Exception as error:  # whatever the store's package raises
            self._warn(error)
            return
        self._sent = {saved for saved in self._whole() if saved.step in there}
        if max(there, default=0) <= max(here, default=0):
            return
        for step in sorted(set(there) - here, reverse=True):
            say(f"train: fetching the checkpoint of step {step} ({bytes_in_words(there[step])}) from {self._mirror.address}")
            partial = self._partial()
            try:
                self._mirror.fetch(step, partial)
                discard(self._folder / f"checkpoint-{step}")  # one that was not saved to the end
                partial.rename(self._folder / f"checkpoint-{step}")
                self._sent |= {saved for saved in self._whole() if saved.step == step}
            except Exception as error:
                say(f"train: it is passed over: {reason_of(error)}")
                shutil.rmtree(partial, ignore_errors=True)

    def run(self) -> None:
        """Send checkpoints as they are saved."""
        while not self._ended.is_set():
            enough = self._enough.wait(_LOOK_EVERY_SECONDS)
            while not self._ended.is_set() and self._send_newest():
                pass
            if enough:
                return

    def send_rest(self) -> None:
        """Wait until what is saved is sent too, for a minute at most, and not where the mirror failed before."""
        self._enough.set()
        if not self._warned and self._whole() - self._sent:
            say(f"train: sending the last checkpoint to {self._mirror.address}")
        if not self._warned:
            self.join(_TIME_TO_SEND_SECONDS)

    def end(self) -> None:
        """Send no more; a training that threw its checkpoints away leaves none in the mirror."""
        self._ended.set()
        self._enough.set()
        if self._kept_some and not checkpoint_steps(self._folder):
            self.join(_TIME_TO_SEND_SECONDS)
            try:
                self._mirror.remove()
            except Exception as error:
                self._warn(error)

    def _send_newest(self) -> bool:
        """Send the newest checkpoint that is not sent; False where there is none."""
        whole = self._whole()
        self._sent &= whole
        self._kept_some |= bool(whole)
        waiting = max(whole - self._sent, default=None, key=lambda saved: saved.step)
        if waiting is None:
            return False
        checkpoint = self._folder / f"checkpoint-{waiting.step}"
        copy = self._partial()
        try:
            # The training may remove its checkpoint meanwhile. A name of its own keeps the files without taking room.
            shutil.copytree(checkpoint, copy, copy_function=_link)
        except OSError:
            shutil.rmtree(copy, ignore_errors=True)
            return checkpoint.exists()  # else removed at this moment: a newer one is there
        try:
            self._mirror.send(waiting.step, list(copy.iterdir()))
            self._mirror.prune({saved.step for saved in self._whole()})
        except Exception as error:
            self._warn(error)
        finally:
            self._sent.add(waiting)  # also where it failed: the next one is tried
            shutil.rmtree(copy, ignore_errors=True)
        return True

    def _whole(self) -> set[_Saved]:
        found = set()
        for step, checkpoint in checkpoint_steps(self._folder):
            try:
                found.add(_Saved(step, (checkpoint / MANIFEST).stat().st_mtime_ns))
            except OSError:
                continue  # not whole yet, or removed at this moment
        return found

    def _partial(self) -> Path:
        """Return a name that the next training in this folder removes, where this one is killed."""
        return self._folder / f"{TRASH}mirror-{uuid.uuid4().hex[:8]}"

    def _warn(self, error: BaseException) -> None:
        if not self._warned:
            self._warned = True
            say(f"train: the mirror {self._mirror.address} fails: {reason_of(error)}; the training continues with the checkpoints of this machine")


def _link(source: str, target: str) -> None:
    try:
        Path(target).hardlink_to(source)
    except OSError:
        shutil.copyfile(source, target)
