"""Texts that are almost the same: MinHash finds the candidates, the exact Jaccard similarity decides.

Broder, "On the resemblance and containment of documents" (1997); banding as in Leskovec, Rajaraman and
Ullman, "Mining of Massive Datasets", chapter 3.
"""

import itertools
from collections.abc import Callable, Sequence
from functools import lru_cache

import numpy as np
import numpy.typing as npt

from sentiment.core.scripts import without_spaces
from sentiment.data.reading.cleaning import normalise

SHINGLE_WORDS = 3
SHINGLE_CHARACTERS = 2  # where no spaces part the words: one changed character of 40 leaves a similarity of 0.9
PERMUTATIONS = 120
ROWS_A_BAND = 6  # 20 bands of 6: a pair at similarity 0.9 is missed once in 15 million, at 0.5 it is a candidate in 27 % of cases
BANDS = PERMUTATIONS // ROWS_A_BAND
_CHUNK = 4096
_ALL_PAIRS = 64  # of a larger bucket (boilerplate) each is compared with the first and its neighbour, so that the work stays linear
_SEED = 1
_MULTIPLIER = np.uint64(0x9E3779B97F4A7C15)  # 2^64 / golden ratio, as in Knuth, The Art of Computer Programming, volume 3, 6.4
_SHIFT = np.uint64(29)


def shingles(text: str) -> set[str]:
    """Return the overlapping runs of three words of the normalised text; of a shorter text the whole.

    A text in a script without spaces between words (Chinese, Japanese, Thai) gives runs of two characters.
    """
    return _shingles(normalise(text))


def _shingles(normalised: str) -> set[str]:
    if without_spaces(normalised):
        signs = normalised.replace(" ", "")
        return {signs[start : start + SHINGLE_CHARACTERS] for start in range(max(1, len(signs) - SHINGLE_CHARACTERS + 1))}
    words = normalised.split()
    if len(words) <= SHINGLE_WORDS:
        return {" ".join(words)}
    return {f"{first} {second} {third}" for first, second, third in zip(words, words[1:], words[2:], strict=False)}


def similarity(first: set[str], second: set[str]) -> float:
    """Return the Jaccard similarity of two sets, in [0, 1]."""
    union = len(first | second)
    return len(first & second) / union if union else 1.0


def signatures(normalised: Sequence[str]) -> npt.NDArray[np.uint32]:
    """Compute MinHash signatures.

    Parameters
    ----------
    normalised : sequence of str
        The normalised texts.

    Returns
    -------
    ndarray of uint32, shape (len(normalised), 120)
        The same texts give the same signatures on every machine.
    """
    from rensa import RMinHash

    parts = [np.empty((0, PERMUTATIONS), dtype=np.uint32)]
    for start in range(0, len(normalised), _CHUNK):
        sets = [list(_shingles(text)) for text in normalised[start : start + _CHUNK]]
        parts.append(np.asarray(RMinHash.digests_from_token_sets(sets, PERMUTATIONS, _SEED), dtype=np.uint32))
    return np.concatenate(parts)


def band_keys(normalised: Sequence[str]) -> npt.NDArray[np.uint64]:
    """Compute what candidates are found by: texts that share one of their 20 keys are compared.

    Parameters
    ----------
    normalised : sequence of str
        The normalised texts.

    Returns
    -------
    ndarray of uint64, shape (len(normalised), 20)
        A digest of each band of the signature.
    """
    bands = signatures(normalised).reshape(len(normalised), BANDS, ROWS_A_BAND).astype(np.uint64)
    keys = np.zeros(bands.shape[:2], dtype=np.uint64)
    for row in range(ROWS_A_BAND):
        keys = (keys ^ bands[:, :, row]) * _MULTIPLIER
        keys ^= keys >> _SHIFT
    return keys


def find_pairs(texts: Sequence[str], threshold: float) -> list[tuple[int, int]]:
    """Find the pairs of texts that are almost the same, among texts in memory; else as `pairs_among`."""
    keys = band_keys([normalise(text) for text in texts])
    return pairs_among(keys, lambda positions: [texts[position] for position in positions], threshold)


def pairs_among(keys: npt.NDArray[np.uint64], texts_at: Callable[[npt.NDArray[np.int64]], Sequence[str]], threshold: float) -> list[tuple[int, int]]:
    """Find the pairs of texts that are almost the same.

    Parameters
    ----------
    keys : ndarray of uint64, shape (n, 20)
        The `band_keys` of all texts.
    texts_at : callable
        Called once, with the ascending positions of the candidates; returns their texts.
    threshold : float
        Jaccard similarity of their `shingles` from which a pair counts, in (0.5, 1].

    Returns
    -------
    list of (int, int)
        Positions (earlier, later), sorted. Among more than 64 texts alike each is paired with the first and with its neighbours alone.
    """
    pairs = sorted(_candidates(keys))
    positions = np.unique(np.asarray(pairs, dtype=np.int64))
    texts = dict(zip(positions.tolist(), texts_at(positions), strict=True))

    @lru_cache(maxsize=_CHUNK)
    def shingles_at(position: int) -> set[str]:
        return shingles(texts[position])

    return [pair for pair in pairs if similarity(shingles_at(pair[0]), shingles_at(pair[1])) >= threshold]


def _candidates(keys: npt.NDArray[np.uint64]) -> set[tuple[int, int]]:
    pairs: set[tuple[int, int]] = set()
    for column in range(keys.shape[1]):
        band = keys[:, column]
        order = np.argsort(band, kind="stable")
        ends = np.append(np.flatnonzero(np.diff(band[order])) + 1, len(band))
        starts = np.append(0, ends[:-1])
        for start, end in zip(starts[ends - starts > 1], ends[ends - starts > 1], strict=True):
            members = order[start:end].tolist()
            if len(members) <= _ALL_PAIRS:
                pairs.update(itertools.combinations(members, 2))
            else:
                pairs.update((members[0], member) for member in members[1:])
                pairs.update(itertools.pairwise(members))
    return pairs
