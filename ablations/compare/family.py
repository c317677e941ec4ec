"""Which experiments belong together: arms with their seeds, and what is left out with the reason."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, fields
from typing import Any

import numpy as np

from ablations.compare.experiments import Experiment, Identity
from ablations.plan.plan_file import Ablations
from ablations.plan.points import make_points, recipe

_WORDS = {
    "data": "other data",
    "split": "another split",
    "precision": "another precision",
    "threads": "another number of threads",
    "code": "other code",
}


@dataclass(frozen=True)
class Refusal:
    """An experiment that is in no comparison.

    Attributes
    ----------
    name : str
        The experiment.
    reason : str
        Why.
    """

    name: str
    reason: str


@dataclass(frozen=True)
class FamilyArm:
    """One recipe and its experiments.

    Attributes
    ----------
    name : str
        From ablations.yaml; of an arm that does not stand there, its first experiment's.
    against : str or None
        The arm it is compared with.
    planned : bool
        Whether ablations.yaml has it.
    changed : mapping
        Parameters in which it differs from the arm it is compared with (from the first arm where
        there is none), as (theirs, its own).
    experiments : mapping of int to Experiment
        By seed, ascending.
    """

    name: str
    against: str | None
    planned: bool
    changed: Mapping[str, tuple[Any, Any]]
    experiments: Mapping[int, Experiment]

    @property
    def older_code(self) -> bool:
        """Whether its experiments were made before the code was laid out in folders."""
        return any(experiment.older_code for experiment in self.experiments.values())


@dataclass(frozen=True)
class Family:
    """What is compared, what is missing, what is refused.

    Attributes
    ----------
    arms : list of FamilyArm
        Those with one experiment or more: the planned in the plan's order, then others by name.
    missing : list of str
        Names of planned experiments that there are none of.
    refused : list of Refusal
        By name.
    identity : Identity or None
        What all compared experiments share.
    """

    arms: list[FamilyArm]
    missing: list[str]
    refused: list[Refusal]
    identity: Identity | None


def make_family(experiments: Sequence[Experiment], ablations: Ablations, baseline: Mapping[str, Any], refused: Sequence[Refusal]) -> Family:
    """Sort experiments into arms.

    An experiment belongs to an arm by its parameters, whatever it is called. Only experiments of
    one identity are compared (data, split, precision, threads, code): the identity that has most
    of the plan's points. What ablations.yaml does not have is an arm of its own, compared with
    the first planned arm from which exactly one parameter differs.

    Parameters
    ----------
    experiments : sequence of Experiment
        All that ended in success.
    ablations : Ablations
        The plan.
    baseline : mapping
        Flat parameters of params.yaml.
    refused : sequence of Refusal
        What was left out before.

    Returns
    -------
    Family
    """
    ordered = sorted(experiments, key=lambda experiment: (experiment.name, experiment.revision))
    points = {(recipe(point.parameters), point.seed): point for point in make_points(ablations, baseline)}
    left_out = list(refused)
    identity = _largest(ordered, points)
    chosen: dict[tuple[Any, int], Experiment] = {}
    answers: Experiment | None = None
    for experiment in ordered:
        key = (recipe(experiment.parameters), experiment.seed)
        if identity is not None and experiment.identity != identity:
            left_out.append(Refusal(experiment.name, _difference(experiment, identity)))
        elif key in chosen:
            left_out.append(Refusal(experiment.name, f"has the same parameters and seed as {chosen[key].name}, which stands for both"))
        elif answers is not None and not _same_examples(answers, experiment):
            left_out.append(Refusal(experiment.name, f"its predictions are of other test examples than those of {answers.name}"))
        else:
            chosen[key] = experiment
            answers = answers or experiment
    arms = _arms(chosen, ablations)
    missing = [point.name for key, point in points.items() if key not in chosen]
    return Family(arms, missing, sorted(left_out, key=lambda refusal: (refusal.name, refusal.reason)), identity)


def _largest(experiments: Sequence[Experiment], points: Mapping[tuple[Any, int], Any]) -> Identity | None:
    found: dict[Identity, set[tuple[Any, int]]] = {}
    for experiment in experiments:
        key = (recipe(experiment.parameters), experiment.seed)
        found.setdefault(experiment.identity, set()).add(key)
    if not found:
        return None

    def rank(identity: Identity) -> tuple[int, int, str]:
        keys = found[identity]
        return (sum(key in points for key in keys), len(keys), str(identity))

    return max(found, key=rank)


def _difference(experiment: Experiment, reference: Identity) -> str:
    identity, told = experiment.identity, []
    for field in fields(Identity):
        own, theirs = getattr(identity, field.name), getattr(reference, field.name)
        if own != theirs:
            shown = field.name in ("precision", "threads")
            words = "older code" if field.name == "code" and experiment.older_code else _WORDS[field.name]
            told.append(words + (f" ({own} instead of {theirs})" if shown else ""))
    return f"made with {' and '.join(told)}: not comparable"


def _same_examples(first: Experiment, second: Experiment) -> bool:
    return np.array_equal(first.answers.ids, second.answers.ids) and np.array_equal(first.answers.labels, second.answers.labels)


def _arms(chosen: Mapping[tuple[Any, int], Experiment], ablations: Ablations) -> list[FamilyArm]:
    by_recipe: dict[Any, dict[int, Experiment]] = {}
    for (key, seed), experiment in sorted(chosen.items(), key=lambda item: item[0][1]):
        by_recipe.setdefault(key, {})[seed] = experiment
    planned = {recipe(arm.parameters): arm for arm in ablations.arms}
    first = ablations.arms[0].parameters
    parameters = {arm.name: arm.parameters for arm in ablations.arms}
    made: list[FamilyArm] = []
    for key, arm in planned.items():
        if key in by_recipe:
            reference = parameters[arm.against] if arm.against else first
            made.append(FamilyArm(arm.name, arm.against, True, changes(arm.parameters, reference), by_recipe[key]))
    taken = {arm.name for arm in made} | set(parameters)
    others = [(next(iter(found.values())), found) for key, found in by_recipe.items() if key not in planned]
    for experiment, found in sorted(others, key=lambda item: item[0].name):
        name = experiment.name
        while name in taken:
            name += "'"
        taken.add(name)
        near = [arm for arm in ablations.arms if recipe(arm.parameters) in by_recipe and len(changes(experiment.parameters, arm.parameters)) == 1]
        against = near[0].name if near else None
        made.append(FamilyArm(name, against, False, changes(experiment.parameters, near[0].parameters if near else first), found))
    return made


def changes(parameters: Mapping[str, Any], reference: Mapping[str, Any]) -> dict[str, tuple[Any, Any]]:
    """Return the parameters that differ, but for the seed, as (the reference's value, the value)."""
    return {key: (reference.get(key), value) for key, value in parameters.items() if key != "seed" and reference.get(key) != value}
