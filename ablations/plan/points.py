"""From arms and seeds to experiments: their names and every parameter, written out."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from ablations.plan.plan_file import Ablations, Arm
from sentiment.tracking.run_names import BASELINE, experiment_name


@dataclass(frozen=True)
class Point:
    """One experiment to run: an arm with a seed.

    Attributes
    ----------
    arm : str
        The arm's name.
    seed : int
        The seed of training.
    name : str
        The experiment's name.
    parameters : mapping
        Every parameter by its dotted name.
    """

    arm: str
    seed: int
    name: str
    parameters: Mapping[str, Any]


def make_points(ablations: Ablations, baseline: Mapping[str, Any]) -> list[Point]:
    """List the experiments, seed by seed: whoever stops early has whole sets of arms.

    Parameters
    ----------
    ablations : Ablations
        The plan.
    baseline : mapping
        Flat parameters of params.yaml, from which names depart.

    Returns
    -------
    list of Point
    """
    return [_point(arm, seed, baseline, ablations.base) for seed in ablations.seeds for arm in ablations.arms]


def _point(arm: Arm, seed: int, baseline: Mapping[str, Any], base: Mapping[str, Any]) -> Point:
    parameters = {**arm.parameters, "seed": seed}
    return Point(arm.name, seed, name_in_plan(parameters, baseline, base), parameters)


def name_in_plan(parameters: Mapping[str, Any], baseline: Mapping[str, Any], base: Mapping[str, Any]) -> str:
    """Name an experiment of a plan: what all its arms share need not stand in every name, but for the data.

    Parameters
    ----------
    parameters : mapping
        The experiment's, flat.
    baseline : mapping
        Flat parameters of params.yaml.
    base : mapping
        Those that every arm of the plan has instead.

    Returns
    -------
    str
        ``imdb_baseline_bs32``.
    """
    shared = {**baseline, **base}
    data, _, _ = experiment_name(shared, baseline).partition(BASELINE)
    return data + experiment_name(parameters, shared)


def recipe(parameters: Mapping[str, Any]) -> tuple[tuple[str, Any], ...]:
    """Return what makes two experiments trainings of one arm: every parameter but the seed, hashable."""
    return tuple((key, tuple(value) if isinstance(value, list) else value) for key, value in sorted(parameters.items()) if key != "seed")


def set_options(parameters: Mapping[str, Any]) -> list[str]:
    """Write parameters as ``-S`` options of ``dvc exp run``.

    Parameters
    ----------
    parameters : mapping
        Values by dotted name.

    Returns
    -------
    list of str
        ``-S``, ``name=value``, …; strings are quoted for Hydra's grammar.
    """
    return [part for key, value in parameters.items() for part in ("-S", f"{key}={hydra_value(value)}")]


def hydra_value(value: Any) -> str:
    """Write one value in the grammar of Hydra's overrides."""
    if value is None:
        return "null"
    if isinstance(value, bool):
        return str(value).lower()
    if isinstance(value, list):
        return "[" + ",".join(hydra_value(item) for item in value) + "]"
    if isinstance(value, str):
        # Quotes keep `null`, `12`, `=` and commas what they are: text. Before a quote, backslashes count double.
        return "'" + value.replace("\\'", "\\\\'").replace("'", "\\'") + "'"
    return repr(value)
