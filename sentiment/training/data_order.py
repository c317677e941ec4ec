"""The order in which training examples come: seeded, different each epoch, grouped by length where asked."""

from collections.abc import Iterator

import numpy as np
import numpy.typing as npt
from torch.utils.data import Sampler

FILLER = -1  # the position of an example that is not there and counts for nothing
_POOL_BATCHES = 50  # as transformers' length grouping: large enough for little padding, small enough to stay random


class TrainingOrder(Sampler[int]):
    """Positions of one epoch's examples, every `batch_size` consecutive ones forming a step.

    Length grouping: a random permutation is cut into pools of 50 batches, each pool is sorted by
    length and cut into batches, and the batches of the whole epoch are shuffled, so that the curves
    show no saw-tooth of lengths. The incomplete batch comes last; where several processes share each
    batch it is filled up with `FILLER`, so that all of them have the same number of examples.

    Parameters
    ----------
    lengths : ndarray of int, shape (n,)
        Tokens of each example.
    batch_size : int
        Examples a step.
    group_by_length : bool
        False for a plain permutation.
    seed : int
        The order depends on this and on the epoch alone, so that it is the same after a resumption, and
        the same for any number of processes.
    multiple : int
        The number of positions is brought up to a multiple of this.
    """

    def __init__(self, lengths: npt.NDArray[np.int64], batch_size: int, group_by_length: bool, seed: int, multiple: int = 1) -> None:
        self._lengths = lengths
        self._batch_size = batch_size
        self._group_by_length = group_by_length
        self._seed = seed
        self._fillers = -len(lengths) % multiple
        self._epoch = 0

    def set_epoch(self, epoch: int) -> None:
        """Choose the epoch, from 0."""
        self._epoch = epoch

    def __len__(self) -> int:
        return len(self._lengths) + self._fillers

    def __iter__(self) -> Iterator[int]:
        generator = np.random.default_rng((self._seed, self._epoch))
        order = generator.permutation(len(self._lengths))
        if self._group_by_length:
            order = self._grouped(order, generator)
        return iter([*order.tolist(), *[FILLER] * self._fillers])

    def _grouped(self, order: npt.NDArray[np.int64], generator: np.random.Generator) -> npt.NDArray[np.int64]:
        whole = len(order) - len(order) % self._batch_size
        rest, order = order[whole:], order[:whole]
        pool = self._batch_size * _POOL_BATCHES
        parts = [order[start : start + pool] for start in range(0, whole, pool)]
        ordered = [part[np.argsort(self._lengths[part], kind="stable")] for part in parts]
        batches = np.concatenate([*ordered, order[:0]]).reshape(-1, self._batch_size)
        return np.concatenate([generator.permutation(batches, axis=0).ravel(), rest])
