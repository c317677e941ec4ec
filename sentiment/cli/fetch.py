"""Bringing data from outside into the repository: parquet files under data/<name>/, tracked by DVC."""

import os
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq

from sentiment.cli.local_source import check_headers, local_files, plain_name, show_first_rows, unpacked
from sentiment.cli.under_dvc import new_folder, put_under_dvc
from sentiment.core.files import read_json, replacing, write_json
from sentiment.data.reading.delimited import Told
from sentiment.data.reading.encodings import check_encoding
from sentiment.data.reading.formats import count_rows, read_tables
from sentiment.data.reading.manner import say_how
from sentiment.data.reading.sources import SourceFile
from sentiment.model.hub import hub_answers, is_commit
from sentiment.terminal.errors import UserError
from sentiment.terminal.progress import progress_bar, say

DATA = Path("data")
ORIGIN = "origin.json"
_RESERVED = ("prepared", "split")


@dataclass(frozen=True)
class Request:
    """What to fetch.

    Attributes
    ----------
    source : str
        A file, a folder, or the id of a dataset on the Hub.
    name : str or None
        Folder under data/; by default the last part of `source`.
    revision, config : str or None
        Commit, tag or branch, and configuration of a Hub dataset.
    splits : list of str or None
        Splits of a Hub dataset to take, ``theirs`` or ``theirs=train|validation|test``, or files of a
        local folder, ``part-*.csv=train``; by default all, by their names.
    cache_dir : str or None
        Where the Hub's files are kept; by default the Hub's own cache.
    encoding : str or None
        Of a local text file; by default found out.
    header : bool or None
        Whether the first row of a local csv, tsv or xlsx file holds the names of the columns.
    dry_run : bool
        Show the first rows of a local source as they would be read, and write nothing.
    commit : bool
        Commit the folder's .dvc file to git.
    """

    source: str
    name: str | None = None
    revision: str | None = None
    config: str | None = None
    splits: list[str] | None = None
    cache_dir: str | None = None
    commit: bool = False
    encoding: str | None = None
    header: bool | None = None
    dry_run: bool = False


def fetch(request: Request) -> Path:
    """Write a dataset to ``data/<name>/`` and put it under DVC.

    Parameters
    ----------
    request : Request
        What to fetch.

    Returns
    -------
    Path
        The folder: one parquet file a split, and origin.json with where it came from, its commit
        and its rows.

    Raises
    ------
    UserError
        Where the source is not there or cannot be read, the Hub does not answer, or the name is not
        usable. Nothing is left half written.
    """
    local = Path(request.source).expanduser()
    if request.dry_run:
        if not local.exists():
            raise UserError(f"{request.source}: --dry-run shows a local file or folder, and there is none")
        _fetch_local(request, local, local)
        return local
    folder = new_folder(DATA, request.name or _default_name(request.source, local), _RESERVED)
    before = _commit_of(folder)
    with replacing(folder) as partial:
        partial.mkdir()
        if local.exists():
            origin = _fetch_local(request, local, partial)
        elif request.source.startswith((".", "/", "~")) or local.suffix or request.source.count("/") > 1:
            raise UserError(f"{request.source}: no such file or folder")
        else:
            origin = _fetch_hub(request, partial)
        rows = {path.stem: pq.read_metadata(path).num_rows for path in sorted(partial.glob("*.parquet"))}
        write_json(partial / ORIGIN, {**origin, "rows": rows})
    if before and origin.get("commit") not in (None, before):
        say(f"fetch: the Hub has moved on: {folder} was of commit {before}, and is of {origin['commit']} now")
    put_under_dvc(folder, "prepare.source", request.commit)
    return folder


def _commit_of(folder: Path) -> str | None:
    try:
        commit = read_json(folder / ORIGIN).get("commit")
    except (OSError, ValueError):
        return None
    return str(commit) if commit else None


def _default_name(source: str, local: Path) -> str:
    return plain_name(local.resolve()) if local.exists() else source.rstrip("/").split("/")[-1]


def _fetch_local(request: Request, source: Path, target: Path) -> dict[str, Any]:
    for option in ("revision", "config", "cache_dir"):
        if getattr(request, option) is not None:
            raise UserError(f"--{option.replace('_', '-')} is for a dataset of the Hub; {source} is a local one")
    told = Told(request.encoding and check_encoding(request.encoding), request.header)
    with unpacked(source) as there:
        files = local_files(there, request.splits)
        check_headers(files, told)
        read_as = say_how("fetch", files, there, told, "--encoding NAME")
        if request.dry_run:
            show_first_rows(files, told)
            return {}
        for split in dict.fromkeys(file.split for file in files):
            mine = [file for file in files if file.split == split]
            with progress_bar(f"fetch: {split}", sum(count_rows(file.path) for file in mine)) as bar:
                write_batches(_with_progress(mine, told, bar.update), target / f"{split}.parquet")
                bar.complete()
    return {"source": source.name, **({"read_as": read_as} if read_as else {})}


