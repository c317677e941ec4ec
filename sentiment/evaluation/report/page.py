"""The test report that people read: Markdown with the figures beside it."""

from collections.abc import Sequence
from dataclasses import dataclass
from math import isfinite

from sentiment.evaluation.doubtful_labels import DoubtfulLabels
from sentiment.evaluation.metrics import Interval
from sentiment.evaluation.mistakes import Mistake
from sentiment.evaluation.report.class_section import ByClass, class_section
from sentiment.evaluation.report.markdown import code, pictures, plain, table
from sentiment.evaluation.report.texts_to_read import texts_to_read
from sentiment.evaluation.slices import CUT, Slice, difference
from sentiment.model.trained.temperature import Temperature
from sentiment.model.unknown_tokens import warning_of_unknown

_FEWEST_TO_COMPARE = 10


@dataclass(frozen=True)
class ChallengeResult:
    """Accuracy on the challenge set, all in all and by phenomenon, beside the reference's."""

    overall: Slice
    by_phenomenon: list[Slice]
    reference_accuracy: float | None


@dataclass(frozen=True)
class CalibratedResult:
    """The model's temperature, and loss and calibration error with it."""

    temperature: Temperature
    loss: float
    calibration_error: float


@dataclass(frozen=True)
class TestResult:
    """All that the report says; shares in [0, 1].

    Attributes
    ----------
    model, source : str
        What was trained, on what.
    rows, groups : int
        Test rows, and groups among them (0 where there are none).
    accuracy : float
        Share of correct rows.
    interval : Interval
        Its 95 % interval.
    loss, calibration_error : float
        As in reports/eval.json.
    reference_accuracy : float or None
        Of TF-IDF with logistic regression, trained on the same rows; None where it cannot be.
    reference_unavailable : str or None
        Why it cannot be.
    counted : str
        What it counts: words, characters, or words and characters.
    by_class : ByClass
        The same class by class.
    slices : dict of str to list of Slice
        By what they cut: length and so on.
    truncated : float
        Share of test texts longer than max_length.
    max_length : int
        Tokens a text is cut to.
    unknown_tokens : float or None
        Share of the training texts' tokens that the encoder does not know; None where it was not measured.
    without_answer : int
        Texts for which the model gave no finite number.
    challenge : ChallengeResult or None
        Where it was asked for and fits the classes.
    mistakes : list of Mistake
        The most confident ones.
    doubtful : dict of str to DoubtfulLabels, or None
        By split; None where they were not looked for.
    calibrated : CalibratedResult
        What the model's temperature makes of loss and calibration error.
    """

    model: str
    source: str
    rows: int
    groups: int
    accuracy: float
    interval: Interval
    loss: float
    calibration_error: float
    reference_accuracy: float | None
    reference_unavailable: str | None
    counted: str
    by_class: ByClass
    slices: dict[str, list[Slice]]
    truncated: float
    max_length: int
    unknown_tokens: float | None
    without_answer: int
    challenge: ChallengeResult | None
    mistakes: list[Mistake]
    doubtful: dict[str, DoubtfulLabels] | None
    calibrated: CalibratedResult

    @property
    def macro_f1(self) -> float:
        """The mean of the classes' F1."""
        return self.by_class.averages["macro"].f1

    @property
    def roc_auc(self) -> float | None:
        """The area under the ROC curve, of several classes the mean; None where all test rows are of one class."""
        area = self.by_class.roc.area
        return area if isfinite(area) else None


def render_page(result: TestResult) -> str:
    """Write the report, the same for the same result."""
    resampled = f"whole groups resampled, {result.groups} of them" if result.groups else "rows resampled"
    lines = [
        "# Test report",
        "",
        f"{code(result.model)} fine-tuned on {code(result.source)}, tested on {result.rows:,} texts it has not seen.",
        "",
        f"**Accuracy {result.accuracy:.1%}**, 95 % interval {result.interval.low:.1%} to {result.interval.high:.1%} ({resampled}). "
        + _against_reference(result),
        "",
        *table(
            ["", "value", "what it says"],
            [
                ["accuracy", f"{result.accuracy:.4f}", "share of correct texts"],
                ["macro-F1", f"{result.macro_f1:.4f}", "mean over the classes of the harmonic mean of precision and recall"],
                ["ROC-AUC", _or_dash(result.roc_auc), "chance that a text of a class is ranked above one of another class"],
                ["loss", f"{result.loss:.4f}", "cross-entropy in nats; guessing evenly gives the logarithm of the number of classes"],
                ["calibration error", f"{result.calibration_error:.4f}", "mean gap between confidence and accuracy, 15 bins"],
                [
                    "TF-IDF + logistic regression",
                    _or_dash(result.reference_accuracy),
                    f"accuracy of counting {result.counted}, same training and test texts",
                ],
            ],
        ),
    ]
    if result.without_answer:
        lines += ["", f"**{result.without_answer:,} texts got no finite answer**: the training has diverged. They count as guesses."]
    lines += ["", _calibrated(result), "", *class_section(result.by_class)]
    lines += ["", "## Training", "", *pictures("losses", "grad_norm"), "", *pictures("lr")]
    lines += ["", "## Where it is weak", ""]
    lines += [f"{result.truncated:.1%} of the test texts are longer than {result.max_length} tokens and were cut.{_cost_of_cutting(result)}", ""]
    if result.unknown_tokens is not None:
        lines += [_unknown(result.unknown_tokens, result.model), ""]
    for name, slices in result.slices.items():
        if name != CUT:  # the sentence above says it
            lines += [*_slice_table(name, slices), ""]
    lines += _challenge(result)
    lines += texts_to_read(result.mistakes, result.doubtful, result.counted)
    return "\n".join(lines) + "\n"


