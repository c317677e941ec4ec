"""Answers into a file, window by window: whole or not there, and an interrupted job can be taken up again."""

import csv
import io
import json
import shutil
from collections.abc import Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq

from sentiment.core.files import read_json, remove, write_json, write_text
from sentiment.terminal.errors import UserError
from sentiment.use.answers import Answer, Tally
from sentiment.use.text_rows import TextRow

ANSWER_KINDS = (".jsonl", ".csv", ".parquet")
_KEY = "key.json"
_LOCK = "lock"
_HEADER = "header"


class AnswerForm:
    """How answers are written: the columns id, those kept of the source, label, cut, and one probability a class.

    Parameters
    ----------
    kind : str
        One of `ANSWER_KINDS`. A csv or parquet file holds kept columns as text.
    class_names : list of str
        In the order of their indices.
    """

    def __init__(self, kind: str, class_names: Sequence[str]) -> None:
        self.kind = kind
        self._probabilities = [f"probability_{name}" for name in class_names]

    @property
    def columns(self) -> list[str]:
        """The columns of answers to which nothing is copied."""
        return ["id", "label", "cut", *self._probabilities]

    def record(self, row: TextRow, answer: Answer) -> dict[str, Any]:
        """Return one answer by column; a kept column that bears the name of another is called ``source_<name>``."""
        values = answer.probabilities or (None,) * len(self._probabilities)
        own = {"id": row.id, "label": answer.label, "cut": answer.cut, **dict(zip(self._probabilities, values, strict=True))}
        kept = {f"source_{name}" if name in own else str(name): value for name, value in row.kept.items()}
        return {"id": row.id, **kept, **own}

    def lines(self, records: Sequence[dict[str, Any]]) -> str:
        """Write records as lines of jsonl or csv."""
        if self.kind == ".csv":
            return "".join(_csv_line([_as_text(value) for value in record.values()]) for record in records)
        return "".join(json.dumps(record, ensure_ascii=False, default=str) + "\n" for record in records)

    def table(self, records: Sequence[dict[str, Any]]) -> pa.Table:
        """Make a table of records."""
        types = {"label": pa.string(), "cut": pa.bool_(), **dict.fromkeys(self._probabilities, pa.float64())}
        columns = {}
        for name in records[0] if records else self.columns:
            values = [record[name] for record in records]
            columns[name] = pa.array(values if name in types else [_as_text(value) for value in values], types.get(name, pa.string()))
        return pa.table(columns)


@dataclass(frozen=True)
class Done:
    """What earlier windows have come to: rows of the source that were read, and the tally of their answers."""

    rows: int
    tally: Tally


