"""The tables the stages hand to each other: parquet files with the columns id, text, label, group and others."""

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from types import TracebackType

import numpy as np
import numpy.typing as npt
import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.parquet as pq

from sentiment.terminal.errors import UserError

CORE_COLUMNS = ("id", "text", "label", "group")
SPLITS = ("train", "validation", "test")

_READ_BUFFER = 1024 * 1024  # bytes of a column at a time: else whole row groups are held
_READ_ROWS = 8192
_ROW_GROUP_ROWS = 32_768
_ROW_GROUP_BYTES = 64 * 1024 * 1024


def write_table(table: pa.Table, path: Path) -> None:
    """Write a table as parquet, the same bytes for the same rows."""
    pq.write_table(table, path, compression="zstd")


class TableWriter:
    """Writes a table that comes in parts as parquet, the same bytes for the same parts.

    Parameters
    ----------
    path : Path
        The file.
    schema : pyarrow.Schema
        What every part has.
    """

    def __init__(self, path: Path, schema: pa.Schema) -> None:
        self._writer = pq.ParquetWriter(path, schema, compression="zstd")
        self._held: list[pa.Table] = [schema.empty_table()]
        self._rows = self._bytes = 0
        self.num_rows = 0

    def __enter__(self) -> "TableWriter":
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None) -> None:
        if kind is None and (self._rows or not self.num_rows):
            self._flush()
        self._writer.close()

    def write(self, table: pa.Table) -> None:
        """Add rows; they are held until there are enough for a row group."""
        if not table.num_rows:
            return
        self._held.append(table)
        self._rows += table.num_rows
        self._bytes += table.nbytes
        self.num_rows += table.num_rows
        if self._rows >= _ROW_GROUP_ROWS or self._bytes >= _ROW_GROUP_BYTES:
            self._flush()

    def _flush(self) -> None:
        group = pa.concat_tables(self._held).combine_chunks()
        self._writer.write_table(group, row_group_size=max(1, group.num_rows))
        self._held = [group.schema.empty_table()]
        self._rows = self._bytes = 0


@contextmanager
def _readable(path: Path) -> Iterator[None]:
    try:
        yield
    except (pa.ArrowException, OSError) as error:
        if isinstance(error, FileNotFoundError):
            raise
        reason = str(error).splitlines()[0] if str(error) else type(error).__name__
        raise UserError(f"{path}: cannot be read as a table ({reason}): `dvc repro` makes it anew") from None


def iterate_table(path: Path, columns: list[str] | None = None) -> Iterator[pa.Table]:
    """Yield the rows of a parquet file that a stage wrote, in order, in tables of at most 8192."""
    with _readable(path), pq.ParquetFile(path, pre_buffer=False, buffer_size=_READ_BUFFER) as file:
        for batch in file.iter_batches(batch_size=_READ_ROWS, columns=columns):
            yield pa.Table.from_batches([batch])


def count_table(path: Path) -> int:
    """Return the number of a parquet file's rows."""
    with _readable(path):
        return int(pq.read_metadata(path).num_rows)


def read_table(path: Path, columns: list[str] | None = None) -> pa.Table:
    """Read a parquet file that a stage wrote."""
    with _readable(path):
        return pq.read_table(path, columns=columns)


def without_texts(table: pa.Table) -> pa.Table:
    """Return a table whose texts are null: what is written from it shows none."""
    return table.set_column(table.column_names.index("text"), "text", pa.nulls(table.num_rows, pa.string()))


def labels_of(table: pa.Table) -> npt.NDArray[np.int64]:
    """Return the class indices of a table's rows."""
    labels: npt.NDArray[np.int64] = table.column("label").to_numpy().astype(np.int64)
    return labels


def groups_of(table: pa.Table) -> npt.NDArray[np.int64] | None:
    """Return the number of each row's group, from 0 in the order of the groups' names, or None where the table has no groups."""
    column = table.column("group")
    if column.null_count == table.num_rows:
        return None
    encoded = column.combine_chunks().dictionary_encode()
    names = encoded.dictionary
    ranks = np.empty(len(names), dtype=np.int64)
    ranks[pc.sort_indices(names).to_numpy()] = np.arange(len(names))
    groups: npt.NDArray[np.int64] = ranks[encoded.indices.to_numpy()]
    return groups
