"""What the experiments of a plan come to: every arm diagnosed, and compared where that is asked for."""

from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import Any

import numpy as np

from ablations.compare.advice import Advice, Diagnosis, advise
from ablations.compare.comparison import ArmResult, Comparison, TestBench
from ablations.compare.experiments import Experiment
from ablations.compare.family import Family, FamilyArm, Refusal, make_family
from ablations.compare.overfitting import judge_overfitting
from ablations.compare.stability import Course, Stability, judge_stability, worst
from ablations.diverged import DivergedPoint
from ablations.plan.plan_file import Ablations
from sentiment.settings.schema import Parameters, flatten
from sentiment.terminal.errors import UserError


@dataclass(frozen=True)
class Findings:
    """All that the report says.

    Attributes
    ----------
    family : Family
        What is compared, missing and refused.
    results : dict of str to ArmResult
        Test accuracy by arm.
    stabilities : dict of str to dict of int to Stability
        By arm and seed.
    diagnoses : dict of str to Diagnosis
        By arm.
    comparisons : list of Comparison
        In the arms' order.
    advice : list of Advice
        What to try next.
    plan : Ablations
        Margin, level and seeds.
    examples : int
        Test examples.
    groups : int or None
        Groups among them.
    diverged : list of DivergedPoint
        Planned experiments that ended without a model.
    """

    family: Family
    results: dict[str, ArmResult]
    stabilities: dict[str, dict[int, Stability]]
    diagnoses: dict[str, Diagnosis]
    comparisons: list[Comparison]
    advice: list[Advice]
    plan: Ablations
    examples: int
    groups: int | None
    diverged: list[DivergedPoint]


def analyse(
    experiments: Sequence[Experiment],
    refused: Sequence[Refusal],
    plan: Ablations,
    parameters: Parameters,
    diverged: Sequence[DivergedPoint] = (),
) -> Findings:
    """Diagnose every arm and compare what is to be compared.

    Parameters
    ----------
    experiments : sequence of Experiment
        Those that ended in success.
    refused : sequence of Refusal
        The others.
    plan : Ablations
        ablations.yaml.
    parameters : Parameters
        params.yaml.
    diverged : sequence of DivergedPoint
        Those that are kept beside the report; one that has succeeded since, or is not planned, is left out.

    Returns
    -------
    Findings

    Raises
    ------
    UserError
        Where there is no experiment to report.
    """
    baseline = flatten(parameters)
    family = make_family(experiments, plan, baseline, refused)
    lost = [one for one in diverged if one.name in family.missing]
    names_lost = {one.name for one in lost}
    family = replace(
        family,
        missing=[name for name in family.missing if name not in names_lost],
        refused=[one for one in family.refused if one.name not in names_lost],
    )
    if not family.arms:
        told = "; ".join(f"{refusal.name} {refusal.reason}" for refusal in family.refused[:3])
        raise UserError(f"no finished experiment to report{f' ({told})' if told else ''}")
    bench = TestBench({(arm.name, seed): experiment for arm in family.arms for seed, experiment in arm.experiments.items()}, plan.resamples)
    names = {arm.name for arm in family.arms}
    pairs = [(arm.name, arm.against) for arm in family.arms if arm.against in names]
    comparisons = bench.compare([(name, against) for name, against in pairs if against is not None], plan.margin, plan.alpha)
    stabilities = {arm.name: {seed: judge_stability(experiment) for seed, experiment in arm.experiments.items()} for arm in family.arms}
    diagnoses = {arm.name: _diagnose(arm, stabilities[arm.name].values()) for arm in family.arms}
    return Findings(
        family=family,
        results={arm.name: bench.result(arm.name) for arm in family.arms},
        stabilities=stabilities,
        diagnoses=diagnoses,
        comparisons=comparisons,
        advice=advise(family, diagnoses, comparisons, baseline, plan),
        plan=plan,
        examples=bench.examples,
        groups=bench.groups,
        diverged=lost,
    )


def _diagnose(arm: FamilyArm, stabilities: Any) -> Diagnosis:
    experiments = list(arm.experiments.values())
    kept = [one.metrics["best_eval_loss" if one.parameters["train.keep"] == "best" else "eval_loss"] for one in experiments]
    losses = [float("inf") if value is None else float(value) for value in kept]
    course = worst([one.course for one in stabilities])
    return Diagnosis(course, judge_overfitting(experiments, course is not Course.NOT_LEARNING), float(np.mean(losses)))
