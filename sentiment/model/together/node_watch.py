"""Whether the other machines of a training still answer.

A process that ends closes its connections, and every other one notices at once. A machine that loses power or its network
closes nothing: the others would wait for it for half an hour. So each machine counts up a number in the store that torchrun
keeps on the first one, and looks at the others' numbers.
"""

import os
import sys
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import timedelta

import torch.distributed

_BEAT_SECONDS = 5.0
_LOST_AFTER_SECONDS = 40.0
_STORE_SECONDS = 20.0
_DONE = "done"


@contextmanager
def watched_nodes() -> Iterator[None]:
    """End this process in one line once a machine does not answer any more; nothing is done where there is one machine."""
    nodes = int(os.environ.get("GROUP_WORLD_SIZE", "1"))
    if nodes == 1 or os.environ.get("LOCAL_RANK") != "0":  # torchrun ends the others of this machine
        yield
        return
    watch = _Watch(int(os.environ["GROUP_RANK"]), nodes)
    watch.start()
    try:
        yield
    finally:
        watch.end()


class _Watch(threading.Thread):
    def __init__(self, me: int, nodes: int) -> None:
        super().__init__(daemon=True)
        self._me = me
        self._others = [node for node in range(nodes) if node != me]
        self._ended = threading.Event()
        self._store = torch.distributed.TCPStore(  # type: ignore[attr-defined]
            os.environ["MASTER_ADDR"],
            int(os.environ["MASTER_PORT"]),
            is_master=False,
            wait_for_workers=False,
            timeout=timedelta(seconds=_STORE_SECONDS),
        )

    def run(self) -> None:
        """Count up, and end the process once another machine's number no longer changes."""
        seen: dict[int, tuple[str, float]] = {node: ("", time.monotonic()) for node in self._others}
        beat = 0
        while not self._ended.wait(_BEAT_SECONDS):
            beat += 1
            try:
                self._store.set(_key(self._me), str(beat))
                numbers = {node: self._store.get(_key(node)).decode() for node in self._others if self._store.check([_key(node)])}
            except torch.distributed.DistError:
                self._give_up(0)
            for node, number in numbers.items():
                if number == _DONE or number != seen[node][0]:
                    seen[node] = (number, time.monotonic())
            for node, (_, at) in seen.items():
                if time.monotonic() - at > _LOST_AFTER_SECONDS:
                    self._give_up(node)

    def end(self) -> None:
        """Look no more, and tell the others that this machine is done."""
        self._ended.set()
        self.join(_STORE_SECONDS)
        if self.is_alive():
            return  # the machine that has the store does not answer
        try:
            self._store.set(_key(self._me), _DONE)
        except torch.distributed.DistError:
            return  # it is gone

    def _give_up(self, node: int) -> None:
        if self._ended.is_set():
            return
        print(
            f"error: machine {node} (counted from 0) does not answer any more: start the training again as before, on every machine; "
            "it resumes from its checkpoint",
            file=sys.stderr,
            flush=True,
        )
        os._exit(1)


def _key(node: int) -> str:
    return f"sentiment/beat/{node}"
