"""Stage 1, prepare: bring a source of labelled text into one form, without leaks or duplicates.

Reads   prepare.source, a jsonl, csv or parquet file or a folder of them
Writes  data/prepared/<split>.parquet (id, text, label, group, other columns), classes.json, dropped_rows.json, dropped_rows.md,
        reports/prepare/ (counts.json, report.md)
Run     python -m stages.prepare        (or: dvc repro prepare)

The rows pass through a temporary file: memory holds a few hundred bytes of digests a row, however long the texts are.
"""

from contextlib import ExitStack
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import pyarrow as pa

from sentiment.core import paths
from sentiment.core.checksums import write_checksums
from sentiment.core.class_names import write_class_names
from sentiment.core.files import replacing
from sentiment.core.tables import TableWriter
from sentiment.data.counts import write_counts
from sentiment.data.dealing import dropped_rows
from sentiment.data.dealing.challenge_set import CLASS_NAMES, TABLE, ChallengeRows, prepare_challenge
from sentiment.data.dealing.comparison_keys import Keys, repeats
from sentiment.data.dealing.intake import check_ids, take_in
from sentiment.data.dealing.leakage import Reason, Reasons, check_classes, decide_rows, tied_rows
from sentiment.data.dealing.precedence import Place, drop_near_duplicates
from sentiment.data.dealing.row_selection import write_ties
from sentiment.data.parameters import PrepareParameters
from sentiment.data.paths import CHALLENGE, PREPARE_REPORT
from sentiment.data.process_pool import ProcessPool
from sentiment.data.reading.class_inference import Classes, find_classes, named_classes
from sentiment.data.reading.corpus import Columns
from sentiment.data.reading.delimited import Told
from sentiment.data.reading.formats import count_rows
from sentiment.data.reading.label_codes import LabelRules
from sentiment.data.reading.manner import say_how
from sentiment.data.reading.sources import SourceFile, find_files
from sentiment.data.reading.spill_file import RowStore
from sentiment.data.reading.split_column import by_column
from sentiment.settings.ran_with import ran_with
from sentiment.settings.schema import load_parameters
from sentiment.terminal.errors import UserError, run_main
from sentiment.terminal.progress import progress_bar, say
from sentiment.use.committed import warn_of_uncommitted

_LONG = 50_000  # rows: some seconds


@dataclass(frozen=True)
class Prepared:
    """What came of a source.

    Attributes
    ----------
    reasons : dict of str to Reasons
        A `Reason` for each row read, by split.
    keys : dict of str to Keys
        What the decision rests on.
    ignored : list of Path
        Files of the source that belong to no split.
    challenge : ChallengeRows
        What came of the challenge set.
    read_as : dict of str to str
        How a file of the source was read, by its name, where that was not as usual.
    """

    reasons: dict[str, Reasons]
    keys: dict[str, Keys]
    ignored: list[Path]
    challenge: ChallengeRows
    read_as: dict[str, str]


def prepare(settings: PrepareParameters, folder: Path, workers: ProcessPool) -> Prepared:
    """Read every split of the source, decide_rows which rows stay, and write those.

    Parameters
    ----------
    settings : PrepareParameters
        Where the source is and what stands where in it.
    folder : Path
        An empty folder: gets the tables, the classes and the examples of dropped rows.
    workers : ProcessPool
        Who cleans and compares.
    """
    source = Path(settings.source)
    files, ignored = find_files(source, f"prepare.source = {settings.source}")
    read_as = say_how("prepare", files, source, Told(), f"python -m sentiment fetch {source} --encoding NAME, and what it prints as prepare.source")
    if settings.split_column is not None:
        files = by_column(files, settings.split_column)
    rules = LabelRules(settings.label_map or {}, settings.drop_classes, settings.unlabelled == "drop")
    classes = named_classes(settings.class_names, rules) if settings.class_names else find_classes(files, settings.label_column, rules)
    with ExitStack() as stack:
        splits = sorted({file.split for file in files})
        stores = {split: stack.enter_context(RowStore(folder / f"{split}.rows")) for split in splits}
        keys = read(files, settings, classes, rules, stores, workers)
        check_ids(stores, keys)
        reasons = decide_rows(keys, settings.conflicts == "majority")
        near: dict[Place, Place] = {}
        if settings.near_duplicate_threshold is not None:
            near = drop_near_duplicates(stores, keys, reasons, settings.near_duplicate_threshold)
        for split in splits:
            if not (reasons[split] == Reason.KEPT).any():
                raise UserError(f"prepare.source = {settings.source}: no rows left in the {split} split ({dropped_rows.summary(reasons[split])})")
        check_classes(keys, reasons, classes.names)
        write_ties(folder, {split: tied_rows(keys[split], reasons[split]) for split in splits if split != "test"})
        for split in splits:
            write_kept(stores[split], reasons[split], folder / f"{split}.parquet")
        dropped_rows.write_examples(
            folder, dropped_rows.counts(np.concatenate(list(reasons.values()))), dropped_rows.find_examples(reasons, keys, near, stores)
        )
    write_class_names(folder, classes.names)
    challenge = prepare_challenge(CHALLENGE, classes.names, settings.strip_html, folder / TABLE)
    return Prepared(reasons, keys, ignored, challenge, read_as)


