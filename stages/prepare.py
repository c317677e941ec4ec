"""Stage 1, prepare: bring a source of labelled text into one form, without leaks or duplicates.

Reads   prepare.source, a jsonl, csv or parquet file or a folder of them
Writes  data/prepared/<split>.parquet (id, text, label, group, other columns), reports/prepare.json
Run     python -m stages.prepare        (or: dvc repro prepare)
"""

from collections import Counter
from pathlib import Path

import numpy as np
import numpy.typing as npt
import pyarrow as pa

from sentiment import paths
from sentiment.console import say
from sentiment.corpus import Columns, read_corpus
from sentiment.errors import UserError, run_main
from sentiment.files import replacing, write_json
from sentiment.leakage import RAW_KEY, Keys, Reason, clean_split, give_way, keys_of, repeats
from sentiment.near_duplicates import find_pairs
from sentiment.parameters import PrepareParameters, load_parameters
from sentiment.sources import find_files
from sentiment.tables import iterate, labels_of, write_table

Reasons = npt.NDArray[np.int8]


def prepare(settings: PrepareParameters) -> tuple[dict[str, pa.Table], dict[str, Reasons], dict[str, Keys], list[Path]]:
    """Read every split of the source and decide which rows stay.

    Parameters
    ----------
    settings : PrepareParameters
        Where the source is and what stands where in it.

    Returns
    -------
    tables : dict of str to pyarrow.Table
        The rows read, by split.
    reasons : dict of str to ndarray of int8
        A `Reason` for each row. A test split is never changed.
    keys : dict of str to Keys
        What the decision rests on.
    ignored : list of Path
        Files of the source that belong to no split.
    """
    files, ignored = find_files(Path(settings.source), f"prepare.source = {settings.source}")
    columns = Columns(settings.text_column, settings.label_column, settings.group_column, settings.class_names, settings.strip_html)
    splits = sorted({file.split for file in files})
    tables = {split: read_corpus([file for file in files if file.split == split], columns) for split in splits}
    _check_ids(tables)
    keys = {split: keys_of(table) for split, table in tables.items()}
    reasons = {split: clean_split(keys[split]) for split in splits if split != "test"}
    if "test" in tables:
        reasons["test"] = np.full(tables["test"].num_rows, Reason.KEPT, dtype=np.int8)
        for split in reasons.keys() - {"test"}:
            give_way(keys[split], reasons[split], keys["test"], Reason.TEXT_IN_TEST, Reason.GROUP_IN_TEST)
    if "validation" in tables:
        give_way(keys["train"], reasons["train"], keys["validation"], Reason.TEXT_IN_VALIDATION, Reason.GROUP_IN_VALIDATION)
    if settings.near_duplicate_threshold is not None:
        drop_near_duplicates(tables, reasons, settings.near_duplicate_threshold)
    for split in splits:
        if not (reasons[split] == Reason.KEPT).any():
            raise UserError(f"prepare.source = {settings.source}: no rows left in the {split} split ({_summary(reasons[split])})")
    _check_classes(tables, reasons, settings.class_names)
    return tables, reasons, keys, ignored


def drop_near_duplicates(tables: dict[str, pa.Table], reasons: dict[str, Reasons], threshold: float) -> None:
    """Mark rows that are almost the same as one that takes precedence: test, validation, then the earlier row."""
    order = [split for split in ("test", "validation", "train", "all") if split in tables]
    where = [(split, int(row)) for split in order for row in np.flatnonzero(reasons[split] == Reason.KEPT)]
    texts = [text for split in order for text, reason in zip(iterate(tables[split], "text"), reasons[split], strict=True) if reason == Reason.KEPT]
    dropped: set[int] = set()
    for earlier, later in find_pairs(texts, threshold):
        split, row = where[later]
        if earlier not in dropped and split != "test":
            dropped.add(later)
            reasons[split][row] = Reason.NEAR_DUPLICATE


def report(reasons: dict[str, Reasons], keys: dict[str, Keys], ignored: list[Path]) -> dict[str, object]:
    """Count what was read, kept and dropped, and what a given test split holds of its own."""
    every = np.concatenate(list(reasons.values()))
    dropped = Counter(Reason(int(code)).name.lower() for code in every if code != Reason.KEPT)
    counts: dict[str, object] = {
        "rows_read": len(every),
        "rows_kept": int((every == Reason.KEPT).sum()),
        "dropped": {reason.name.lower(): dropped[reason.name.lower()] for reason in Reason if reason != Reason.KEPT},
    }
    if "test" in keys:
        test = keys["test"]
        counts["test"] = {
            "rows": len(test.labels),
            "empty": int(test.empty.sum()),
            "exact_duplicates": int(repeats(test.exact, ~test.empty).sum()),
            "normalised_duplicates": int(repeats(test.normalised, ~test.empty).sum()),
        }
    if ignored:
        counts["files_ignored"] = len(ignored)
    return counts


def main() -> None:
    """Run the stage."""
    params = load_parameters(paths.PARAMS)
    tables, reasons, keys, ignored = prepare(params.prepare)
    for path in ignored:
        say(f"prepare: left out {path}: its name starts with none of train, validation, test")
    with replacing(paths.PREPARED) as folder:
        folder.mkdir()
        for split, table in tables.items():
            write_table(table.drop_columns(RAW_KEY).filter(pa.array(reasons[split] == Reason.KEPT)), folder / f"{split}.parquet")
    counts = report(reasons, keys, ignored)
    write_json(paths.PREPARE_METRICS, counts)
    say(f"prepare: kept {counts['rows_kept']} of {counts['rows_read']} rows ({_summary(np.concatenate(list(reasons.values())))})")


def _check_ids(tables: dict[str, pa.Table]) -> None:
    owners: dict[str, str] = {}
    for split, table in tables.items():
        for name in iterate(table, "id"):
            if owners.setdefault(name, split) != split:
                raise UserError(f"the id {name!r} stands in the {owners[name]} and the {split} split: ids must be unique")


def _check_classes(tables: dict[str, pa.Table], reasons: dict[str, Reasons], class_names: list[str]) -> None:
    learned = "train" if "train" in tables else "all"
    rows = {split: np.bincount(labels_of(table)[reasons[split] == Reason.KEPT], minlength=len(class_names)) for split, table in tables.items()}
    for index, name in enumerate(class_names):
        elsewhere = [f"{rows[split][index]} in {split}" for split in tables if split != learned and rows[split][index]]
        if not rows[learned][index]:
            found = f" (but {', '.join(elsewhere)})" if elsewhere else ""
            raise UserError(f"class {name!r} has no row to learn from{found}: add some, or take it out of prepare.class_names")


def _summary(reasons: Reasons) -> str:
    counts = Counter(Reason(int(code)) for code in reasons if code != Reason.KEPT)
    parts = [f"{counts[reason]} {reason.name.lower().replace('_', ' ')}" for reason in Reason if counts[reason]]
    return "dropped: " + ", ".join(parts) if parts else "nothing dropped"


if __name__ == "__main__":
    run_main(main)
