"""Stability and overfitting on curves of known shape, and the advice that follows."""

import dataclasses
import shlex
from typing import Any

import numpy as np
import pytest

from ablations.compare.advice import advise, speaks_of, starting_arms
from ablations.compare.experiments import Experiment, TrainingCurves
from ablations.compare.overfitting import Fit, judge_overfitting
from ablations.compare.stability import Course, judge_stability, roughness
from ablations.compare.verdict import Needed, Verdict
from ablations.report.findings import analyse
from sentiment.settings.schema import flatten
from tests.ablations import synthetic


def experiment(curves: TrainingCurves, **parameters: Any) -> Experiment:
    rng = np.random.default_rng(0)
    flat = {**flatten(synthetic.baseline()), **parameters}
    return synthetic.experiment("x", flat, curves, synthetic.answers(rng, 0.9, rng.normal(size=50), None))


def shape(**more: Any) -> TrainingCurves:
    return synthetic.curves(np.random.default_rng(1), **more)


def test_a_falling_loss_converges() -> None:
    found = judge_stability(experiment(shape()))
    assert found.course is Course.CONVERGING
    assert found.not_finite == 0
    assert not found.collapsed
    norms = shape().grad_norm
    assert (found.median, found.maximum) == (pytest.approx(np.median(norms)), norms.max())
    assert found.clipped == np.mean(norms > 1.0)


def test_batch_noise_alone_is_not_called_oscillating() -> None:
    courses = [judge_stability(experiment(synthetic.curves(np.random.default_rng(seed)))).course for seed in range(300)]
    assert np.mean([course is Course.CONVERGING for course in courses]) >= 0.98


def test_a_loss_that_swings_oscillates() -> None:
    curves = shape(noise=0.05)
    swinging = dataclasses.replace(curves, loss=curves.loss + 0.2 * (1 + np.sin(curves.step / 12)))
    found = judge_stability(experiment(swinging))
    assert found.course is Course.OSCILLATING
    assert "batch noise" in found.reasons[0]


def test_rising_gradients_with_a_rising_loss_oscillate() -> None:
    curves = shape(noise=0.05)
    late = np.clip((curves.step - 200) / 100, 0, 1)
    found = judge_stability(experiment(dataclasses.replace(curves, grad_norm=curves.grad_norm * np.exp(2 * late), loss=curves.loss + 0.1 * late)))
    assert found.course is Course.OSCILLATING
    assert found.norm_trend > 2
    assert found.loss_trend > 0


@pytest.mark.parametrize("column", ["loss", "grad_norm"])
def test_a_step_that_is_not_finite_diverges(column: str) -> None:
    curves = shape()
    values = getattr(curves, column).copy()
    values[50] = np.nan
    found = judge_stability(experiment(dataclasses.replace(curves, **{column: values})))
    assert found.course is Course.DIVERGING
    assert found.not_finite == 1
    assert np.isfinite(found.median)


def test_nothing_finite_at_all() -> None:
    curves = shape()
    found = judge_stability(experiment(dataclasses.replace(curves, loss=np.full_like(curves.loss, np.nan))))
    assert found.course is Course.DIVERGING


def test_accuracy_near_chance_is_a_collapse() -> None:
    assert judge_stability(experiment(shape(accuracy=(0.9, 0.55, 0.52)))).collapsed
    assert not judge_stability(experiment(shape(accuracy=(0.5, 0.55, 0.66)))).collapsed
    assert judge_stability(experiment(shape(accuracy=(0.5, 0.5, float("nan"))))).collapsed


def test_a_loss_that_ends_above_its_start_diverges() -> None:
    assert judge_stability(experiment(shape(start=0.3, end=0.8))).course is Course.DIVERGING


