"""Did a training converge? Rules with their thresholds, and where those come from."""

from collections.abc import Sequence
from dataclasses import dataclass
from enum import StrEnum

import numpy as np
import numpy.typing as npt

from ablations.compare.experiments import Experiment, TrainingCurves

Floats = npt.NDArray[np.float64]


class Course(StrEnum):
    """What a training did, from good to bad."""

    CONVERGING = "converging"
    OSCILLATING = "oscillating"
    NOT_LEARNING = "not yet learning"
    DIVERGING = "diverging"


# Thresholds. Where a paper gives one it is named; the others are this project's, and written as such in docs/ablations.md.
CHANCE_STANDARD_ERRORS = 2.0  # a failed run is one at or near the majority class (Dodge et al. 2020; Mosbach et al. 2021)
VANISHED_NORM = 0.1  # of the first steps' median: failed runs show vanishing gradients (Mosbach et al. 2021)
FLAT_NATS = 0.02  # a change of the loss that is no learning, whatever the noise
FLAT_STANDARD_ERRORS = 3.0  # of the difference between the first and the last tenth of the steps
GUESSING = 0.95  # of the loss of guessing by the classes' shares: from there on nothing has been learned
WINDOWS = 10  # windows of equal length over the last two thirds of a training
ROUGHNESS = 2.5  # standard deviations of a window's mean, as batch noise alone gives them
RISING_NORM = 2.0  # the norm's median in the last ninth of a training over that two ninths before


@dataclass(frozen=True)
class Stability:
    """The gradient and the loss of one training.

    Attributes
    ----------
    median, p95, maximum : float
        Of the gradient norm before clipping, over finite steps.
    clipped : float
        Share of steps whose norm exceeded the norm they are clipped to.
    norm_trend : float
        Median norm in the last third of the last third, over that of its first third: above 1 it rises.
    loss_trend : float
        Change of the training loss over the last third, by Theil and Sen's slope, in nats.
    not_finite : int
        Steps whose loss or norm is not a number.
    collapsed : bool
        Whether validation accuracy ended near chance.
    roughness : float
        How far the loss, averaged over windows, strays from falling steadily: root mean square of
        (window mean - best non-increasing fit) over the standard error of a window's mean.
    course : Course
        Converging, oscillating, not yet learning or diverging.
    reasons : list of str
        What decided it.
    """

    median: float
    p95: float
    maximum: float
    clipped: float
    norm_trend: float
    loss_trend: float
    not_finite: int
    collapsed: bool
    roughness: float
    course: Course
    reasons: list[str]


