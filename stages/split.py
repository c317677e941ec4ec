"""Stage 2, split: train, validation and test, with no text and no group in two of them.

Reads   data/prepared/ (tables and classes.json)
Writes  data/split/{train,validation,test}.parquet, classes.json, reports/split.json
Run     python -m stages.split          (or: dvc repro split)

Labels and groups decide; the rows themselves only pass by.
"""

from functools import partial
from itertools import combinations
from pathlib import Path

import numpy as np

from sentiment import paths
from sentiment.classnames import read_class_names, write_class_names
from sentiment.console import progress_bar, say
from sentiment.errors import UserError, run_main
from sentiment.files import replacing, write_json
from sentiment.leakage import Keys, joined, keys_of
from sentiment.near_duplicates import pairs_among
from sentiment.parameters import SplitParameters, load_parameters
from sentiment.parts import Part, deal_out, read_part, take_texts
from sentiment.splitting import hold_out, subsample
from sentiment.tables import SPLITS, count_table, iterate_table
from sentiment.workers import Workers

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
        pool, test = _hold_out(pool, settings.test_size, settings.seed, class_names, "test")
    if validation is None:
        pool, validation = _hold_out(pool, settings.validation_size, settings.seed, class_names, "validation")
    train = pool.take(subsample(pool.labels, pool.groups, settings.max_train_examples, settings.seed, "split.max_train_examples"))
    test = test.take(subsample(test.labels, test.groups, settings.max_test_examples, settings.seed, "split.max_test_examples"))
    return {"train": train, "validation": validation, "test": test}


def prove(folder: Path, class_names: list[str], near_duplicate_threshold: float | None, workers: Workers) -> dict[str, object]:
    """Read the written splits back and count what two of them share.

    Parameters
    ----------
    folder : Path
        Holds the three parquet files.
    class_names : list of str
        For the counts by class.
    near_duplicate_threshold : float or None
        Where given, near-duplicates across splits are counted too.
    workers : Workers
        Who computes what the rows are compared by.

    Returns
    -------
    dict
        Rows by split and class, and what is shared: ``texts_shared``, ``groups_shared``.

    Raises
    ------
    RuntimeError
        Where a text or a group stands in two splits: a defect of this project, nothing the user did.
    """
    files = {name: folder / f"{name}.parquet" for name in SPLITS}
    keys = {name: _read_keys(path, near_duplicate_threshold is not None, workers) for name, path in files.items()}
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
        pairs = pairs_among(bands, partial(take_texts, list(files.values())), near_duplicate_threshold)
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
    prepared = {path.stem: read_part(path) for path in sorted(paths.PREPARED.glob("*.parquet"))}
    if not prepared:
        raise UserError(f"{paths.PREPARED} holds no table: run the stage prepare first (dvc repro, or python -m stages.prepare)")
    class_names = read_class_names(paths.PREPARED, "prepare")
    parts = choose(prepared, params.split, class_names)
    with replacing(paths.SPLIT) as folder, Workers() as workers:
        folder.mkdir()
        for path in dict.fromkeys(part.path for part in parts.values()):
            deal_out(path, {folder / f"{name}.parquet": part.rows for name, part in parts.items() if part.path == path})
        write_class_names(folder, class_names)
        report = prove(folder, class_names, params.prepare.near_duplicate_threshold, workers)
    write_json(paths.SPLIT_METRICS, report)
    say("split: " + ", ".join(f"{len(part.rows)} {name}" for name, part in parts.items()) + "; no text and no group in two of them")


def _read_keys(path: Path, with_bands: bool, workers: Workers) -> Keys:
    parts: list[Keys] = []
    rows = 0
    with progress_bar(f"split: check {path.stem}", count_table(path), at_least=_LONG) as bar:
        for keys in workers.map(partial(keys_of, with_bands=with_bands), iterate_table(path, ["id", "text", "label", "group"])):
            parts.append(keys)
            rows += len(keys.labels)
            bar.update(rows)
    return joined(parts)


def _hold_out(pool: Part, share: float, seed: int, class_names: list[str], name: str) -> tuple[Part, Part]:
    rest, taken = hold_out(pool.labels, pool.groups, share, seed, class_names, name)
    return pool.take(rest), pool.take(taken)


if __name__ == "__main__":
    run_main(main)