def flat_curves(seed: int = 1, steps: int = 50, vanishing: bool = False) -> TrainingCurves:
    """A training of few steps whose loss stays at that of guessing between two classes."""
    rng = np.random.default_rng(seed)
    curves = synthetic.curves(rng, accuracy=(0.5, 0.51, 0.5), validation=(0.694, 0.693, 0.692))
    chosen = np.linspace(0, len(curves.step) - 1, steps).astype(int)
    norm = np.exp(rng.normal(0, 0.3, steps)) * (np.geomspace(1, 1e-3, steps) if vanishing else 1)
    picked = {name: getattr(curves, name)[chosen] for name in ("step", "epoch")}
    return dataclasses.replace(curves, **picked, loss=0.693 + rng.normal(0, 0.02, steps), grad_norm=norm)


def test_a_flat_loss_at_chance_is_not_yet_learning_and_not_diverging() -> None:
    courses = [judge_stability(experiment(flat_curves(seed))).course for seed in range(100)]
    assert np.mean([course is Course.NOT_LEARNING for course in courses]) >= 0.98
    found = judge_stability(experiment(flat_curves()))
    assert "as for guessing" in found.reasons[0]
    assert judge_stability(experiment(flat_curves(vanishing=True))).course is Course.DIVERGING


def test_a_flat_loss_far_below_guessing_has_learned_already() -> None:
    rng = np.random.default_rng(0)
    learned = dataclasses.replace(flat_curves(), loss=0.1 + rng.normal(0, 0.02, 50), validation_accuracy=np.array([0.95, 0.95, 0.95]))
    assert judge_stability(experiment(learned)).course is Course.CONVERGING


def test_an_arm_that_has_not_begun_to_learn_gets_larger_or_more_steps_and_no_verdict_on_overfitting() -> None:
    names = {f"baseline{suffix}" for suffix in ("", "_seed43", "_seed44")}
    idle = {"curves": flat_curves(), "metrics": {"eval_loss": 0.692, "best_eval_loss": 0.692}}
    family = [dataclasses.replace(one, **idle) if one.name in names else one for one in synthetic.family({"baseline": 0.5})]
    findings = analyse(family, [], synthetic.plan(), synthetic.baseline())
    assert findings.diagnoses["baseline"].course is Course.NOT_LEARNING
    assert findings.diagnoses["baseline"].overfitting.fit is Fit.UNKNOWN
    titles = [one.title for one in findings.advice]
    assert "A higher learning rate for baseline" in titles or "More epochs for baseline" in titles
    assert "Warm-up for baseline" not in titles


def test_roughness_by_hand() -> None:
    rng = np.random.default_rng(0)
    assert np.mean([roughness(rng.normal(0, 1, 400)) for _ in range(200)]) < 1.0
    assert roughness(np.repeat(np.arange(10.0) % 2, 40) + rng.normal(0, 0.1, 400)) > 10
    assert roughness(np.linspace(1, 0, 400) + rng.normal(0, 0.05, 400)) < 2.5
    assert roughness(np.ones(20)) == 0.0


@pytest.mark.parametrize(
    ("losses", "fit", "best"),
    [
        ((0.30, 0.20, 0.22), Fit.OVERFITS, 2.0),
        ((0.30, 0.20, 0.205), Fit.BEST_AT_END, 2.0),
        ((0.30, 0.20, 0.19), Fit.STILL_FALLING, 3.0),
        ((0.30, 0.20, 0.195), Fit.BEST_AT_END, 3.0),
        ((0.30,), Fit.UNKNOWN, 1.0),
        ((0.30, 0.20, float("nan")), Fit.OVERFITS, 2.0),
    ],
)
def test_overfitting(losses: tuple[float, ...], fit: Fit, best: float) -> None:
    epochs = len(losses)
    found = judge_overfitting([experiment(shape(epochs=epochs, validation=losses, accuracy=(0.9,) * epochs)) for _ in range(3)])
    assert found.fit is fit
    assert found.best_epoch == best
    assert found.sentence


def test_overfitting_of_one_seed_is_told_as_such() -> None:
    shapes = [(0.3, 0.2, 0.205), (0.3, 0.2, 0.205), (0.3, 0.2, 0.28)]
    found = judge_overfitting([experiment(shape(validation=losses)) for losses in shapes])
    assert found.fit is Fit.BEST_AT_END
    assert "in 1 of 3 seeds" in found.sentence