def _calibrated(result: TestResult) -> str:
    after, found = result.calibrated, result.calibrated.temperature
    fitted = f" ({found.fitted:.3f}, standard error {found.standard_error:.3f})" if found.fitted and found.standard_error else ""
    if found.unused:
        return f"The probabilities that `predict` gives are not calibrated; no temperature is used{fitted}: {found.unused}."
    return (
        f"`predict` divides the logits by a temperature of {found.value:.3f} (standard error {found.standard_error:.3f}), fitted on {found.rows:,} "
        f"validation texts. With it the test loss goes from {result.loss:.4f} to {after.loss:.4f} and the calibration error from "
        f"{result.calibration_error:.4f} to {after.calibration_error:.4f}; accuracy stays. All other figures here are uncalibrated."
    )


def _unknown(share: float, model: str) -> str:
    warning = warning_of_unknown(share, model)
    return f"{share:.1%} of the tokens of the training texts are unknown to the encoder." + (f" **{warning}**" if warning else "")


def _or_dash(figure: float | None) -> str:
    return "–" if figure is None else f"{figure:.4f}"


def _against_reference(result: TestResult) -> str:
    if result.reference_accuracy is None:
        return f"Counting {result.counted}, the simpler method, is not available for comparison: {result.reference_unavailable}."
    difference = result.accuracy - result.reference_accuracy
    inside = result.interval.low <= result.reference_accuracy <= result.interval.high
    if inside:
        return f"Counting {result.counted} gets {result.reference_accuracy:.1%}, which lies inside that interval."
    if difference > 0:
        return f"Counting {result.counted} gets {result.reference_accuracy:.1%}, which is less."
    return f"Counting {result.counted} gets {result.reference_accuracy:.1%}: on this data the simpler method wins."


def _challenge(result: TestResult) -> list[str]:
    challenge = result.challenge
    if challenge is None:
        return []
    whole = challenge.overall
    return [
        "## The challenge set",
        "",
        f"{whole.rows:,} hard reviews of other films: {whole.accuracy:.1%} right, 95 % interval {whole.low:.1%} to {whole.high:.1%}"
        + (f"; counting {result.counted} gets {challenge.reference_accuracy:.1%}." if challenge.reference_accuracy is not None else "."),
        "",
        *_slice_table("phenomenon", challenge.by_phenomenon),
        "",
    ]


def _cost_of_cutting(result: TestResult) -> str:
    parts = {part.name: part for part in result.slices.get(CUT, [])}
    if len(parts) < 2:
        return ""
    whole, cut = parts["read whole"], parts["cut"]
    if min(cut.rows, whole.rows) < _FEWEST_TO_COMPARE:
        return f" Too few on one side ({min(cut.rows, whole.rows)}) to say what that costs."
    lost = difference(whole, cut)
    verdict = (
        "which is within what chance gives"
        if lost.low <= 0 <= lost.high
        else "what cutting costs at the most: long texts may be harder by themselves"
        if lost.low > 0
        else "so that cutting shows no cost"
    )
    return (
        f" Of those {cut.rows:,}, {cut.accuracy:.1%} were answered right ({cut.low:.1%} to {cut.high:.1%}), of the {whole.rows:,} others "
        f"{whole.accuracy:.1%} ({whole.low:.1%} to {whole.high:.1%}): a difference of {100 * (whole.accuracy - cut.accuracy):.1f} points "
        f"({100 * lost.low:.1f} to {100 * lost.high:.1f}), {verdict}."
    )


def _slice_table(name: str, slices: Sequence[Slice]) -> list[str]:
    return table(
        [name, "rows", "accuracy", "95 % interval"],
        [[plain(s.name), f"{s.rows:,}", f"{s.accuracy:.1%}", f"{s.low:.1%} to {s.high:.1%}"] for s in slices],
    )
