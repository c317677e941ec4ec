"""What to try next: experiments that follow from the diagnosis, and that the evidence does not speak against."""

import math
import re
import shlex
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from ablations.compare.comparison import Comparison
from ablations.compare.family import Family, FamilyArm, changes
from ablations.compare.overfitting import Fit, Overfitting
from ablations.compare.stability import Course
from ablations.compare.verdict import Verdict
from ablations.plan.plan_file import Ablations
from ablations.plan.points import hydra_value, name_in_plan, recipe

_MOST_NEW_SEEDS = 5
_WORD = re.compile(r"[A-Za-z][A-Za-z0-9_./-]*")  # what neither a shell nor Hydra's grammar takes for anything but text
_WARMUP = 0.1
_USUAL_LEARNING_RATE = 1e-4  # the upper end of what BERT is fine-tuned with (Devlin et al. 2019; Mosbach et al. 2021)
AS_GOOD = 0.05  # validation losses this near to the lowest are as good


@dataclass(frozen=True)
class Diagnosis:
    """What is known of an arm from its training and validation alone.

    Attributes
    ----------
    course : Course
        Of its least stable seed.
    overfitting : Overfitting
        Over its seeds.
    validation_loss : float
        Of the model it keeps, mean over seeds: what arms are chosen by, never the test set.
    """

    course: Course
    overfitting: Overfitting
    validation_loss: float


@dataclass(frozen=True)
class Advice:
    """One thing to try.

    Attributes
    ----------
    title : str
        What.
    reason : str
        Why, from the figures.
    commands : list of str
        Lines to paste into a shell.
    """

    title: str
    reason: str
    commands: list[str]


Change = Mapping[str, tuple[Any, Any]]

_NO_START = (Course.DIVERGING, Course.NOT_LEARNING)


def advise(
    family: Family,
    diagnoses: Mapping[str, Diagnosis],
    comparisons: Sequence[Comparison],
    baseline: Mapping[str, Any],
    plan: Ablations,
) -> list[Advice]:
    """Say what to try next.

    It starts from the arms with the lowest validation loss (and those within 5 % of it) among those that neither
    diverge, nor have yet to begin to learn, nor are judged worse than the arm they are compared with: the test set chooses nothing. What was tried
    already, and what a comparison speaks against, is not recommended.

    Parameters
    ----------
    family : Family
        The arms.
    diagnoses : mapping
        By arm.
    comparisons : sequence of Comparison
        What the test set says.
    baseline : mapping
        Flat parameters of params.yaml.
    plan : Ablations
        For its seeds, and for what its arms share.

    Returns
    -------
    list of Advice
        Most pressing first.
    """
    made = _Proposals(family, comparisons, baseline, plan)
    for arm in family.arms:
        if diagnoses[arm.name].course is Course.DIVERGING:
            made.rescue(arm)
        elif diagnoses[arm.name].course is Course.NOT_LEARNING:
            made.wake(arm)
    for start in starting_arms(family, diagnoses, comparisons):
        found = diagnoses[start.name]
        if found.course is Course.OSCILLATING:
            made.calm(start)
        made.length(start, found.overfitting)
        made.learning_rate(start, found.overfitting, comparisons)
    made.more_seeds(comparisons)
    return made.advice


def starting_arms(family: Family, diagnoses: Mapping[str, Diagnosis], comparisons: Sequence[Comparison]) -> list[FamilyArm]:
    """Return the arms that the next experiments depart from, best first; none where every arm diverges or is worse."""
    worse = {comparison.arm for comparison in comparisons if comparison.verdict is Verdict.WORSE}
    beaten = worse | {comparison.against for comparison in comparisons if comparison.verdict is Verdict.BETTER}
    candidates = [arm for arm in family.arms if diagnoses[arm.name].course not in _NO_START and arm.name not in beaten]
    losses = {arm.name: diagnoses[arm.name].validation_loss for arm in candidates}
    near = [arm for arm in candidates if losses[arm.name] <= (1 + AS_GOOD) * min(losses.values())]
    return sorted(near, key=lambda arm: losses[arm.name])