def test_gaps_by_hand() -> None:
    curves = shape(validation=(0.30, 0.20, 0.25))
    found = judge_overfitting([experiment(curves)])
    assert found.gap_at_best == pytest.approx(0.20 - curves.loss[100:200].mean())
    assert found.gap_at_end == pytest.approx(0.25 - curves.loss[200:].mean())
    assert found.rise == pytest.approx(0.25)


OVERFITS = {"validation": (0.30, 0.25, 0.40), "accuracy": (0.9, 0.9, 0.9)}
FLAT = {"validation": (0.45, 0.44, 0.44), "accuracy": (0.9, 0.9, 0.9)}
FLAT2 = {"validation": (0.45, 0.44), "accuracy": (0.9, 0.9)}


def findings(accuracies: dict[str, float], shapes: dict[str, dict[str, Any]], leave_out: str = "nothing", seed: int = 0) -> Any:
    base = {arm.name: FLAT2 if arm.name == "baseline_epoch2" else FLAT for arm in synthetic.plan().arms}
    made = synthetic.family(accuracies, shapes={**base, **shapes}, seed_spread=0.001, examples=4000, groups=None, seed=seed)
    return analyse([one for one in made if leave_out not in one.name], [], synthetic.plan(), synthetic.baseline())


@pytest.fixture(scope="module")
def nothing_amiss() -> Any:
    """Findings on arms that are equally good and well trained."""
    return findings({}, {})


def titles(found: Any) -> list[str]:
    return [advice.title for advice in found.advice]


BEST_AND_OVERFITTING = {"baseline": {"validation": (0.30, 0.10, 0.12), "accuracy": (0.9, 0.9, 0.9)}}


def test_overfitting_asks_for_what_was_not_tried() -> None:
    assert "Fewer epochs for baseline" in titles(findings({}, BEST_AND_OVERFITTING, leave_out="epoch"))
    assert "Early stopping for baseline" in titles(findings({}, BEST_AND_OVERFITTING, leave_out="epoch"))
    assert "Fewer epochs for baseline" not in titles(findings({}, BEST_AND_OVERFITTING))  # baseline_epoch2 is that very experiment


def test_a_command_can_be_pasted() -> None:
    (fewer,) = [advice for advice in findings({}, BEST_AND_OVERFITTING, leave_out="epoch").advice if advice.title == "Fewer epochs for baseline"]
    assert fewer.commands[0] == "dvc exp run --temp -n baseline_epoch2 -S train.epochs=2"
    assert fewer.commands[1] == "dvc exp run --temp -n baseline_epoch2_seed43 -S seed=43 -S train.epochs=2"
    assert shlex.split(fewer.commands[0])[:3] == ["dvc", "exp", "run"]


def test_no_advice_against_the_evidence() -> None:
    # Raising the learning rate made it worse: not recommended, though the start arm is still falling.
    falling = {"baseline_bs32": {"validation": (0.30, 0.20, 0.10), "accuracy": (0.9, 0.9, 0.9)}}
    up = findings({"baseline_bs32": 0.88, "baseline_lr5e-5_bs32": 0.93}, falling)
    down = findings({"baseline_bs32": 0.88, "baseline_lr5e-5_bs32": 0.80}, falling)
    assert not [title for title in titles(down) if title.startswith("A higher learning rate")]
    assert "More epochs for baseline_bs32" in titles(down)
    assert [title for title in titles(up) if title.startswith("A higher learning rate")]


def test_an_arm_judged_worse_is_no_starting_point() -> None:
    best_loss = {"baseline_bs32": {"validation": (0.30, 0.20, 0.10), "accuracy": (0.9, 0.9, 0.9)}}
    found = findings({"baseline": 0.93, "baseline_bs32": 0.80}, best_loss)
    start = starting_arms(found.family, found.diagnoses, found.comparisons)[0]
    assert start.name != "baseline_bs32"