def read(
    files: list[SourceFile], settings: PrepareParameters, classes: Classes, rules: LabelRules, stores: dict[str, RowStore], workers: ProcessPool
) -> dict[str, Keys]:
    """Read the source into the stores; return what its rows are compared by, by split."""
    columns = Columns(
        settings.text_column,
        settings.label_column,
        settings.group_column,
        classes.names,
        settings.strip_html,
        classes.labels_are_names,
        settings.id_column,
        rules,
        classes.all_names,
    )
    keys: dict[str, Keys] = {}
    for split, store in stores.items():
        mine = [file for file in files if file.split == split]
        with progress_bar(f"prepare: read {split}", sum(count_rows(file.path) for file in mine), at_least=_LONG) as bar:
            keys[split] = take_in(mine, columns, settings.near_duplicate_threshold is not None, store, workers, bar.update)
    return keys


def write_kept(store: RowStore, reasons: Reasons, path: Path) -> None:
    """Write the rows that stay as parquet."""
    with progress_bar(f"prepare: write {path.stem}", store.num_rows, at_least=_LONG) as bar, TableWriter(path, store.schema) as writer:
        for start, table in store.tables():
            kept = reasons[start : start + table.num_rows] == Reason.KEPT
            writer.write(table.filter(pa.array(kept)))
            bar.update(start + table.num_rows)


def report(prepared: Prepared) -> dict[str, object]:
    """Count what was read, kept and dropped, and what a given test split holds of its own."""
    every = np.concatenate(list(prepared.reasons.values()))
    counts: dict[str, object] = {
        "rows_read": len(every),
        "rows_kept": int((every == Reason.KEPT).sum()),
        "dropped": {reason.name.lower(): count for reason, count in dropped_rows.counts(every).items()},
    }
    if "test" in prepared.keys:
        test, stays = prepared.keys["test"], prepared.reasons["test"] == Reason.KEPT
        counts["test"] = {
            "rows": int(stays.sum()),
            "empty": int(test.empty[stays].sum()),
            "exact_duplicates": int(repeats(test.exact, stays & ~test.empty).sum()),
            "normalised_duplicates": int(repeats(test.normalised, stays & ~test.empty).sum()),
        }
    counts["challenge"] = {"rows_read": prepared.challenge.read, "rows_kept": prepared.challenge.kept}
    if prepared.read_as:
        counts["read_as"] = prepared.read_as
    if prepared.ignored:
        counts["files_ignored"] = len(prepared.ignored)
    return counts


def main() -> None:
    """Run the stage."""
    params = load_parameters(paths.PARAMS)
    parameters = ran_with("prepare").parameters
    with replacing(paths.PREPARED) as folder, ProcessPool() as workers:
        folder.mkdir()
        prepared = prepare(params.prepare, folder, workers)
        write_checksums(folder, parameters)
    for path in prepared.ignored:
        say(f"prepare: left out {path}: its name starts with none of train, validation, test (only the first word of a name counts)")
    counts = report(prepared)
    write_counts(PREPARE_REPORT, "What prepare read, kept and dropped", counts)
    summary = dropped_rows.summary(np.concatenate(list(prepared.reasons.values())))
    examples = f"; examples: {paths.PREPARED / dropped_rows.MARKDOWN}" if counts["rows_kept"] != counts["rows_read"] else ""
    say(f"prepare: kept {counts['rows_kept']} of {counts['rows_read']} rows ({summary}){examples}")
    warn_of_uncommitted("prepare", Path(params.prepare.source))
    if not prepared.challenge.kept:
        say(f"prepare: the challenge set has the classes {', '.join(CLASS_NAMES)}, not those of this data: left out")


if __name__ == "__main__":
    run_main(main)