def _with_progress(files: list[SourceFile], told: Told, update: Any) -> Iterator[tuple[Path, pa.Table]]:
    done = 0
    for file in files:
        for table in read_tables(file.path, told):
            done += table.num_rows
            yield file.path, table
            update(done)


def write_batches(tables: Iterator[tuple[Path, pa.Table]], target: Path) -> None:
    """Write tables of one shape to one parquet file, a row group each, without holding them all.

    A column that is empty at first takes the type it shows later; one that changes its type
    after rows were written is an error.

    Parameters
    ----------
    tables : iterator of (Path, pyarrow.Table)
        With the file each comes from.
    target : Path
        The parquet file.

    Raises
    ------
    UserError
        Where columns or types differ between files.
    """
    held: list[pa.Table] = []
    writer: pq.ParquetWriter | None = None
    try:
        for path, table in tables:
            if writer is None:
                held.append(table)
                merged = _merge(held, path)
                if any(pa.types.is_null(field.type) for field in merged.schema):
                    continue
                writer = pq.ParquetWriter(target, merged.schema, compression="zstd")
                writer.write_table(merged)
                held = []
            else:
                writer.write_table(_conform(table, writer.schema, path))
        if writer is None and held:
            merged = pa.concat_tables(held, promote_options="permissive")
            writer = pq.ParquetWriter(target, merged.schema, compression="zstd")
            writer.write_table(merged)
    finally:
        if writer is not None:
            writer.close()
    if writer is None:
        raise UserError(f"{target.stem}: no rows")


def _merge(tables: list[pa.Table], path: Path) -> pa.Table:
    try:
        return pa.concat_tables(tables, promote_options="permissive")
    except pa.ArrowException as error:
        raise UserError(f"{path}: its columns do not go with those before ({error})") from None


def _conform(table: pa.Table, schema: pa.Schema, path: Path) -> pa.Table:
    unknown = [name for name in table.column_names if name not in schema.names]
    if unknown:
        raise UserError(f"{path}: has the column {unknown[0]!r}, which earlier rows do not have; they have {', '.join(schema.names)}")
    columns = []
    for field in schema:
        if field.name not in table.column_names:
            columns.append(pa.nulls(table.num_rows, field.type))
            continue
        column = table.column(field.name)
        try:
            columns.append(column.cast(field.type))
        except pa.ArrowException:
            raise UserError(f"{path}: column {field.name!r} is {column.type} where earlier rows have {field.type}") from None
    return pa.table(columns, schema=schema)


def _fetch_hub(request: Request, target: Path) -> dict[str, Any]:
    if not hub_answers():
        os.environ["HF_HUB_OFFLINE"] = "1"  # must stand before datasets is imported: it then asks its cache alone
        say("fetch: the Hub does not answer; looking in its cache")
    import datasets

    at = f" at revision {request.revision}" if request.revision else ""
    offline = os.environ.get("HF_HUB_OFFLINE") == "1"
    try:
        builder = datasets.load_dataset_builder(request.source, request.config, revision=request.revision, cache_dir=request.cache_dir)
        builder.download_and_prepare()
        parts = builder.as_dataset()
    except (OSError, ValueError) as error:
        first = " ".join(str(error).split())[:200]
        advice = "check the network, or give a local file or folder" if offline else "check the id, the configuration and the revision"
        problem = "the Hub does not answer and it is not whole in the cache" if offline else f"cannot be fetched from the Hub ({first})"
        raise UserError(f"{request.source}{at}: {problem}: {advice}") from None
    if request.revision and is_commit(request.revision) and builder.hash != request.revision:
        raise UserError(f"{request.source}{at}: the cache holds commit {builder.hash} only, and the Hub does not answer")
    for theirs, ours in _chosen_splits(request, parts).items():
        part = parts[theirs]
        with progress_bar(f"fetch: {theirs}", part.num_rows) as bar:
            write_batches(_hub_batches(part, bar.update), target / f"{ours}.parquet")
    return {"source": request.source, "config": builder.config.name, "revision": request.revision, "commit": builder.hash}


def _hub_batches(part: Any, update: Any) -> Iterator[tuple[Path, pa.Table]]:
    size = 8192
    columns = part.with_format("arrow")
    features = part.features.arrow_schema.metadata  # holds the names of the classes, which prepare reads
    for start in range(0, part.num_rows, size):
        table = columns[start : start + size]
        yield Path(str(part.split)), pa.table({name: table.column(name) for name in table.column_names}).replace_schema_metadata(features)
        update(min(start + size, part.num_rows))


def _chosen_splits(request: Request, parts: Mapping[str, Any]) -> dict[str, str]:
    if request.splits is None:
        chosen = {name: name for name in parts}
    else:
        pairs = [item.partition("=") for item in request.splits]
        chosen = {theirs: ours or theirs for theirs, _, ours in pairs}
    for theirs in chosen:
        if theirs not in parts:
            raise UserError(f"{request.source}: no split {theirs!r}; it has {', '.join(parts)}")
    if len(set(chosen.values())) < len(chosen):
        raise UserError(f"--split: two splits would become one: {', '.join(request.splits or [])}")
    return chosen