def test_divergence_asks_for_warm_up() -> None:
    found = findings({}, {"baseline_lr5e-5_bs32": {"accuracy": (0.6, 0.5, 0.5), "validation": (0.7, 0.7, 0.7)}})
    assert "Warm-up for baseline_lr5e-5_bs32" in titles(found)


@pytest.mark.parametrize(
    ("verdict", "seeds", "asked"),
    [
        (Verdict.UNDECIDED, 5, [45, 46]),
        (Verdict.UNDECIDED, 8, [45, 46, 47, 48, 49]),
        (Verdict.UNDECIDED, 9, None),  # six more trainings an arm are no small thing to ask for
        (Verdict.UNDECIDED, 3, None),  # no more than there are
        (Verdict.UNDECIDED, None, None),
        (Verdict.EQUAL, 5, None),
    ],
)
def test_a_few_seeds_that_would_decide_are_asked_for(verdict: Verdict, seeds: int | None, asked: list[int] | None, nothing_amiss: Any) -> None:
    found = nothing_amiss
    one = dataclasses.replace(found.comparisons[1], verdict=verdict, needed=Needed(0.012, seeds, None))
    assert (one.against, one.arm, one.seeds) == ("baseline_bs32", "baseline_lr5e-5_bs32", [42, 43, 44])
    advice = advise(found.family, found.diagnoses, [one], flatten(synthetic.baseline()), synthetic.plan())
    if asked is None:
        assert advice == []
        return
    (more,) = advice
    assert more.title == "More seeds for baseline_lr5e-5_bs32 against baseline_bs32"
    assert f"about {seeds} would tell a difference of 1.2 points" in more.reason
    assert more.commands == [
        f"dvc exp run --temp -n {name}_seed{seed} -S seed={seed} {options}"
        for name, options in (
            ("baseline_bs32", "-S train.batch_size=32"),
            ("baseline_lr5e-5_bs32", "-S train.lr=5e-05 -S train.batch_size=32"),
        )
        for seed in asked
    ]


def test_seeds_are_asked_for_by_what_was_measured() -> None:
    # A difference of one point: three seeds leave it open, a few more would not; a smaller one would need many.
    made = synthetic.family({"baseline_bs32": 0.87}, seed_spread=0.006, examples=4000, groups=None, seed=1)
    found = analyse(made, [], synthetic.plan(), synthetic.baseline())
    needs = {f"More seeds for {one.arm} against {one.against}": one.needed.seeds for one in found.comparisons if one.needed and one.needed.seeds}
    few = {title: seeds for title, seeds in needs.items() if seeds <= 8}
    assert few
    assert few != needs
    asked = {advice.title: len(advice.commands) for advice in found.advice if advice.title.startswith("More seeds")}
    assert asked == {title: 2 * (seeds - 3) for title, seeds in few.items()}


def test_what_a_change_speaks_of() -> None:
    lr_up, lr_more, lr_down = {"train.lr": (2e-5, 5e-5)}, {"train.lr": (5e-5, 8e-5)}, {"train.lr": (2e-5, 1e-5)}
    assert speaks_of(lr_up, lr_more, same_direction=True)
    assert speaks_of(lr_up, lr_down, same_direction=False)
    assert not speaks_of(lr_up, {"train.epochs": (3, 2)}, same_direction=True)
    assert speaks_of(lr_up, {**lr_more, "train.epochs": (3, 2)}, same_direction=True)
    keep = {"train.keep": ("last", "best")}
    assert speaks_of(keep, keep, same_direction=True)
    assert speaks_of(keep, {"train.keep": ("best", "last")}, same_direction=False)


def test_where_nothing_is_amiss_nothing_is_advised(nothing_amiss: Any) -> None:
    found = nothing_amiss
    assert {one.verdict for one in found.comparisons} == {Verdict.EQUAL}
    assert found.advice == []
    assert advise(found.family, found.diagnoses, [], flatten(synthetic.baseline()), synthetic.plan()) == []
