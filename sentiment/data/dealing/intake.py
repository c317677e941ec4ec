"""Taking a source in: its cleaned rows go to disk, and what they are compared by stays in memory."""

from collections.abc import Callable
from functools import partial
from pathlib import Path

import numpy as np
import pyarrow as pa

from sentiment.data.dealing.comparison_keys import Keys, joined, keys_of, repeats
from sentiment.data.process_pool import ProcessPool
from sentiment.data.reading.corpus import RAW_KEY, UNIQUE_IDS, Block, Columns, read_blocks, to_table
from sentiment.data.reading.sources import SourceFile
from sentiment.data.reading.spill_file import RowStore
from sentiment.terminal.errors import UserError


def take_in(
    files: list[SourceFile], columns: Columns, with_bands: bool, store: RowStore, workers: ProcessPool, update: Callable[[int], None]
) -> Keys:
    """Read and clean the files of one split.

    Parameters
    ----------
    files : list of SourceFile
        At least one.
    columns : Columns
        What stands where.
    with_bands : bool
        Also compute what near-duplicates are found by.
    store : RowStore
        Gets the rows, with the columns of `to_table` that are to be written out.
    workers : ProcessPool
        Who cleans and compares.
    update : callable
        Told how many rows are done.

    Returns
    -------
    Keys
        One entry a row.

    Raises
    ------
    UserError
        As from `read_blocks`, `to_table` and `RowStore.append`, and where an id occurs twice.
    """
    parts: list[Keys] = []
    for table, keys, source in workers.map(partial(_convert, columns=columns, with_bands=with_bands), read_blocks(files, columns)):
        store.append(table, source)
        parts.append(keys)
        update(store.num_rows)
    keys = joined(parts)
    for later in np.flatnonzero(repeats(keys.ids, np.ones(len(keys.ids), dtype=bool))):
        name = _id(store, later)
        if name == _id(store, np.flatnonzero(keys.ids == keys.ids[later])[0]):  # and not another one with the same digest
            raise UserError(f"{files[0].path}: the id {name!r} occurs twice: {UNIQUE_IDS}")
    return keys


def check_ids(stores: dict[str, RowStore], keys: dict[str, Keys]) -> None:
    """Refuse an id that stands in two splits."""
    splits = list(stores)
    for index, second in enumerate(splits):
        for first in splits[:index]:
            for later in np.flatnonzero(np.isin(keys[second].ids, keys[first].ids)):
                name = _id(stores[second], later)
                if name == _id(stores[first], np.flatnonzero(keys[first].ids == keys[second].ids[later])[0]):
                    raise UserError(f"the id {name!r} stands in the {first} and the {second} split: {UNIQUE_IDS}")


def _convert(block: Block, columns: Columns, with_bands: bool) -> tuple[pa.Table, Keys, Path]:
    table = to_table(block, columns)
    return table.drop_columns(RAW_KEY), keys_of(table, with_bands), block.file.path


def _id(store: RowStore, row: np.int64) -> str:
    name: str = store.take(np.array([row])).column("id")[0].as_py()
    return name