def judge_stability(experiment: Experiment) -> Stability:
    """Describe and judge one training.

    Parameters
    ----------
    experiment : Experiment
        Its curves, the clipping norm, and the size and largest class of its validation set are read.

    Returns
    -------
    Stability
        Not yet learning where every step is finite, the training loss is as high at the end as at the start (within
        batch noise), the answers are those of guessing, and the gradients have not vanished: too few or too small steps.
        Diverging where a loss or a gradient is not finite, where the validation accuracy ends within
        two standard errors of the largest class's share, or where the training loss ends above where it
        began by more than batch noise. Else oscillating where the loss strays from falling more than batch noise explains
        (`roughness` above 2.5), or where the gradient norm doubles within the last third while the
        loss rises. Else converging.

    References
    ----------
    Dodge, J. et al. (2020). Fine-Tuning Pretrained Language Models: Weight Initializations, Data
    Orders, and Early Stopping. arXiv:2002.06305.
    Mosbach, M., Andriushchenko, M. and Klakow, D. (2021). On the Stability of Fine-tuning BERT.
    ICLR, arXiv:2006.04884.
    Sen, P. K. (1968). Estimates of the regression coefficient based on Kendall's tau. JASA 63.
    """
    curves = experiment.curves
    finite = np.isfinite(curves.loss) & np.isfinite(curves.grad_norm)
    loss, norm = curves.loss[finite], curves.grad_norm[finite]
    not_finite = int((~finite).sum())
    if len(norm) == 0:
        reasons = ["no step has a finite loss and gradient"]
        nothing = float("nan")
        return Stability(nothing, nothing, nothing, nothing, nothing, nothing, not_finite, True, nothing, Course.DIVERGING, reasons)
    chance, rows = experiment.validation_chance, experiment.validation_rows
    near_chance = chance + CHANCE_STANDARD_ERRORS * float(np.sqrt(chance * (1 - chance) / max(rows, 1)))
    last_accuracy = float(curves.validation_accuracy[-1])
    last_third = slice(2 * len(norm) // 3, None)
    early, late = _ends(norm[last_third])
    tenth = max(1, len(loss) // 10)
    signs = _Signs(
        steps=len(loss),
        not_finite=not_finite,
        chance=chance,
        last_accuracy=last_accuracy,
        collapsed=not last_accuracy > near_chance,
        vanished=float(np.median(norm[last_third])) < VANISHED_NORM * float(np.median(norm[:tenth])),
        start=float(loss[:tenth].mean()),
        end=float(loss[-tenth:].mean()),
        tolerance=max(FLAT_NATS, FLAT_STANDARD_ERRORS * _batch_noise(loss) * float(np.sqrt(2 / tenth))),
        roughness=roughness(loss[len(loss) // 3 :]),
        norm_trend=late / early if early > 0 else float("nan"),
        loss_trend=_trend(loss[last_third]),
    )
    course, reasons = _course(signs)
    return Stability(
        median=float(np.median(norm)),
        p95=float(np.percentile(norm, 95)),
        maximum=float(norm.max()),
        clipped=float((norm > float(experiment.parameters["train.max_grad_norm"])).mean()),
        norm_trend=signs.norm_trend,
        loss_trend=signs.loss_trend,
        not_finite=not_finite,
        collapsed=signs.collapsed,
        roughness=signs.roughness,
        course=course,
        reasons=reasons,
    )


@dataclass(frozen=True)
class _Signs:
    """What the course of a training is judged by."""

    steps: int
    not_finite: int
    chance: float
    last_accuracy: float
    collapsed: bool
    vanished: bool
    start: float
    end: float
    tolerance: float
    roughness: float
    norm_trend: float
    loss_trend: float


def _course(signs: _Signs) -> tuple[Course, list[str]]:
    flat = abs(signs.end - signs.start) <= signs.tolerance
    guessing = signs.collapsed or signs.end >= GUESSING * _loss_of_guessing(signs.chance)
    if flat and guessing and not signs.vanished and not signs.not_finite:
        level = f"the training loss is {signs.end:.3f} at the end and {signs.start:.3f} at the start, as for guessing"
        return Course.NOT_LEARNING, [f"{level}, and the gradients have not vanished: {signs.steps:,} steps at this learning rate are too few"]
    if reasons := _failures(signs):
        return Course.DIVERGING, reasons
    if signs.roughness > ROUGHNESS:
        reasons.append(f"the smoothed training loss moves {signs.roughness:.1f} times as much as batch noise explains")
    if signs.norm_trend > RISING_NORM and signs.loss_trend > 0:
        reasons.append(f"the gradient norm grows {signs.norm_trend:.1f} times over the last third while the loss rises")
    if reasons:
        return Course.OSCILLATING, reasons
    return Course.CONVERGING, [f"the training loss falls from {signs.start:.3f} to {signs.end:.3f} and moves no more than batch noise explains"]


def _failures(signs: _Signs) -> list[str]:
    reasons = []
    if signs.not_finite:
        reasons.append(f"{signs.not_finite} steps have a loss or a gradient that is not finite")
    if signs.collapsed:
        reasons.append(f"validation accuracy ends at {signs.last_accuracy:.1%}, near the {signs.chance:.1%} of always answering the largest class")
        if signs.vanished:
            reasons.append("its gradients have vanished")
    if signs.end > signs.start + signs.tolerance:
        reasons.append(f"the training loss ends at {signs.end:.3f}, above the {signs.start:.3f} it began with")
    return reasons


def _batch_noise(loss: Floats) -> float:
    # From one step to the next a trend changes little: what differs is noise, of two steps.
    return float(np.diff(loss).std() / np.sqrt(2)) if len(loss) > 2 else 0.0


def _loss_of_guessing(largest_share: float) -> float:
    # The entropy of the largest class against the rest: with more than two classes guessing costs more.
    shares = np.clip([largest_share, 1 - largest_share], 1e-12, 1)
    return float(-(shares * np.log(shares)).sum())


def worst(courses: Sequence[Course]) -> Course:
    """Return the worst of several: an arm is as stable as its least stable seed."""
    order = list(Course)
    return max(courses, key=order.index)


def roughness(loss: Floats) -> float:
    """Return how far a loss strays from falling steadily, in units of what batch noise explains.

    Parameters
    ----------
    loss : ndarray of float, shape (steps,)
        One value a step.

    Returns
    -------
    float
        About 1 or less for a loss that falls, or stands, with independent noise on each step; 0
        where there are too few steps to say.
    """
    if len(loss) < 3 * WINDOWS:
        return 0.0
    parts = np.array_split(loss, WINDOWS)
    means = np.array([part.mean() for part in parts])
    errors = np.array([part.std(ddof=1) / np.sqrt(len(part)) for part in parts])
    # Windows late in a training can be nearly noiseless; the typical noise keeps them from dominating.
    errors = np.sqrt(errors**2 / 2 + float(np.mean(errors**2)) / 2)
    if not (errors > 0).all():
        return 0.0
    from sklearn.isotonic import IsotonicRegression

    weights = 1 / errors**2
    fit = IsotonicRegression(increasing=False).fit_transform(np.arange(WINDOWS), means, sample_weight=weights)
    return float(np.sqrt(np.mean(((means - fit) / errors) ** 2)))


def epoch_losses(curves: TrainingCurves) -> tuple[Floats, Floats]:
    """Return the mean training loss of each epoch that was evaluated, and those epochs."""
    ends = curves.validation_step
    starts = np.concatenate([[0.0], ends[:-1]])
    means = [float(np.mean(curves.loss[(curves.step > low) & (curves.step <= high)])) for low, high in zip(starts, ends, strict=True)]
    return np.array(means), curves.validation_epoch


def _ends(values: Floats) -> tuple[float, float]:
    third = max(1, len(values) // 3)
    return float(np.median(values[:third])), float(np.median(values[-third:]))


def _trend(values: Floats) -> float:
    if len(values) < 2:
        return 0.0
    kept = values[:: max(1, len(values) // 300)]  # all pairs of more would take long and say the same
    first, second = np.triu_indices(len(kept), 1)
    slope = float(np.median((kept[second] - kept[first]) / (second - first)))
    return slope * (len(kept) - 1)
