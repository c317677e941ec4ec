"""Fitting the temperature of a classifier on the validation set."""

from typing import Any

import numpy as np
import numpy.typing as npt
from scipy.optimize import brentq

from sentiment.model.prediction import compute_logits
from sentiment.model.runtime import Runtime
from sentiment.model.trained.judgement import log_softmax
from sentiment.model.trained.temperature import Temperature
from sentiment.training.history import Examples

_BATCH = 64
_LIMIT = 20.0  # a temperature beyond this, or below its inverse, is no optimum that anyone can use
_FEWEST = 10  # independent groups, or rows where there are none
_Z95 = 1.959963984540054


def calibrate(model: Any, validation: Examples, groups: npt.NDArray[np.int64] | None, runtime: Runtime) -> Temperature:
    """Fit the temperature of a trained classifier; every process of a training must call this.

    Parameters
    ----------
    model : transformers.PreTrainedModel
        The one that is kept; not changed.
    validation : Examples
        Texts that it was not trained on.
    groups : ndarray of int, shape (n,), or None
        Which of them belong together.
    runtime : Runtime
        Device and precision.
    """
    return fit_temperature(compute_logits(model, validation.texts, _BATCH, runtime), validation.labels, groups)


def fit_temperature(logits: npt.NDArray[np.float64], labels: npt.NDArray[np.int64], groups: npt.NDArray[np.int64] | None) -> Temperature:
    """Find the temperature under which labels are most likely.

    The likelihood is concave in the inverse temperature, so its derivative has one zero. The standard error is the sandwich
    estimate (White 1982; Liang and Zeger 1986 for groups), carried over to the temperature by the delta method.

    Parameters
    ----------
    logits : ndarray of float64, shape (n, classes)
        Rows that are not finite are left out.
    labels : ndarray of int, shape (n,)
        The true classes.
    groups : ndarray of int, shape (n,), or None
        Rows of one group count as dependent.

    Returns
    -------
    Temperature
        Its value is 1 where there are fewer than 10 groups (or rows), where the likelihood has no maximum between 1/20 and 20, and
        where what was fitted differs from 1 by less than chance alone gives in 95 of 100 cases.
    """
    known = np.isfinite(logits).all(axis=1)
    scores, truth = logits[known], labels[known]
    members = groups[known] if groups is not None else np.arange(len(truth))
    units, rows = len(np.unique(members)), len(labels)
    if units < _FEWEST:
        what = "groups" if groups is not None else "rows"
        return Temperature(rows=rows, unused=f"the validation set has {units} {what}, and {_FEWEST} are the fewest to judge by")
    at_truth = scores[np.arange(len(truth)), truth]

    def derivatives(inverse: float) -> npt.NDArray[np.float64]:
        probabilities = np.exp(log_softmax(scores, 1 / inverse))
        slopes: npt.NDArray[np.float64] = (probabilities * scores).sum(axis=1) - at_truth
        return slopes

    low, high = (float(derivatives(inverse).sum()) for inverse in (1 / _LIMIT, _LIMIT))
    if low >= 0:
        return Temperature(rows=rows, unused="on the validation set the probabilities say nothing of the classes")
    if high <= 0:
        return Temperature(rows=rows, unused="the validation set has too few mistakes to fit one")
    inverse = float(brentq(lambda value: float(derivatives(value).sum()), 1 / _LIMIT, _LIMIT, xtol=1e-10))
    probabilities = np.exp(log_softmax(scores, 1 / inverse))
    curvature = float(((probabilities * scores**2).sum(axis=1) - (probabilities * scores).sum(axis=1) ** 2).sum())
    sums = np.bincount(np.unique(members, return_inverse=True)[1], weights=derivatives(inverse))
    relative = float(np.sqrt((sums**2).sum() * units / (units - 1))) / curvature / inverse  # of the logarithm: the same for 1/T and T
    fitted, error = 1 / inverse, relative / inverse
    if abs(np.log(fitted)) < _Z95 * relative:
        return Temperature(1.0, fitted, error, rows, "it differs from 1 by no more than chance gives on this validation set")
    return Temperature(fitted, fitted, error, rows, None)
