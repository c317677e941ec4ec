"""Experiments made up for tests: curves and answers with known properties."""

from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np

from ablations.compare.experiments import Experiment, Identity, TestAnswers, TrainingCurves
from ablations.plan.plan_file import Ablations, load_ablations
from ablations.plan.points import make_points
from sentiment.settings.schema import Parameters, flatten, load_parameters

ROOT = Path(__file__).resolve().parent.parent.parent
IDENTITY = Identity(data="d1", split="s1", precision="bf16", threads=2, code="c1")


def baseline() -> Parameters:
    return load_parameters(ROOT / "params.yaml")


def plan() -> Ablations:
    return load_ablations(ROOT / "ablations.yaml", baseline())


def curves(
    rng: np.random.Generator,
    epochs: int = 3,
    steps_per_epoch: int = 100,
    start: float = 0.69,
    end: float = 0.1,
    noise: float = 0.15,
    validation: tuple[float, ...] | None = None,
    accuracy: tuple[float, ...] | None = None,
    norm: float = 3.0,
) -> TrainingCurves:
    steps = np.arange(1, epochs * steps_per_epoch + 1, dtype=np.float64)
    share = steps / steps[-1]
    loss = np.maximum(end + (start - end) * np.exp(-4 * share) + rng.normal(0, noise, len(steps)), 0.001)
    grad_norm = norm * np.exp(rng.normal(0, 0.7, len(steps)))
    ends = steps_per_epoch * np.arange(1, epochs + 1, dtype=np.float64)
    validation = validation or tuple(0.5 - 0.1 * epoch / epochs for epoch in range(1, epochs + 1))
    accuracy = accuracy or (0.9,) * epochs
    return TrainingCurves(
        step=steps,
        epoch=steps / steps_per_epoch,
        loss=loss,
        grad_norm=grad_norm,
        validation_step=ends,
        validation_epoch=ends / steps_per_epoch,
        validation_loss=np.array(validation),
        validation_accuracy=np.array(accuracy),
    )


def answers(rng: np.random.Generator, accuracy: float, hardness: np.ndarray, groups: np.ndarray | None) -> TestAnswers:
    """Answers of a model that finds hard what all find hard: `hardness` is shared by all experiments."""
    count = len(hardness)
    labels = np.arange(count) % 2
    noise = rng.normal(size=count)
    score = 0.85 * hardness + np.sqrt(1 - 0.85**2) * noise
    correct = score < np.quantile(score, accuracy) if accuracy < 1 else np.ones(count, dtype=bool)
    losses = np.where(correct, rng.exponential(0.1, count), 0.7 + rng.exponential(0.8, count))
    return TestAnswers(
        ids=np.array([f"r{row:06d}" for row in range(count)]),
        groups=groups,
        labels=labels,
        predicted=np.where(correct, labels, 1 - labels),
        losses=losses,
    )


def experiment(
    name: str,
    parameters: Mapping[str, Any],
    training: TrainingCurves,
    test: TestAnswers,
    identity: Identity = IDENTITY,
) -> Experiment:
    best = int(np.nanargmin(training.validation_loss))
    return Experiment(
        name=name,
        revision=f"{abs(hash(name)):x}"[:8],
        baseline="0123456789abcdef0123456789abcdef01234567",
        parameters=parameters,
        identity=identity,
        metrics={
            "train_loss": float(training.loss[-100:].mean()),
            "eval_loss": float(training.validation_loss[-1]),
            "best_eval_loss": float(training.validation_loss[best]),
            "best_epoch": float(training.validation_epoch[best]),
            "steps": len(training.step),
            "tokens": 387267,
            "flops": 2.5e13,
        },
        test_metrics={"accuracy": float(test.correct.mean()), "macro_f1": float(test.correct.mean()) - 0.001},
        validation_chance=0.506,
        validation_rows=166,
        curves=training,
        answers=test,
    )


def family(
    accuracies: Mapping[str, float],
    examples: int = 427,
    groups: int | None = 31,
    seed_spread: float = 0.006,
    seed: int = 0,
    shapes: Mapping[str, dict[str, Any]] | None = None,
) -> list[Experiment]:
    """All points of ablations.yaml with a given accuracy an arm."""
    rng = np.random.default_rng(seed)
    of_group = np.sort(rng.integers(0, groups, examples)) if groups else None
    hardness = rng.normal(size=examples) if of_group is None else rng.normal(size=examples) * 0.9 + rng.normal(size=groups)[of_group] * 0.4
    names = None if of_group is None else np.array([f"film {group}" for group in of_group])
    made = []
    for point in make_points(plan(), flatten(baseline())):
        batch, epochs = int(point.parameters["train.batch_size"]), int(point.parameters["train.epochs"])
        epochs = 3 if point.parameters["train.early_stopping_patience"] else epochs
        shape = {"epochs": epochs, "steps_per_epoch": 191 * 8 // batch, "norm": 3.0 * (8 / batch) ** 0.5, **(shapes or {}).get(point.arm, {})}
        accuracy = float(np.clip(accuracies.get(point.arm, 0.88) + rng.normal(0, seed_spread), 0.5, 1.0))
        made.append(experiment(point.name, point.parameters, curves(rng, **shape), answers(rng, accuracy, hardness, names)))
    return made
