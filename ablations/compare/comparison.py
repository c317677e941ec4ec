"""One arm against another: how they differ on the test set, and what may be concluded."""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from ablations.compare.bootstrap import Estimate, estimate, make_units, resample_means
from ablations.compare.experiments import Experiment
from ablations.compare.statistics import (
    HolmStep,
    holm,
    pooled_seed_variance,
    probability_of_outperforming,
    varies_like_the_others,
    varies_most,
)
from ablations.compare.verdict import Needed, Verdict, decide_verdict, needed
from sentiment.evaluation.paired_answers import McNemar, mcnemar

Floats = npt.NDArray[np.float64]

_BOOTSTRAP_SEED = 0


@dataclass(frozen=True)
class SeedTest:
    """One pair of trainings with the same seed."""

    seed: int
    test: McNemar


@dataclass(frozen=True)
class Comparison:
    """One arm against another.

    Attributes
    ----------
    arm, against : str
        Differences are arm less against.
    seeds : list of int
        The seeds both have.
    accuracy : Estimate
        Difference in accuracy.
    loss : Estimate
        Difference in log-loss, in nats; lower is better.
    step : HolmStep
        Holm's correction for the difference in accuracy.
    interval : (float, float)
        Of the difference in accuracy, over seeds and test examples, corrected.
    loss_interval : (float, float)
        Of the difference in log-loss, at the same level.
    detectable : float
        Minimum detectable effect in accuracy at the corrected level, with a power of 80 %.
    outperforms : float
        Probability of outperforming.
    pooled : bool
        Whether the variance over seeds comes from all arms.
    tests : list of SeedTest
        McNemar, by seed.
    disagreement : float
        Share of test examples on which only one of the two is right, mean over seeds.
    verdict : Verdict
        What it comes to.
    needed : Needed or None
        Where nothing can be concluded.
    """

    arm: str
    against: str
    seeds: list[int]
    accuracy: Estimate
    loss: Estimate
    step: HolmStep
    interval: tuple[float, float]
    loss_interval: tuple[float, float]
    detectable: float
    outperforms: float
    pooled: bool
    tests: list[SeedTest]
    disagreement: float
    verdict: Verdict
    needed: Needed | None


@dataclass(frozen=True)
class _Pool:
    """The variance over seeds that arms share: of one seed's difference, with its degrees of freedom.

    `left_out` are arms that vary more; `size` tells which of two pools rests on more trainings.
    """

    variance: float
    degrees: float
    left_out: frozenset[str]
    size: int


@dataclass(frozen=True)
class ArmResult:
    """An arm on the test set.

    Attributes
    ----------
    accuracy : Estimate
        Over its seeds; its `interval_over_examples` is for these very models.
    by_seed : list of float
        Accuracy of each.
    """

    accuracy: Estimate
    by_seed: list[float]


