"""A model trained on the bundled corpus: its answers to the documentation's examples, and whether it needs the words that its explanations name."""

import re
from collections.abc import Sequence

import numpy as np
import pyarrow.parquet as pq
import pytest

from sentiment.evaluation.explanation import Explanation, WordWeight
from sentiment.use.answers import LabelRule
from sentiment.use.explain import explain
from sentiment.use.predict import Predictor
from tests.imports import ROOT
from tests.stages.workspace import Workspace

TEXTS = 20
TAKEN = 3  # words
DRAWS = 5
SHOWN_IN = ("README.md", "README.zh-CN.md", "docs/use.md", "Makefile", "sentiment/cli/predict_command.py", "sentiment/export/agreement.py")
EXAMPLES = {
    "I loved every minute of it.": "positive",
    "A great film.": "positive",
    "Worth the ticket, but the rest is dull.": "negative",
    "Not worth the ticket.": "negative",
}


@pytest.fixture(scope="module")
def corpus(tmp_path_factory: pytest.TempPathFactory) -> Workspace:
    """The bundled corpus, split as in the baseline, and the packaged encoder after 40 steps on it."""
    workspace = Workspace(tmp_path_factory.mktemp("corpus"))
    workspace.write("data/source.jsonl", (ROOT / "data" / "reviews.jsonl").read_bytes())
    workspace.set("split", max_train_examples=320)
    workspace.set("train", epochs=1, lr=3e-4, max_length=64)
    for stage in ("prepare", "split", "train"):
        done = workspace.run(stage)
        assert done.returncode == 0, done.stderr
    return workspace


def without(found: Explanation, taken: Sequence[WordWeight]) -> str:
    """Return the text without some of its words."""
    text = found.text
    for word in sorted(taken, key=lambda word: -word.start):
        text = text[: word.start] + text[word.end :]
    return text


def removal_drops(predictor: Predictor, texts: Sequence[str]) -> tuple[list[float], list[float]]:
    """Return by how many nats of log odds each answer falls.

    First without the words that speak for it the most, then without as many random ones, the mean of some draws.
    """
    generator = np.random.default_rng(0)
    top, random = [], []
    for text in texts:
        found = explain(predictor, text)
        strongest = sorted(found.words, key=lambda word: -word.weight)[:TAKEN]
        draws = [[found.words[place] for place in generator.choice(len(found.words), TAKEN, replace=False)] for _ in range(DRAWS)]
        logits, _ = predictor.reader.read([found.text, *(without(found, taken) for taken in (strongest, *draws))])
        index = predictor.class_names.index(found.label)
        whole, without_top, *without_others = logits[:, index] - logits[:, 1 - index]
        top.append(float(whole - without_top))
        random.append(float(whole - np.mean(without_others)))
    return top, random


def test_without_the_top_words_an_answer_falls_more_than_without_random_ones(corpus: Workspace) -> None:
    predictor = Predictor(corpus.root / "models" / "classifier")
    test = pq.read_table(corpus.root / "data" / "split" / "test.parquet").column("text").to_pylist()
    assert len(test) == 427
    lengths = predictor.reader.read(test)[1]
    uncut = [text for text, length in zip(test, lengths, strict=True) if 16 <= length <= predictor.settings.max_length]
    top, random = removal_drops(predictor, uncut[:: len(uncut) // TEXTS][:TEXTS])
    difference = np.subtract(top, random)
    assert np.mean(top) > 3 * abs(np.mean(random))
    assert difference.mean() > 4 * difference.std(ddof=1) / np.sqrt(len(difference))  # standard errors


def test_the_examples_of_the_documentation_get_the_answer_that_a_reader_expects(corpus: Workspace) -> None:
    asks = re.compile(r"sentiment (?:predict|explain) |make predict |/predict -H ")
    lines = [line for name in SHOWN_IN for line in (ROOT / name).read_text(encoding="utf-8").splitlines() if asks.search(line)]
    shown = {text for line in lines for text in re.findall(r'"([A-Z][^"]*\.)"', line)}
    assert shown == set(EXAMPLES)
    predictor = Predictor(corpus.root / "models" / "classifier")
    answers = predictor.answer(list(EXAMPLES), LabelRule(predictor.class_names))
    assert [answer.label for answer in answers] == list(EXAMPLES.values())