class _Proposals:
    def __init__(self, family: Family, comparisons: Sequence[Comparison], baseline: Mapping[str, Any], plan: Ablations) -> None:
        self._arms = {arm.name: arm for arm in family.arms}
        self._tried = {recipe(_parameters(arm)) for arm in family.arms}
        self._evidence = [(_change(self._arms[one.against], self._arms[one.arm]), one.verdict) for one in comparisons]
        self._baseline = baseline
        self._base = plan.base
        self._seeds = list(plan.seeds)
        self.advice: list[Advice] = []

    def rescue(self, arm: FamilyArm) -> None:
        """Propose what mostly saves an arm that diverges."""
        now = _parameters(arm)
        reason = f"{arm.name} diverges, and a failed fine-tuning is mostly one whose first steps are too large (Mosbach et al. 2021)"
        if now["train.warmup"] < _WARMUP and self._propose(arm, f"Warm-up for {arm.name}", reason, {"train.warmup": _WARMUP}):
            return
        self._propose(arm, f"A lower learning rate for {arm.name}", reason, {"train.lr": _rounded(now["train.lr"] / 2)})

    def wake(self, arm: FamilyArm) -> None:
        """Propose what gets an arm to learn that has not begun to."""
        now = _parameters(arm)
        lr, epochs = float(now["train.lr"]), int(now["train.epochs"])
        reason = f"the loss of {arm.name} is still that of guessing"
        higher = min(10 * lr, _USUAL_LEARNING_RATE) if lr < _USUAL_LEARNING_RATE else 2 * lr
        self._propose(arm, f"A higher learning rate for {arm.name}", f"{reason}; its steps are too small", {"train.lr": _rounded(higher)})
        self._propose(arm, f"More epochs for {arm.name}", f"{reason}; its steps are too few", {"train.epochs": 2 * epochs})

    def calm(self, arm: FamilyArm) -> None:
        """Propose what steadies an arm that oscillates."""
        now = _parameters(arm)
        reason = f"the training loss of {arm.name} moves more than batch noise explains"
        if now["train.warmup"] < _WARMUP:
            self._propose(arm, f"Warm-up for {arm.name}", f"{reason}; warm-up keeps the first steps small", {"train.warmup": _WARMUP})
        more = {"train.batch_size": now["train.batch_size"] * 2}
        self._propose(arm, f"A larger batch for {arm.name}", f"{reason}; twice the batch averages gradients over twice the examples", more)

    def length(self, arm: FamilyArm, found: Overfitting) -> None:
        """Propose fewer epochs, early stopping or more epochs, whichever follows from the validation loss."""
        now = _parameters(arm)
        epochs = int(now["train.epochs"])
        best = max(1, round(found.best_epoch))
        if found.fit is Fit.OVERFITS and now["train.keep"] == "best":
            return  # what came after the best epoch is not kept
        if found.fit is Fit.OVERFITS:
            reason = f"the validation loss of {arm.name} is lowest at epoch {found.best_epoch:g} of {epochs} and ends {found.rise:.0%} higher"
            if best < epochs:
                self._propose(arm, f"Fewer epochs for {arm.name}", reason, {"train.epochs": best})
            if now["train.early_stopping_patience"] is None:
                change = {"train.early_stopping_patience": 1, "train.keep": "best"}
                self._propose(arm, f"Early stopping for {arm.name}", f"{reason}; stopping there also keeps the best model", change)
        elif found.fit is Fit.STILL_FALLING:
            reason = f"the validation loss of {arm.name} still fell by {found.last_fall:.0%} in its last epoch"
            self._propose(arm, f"More epochs for {arm.name}", reason, {"train.epochs": epochs + max(1, math.ceil(epochs / 3))})

    def learning_rate(self, arm: FamilyArm, found: Overfitting, comparisons: Sequence[Comparison]) -> None:
        """Propose a higher learning rate where raising it helped, or where the training is cut short."""
        now = _parameters(arm)
        raised = [one for one, (change, verdict) in zip(comparisons, self._evidence, strict=True) if _is_rise(change) and verdict is Verdict.BETTER]
        if raised:
            reason = f"raising it made {raised[0].arm} better than {raised[0].against}: the best value may lie higher still"
            self._propose(arm, f"A higher learning rate for {arm.name}", reason, {"train.lr": _rounded(now["train.lr"] * 1.5)})
        elif found.fit is Fit.STILL_FALLING:
            reason = f"{arm.name} is undertrained; a higher learning rate gets further in the same number of steps"
            self._propose(arm, f"A higher learning rate for {arm.name}", reason, {"train.lr": _rounded(now["train.lr"] * 1.5)})

    def more_seeds(self, comparisons: Sequence[Comparison]) -> None:
        """Propose the seeds that would decide a comparison, where a few are enough."""
        for one in comparisons:
            if one.verdict is not Verdict.UNDECIDED:
                continue
            have = len(one.seeds)
            wanted = one.needed.seeds if one.needed else None
            if wanted is None or wanted - have > _MOST_NEW_SEEDS or wanted <= have:
                continue
            new = self._new_seeds(wanted - have)
            effect = one.needed.effect if one.needed else 0.0
            commands = [line for name in (one.against, one.arm) for line in self._commands(_parameters(self._arms[name]), new)]
            reason = (
                f"{have} {'seed leaves' if have == 1 else 'seeds leave'} {one.arm} and {one.against} undecided; "
                f"about {wanted} would tell a difference of {100 * effect:.1f} points"
            )
            self.advice.append(Advice(f"More seeds for {one.arm} against {one.against}", reason, commands))

    def _propose(self, arm: FamilyArm, title: str, reason: str, change: Mapping[str, Any]) -> bool:
        parameters = {**_parameters(arm), **change}
        if recipe(parameters) in self._tried or self._contradicted(changes(parameters, _parameters(arm))):
            return False
        self._tried.add(recipe(parameters))
        self.advice.append(Advice(title, reason, self._commands(parameters, self._seeds)))
        return True

    def _contradicted(self, proposed: Change) -> bool:
        return any(
            (verdict is Verdict.WORSE and speaks_of(change, proposed, same_direction=True))
            or (verdict is Verdict.BETTER and speaks_of(change, proposed, same_direction=False))
            for change, verdict in self._evidence
        )

    def _commands(self, parameters: Mapping[str, Any], seeds: Sequence[int]) -> list[str]:
        lines = []
        for seed in seeds:
            one = {**parameters, "seed": seed}
            differing = {key: value for key, value in one.items() if self._baseline.get(key) != value}
            options = " ".join(
                f"-S {shlex.quote(f'{key}={hydra_value(value) if not _is_word(value) else value}')}" for key, value in differing.items()
            )
            lines.append(f"dvc exp run --temp -n {shlex.quote(name_in_plan(one, self._baseline, self._base))} {options}".rstrip())
        return lines

    def _new_seeds(self, count: int) -> list[int]:
        used = set(self._seeds)
        first = max(used) + 1
        return [seed for seed in range(first, first + count + len(used)) if seed not in used][:count]


