"""The bundled corpus is what its card says, and its splits leak nothing."""

import hashlib
import json
from collections import Counter
from itertools import combinations
from pathlib import Path
from typing import Any

import pyarrow as pa
import pytest

from sentiment.core.class_names import read_class_names
from sentiment.core.tables import read_table
from sentiment.data.dealing.near_duplicates import find_pairs
from sentiment.data.dealing.row_selection import read_part
from sentiment.data.process_pool import ProcessPool
from sentiment.data.reading.cleaning import normalise, strip_html
from sentiment.settings.schema import load_parameters
from stages.prepare import prepare
from stages.split import choose

ROOT = Path(__file__).resolve().parents[2]
FILES = {"reviews": (2120, 154), "challenge": (600, 42)}
FIELDS = {"text": str, "label": int, "rating": int, "film": str, "phenomenon": str}
PHENOMENA = {"plain", "anecdote", "mixed", "expectation", "comparison", "negation", "turn", "hedged", "technical", "sarcasm"}
CARD = (ROOT / "data/README.md").read_text(encoding="utf-8")


def read(name: str) -> list[dict[str, Any]]:
    return [json.loads(line) for line in (ROOT / f"data/{name}.jsonl").read_text(encoding="utf-8").splitlines()]


@pytest.fixture(scope="module", params=FILES)
def corpus(request: pytest.FixtureRequest) -> tuple[str, list[dict[str, Any]]]:
    return request.param, read(request.param)


Corpus = tuple[str, list[dict[str, Any]]]


def test_it_is_the_file_the_card_describes(corpus: Corpus) -> None:
    name, rows = corpus
    digest = hashlib.sha256((ROOT / f"data/{name}.jsonl").read_bytes()).hexdigest()
    assert f"{digest}  {name}.jsonl" in CARD
    assert (len(rows), len({row["film"] for row in rows})) == FILES[name]


def test_every_row_has_the_five_fields_with_sound_values(corpus: Corpus) -> None:
    for row in corpus[1]:
        assert {field: type(value) for field, value in row.items()} == FIELDS
        assert row["label"] in (0, 1)
        assert row["rating"] in ((1, 2, 3, 4) if row["label"] == 0 else (7, 8, 9, 10))
        assert row["phenomenon"] in PHENOMENA
        assert row["text"].strip() and row["film"].strip()


def test_it_is_balanced_and_its_films_say_nothing_about_the_label(corpus: Corpus) -> None:
    rows = corpus[1]
    assert Counter(row["label"] for row in rows) == {0: len(rows) // 2, 1: len(rows) // 2}
    for film in {row["film"] for row in rows}:
        labels = [row["label"] for row in rows if row["film"] == film]
        assert 0.4 <= sum(labels) / len(labels) <= 0.6, film


def test_no_text_stands_twice_also_ignoring_case_and_punctuation(corpus: Corpus) -> None:
    texts = [normalise(strip_html(row["text"])) for row in corpus[1]]
    assert len(set(texts)) == len(texts)


def test_the_two_files_share_no_film_and_no_text() -> None:
    reviews, challenge = read("reviews"), read("challenge")
    assert not {row["film"] for row in reviews} & {row["film"] for row in challenge}
    assert not {normalise(row["text"]) for row in reviews} & {normalise(row["text"]) for row in challenge}
    texts = [row["text"] for row in reviews + challenge]
    assert not [pair for pair in find_pairs(texts, 0.7) if (pair[0] < len(reviews)) != (pair[1] < len(reviews))]


@pytest.fixture(scope="module")
def splits(tmp_path_factory: pytest.TempPathFactory) -> dict[str, pa.Table]:
    params = load_parameters(ROOT / "params.yaml")
    settings = params.prepare.model_copy(update={"source": str(ROOT / "data/reviews.jsonl")})
    prepared = tmp_path_factory.mktemp("prepared")
    prepare(settings, prepared, ProcessPool(1))
    parts = choose({"all": read_part(prepared / "all.parquet")}, params.split, read_class_names(prepared, "prepare"))
    return {name: read_table(part.path).take(part.rows) for name, part in parts.items()}


def test_splits_take_every_row_once(splits: dict[str, pa.Table]) -> None:
    ids = [name for table in splits.values() for name in table.column("id").to_pylist()]
    assert len(ids) == len(set(ids)) == 2120


def test_no_film_text_or_near_duplicate_stands_in_two_splits(splits: dict[str, pa.Table]) -> None:
    for first, second in combinations(splits.values(), 2):
        assert not set(first.column("group").to_pylist()) & set(second.column("group").to_pylist())
        texts = [normalise(text) for text in first.column("text").to_pylist() + second.column("text").to_pylist()]
        assert len(set(texts)) == len(texts)
        assert not [(a, b) for a, b in find_pairs(texts, 0.8) if a < first.num_rows <= b]


def test_splits_have_their_sizes_and_stay_balanced(splits: dict[str, pa.Table]) -> None:
    sizes = {name: table.num_rows for name, table in splits.items()}
    assert abs(sizes["test"] - 0.2 * 2120) <= 15
    assert abs(sizes["validation"] - 0.1 * (2120 - sizes["test"])) <= 15
    for table in splits.values():
        assert abs(sum(table.column("label").to_pylist()) / table.num_rows - 0.5) <= 0.02
