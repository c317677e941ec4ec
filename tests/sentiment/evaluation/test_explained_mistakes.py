"""The report shows which words moved the most confident mistakes."""

from pathlib import Path

import numpy as np
import pyarrow as pa

from sentiment.evaluation.classifier import Classifier
from sentiment.evaluation.mistakes import explained, most_confident_mistakes
from sentiment.evaluation.report.texts_to_read import texts_to_read
from sentiment.model.runtime import start_runtime
from sentiment.model.text_settings import TextSettings
from tests.models import WORDS
from tests.trained import tiny_classifier

SETTINGS = TextSettings(24, "head", strip_html=True, precision="fp32")


def test_the_first_mistakes_are_explained_and_texts_that_are_not_shown_are_not(tmp_path: Path) -> None:
    classifier = Classifier(tiny_classifier(tmp_path / "classifier"), start_runtime("fp32"), SETTINGS, 8)
    generator = np.random.default_rng(1)
    texts = [" ".join(generator.choice(WORDS, 12)) for _ in range(12)]
    table = pa.table({"id": [f"r{row}" for row in range(12)], "text": texts, "label": np.zeros(12, dtype=np.int64)})
    predictions, _ = classifier.classify(table, "test")
    labels = 1 - predictions.predicted  # all wrong
    table = table.set_column(2, "label", pa.array(labels))
    predictions, _ = classifier.classify(table, "test")
    names = classifier.reader.class_names
    mistakes = most_confident_mistakes(table, predictions, names)
    found = explained(mistakes, 3, classifier.reader)
    assert [len(mistake.moved_by) for mistake in found] == [4, 4, 4, *[0] * 9]
    for mistake in found[:3]:
        assert all(moved.word in str(mistake.text).split() for moved in mistake.moved_by)
        sizes = [abs(moved.weight) for moved in mistake.moved_by]
        assert sizes == sorted(sizes, reverse=True)
    assert found == explained(mistakes, 3, classifier.reader)
    page = "\n".join(texts_to_read(found, None, "words"))
    assert (
        f"| {found[0].id} | {found[0].predicted} | {found[0].moved_by[0].word} " + f"{found[0].moved_by[0].weight:+.2f}, ".replace("-", "−") in page
    )

    private = most_confident_mistakes(table.set_column(1, "text", pa.nulls(12, pa.string())), predictions, names)
    assert all(not mistake.moved_by for mistake in explained(private, 3, classifier.reader))
    assert explained(mistakes, 0, classifier.reader) == mistakes