def speaks_of(tested: Change, proposed: Change, same_direction: bool) -> bool:
    """Tell whether a change that was tested is part of a proposed one, in the same direction or against it.

    Parameters
    ----------
    tested, proposed : mapping
        Parameters with (old value, new value).
    same_direction : bool
        Whether to look for the same direction or for the opposite one.
    """
    if not tested or not set(tested) <= set(proposed):
        return False
    return all(_alike(tested[key], proposed[key]) is same_direction for key in tested)


def _alike(first: tuple[Any, Any], second: tuple[Any, Any]) -> bool | None:
    if all(isinstance(value, int | float) and not isinstance(value, bool) for value in (*first, *second)):
        return bool((first[1] > first[0]) == (second[1] > second[0]))
    if first[1] == second[1]:
        return True
    return False if first[0] == second[1] else None


def _change(reference: FamilyArm, arm: FamilyArm) -> Change:
    return changes(_parameters(arm), _parameters(reference))


def _is_rise(change: Change) -> bool:
    return set(change) == {"train.lr"} and change["train.lr"][1] > change["train.lr"][0]


def _parameters(arm: FamilyArm) -> Mapping[str, Any]:
    return next(iter(arm.experiments.values())).parameters


def _rounded(value: float) -> float:
    return float(f"{value:.1e}")


def _is_word(value: Any) -> bool:
    return isinstance(value, str) and _WORD.fullmatch(value) is not None and value.lower() not in ("null", "true", "false", "nan", "inf")
