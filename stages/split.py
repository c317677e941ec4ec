"""Stage 2, split: train, validation and test, with no text and no group in two of them; the challenge set without what train holds.

Reads   data/prepared/ (tables and classes.json)
Writes  data/split/{train,validation,test,challenge}.parquet, classes.json, reports/split/ (counts.json, report.md)
Run     python -m stages.split          (or: dvc repro split)

Labels and groups decide; the rows themselves only pass by.
"""

from functools import partial
from itertools import combinations
from pathlib import Path

import numpy as np

from sentiment.core import paths
from sentiment.core.checksums import check_files, write_checksums
from sentiment.core.class_names import read_class_names, write_class_names
from sentiment.core.files import replacing
from sentiment.core.tables import SPLITS, count_table, iterate_table
from sentiment.data.counts import write_counts
from sentiment.data.dealing.challenge_set import TABLE, split_challenge
from sentiment.data.dealing.comparison_keys import Keys, joined, keys_of
from sentiment.data.dealing.near_duplicates import pairs_among
from sentiment.data.dealing.row_selection import Part, deal_out, read_part, take_texts
from sentiment.data.dealing.splitting import hold_out, subsample
from sentiment.data.parameters import SplitParameters
from sentiment.data.paths import SPLIT_REPORT
from sentiment.data.process_pool import ProcessPool
from sentiment.data.reading.sources import WHOLE
from sentiment.settings.ran_with import ran_with
from sentiment.settings.schema import load_parameters
from sentiment.terminal.errors import UserError, run_main
from sentiment.terminal.progress import progress_bar, say

_LONG = 50_000  # rows: some seconds


def choose(prepared: dict[str, Part], settings: SplitParameters, class_names: list[str]) -> dict[str, Part]:
    """Deal the rows out.

    Parameters
    ----------
    prepared : dict of str to Part
        What prepare wrote, by the source's own splits; ``all`` where it names none.
    settings : SplitParameters
        Sizes and seed.
    class_names : list of str
        Every class must stand in every split.

    Returns
    -------
    dict of str to Part
        train, validation and test. A split of the source's own is taken as it is.
    """
    pool = prepared.get("train", prepared.get("all"))
    assert pool is not None, "prepare writes train or all"
    test, validation = prepared.get("test"), prepared.get("validation")
    if test is None:
        pool, test = _hold_out(pool, settings.test_size, settings.seed, class_names, "test", 3 if validation is None else 2)
    if validation is None:
        pool, validation = _hold_out(pool, settings.validation_size, settings.seed, class_names, "validation", 2)
    train = pool.take(subsample(pool.labels, pool.groups, settings.max_train_examples, settings.seed, "split.max_train_examples"))
    test = test.take(subsample(test.labels, test.groups, settings.max_test_examples, settings.seed, "split.max_test_examples"))
    return {"train": train, "validation": validation, "test": test}


def read_keys(folder: Path, with_bands: bool, workers: ProcessPool) -> dict[str, Keys]:
    """Read the written splits back: what their rows are compared by, near-duplicates only where asked."""
    return {name: _read_keys(folder / f"{name}.parquet", with_bands, workers) for name in SPLITS}


