"""prepare and split on the reviews of IMDB, against a count of its own.

IMDB_DIR names a folder with train.parquet and test.parquet (columns text, label, rating, movie):
25,000 training reviews and 5,000 test reviews of the corpus of Maas et al. (2011). What is expected is
counted here with pandas and sets, with none of the project's functions.
"""

import json
import os
import re
import shutil
import unicodedata
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pandas as pd
import pytest

from tests.stages.workspace import Workspace

FOLDER = os.environ.get("IMDB_DIR")
FILM_IN_BOTH = "tt0406816"

pytestmark = pytest.mark.skipif(
    FOLDER is None, reason="needs the reviews of IMDB: set IMDB_DIR to a folder with train.parquet and test.parquet (text, label, rating, movie)"
)


@pytest.fixture(scope="module")
def reviews() -> dict[str, pd.DataFrame]:
    frames = {split: pd.read_parquet(Path(FOLDER or "") / f"{split}.parquet") for split in ("train", "test")}
    for frame in frames.values():
        frame["words"] = frame["text"].map(words)
    return frames


def words(text: str) -> str:
    """Case, line breaks, entities and punctuation apart, what a review says."""
    import html

    bare = html.unescape(re.sub(r"<[/]?(?:br|p|hr|i|b|em)\b[^<>]*>", " ", text, flags=re.IGNORECASE))
    folded = unicodedata.normalize("NFKC", bare).casefold()
    return " ".join("".join(" " if unicodedata.category(sign).startswith("P") else sign for sign in folded).split())


@pytest.fixture(scope="module")
def done(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Workspace]:
    workspace = Workspace(tmp_path_factory.mktemp("imdb"))
    (workspace.root / "data/imdb").mkdir()
    for split in ("train", "test"):
        (workspace.root / f"data/imdb/{split}.parquet").symlink_to(Path(FOLDER or "").resolve() / f"{split}.parquet")
    workspace.set("prepare", source="data/imdb", group_column="movie", near_duplicate_threshold=None)
    for stage in ("prepare", "split"):
        run = workspace.run(stage)
        assert run.returncode == 0, run.stderr
    yield workspace
    shutil.rmtree(workspace.root)


def report(workspace: Workspace, stage: str) -> Any:
    return json.loads((workspace.root / f"reports/{stage}/counts.json").read_text(encoding="utf-8"))


def kept(reviews: dict[str, pd.DataFrame]) -> tuple[pd.DataFrame, dict[str, int]]:
    """The training rows that must stay, and how many must go for each reason, counted with sets."""
    train, test = reviews["train"], reviews["test"]
    texts, films = set(test["words"]), set(test["movie"])
    exact: set[str] = set()
    normalised: set[str] = set()
    counts = dict.fromkeys(("exact_duplicate", "normalised_duplicate", "text_in_test", "group_in_test"), 0)
    rows = []
    for index, text, said, film in zip(train.index, train["text"], train["words"], train["movie"], strict=True):
        if text in exact:
            counts["exact_duplicate"] += 1
        elif said in normalised:
            counts["normalised_duplicate"] += 1
        elif said in texts:
            counts["text_in_test"] += 1
        elif film in films:
            counts["group_in_test"] += 1
        else:
            rows.append(index)
        exact.add(text)
        normalised.add(said)
    return train.loc[rows], counts


def test_the_files_are_the_ones_that_are_known(reviews: dict[str, pd.DataFrame]) -> None:
    train, test = reviews["train"], reviews["test"]
    assert (len(train), len(test)) == (25_000, 5_000)
    assert train["text"].duplicated().sum() == 96
    assert train["words"].duplicated().sum() == 99
    assert test["text"].duplicated().sum() == 9
    assert set(train["movie"]) & set(test["movie"]) == {FILM_IN_BOTH}


def test_the_report_of_prepare_is_what_sets_count(reviews: dict[str, pd.DataFrame], done: Workspace) -> None:
    rows, counts = kept(reviews)
    told = report(done, "prepare")
    assert {reason: count for reason, count in told["dropped"].items() if count} == {reason: count for reason, count in counts.items() if count}
    assert (counts["exact_duplicate"], counts["exact_duplicate"] + counts["normalised_duplicate"]) == (96, 99)
    assert told["rows_read"] == 30_000
    assert told["rows_kept"] == len(rows) + 5_000
    said = reviews["test"]["words"].duplicated().sum()
    assert told["test"] == {"rows": 5_000, "empty": 0, "exact_duplicates": 9, "normalised_duplicates": said}


def test_every_training_row_of_a_test_text_or_film_is_gone_and_no_other(reviews: dict[str, pd.DataFrame], done: Workspace) -> None:
    splits = {split: pd.read_parquet(done.root / f"data/split/{split}.parquet") for split in ("train", "validation", "test")}
    rows, _ = kept(reviews)
    learned = pd.concat([splits["train"], splits["validation"]])
    numbers = [int(name.removeprefix("train-")) - 1 for name in learned["id"]]  # an id is the file's name and the row's number
    assert sorted(zip(numbers, learned["group"], learned["label"], strict=True)) == sorted(zip(rows.index, rows["movie"], rows["label"], strict=True))
    assert not set(reviews["train"]["words"].loc[numbers]) & set(reviews["test"]["words"])
    assert FILM_IN_BOTH not in set(learned["group"])
    assert [int(name.removeprefix("test-")) - 1 for name in splits["test"]["id"]] == list(range(5_000))
    assert splits["test"]["label"].tolist() == reviews["test"]["label"].tolist()


def test_no_film_stands_in_training_and_validation_and_the_report_of_split_counts_right(done: Workspace) -> None:
    told = report(done, "split")
    splits = {split: pd.read_parquet(done.root / f"data/split/{split}.parquet") for split in ("train", "validation", "test")}
    assert not set(splits["train"]["group"]) & set(splits["validation"]["group"])
    assert (told["groups_shared"], told["texts_shared"]) == (0, 0)
    for split, frame in splits.items():
        assert told[split] == {
            "rows": len(frame),
            "groups": frame["group"].nunique(),
            "classes": {"negative": int((frame["label"] == 0).sum()), "positive": int((frame["label"] == 1).sum())},
        }
    learned = len(splits["train"]) + len(splits["validation"])
    assert abs(len(splits["validation"]) - 0.1 * learned) <= splits["train"]["group"].value_counts().max()
