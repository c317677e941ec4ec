"""Stage 2, split: train, validation and test, with no text and no group in two of them.

Reads   data/prepared/*.parquet
Writes  data/split/{train,validation,test}.parquet, reports/split.json
Run     python -m stages.split          (or: dvc repro split)
"""

from itertools import combinations
from pathlib import Path

import numpy as np
import pyarrow as pa

from sentiment import paths
from sentiment.console import say
from sentiment.errors import UserError, run_main
from sentiment.files import replacing, write_json
from sentiment.leakage import keys_of
from sentiment.near_duplicates import find_pairs
from sentiment.parameters import SplitParameters, load_parameters
from sentiment.splitting import hold_out, subsample
from sentiment.tables import SPLITS, groups_of, iterate, labels_of, read_table, write_table


def split(prepared: dict[str, pa.Table], settings: SplitParameters, class_names: list[str]) -> dict[str, pa.Table]:
    """Deal the rows out.

    Parameters
    ----------
    prepared : dict of str to pyarrow.Table
        What prepare wrote, by the source's own splits; ``all`` where it names none.
    settings : SplitParameters
        Sizes and seed.
    class_names : list of str
        Every class must stand in every split.

    Returns
    -------
    dict of str to pyarrow.Table
        train, validation and test. A split of the source's own is taken as it is.
    """
    pool = prepared.get("train", prepared.get("all"))
    assert pool is not None, "prepare writes train or all"
    test, validation = prepared.get("test"), prepared.get("validation")
    if test is None:
        pool, test = _hold_out(pool, settings.test_size, settings.seed, class_names, "test")
    if validation is None:
        pool, validation = _hold_out(pool, settings.validation_size, settings.seed, class_names, "validation")
    train = pool.take(subsample(labels_of(pool), groups_of(pool), settings.max_train_examples, settings.seed, "split.max_train_examples"))
    test = test.take(subsample(labels_of(test), groups_of(test), settings.max_test_examples, settings.seed, "split.max_test_examples"))
    return {"train": train, "validation": validation, "test": test}


def prove(folder: Path, class_names: list[str], near_duplicate_threshold: float | None) -> dict[str, object]:
    """Read the written splits back and count what two of them share.

    Parameters
    ----------
    folder : Path
        Holds the three parquet files.
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
        Where a text or a group stands in two splits: a defect of this project, nothing the user did.
    """
    tables = {name: read_table(folder / f"{name}.parquet") for name in SPLITS}
    keys = {name: keys_of(table) for name, table in tables.items()}
    shared_texts = shared_groups = 0
    for first, second in combinations(SPLITS, 2):
        shared_texts += len(np.intersect1d(keys[first].normalised[~keys[first].empty], keys[second].normalised[~keys[second].empty]))
        if (left := keys[first].groups) is not None and (right := keys[second].groups) is not None:
            shared_groups += len(np.intersect1d(left, right))
    if shared_texts or shared_groups:
        raise RuntimeError(f"the splits share {shared_texts} texts and {shared_groups} groups: nothing was written")
    report: dict[str, object] = {"texts_shared": shared_texts, "groups_shared": shared_groups}
    if near_duplicate_threshold is not None:
        owners = [name for name in SPLITS for _ in range(tables[name].num_rows)]
        texts = [text for name in SPLITS for text in iterate(tables[name], "text")]
        report["near_duplicates_shared"] = sum(owners[a] != owners[b] for a, b in find_pairs(texts, near_duplicate_threshold))
    for name, table in tables.items():
        by_class = np.bincount(keys[name].labels, minlength=len(class_names))
        groups = keys[name].groups
        report[name] = {
            "rows": table.num_rows,
            **({"groups": len(np.unique(groups))} if groups is not None else {}),
            **{class_name: int(count) for class_name, count in zip(class_names, by_class, strict=True)},
        }
    return report


def main() -> None:
    """Run the stage."""
    params = load_parameters(paths.PARAMS)
    prepared = {path.stem: read_table(path) for path in sorted(paths.PREPARED.glob("*.parquet"))}
    if not prepared:
        raise UserError(f"{paths.PREPARED} holds no table: run the stage prepare first (dvc repro, or python -m stages.prepare)")
    tables = split(prepared, params.split, params.prepare.class_names)
    with replacing(paths.SPLIT) as folder:
        folder.mkdir()
        for name, table in tables.items():
            write_table(table, folder / f"{name}.parquet")
        report = prove(folder, params.prepare.class_names, params.prepare.near_duplicate_threshold)
    write_json(paths.SPLIT_METRICS, report)
    say("split: " + ", ".join(f"{table.num_rows} {name}" for name, table in tables.items()) + "; no text and no group in two of them")


def _hold_out(pool: pa.Table, share: float, seed: int, class_names: list[str], name: str) -> tuple[pa.Table, pa.Table]:
    rest, taken = hold_out(labels_of(pool), groups_of(pool), share, seed, class_names, name)
    return pool.take(rest), pool.take(taken)


if __name__ == "__main__":
    run_main(main)
