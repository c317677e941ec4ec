"""Rows on disk between reading and writing: appended block by block, read back in order, never all in memory."""

from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from types import TracebackType

import numpy as np
import numpy.typing as npt
import pyarrow as pa

from sentiment.terminal.errors import UserError


@dataclass(frozen=True)
class _Block:
    start: int  # its first row
    offset: int  # its first byte
    size: int
    schema: pa.Schema


class RowStore:
    """Tables in a temporary file, one after the other, as Arrow messages.

    Parameters
    ----------
    path : Path
        The file to make. It goes when the ``with`` block ends.

    Attributes
    ----------
    num_rows : int
        Rows appended so far.
    schema : pyarrow.Schema
        Every column that occurs, each of the type that all its blocks fit in.
    """

    def __init__(self, path: Path) -> None:
        self._path = path
        self._file = path.open("w+b")
        self._blocks: list[_Block] = []
        self.num_rows = 0
        self.schema: pa.Schema = pa.schema([])

    def __enter__(self) -> "RowStore":
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None) -> None:
        self._file.close()
        self._path.unlink(missing_ok=True)

    def append(self, table: pa.Table, source: Path) -> None:
        """Add rows.

        Parameters
        ----------
        table : pyarrow.Table
            The rows; columns may be others, and of other types, than in earlier ones.
        source : Path
            Where they come from, for the error.

        Raises
        ------
        UserError
            Where a column has a type that does not go with the one it had before.
        """
        schema = table.schema
        if not self._blocks or schema != self._blocks[-1].schema:
            try:
                self.schema = pa.unify_schemas([self.schema, schema], promote_options="permissive")
            except pa.ArrowException as error:
                raise UserError(f"{source}: its columns have types that do not go together with those read before ({error})") from None
        else:
            schema = self._blocks[-1].schema  # one object for all: there may be thousands of blocks
        offset = self._file.seek(0, 2)
        batches = table.combine_chunks().to_batches()
        for batch in batches:
            size = self._file.write(batch.serialize())
            self._blocks.append(_Block(self.num_rows, offset, size, schema))
            self.num_rows += batch.num_rows
            offset += size

    def tables(self) -> Iterator[tuple[int, pa.Table]]:
        """Yield the rows in order, in tables of the whole `schema`, each with the number of its first row."""
        for block in self._blocks:
            yield block.start, self._read(block)

    def take(self, rows: npt.NDArray[np.int64]) -> pa.Table:
        """Return the rows of these numbers, which must ascend, as one table of the whole `schema`."""
        parts = [self.schema.empty_table()]
        starts = np.array([block.start for block in self._blocks])
        owners = np.searchsorted(starts, rows, side="right") - 1
        for owner in np.unique(owners):
            parts.append(self._read(self._blocks[owner]).take(rows[owners == owner] - starts[owner]))
        return pa.concat_tables(parts)

    def _read(self, block: _Block) -> pa.Table:
        self._file.seek(block.offset)
        batch = pa.ipc.read_record_batch(pa.py_buffer(self._file.read(block.size)), block.schema)
        return pa.concat_tables([self.schema.empty_table(), pa.Table.from_batches([batch])], promote_options="permissive")