class AnswerFile:
    """A file of answers, made of one part a window, which lie in a folder beside it until it is whole.

    Parameters
    ----------
    path : Path
        The file.
    form : AnswerForm
        How answers are written.
    key : dict
        What the answers depend on: parts of another job are not taken up.
    resume : bool
        Take up the parts of an interrupted job; otherwise they are removed.

    Raises
    ------
    UserError
        Where there is nothing to take up, it belongs to another job, another job writes it now, or nothing can be written there.
    """

    def __init__(self, path: Path, form: AnswerForm, key: dict[str, Any], resume: bool) -> None:
        self._path, self._form = path, form
        self._folder = path.with_name(f".{path.name}.partial")
        if resume:
            self._check(key)
        try:
            self._folder.mkdir(parents=True, exist_ok=True)
            self._hold()
            if not resume:
                self._clear()
                write_json(self._folder / _KEY, key)
        except OSError as error:
            if self._folder.is_dir():
                self.give_up(resumable=resume)
            raise UserError(f"--out {path}: nothing can be written there ({error.strerror}): name another place") from None

    def _hold(self) -> None:
        from filelock import FileLock, Timeout  # here: answers on a terminal need no such package

        self._lock = FileLock(self._folder / _LOCK)
        try:
            self._lock.acquire(timeout=0)
        except Timeout:
            raise UserError(f"--out {self._path}: another job is writing it: wait until it ends, or name another file") from None

    def _clear(self) -> None:
        for path in self._folder.iterdir():
            if path.name != _LOCK:
                remove(path)

    def _check(self, key: dict[str, Any]) -> None:
        if not (self._folder / _KEY).is_file():
            raise UserError(f"--resume: nothing was begun for {self._path}: leave --resume out")
        before = read_json(self._folder / _KEY)
        if changed := sorted(name for name in {*before, *key} if before.get(name) != json.loads(json.dumps(key)).get(name)):
            raise UserError(f"--resume: {self._path} was begun with another {', '.join(changed)}: leave --resume out to begin again")

    def done(self) -> list[Done]:
        """Return what the windows that are whole have come to, in order."""
        parts = [read_json(path) for path in self._part_files(".json")]
        return [Done(part["rows"], Tally(**part["tally"])) for part in parts]

    def write(self, rows: Sequence[TextRow], answers: Sequence[Answer], read: int, tally: Tally) -> None:
        """Write one window; `read` counts the rows of the source that it took."""
        number = len(self._part_files(".json"))
        records = [self._form.record(row, answer) for row, answer in zip(rows, answers, strict=True)]
        part = self._folder / f"{number:06d}{self._form.kind}"
        if self._form.kind != ".jsonl":
            self._check_columns(records)
        if self._form.kind == ".parquet":
            pq.write_table(self._form.table(records), part, compression="zstd")
        else:
            self._write_text(part.name, self._form.lines(records))
        write_json(part.with_suffix(".json"), {"rows": read, "tally": asdict(tally)})

    def give_up(self, resumable: bool) -> int:
        """Keep the windows that are whole, where the job can be taken up, and return how many rows they hold; otherwise leave nothing behind."""
        kept = sum(part.rows for part in self.done()) if resumable else 0
        remove(self._folder / f"whole{self._form.kind}")
        if not kept:
            remove(self._folder)
        self._lock.release()
        return kept

    def finish(self) -> None:
        """Put the parts together."""
        whole = len(self._part_files(".json"))
        if not whole:
            self._write_nothing()
        parts = self._part_files(self._form.kind)[: max(whole, 1)]
        joined = self._folder / f"whole{self._form.kind}"
        if self._form.kind == ".parquet":
            _join_tables(parts, joined)
        else:
            headers = [self._folder / _HEADER] if self._form.kind == ".csv" else []
            with joined.open("wb") as target:
                for part in [path for path in (*headers, *parts) if path.exists()]:
                    with part.open("rb") as source:
                        shutil.copyfileobj(source, target)
        joined.replace(self._path)
        remove(self._folder)
        self._lock.release()

    def _write_nothing(self) -> None:
        """Write the columns alone: a table without rows is still one that can be read."""
        if self._form.kind == ".parquet":
            pq.write_table(self._form.table([]), self._folder / "000000.parquet")
        elif self._form.kind == ".csv":
            write_text(self._folder / _HEADER, _csv_line(self._form.columns))

    def _check_columns(self, records: Sequence[dict[str, Any]]) -> None:
        header = self._folder / _HEADER
        if not header.exists() and records:
            write_text(header, _csv_line(list(records[0])))
        columns = next(csv.reader(io.StringIO(header.read_text(encoding="utf-8"), newline=""))) if records else []
        for record in records:
            if list(record) != columns:
                raise UserError(
                    f"--keep all: {record['id']} has other columns than the first row, which one {self._form.kind} file cannot hold: "
                    "name the columns, or write jsonl"
                )

    def _write_text(self, name: str, text: str) -> None:
        (self._folder / name).write_text(text, encoding="utf-8", newline="")

    def _part_files(self, suffix: str) -> list[Path]:
        return sorted(self._folder.glob(f"[0-9]*{suffix}"))


def answer_kind(path: Path) -> str:
    """Return the kind of a file of answers by its name; a UserError where it is none of `ANSWER_KINDS`."""
    if path.suffix not in ANSWER_KINDS:
        raise UserError(f"--out {path}: unknown kind of file; known are {', '.join(ANSWER_KINDS)}")
    return path.suffix


def _join_tables(parts: Sequence[Path], joined: Path) -> None:
    with pq.ParquetWriter(joined, pq.read_schema(parts[0]), compression="zstd") as writer:
        for part in parts:
            writer.write_table(pq.read_table(part))


def _csv_line(cells: Sequence[Any]) -> str:
    line = io.StringIO()
    csv.writer(line, lineterminator="\n").writerow(cells)
    return line.getvalue()


def _as_text(value: Any) -> Any:
    if value is None or isinstance(value, str):
        return value
    if isinstance(value, bool):
        return str(value).lower()
    return repr(value) if isinstance(value, int | float) else json.dumps(value, ensure_ascii=False, default=str)
