"""Explanations of a trained model on the bundled test split: the words that they name are the ones that it needs."""

from collections.abc import Sequence

import numpy as np
import pyarrow.parquet as pq
import pytest

from sentiment.evaluation.explanation import Explanation, WordWeight
from sentiment.use.explain import explain
from sentiment.use.predict import Predictor
from tests.imports import ROOT
from tests.stages.workspace import Workspace

TEXTS = 20
TAKEN = 3  # words
DRAWS = 5


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