class TestBench:
    """All experiments on one test set, resampled together: every difference is paired by example.

    Parameters
    ----------
    experiments : mapping of (arm, seed) to Experiment
        Their answers have one order, which `ablations.compare.collect` makes.
    resamples : int
        Bootstrap draws.
    """

    __test__ = False

    def __init__(self, experiments: Mapping[tuple[str, int], Experiment], resamples: int) -> None:
        self._experiments = dict(experiments)
        self._columns = {key: index for index, key in enumerate(self._experiments)}
        all_answers = [experiment.answers for experiment in self._experiments.values()]
        first = all_answers[0]
        groups = None if first.groups is None else np.unique(first.groups, return_inverse=True)[1].astype(np.int64)
        scores = np.stack([answers.correct.astype(np.float64) for answers in all_answers] + [answers.losses for answers in all_answers])
        self.examples = len(first.labels)
        self.groups = None if groups is None else int(groups.max()) + 1
        self._units = make_units(scores, groups)
        self._draws = resample_means(self._units, resamples, _BOOTSTRAP_SEED)
        self._means = self._units.means

    def seeds(self, arm: str) -> list[int]:
        """Return the seeds of an arm, ascending."""
        return sorted(seed for name, seed in self._columns if name == arm)

    def result(self, arm: str) -> ArmResult:
        """Return an arm's accuracy."""
        columns = [self._columns[arm, seed] for seed in self.seeds(arm)]
        weights = self._weights([(column, 1.0)] for column in columns)
        return ArmResult(self._estimate(weights), [float(self._means[column]) for column in columns])

    def compare(self, pairs: Sequence[tuple[str, str]], margin: float, alpha: float) -> list[Comparison]:
        """Compare arms, as one family.

        Parameters
        ----------
        pairs : sequence of (arm, against)
            Pairs without a common seed are left out.
        margin : float
            Differences in accuracy below it count as practically equal.
        alpha : float
            Probability of a false "better" or "worse" among all pairs.

        Returns
        -------
        list of Comparison
        """
        pairs = [(arm, against) for arm, against in pairs if self._common(arm, against)]
        pool = self._pool(pairs, offset=0)
        loss_pool = self._pool(pairs, offset=len(self._columns))
        estimates = []
        for arm, against in pairs:
            seeds = self._common(arm, against)
            accuracy, pooled = self._difference(arm, against, seeds, 0, pool)
            loss, _ = self._difference(arm, against, seeds, len(self._columns), loss_pool)
            estimates.append((arm, against, seeds, accuracy, loss, pooled))
        steps = holm([accuracy.p_value() for *_, accuracy, _, _ in estimates], alpha)
        return [self._comparison(*made, step, margin) for made, step in zip(estimates, steps, strict=True)]

    def _comparison(
        self, arm: str, against: str, seeds: list[int], accuracy: Estimate, loss: Estimate, pooled: bool, step: HolmStep, margin: float
    ) -> Comparison:
        interval = accuracy.interval(step.alpha)
        verdict = decide_verdict(interval, margin, len(seeds))
        right = [(self._experiments[arm, seed].answers.correct, self._experiments[against, seed].answers.correct) for seed in seeds]
        weights = self._pair_weights(arm, against, seeds, 0)
        return Comparison(
            arm=arm,
            against=against,
            seeds=seeds,
            accuracy=accuracy,
            loss=loss,
            step=step,
            interval=interval,
            loss_interval=loss.interval(step.alpha),
            detectable=accuracy.minimum_detectable_effect(step.alpha),
            outperforms=probability_of_outperforming(self._draws @ weights),
            pooled=pooled,
            tests=[SeedTest(seed, mcnemar(mine, theirs)) for seed, (mine, theirs) in zip(seeds, right, strict=True)],
            disagreement=float(np.mean([np.mean(mine != theirs) for mine, theirs in right])),
            verdict=verdict,
            needed=needed(accuracy, max(abs(accuracy.mean), margin), step.alpha, self.examples) if verdict is Verdict.UNDECIDED else None,
        )

    def _common(self, arm: str, against: str) -> list[int]:
        return sorted(set(self.seeds(arm)) & set(self.seeds(against)))

    def _pool(self, pairs: Sequence[tuple[str, str]], offset: int) -> _Pool | None:
        """Pool the variance over seeds, but for arms that vary more than the others.

        An arm with few seeds would leave all others no more than these: of the ways to leave such arms out, the one
        with most degrees of freedom is taken.
        """
        arms = sorted({name for pair in pairs for name in pair}, key=lambda arm: (-len(self.seeds(arm)), arm))
        best: _Pool | None = None
        for count in range(3, len(arms) + 1):
            seeds = sorted(set.intersection(*(set(self.seeds(arm)) for arm in arms[:count])))
            table = np.array([[self._means[self._columns[arm, seed] + offset] for seed in seeds] for arm in arms[:count]]).reshape(count, len(seeds))
            names = arms[:count]
            left_out: set[str] = set()
            while (most := varies_most(table)) is not None:
                left_out.add(names[most])
                names = names[:most] + names[most + 1 :]
                table = np.delete(table, most, axis=0)
            pooled = pooled_seed_variance(table)
            if pooled is not None and (best is None or len(seeds) * (count - 1) > best.size):
                best = _Pool(pooled[0] * len(seeds), pooled[1], frozenset(left_out), len(seeds) * (count - 1))
        return best

    def _difference(self, arm: str, against: str, seeds: list[int], offset: int, pool: _Pool | None) -> tuple[Estimate, bool]:
        weights = self._pair_weights(arm, against, seeds, offset)
        own = self._estimate(weights)
        if pool is None or len(seeds) < 2 or {arm, against} & pool.left_out:
            return own, False
        variance = pool.variance / len(seeds)
        if not varies_like_the_others(own.variance.seeds, own.degrees.seeds, variance, pool.degrees):
            return own, False
        return self._estimate(weights, (variance, pool.degrees)), True

    def _pair_weights(self, arm: str, against: str, seeds: list[int], offset: int) -> Floats:
        return self._weights([(self._columns[arm, seed] + offset, 1.0), (self._columns[against, seed] + offset, -1.0)] for seed in seeds)

    def _weights(self, columns: Iterable[list[tuple[int, float]]]) -> Floats:
        made = []
        for entries in columns:
            column = np.zeros(self._units.sums.shape[1])
            for index, weight in entries:
                column[index] = weight
            made.append(column)
        return np.stack(made, axis=1)

    def _estimate(self, weights: Floats, pooled: tuple[float, float] | None = None) -> Estimate:
        return estimate(self._units.combine(weights), self._draws @ weights, pooled)
