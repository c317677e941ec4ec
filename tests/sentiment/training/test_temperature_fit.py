"""The temperature: what it is fitted to, how sure it is, and when it is not used."""

from pathlib import Path

import numpy as np
import numpy.typing as npt
import pytest
from hypothesis import given
from hypothesis import strategies as st
from sklearn.base import BaseEstimator, ClassifierMixin
from sklearn.calibration import CalibratedClassifierCV
from sklearn.frozen import FrozenEstimator

from sentiment.model.trained.judgement import at_temperature, judge
from sentiment.model.trained.temperature import FILE, Temperature, read_temperature, write_temperature
from sentiment.terminal.errors import UserError
from sentiment.training.temperature_fit import fit_temperature

Floats, Integers = npt.NDArray[np.float64], npt.NDArray[np.int64]


def drawn(temperature: float, rows: int, seed: int = 0) -> tuple[Floats, Integers]:
    """Logits that are `temperature` times too large, and classes drawn by the right ones."""
    generator = np.random.default_rng(seed)
    right = generator.normal(size=(rows, 3), scale=2)
    labels = (right + generator.gumbel(size=right.shape)).argmax(axis=1)
    return right * temperature, labels


class Given(ClassifierMixin, BaseEstimator):  # type: ignore[misc]
    """A classifier whose logits are its input."""

    classes_ = np.arange(3)
    n_features_in_ = 3

    def __sklearn_is_fitted__(self) -> bool:
        return True

    def fit(self, *_: object) -> "Given":
        return self

    def decision_function(self, x: Floats) -> Floats:
        return x

    def predict(self, x: Floats) -> Integers:
        return x.argmax(axis=1)


def test_it_is_scikit_learns() -> None:
    logits, labels = drawn(2.5, 2000)
    theirs = CalibratedClassifierCV(FrozenEstimator(Given().fit()), method="temperature").fit(logits, labels)
    assert 1 / theirs.calibrated_classifiers_[0].calibrators[0].beta_ == pytest.approx(fit_temperature(logits, labels, None).value, rel=1e-3)


def test_the_standard_error_is_the_spread_over_samples() -> None:
    found = [fit_temperature(*drawn(2.0, 300, seed), None) for seed in range(200)]
    values, errors = np.array([one.fitted for one in found]), np.array([one.standard_error for one in found])
    assert values.mean() == pytest.approx(2.0, abs=0.05)
    assert errors.mean() == pytest.approx(values.std(), rel=0.15)


def test_repeated_rows_of_one_group_make_it_no_surer() -> None:
    logits, labels = drawn(2.0, 200)
    once = fit_temperature(logits, labels, np.arange(200))
    many = fit_temperature(np.repeat(logits, 5, axis=0), np.repeat(labels, 5), np.repeat(np.arange(200), 5))
    assert many.standard_error == pytest.approx(once.standard_error)


@pytest.mark.parametrize(
    ("logits", "labels", "reason"),
    [
        (*drawn(2.0, 9), "9 rows, and 10 are the fewest"),
        (*drawn(1.0, 200), "no more than chance"),
        (np.eye(3)[np.arange(60) % 3], np.arange(60) % 3, "too few mistakes"),
        (np.eye(3)[(np.arange(60) + 1) % 3], np.arange(60) % 3, "say nothing"),
        (np.zeros((60, 3)), np.arange(60) % 3, "say nothing"),
        (np.full((60, 3), np.nan), np.arange(60) % 3, "0 rows"),
    ],
)
def test_it_stays_one_where_validation_cannot_say(logits: Floats, labels: Integers, reason: str) -> None:
    found = fit_temperature(logits, labels, None)
    assert found.value == 1.0
    assert found.unused is not None and reason in found.unused


@given(st.floats(0.05, 20), st.integers(0, 50))
def test_it_changes_no_answer(temperature: float, seed: int) -> None:
    logits, labels = drawn(1.0, 50, seed)
    logits[0] = np.nan
    before = judge(logits, labels)
    after = at_temperature(before, temperature)
    assert np.array_equal(after.predicted, before.predicted)
    assert np.isnan(after.losses[0])
    assert np.allclose(after.probabilities[1:], judge(logits / temperature, labels).probabilities[1:])


def test_it_lies_beside_the_model(tmp_path: Path) -> None:
    assert read_temperature(tmp_path).value == 1.0
    write_temperature(tmp_path, Temperature(1.25, 1.25, 0.125, 150, None))
    assert read_temperature(tmp_path) == Temperature(1.25, 1.25, 0.125, 150, None)
    (tmp_path / FILE).write_text('{"value": 0}')
    with pytest.raises(UserError, match=r"temperature\.json: broken"):
        read_temperature(tmp_path)
