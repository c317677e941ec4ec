"""How libraries and a model are loaded in the shortest time."""

import gc
from collections.abc import Iterator
from contextlib import contextmanager


@contextmanager
def loading() -> Iterator[None]:
    """Load libraries or a model in the block without looking for garbage.

    Nearly all that is made there stays to the end: looking through it, while loading and once more at the end of the process,
    took a third of the time of a short command.
    """
    enabled = gc.isenabled()
    gc.disable()
    try:
        yield
    finally:
        gc.freeze()
        if enabled:
            gc.enable()
