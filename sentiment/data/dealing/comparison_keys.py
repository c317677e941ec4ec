"""What rows are compared by: digests of text, group and id, held in memory instead of the rows."""

from collections.abc import Sequence
from dataclasses import dataclass, fields
from typing import Any

import numpy as np
import numpy.typing as npt
import pyarrow as pa

from sentiment.core.tables import labels_of
from sentiment.data.dealing.near_duplicates import band_keys
from sentiment.data.reading.cleaning import key, normalise_twice
from sentiment.data.reading.corpus import RAW_KEY


@dataclass(frozen=True)
class Keys:
    """What is known of each row of one source split; all arrays have one entry a row.

    Attributes
    ----------
    exact, normalised : ndarray of uint64
        Digests of the text as the source has it (as far as that is known) and of the normalised one.
    finer : ndarray of uint64
        Digests of the normalised text and of its punctuation (`normalise_twice`).
    labels : ndarray of int
        Class indices; negative for a row without a class (`sentiment.data.reading.label_codes`).
    groups : ndarray of uint64 or None
        Digests of the groups.
    empty : ndarray of bool
        True where nothing is left of the text.
    ids : ndarray of uint64
        Digests of the ids.
    bands : ndarray of uint64, shape (n, 20), or None
        The `band_keys` of the text; None where near-duplicates are not looked for.
    """

    exact: npt.NDArray[np.uint64]
    normalised: npt.NDArray[np.uint64]
    finer: npt.NDArray[np.uint64]
    labels: npt.NDArray[np.int64]
    groups: npt.NDArray[np.uint64] | None
    empty: npt.NDArray[np.bool_]
    ids: npt.NDArray[np.uint64]
    bands: npt.NDArray[np.uint64] | None = None


def keys_of(table: pa.Table, with_bands: bool = False) -> Keys:
    """Compute the digests by which rows are compared, from the columns id, text, label, group and, where it is there, `RAW_KEY`."""
    raw = table.column(RAW_KEY).to_numpy() if RAW_KEY in table.column_names else None
    texts = table.column("text").to_pylist()
    both = [normalise_twice(text) for text in texts]
    normalised = [coarse for coarse, _ in both]
    return Keys(
        exact=_digests(texts) if raw is None else raw.astype(np.uint64),
        normalised=_digests(normalised),
        finer=_digests([f"{coarse}\n{fine}" for coarse, fine in both]),
        labels=labels_of(table),
        groups=_digests(table.column("group").to_pylist()) if table.column("group").null_count < table.num_rows else None,
        empty=np.array([not text for text in texts], dtype=bool),
        ids=_digests(table.column("id").to_pylist()),
        bands=band_keys(normalised) if with_bands else None,
    )


def joined(parts: Sequence[Keys]) -> Keys:
    """Put the keys of consecutive rows together."""

    def all_of(name: str) -> Any:
        arrays = [getattr(part, name) for part in parts]
        return None if any(array is None for array in arrays) else np.concatenate(arrays)

    return Keys(**{field.name: all_of(field.name) for field in fields(Keys)})


def _digests(texts: list[str]) -> npt.NDArray[np.uint64]:
    return np.fromiter(map(key, texts), dtype=np.uint64, count=len(texts))


def repeats(keys: npt.NDArray[np.uint64], among: npt.NDArray[np.bool_]) -> npt.NDArray[np.bool_]:
    """Mark each row of `among` whose key stands in an earlier row of `among`."""
    positions = np.flatnonzero(among)
    _, first = np.unique(keys[positions], return_index=True)
    marks = np.zeros(len(keys), dtype=bool)
    marks[positions] = True
    marks[positions[first]] = False
    return marks
