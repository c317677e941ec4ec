"""Texts that are almost the same: MinHash finds the candidates, the exact Jaccard similarity decides.

Broder, "On the resemblance and containment of documents" (1997); banding as in Leskovec, Rajaraman and
Ullman, "Mining of Massive Datasets", chapter 3.
"""

import itertools
from collections.abc import Sequence

import numpy as np
import numpy.typing as npt

from sentiment.text import normalise

SHINGLE_WORDS = 3
PERMUTATIONS = 120
ROWS_A_BAND = 6  # 20 bands of 6: a pair at similarity 0.9 is missed once in 15 million, at 0.5 it is a candidate in 27 % of cases
_CHUNK = 4096
_ALL_PAIRS = 64  # of a larger bucket (boilerplate) each is compared with the first and its neighbour, so that the work stays linear
_SEED = 1


def shingles(text: str) -> set[str]:
    """Return the overlapping runs of three words of the normalised text; of a shorter text the whole."""
    words = normalise(text).split()
    if len(words) <= SHINGLE_WORDS:
        return {" ".join(words)}
    return {" ".join(words[start : start + SHINGLE_WORDS]) for start in range(len(words) - SHINGLE_WORDS + 1)}


def similarity(first: set[str], second: set[str]) -> float:
    """Return the Jaccard similarity of two sets, in [0, 1]."""
    union = len(first | second)
    return len(first & second) / union if union else 1.0


def signatures(texts: Sequence[str]) -> npt.NDArray[np.uint32]:
    """Compute MinHash signatures.

    Parameters
    ----------
    texts : sequence of str
        The texts.

    Returns
    -------
    ndarray of uint32, shape (len(texts), 120)
        The same texts give the same signatures on every machine.
    """
    from rensa import RMinHash

    parts = [np.empty((0, PERMUTATIONS), dtype=np.uint32)]
    for start in range(0, len(texts), _CHUNK):
        sets = [sorted(shingles(text)) for text in texts[start : start + _CHUNK]]
        parts.append(np.asarray(RMinHash.digests_from_token_sets(sets, PERMUTATIONS, _SEED), dtype=np.uint32))
    return np.concatenate(parts)


def find_pairs(texts: Sequence[str], threshold: float) -> list[tuple[int, int]]:
    """Find the pairs of texts that are almost the same.

    Parameters
    ----------
    texts : sequence of str
        The texts.
    threshold : float
        Jaccard similarity of their three-word shingles from which a pair counts, in (0.5, 1].

    Returns
    -------
    list of (int, int)
        Positions (earlier, later), sorted. Among more than 64 texts alike each is paired with the first and with its neighbours alone.
    """
    cache: dict[int, set[str]] = {}

    def alike(first: int, second: int) -> bool:
        for index in (first, second):
            if index not in cache:
                cache[index] = shingles(texts[index])
        return similarity(cache[first], cache[second]) >= threshold

    return sorted(pair for pair in _candidates(signatures(texts)) if alike(*pair))


def _candidates(matrix: npt.NDArray[np.uint32]) -> set[tuple[int, int]]:
    pairs: set[tuple[int, int]] = set()
    for start in range(0, PERMUTATIONS, ROWS_A_BAND):
        band = np.ascontiguousarray(matrix[:, start : start + ROWS_A_BAND])
        rows = band.view([("", band.dtype)] * ROWS_A_BAND).ravel()
        order = np.argsort(rows, kind="stable")
        changes = np.flatnonzero(rows[order][1:] != rows[order][:-1]) + 1
        for bucket in np.split(order, changes):
            if len(bucket) > 1:
                members = [int(index) for index in bucket]
                if len(members) <= _ALL_PAIRS:
                    pairs.update(itertools.combinations(members, 2))
                else:
                    pairs.update((members[0], member) for member in members[1:])
                    pairs.update(itertools.pairwise(members))
    return pairs
