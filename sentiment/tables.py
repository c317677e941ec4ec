"""The tables the stages hand to each other: parquet files with the columns id, text, label, group and others."""

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt
import pyarrow as pa
import pyarrow.parquet as pq

CORE_COLUMNS = ("id", "text", "label", "group")
SPLITS = ("train", "validation", "test")


def iterate(table: pa.Table, column: str) -> Iterator[Any]:
    """Yield a column's values without making a list of them all."""
    for chunk in table.column(column).chunks:
        for value in chunk:
            yield value.as_py()


def write_table(table: pa.Table, path: Path) -> None:
    """Write a table as parquet, the same bytes for the same rows."""
    pq.write_table(table, path, compression="zstd")


def read_table(path: Path, columns: list[str] | None = None) -> pa.Table:
    """Read a parquet file that a stage wrote."""
    return pq.read_table(path, columns=columns)


def labels_of(table: pa.Table) -> npt.NDArray[np.int64]:
    """Return the class indices of a table's rows."""
    labels: npt.NDArray[np.int64] = table.column("label").to_numpy().astype(np.int64)
    return labels


def groups_of(table: pa.Table) -> npt.NDArray[np.str_] | None:
    """Return the group of each row, or None where the table has no groups."""
    column = table.column("group")
    if column.null_count == table.num_rows:
        return None
    groups: npt.NDArray[np.str_] = np.asarray(column.to_pylist(), dtype=np.str_)
    return groups
