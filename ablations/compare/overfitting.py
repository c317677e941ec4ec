"""Did a training go on for too long, or not for long enough? Read off the validation loss."""

from collections.abc import Sequence
from dataclasses import dataclass
from enum import StrEnum

import numpy as np
import numpy.typing as npt

from ablations.compare.experiments import Experiment
from ablations.compare.stability import epoch_losses

Floats = npt.NDArray[np.float64]

# Prechelt (1998) stops where the validation loss stands 5 % above its lowest (his GL5); the same share is used for what still falls.
MATTERS = 0.05


class Fit(StrEnum):
    """What the validation loss says about the length of a training."""

    OVERFITS = "overfits"
    BEST_AT_END = "about right"
    STILL_FALLING = "still falling"
    UNKNOWN = "cannot be seen"


@dataclass(frozen=True)
class Overfitting:
    """Train and validation loss of an arm, averaged over its seeds.

    Attributes
    ----------
    best_epochs : list of float
        Epoch of the lowest validation loss, by seed.
    best_epoch : float
        Their median.
    gap_at_best, gap_at_end : float
        Validation loss less training loss, in nats.
    rise : float
        Validation loss at the end over the lowest, less one; mean over seeds.
    last_fall : float
        Fall of the validation loss in the last epoch, as a share of it; negative where it rose.
    accuracy_change : float
        Validation accuracy at the end less that at the lowest loss.
    fit : Fit
        The finding.
    sentence : str
        What follows.
    """

    best_epochs: list[float]
    best_epoch: float
    gap_at_best: float
    gap_at_end: float
    rise: float
    last_fall: float
    accuracy_change: float
    fit: Fit
    sentence: str


def judge_overfitting(experiments: Sequence[Experiment], learning: bool = True) -> Overfitting:
    """Judge an arm by the validation losses of its seeds.

    Parameters
    ----------
    experiments : sequence of Experiment
        One a seed.
    learning : bool
        False where an arm has not begun to learn: nothing can be judged then.

    Returns
    -------
    Overfitting
        It overfits where the validation loss ends 5 % or more above its lowest, on average and in
        most seeds (Prechelt's GL5); it is still falling where the lowest is the last and the last
        epoch brought 5 % or more. The training loss is measured with dropout and, where set, with label
        smoothing, so that the gap is rather too small than too large. A loss that rises while accuracy
        stays means answers that are too sure, not more mistakes (Guo et al. 2017).

    References
    ----------
    Prechelt, L. (1998). Early Stopping — But When? Neural Networks: Tricks of the Trade, Springer.
    Guo, C. et al. (2017). On Calibration of Modern Neural Networks. ICML, arXiv:1706.04599.
    """
    rows = [_seed(experiment) for experiment in experiments]
    best = [row["best_epoch"] for row in rows]
    mean = {name: float(np.mean([row[name] for row in rows])) for name in rows[0]}
    rising = sum(row["rise"] >= MATTERS for row in rows)
    most_rise = rising > len(rows) / 2
    most_fall = sum(row["last_fall"] >= MATTERS for row in rows) > len(rows) / 2
    median = float(np.median(best))
    if not np.isfinite(min(row["lowest"] for row in rows)):
        fit, sentence = Fit.UNKNOWN, "No evaluation has a finite loss: there is nothing to judge."
    elif not learning:
        fit, sentence = Fit.UNKNOWN, "It has not begun to learn: whether it would overfit cannot be seen."
    elif max(row["evaluations"] for row in rows) < 2:
        fit, sentence = Fit.UNKNOWN, "One epoch is one evaluation: whether more would help cannot be seen."
    elif mean["rise"] >= MATTERS and most_rise:
        fit = Fit.OVERFITS
        end = f"ends {mean['rise']:.0%} higher" if np.isfinite(mean["rise"]) else "ends as no number"
        sentence = f"The validation loss is lowest at epoch {median:g} and {end}: it overfits after epoch {median:g}."
        if mean["accuracy_change"] > -MATTERS / 10:
            sentence += " Accuracy does not fall with it: the answers become too sure rather than worse."
        if all(experiment.parameters["train.keep"] == "best" for experiment in experiments):
            sentence += " It keeps the model of its best epoch, so that nothing is lost but time."
    elif mean["rise"] == 0 and mean["last_fall"] >= MATTERS and most_fall:
        fit = Fit.STILL_FALLING
        sentence = f"The validation loss still fell by {mean['last_fall']:.0%} in the last epoch: it is undertrained."
    else:
        fit = Fit.BEST_AT_END
        told = f"ends {MATTERS:.0%} or more above it in {rising} of {len(rows)} seeds" if rising else f"ends within {MATTERS:.0%} of it"
        sentence = f"The validation loss is lowest at epoch {median:g} and {told}: no overfitting that {'repeats' if rising else 'matters'}."
    return Overfitting(
        best_epochs=best,
        best_epoch=median,
        gap_at_best=mean["gap_at_best"],
        gap_at_end=mean["gap_at_end"],
        rise=mean["rise"],
        last_fall=mean["last_fall"],
        accuracy_change=mean["accuracy_change"],
        fit=fit,
        sentence=sentence,
    )


def _seed(experiment: Experiment) -> dict[str, float]:
    curves = experiment.curves
    losses: Floats = np.where(np.isfinite(curves.validation_loss), curves.validation_loss, np.inf)
    train, epochs = epoch_losses(curves)
    lowest = int(losses.argmin())
    end = float(losses[-1])
    return {
        "evaluations": float(len(losses)),
        "lowest": float(losses[lowest]),
        "best_epoch": float(epochs[lowest]),
        "gap_at_best": float(losses[lowest] - train[lowest]),
        "gap_at_end": float(end - train[-1]),
        "rise": _ratio(end, float(losses[lowest])) - 1,
        "last_fall": 1 - _ratio(end, float(losses[-2])) if len(losses) > 1 else 0.0,
        "accuracy_change": float(curves.validation_accuracy[-1] - curves.validation_accuracy[lowest]),
    }


def _ratio(first: float, second: float) -> float:
    return first / second if np.isfinite(second) and second > 0 else float("nan")
