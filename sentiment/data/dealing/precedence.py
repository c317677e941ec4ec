"""Near-duplicates among the splits of a source: which of two rows that are almost the same stays."""

import numpy as np
import numpy.typing as npt

from sentiment.data.dealing.comparison_keys import Keys
from sentiment.data.dealing.leakage import Reason, Reasons
from sentiment.data.dealing.near_duplicates import pairs_among
from sentiment.data.reading.spill_file import RowStore

PRECEDENCE = ("test", "validation", "train", "all")

Place = tuple[str, int]  # a split and the number of a row


def drop_near_duplicates(stores: dict[str, RowStore], keys: dict[str, Keys], reasons: dict[str, Reasons], threshold: float) -> dict[Place, Place]:
    """Mark the rows that are almost the same as one that takes precedence: test, validation, then the earlier row.

    Parameters
    ----------
    stores, keys : dict of str to RowStore, Keys
        The rows of each split.
    reasons : dict of str to Reasons
        Changed in place.
    threshold : float
        Jaccard similarity from which two texts count as the same, in (0.5, 1].

    Returns
    -------
    dict of (split, row) to (split, row)
        From each row that was dropped to the one it gave way to.
    """
    order = [split for split in PRECEDENCE if split in stores]
    rows = {split: np.flatnonzero(reasons[split] == Reason.KEPT) for split in order}
    ends = dict(zip(order, np.cumsum([len(rows[split]) for split in order]), strict=True))

    def place(position: int) -> Place:
        split = next(split for split in order if position < ends[split])
        return split, int(rows[split][position - ends[split] + len(rows[split])])

    def texts_at(positions: npt.NDArray[np.int64]) -> list[str]:
        texts: list[str] = []
        for split in order:
            inside = positions[(positions >= ends[split] - len(rows[split])) & (positions < ends[split])]
            texts.extend(stores[split].take(rows[split][inside - ends[split] + len(rows[split])]).column("text").to_pylist())
        return texts

    gone: dict[int, int] = {}
    bands = np.concatenate([_bands(keys[split])[rows[split]] for split in order])
    words = np.concatenate([keys[split].normalised[rows[split]] for split in order])
    for earlier, later in pairs_among(bands, texts_at, threshold):
        if words[earlier] == words[later] and place(earlier)[0] == place(later)[0] != "test":
            continue  # both stay for their punctuation and their labels
        if earlier not in gone and place(later)[0] != "test":
            gone[later] = gone.get(later, earlier)
            reasons[place(later)[0]][place(later)[1]] = Reason.NEAR_DUPLICATE
    return {place(later): place(earlier) for later, earlier in gone.items()}


def _bands(keys: Keys) -> npt.NDArray[np.uint64]:
    assert keys.bands is not None, "near-duplicates are looked for"
    return keys.bands