def prove(folder: Path, keys: dict[str, Keys], class_names: list[str], near_duplicate_threshold: float | None) -> dict[str, object]:
    """Count what two of the written splits share.

    Parameters
    ----------
    folder : Path
        Holds the three parquet files.
    keys : dict of str to Keys
        From `read_keys`.
    class_names : list of str
        For the counts by class.
    near_duplicate_threshold : float or None
        Where given, near-duplicates across splits are counted too.

    Returns
    -------
    dict
        Rows by split and class, and what is shared: ``texts_shared``, ``groups_shared``.

    Raises
    ------
    RuntimeError
        Where a text or a group is in two splits: a defect of this project, nothing the user did.
    """
    shared_texts = shared_groups = 0
    for first, second in combinations(SPLITS, 2):
        shared_texts += len(np.intersect1d(keys[first].normalised[~keys[first].empty], keys[second].normalised[~keys[second].empty]))
        if (left := keys[first].groups) is not None and (right := keys[second].groups) is not None:
            shared_groups += len(np.intersect1d(left, right))
    if shared_texts or shared_groups:
        raise RuntimeError(f"the splits share {shared_texts} texts and {shared_groups} groups: nothing was written")
    report: dict[str, object] = {"texts_shared": shared_texts, "groups_shared": shared_groups}
    if near_duplicate_threshold is not None:
        owners = np.repeat(np.arange(len(SPLITS)), [len(keys[name].labels) for name in SPLITS])
        bands = joined([keys[name] for name in SPLITS]).bands
        assert bands is not None
        files = [folder / f"{name}.parquet" for name in SPLITS]
        pairs = pairs_among(bands, partial(take_texts, files), near_duplicate_threshold)
        report["near_duplicates_shared"] = sum(bool(owners[a] != owners[b]) for a, b in pairs)
    for name, own in keys.items():
        by_class = np.bincount(own.labels, minlength=len(class_names))
        report[name] = {
            "rows": len(own.labels),
            **({"groups": len(np.unique(own.groups))} if own.groups is not None else {}),
            "classes": {class_name: int(count) for class_name, count in zip(class_names, by_class, strict=True)},
        }
    return report


def main() -> None:
    """Run the stage."""
    params = load_parameters(paths.PARAMS)
    parameters = ran_with("split").parameters
    check_files(paths.PREPARED, "prepare")
    files = [paths.PREPARED / f"{split}.parquet" for split in (WHOLE, *SPLITS)]
    prepared = {path.stem: read_part(path) for path in files if path.exists()}
    if not prepared:
        raise UserError(f"{paths.PREPARED} holds no table: run the stage prepare first (dvc repro, or python -m stages.prepare)")
    class_names = read_class_names(paths.PREPARED, "prepare")
    parts = choose(prepared, params.split, class_names)
    with replacing(paths.SPLIT) as folder, ProcessPool() as workers:
        folder.mkdir()
        for path in dict.fromkeys(part.path for part in parts.values()):
            deal_out(path, {folder / f"{name}.parquet": part.rows for name, part in parts.items() if part.path == path})
        write_class_names(folder, class_names)
        threshold = params.prepare.near_duplicate_threshold
        keys = read_keys(folder, threshold is not None, workers)
        report = prove(folder, keys, class_names, threshold)
        challenge = split_challenge(paths.PREPARED / TABLE, keys["train"], folder / TABLE)
        write_checksums(folder, parameters)
        report["challenge"] = {"rows": challenge.kept, "in_train": challenge.read - challenge.kept}
    write_counts(SPLIT_REPORT, "What split dealt out, and what two splits share", report)
    for name, cap in (("train", params.split.max_train_examples), ("test", params.split.max_test_examples)):
        if cap is not None and len(parts[name].rows) < cap:
            say(f"split: split.max_{name}_examples = {cap:,}, and there are {len(parts[name].rows):,} {name} rows: all are taken")
    say("split: " + ", ".join(f"{len(part.rows)} {name}" for name, part in parts.items()) + "; no text and no group in two of them")


def _read_keys(path: Path, with_bands: bool, workers: ProcessPool) -> Keys:
    parts: list[Keys] = []
    rows = 0
    with progress_bar(f"split: check {path.stem}", count_table(path), at_least=_LONG) as bar:
        for keys in workers.map(partial(keys_of, with_bands=with_bands), iterate_table(path, ["id", "text", "label", "group"])):
            parts.append(keys)
            rows += len(keys.labels)
            bar.update(rows)
    return joined(parts)


def _hold_out(pool: Part, share: float, seed: int, class_names: list[str], name: str, sides: int) -> tuple[Part, Part]:
    rest, taken = hold_out(pool.labels, pool.groups, share, seed, class_names, name, sides, pool.ties)
    return pool.take(rest), pool.take(taken)


if __name__ == "__main__":
    run_main(main)
