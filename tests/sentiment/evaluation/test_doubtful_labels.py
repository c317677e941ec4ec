"""Rows whose label looks wrong: planted ones are found, and nothing breaks where there is little to judge."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from sentiment.evaluation import counting_words
from sentiment.evaluation.counting_words import FOLDS, out_of_sample_probabilities
from sentiment.evaluation.doubtful_labels import find_label_issues
from tests.sentiment.evaluation.test_outputs import result

WORDS = {0: ["dull", "bad", "boring", "weak"], 1: ["great", "good", "moving", "fine"], 2: ["long", "short", "old", "new"]}


def corpus(rows: int, classes: int = 2) -> tuple[list[str], np.ndarray]:
    generator = np.random.default_rng(0)
    labels = np.arange(rows) % classes
    texts = [" ".join([*generator.choice(WORDS[int(label)], 6), *generator.choice(["film", "plot", "cast", "end"], 4)]) for label in labels]
    return texts, labels


@pytest.mark.parametrize("classes", [2, 3])
def test_planted_labels_lead_the_list_of_the_training_split(classes: int) -> None:
    texts, labels = corpus(300, classes)
    planted = np.random.default_rng(1).choice(300, 12, replace=False)
    wrong = labels.copy()
    wrong[planted] = (wrong[planted] + 1) % classes
    found = find_label_issues(wrong, out_of_sample_probabilities(texts, wrong, None, classes))
    assert len(set(planted) & {issue.row for issue in found[:12]}) >= 10
    assert all(issue.suggested == labels[issue.row] for issue in found if issue.row in planted)
    assert [issue.label_probability for issue in found] == sorted(issue.label_probability for issue in found)
    assert found == find_label_issues(wrong, out_of_sample_probabilities(texts, wrong, None, classes))


def test_a_row_is_judged_without_its_group() -> None:
    texts, labels = corpus(120)
    secret = [f"{text} secret{number // 4}" for number, text in enumerate(texts)]  # would give the label away within a group
    groups = np.arange(120) // 4
    labels = (np.arange(120) // 4) % 2
    judged = out_of_sample_probabilities(["secret" + text.split("secret")[1] for text in secret], labels, groups, 2)
    assert (judged.argmax(axis=1) == labels).mean() < 0.7


def test_classes_with_fewer_rows_than_folds_are_passed_over() -> None:
    texts, labels = corpus(60)
    labels = labels.copy()
    labels[:3] = 2
    judged = out_of_sample_probabilities(texts, labels, None, 3)
    assert np.isnan(judged[:3]).all()
    assert np.isfinite(judged[3:]).all()
    assert all(issue.row >= 3 for issue in find_label_issues(labels, judged))


def test_a_large_split_is_judged_in_part(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(counting_words, "MOST_ROWS", 100)
    texts, labels = corpus(300)
    assert np.isfinite(out_of_sample_probabilities(texts, labels, None, 2)).all(axis=1).sum() == 100


@settings(deadline=None, max_examples=30)
@given(rows=st.integers(0, 40), classes=st.integers(1, 6), seed=st.integers(0, 1000), share=st.floats(0, 1))
def test_any_probabilities_are_judged(rows: int, classes: int, seed: int, share: float) -> None:
    generator = np.random.default_rng(seed)
    labels = generator.integers(classes, size=rows)
    probabilities = generator.dirichlet(np.ones(classes), size=rows)
    probabilities[generator.random(rows) < share] = np.nan
    for issue in find_label_issues(labels, probabilities):
        assert np.isfinite(probabilities[issue.row]).all()
        assert issue.suggested != labels[issue.row]


def test_nothing_to_learn_from_finds_nothing() -> None:
    texts, labels = corpus(2 * FOLDS - 2)
    assert find_label_issues(labels, out_of_sample_probabilities(texts, labels, None, 2)) == []


def test_the_report_lists_them_and_says_what_they_are() -> None:
    from sentiment.evaluation.doubtful_labels import DoubtfulLabel, DoubtfulLabels
    from sentiment.evaluation.report.page import render_page

    rows = [DoubtfulLabel(f"id{number}", "a | text <b>", "negative", "positive", 0.01, 0.99) for number in range(30)]
    text = render_page(result(doubtful={"train": DoubtfulLabels(rows, 1_240, 1_200), "test": DoubtfulLabels([], 90, 90)}))
    assert "Candidates to read, not errors" in text
    assert "30 of 1,200 rows, the 20 most doubtful here. 40 more could not be judged" in text
    assert text.count("| id") >= 20 and "<b>" not in text
    assert "whose label looks wrong to the classifier: 0 of 90 rows. 0 of these 1 are both." in text
    assert "Labels that look wrong" not in render_page(result(doubtful=None))


def test_a_test_text_stands_once_with_what_it_is() -> None:
    from sentiment.evaluation.doubtful_labels import DoubtfulLabel, DoubtfulLabels
    from sentiment.evaluation.mistakes import Mistake
    from sentiment.evaluation.report.texts_to_read import texts_to_read

    mistakes = [Mistake("both", "x", "negative", "positive", 0.97), Mistake("mistake", None, "negative", "positive", 0.95)]
    found = [DoubtfulLabel("both", "x", "negative", "positive", 0.03, 0.97), DoubtfulLabel("doubt", "y", "negative", "positive", 0.04, 0.96)]
    lines = texts_to_read(mistakes, {"train": DoubtfulLabels([], 10, 10), "test": DoubtfulLabels(found, 90, 90)}, "words")
    rows = [[cell.strip() for cell in line.strip("|").split("|")] for line in lines if "positive" in line]
    assert [(row[0], row[4], row[5]) for row in rows] == [("both", "yes", "yes"), ("doubt", "", "yes"), ("mistake", "yes", "")]
    assert rows[2][6] == "*not shown*"


def test_what_could_not_be_judged_is_counted() -> None:
    import pyarrow as pa

    from sentiment.evaluation.doubtful_labels import find_doubtful_labels

    texts, labels = corpus(60)
    labels = labels.copy()
    labels[:3] = 2
    table = pa.table({"id": [f"r{row}" for row in range(60)], "text": texts, "label": labels, "group": pa.nulls(60, pa.string())})
    judged = out_of_sample_probabilities(texts, labels, None, 3)
    found = find_doubtful_labels(table, judged, ["a", "b", "c"])
    assert (found.rows, found.judged) == (60, 57)


def test_test_rows_without_an_answer_are_not_judged() -> None:
    import pyarrow as pa

    from sentiment.evaluation.doubtful_labels import DoubtfulLabels
    from sentiment.evaluation.reference_files import Reference
    from sentiment.model.trained.judgement import Predictions
    from stages.eval import doubtful_labels

    texts, labels = corpus(60)
    table = pa.table({"id": [f"r{row}" for row in range(60)], "text": texts, "label": labels, "group": pa.nulls(60, pa.string())})
    losses = np.where(np.arange(60) < 10, np.nan, 0.1)
    reference = Reference(0.9, None, DoubtfulLabels([], 60, 60))
    found = doubtful_labels(table, Predictions(np.full((60, 2), 1 / 2), losses, labels), reference, ["a", "b"])
    assert (found["test"].rows, found["test"].judged) == (60, 50)
