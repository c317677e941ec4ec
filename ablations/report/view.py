"""Findings as the rows and cells that both reports show."""

from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np

from ablations.compare.comparison import Comparison
from ablations.compare.family import FamilyArm
from ablations.compare.verdict import Verdict
from ablations.diverged import FOLDER, DivergedPoint
from ablations.plan.plan_file import plan_option
from ablations.report import wording
from ablations.report.comparison_figures import Picture
from ablations.report.findings import Findings


def make_view(findings: Findings, pictures: Sequence[Picture]) -> dict[str, Any]:
    """Lay the findings out as rows of text, of which the templates are filled: both show the same."""
    by_arm = {one.arm: one for one in findings.comparisons}
    counts = {len(arm.experiments) for arm in findings.family.arms}
    few = max(counts) < 10
    identity = findings.family.identity
    first = next(iter(findings.family.arms[0].experiments.values()))
    return {
        "plan": findings.plan.name,
        "run_command": f"python -m ablations run{plan_option(Path(findings.plan.name))}",
        "source": str(first.parameters["prepare.source"]),
        "model": str(first.parameters["train.model"]),
        "base": ", ".join(f"{key} = {_value(value)}" for key, value in findings.plan.base.items()),
        "commits": sorted({one.baseline[:7] for arm in findings.family.arms for one in arm.experiments.values()}),
        "experiments": sum(len(arm.experiments) for arm in findings.family.arms),
        "arms": len(findings.family.arms),
        "seeds": sorted({seed for arm in findings.family.arms for seed in arm.experiments}),
        "few_seeds": few,
        "examples": f"{findings.examples:,}".replace(",", "\N{NARROW NO-BREAK SPACE}"),
        "groups": findings.groups,
        "precision": identity.precision if identity else "",
        "threads": identity.threads if identity else 0,
        "alpha": findings.plan.alpha,
        "margin": f"{100 * findings.plan.margin:g}",
        "family": len(findings.comparisons),
        "metrics": [_metric_row(arm, findings, by_arm.get(arm.name)) for arm in findings.family.arms],
        "verdicts": [_verdict_row(one, findings) for one in findings.comparisons],
        "stability": [row for arm in findings.family.arms for row in _stability_rows(arm, findings)],
        "overfitting": [_overfitting_row(arm, findings) for arm in findings.family.arms],
        "advice": findings.advice,
        "missing": findings.family.missing,
        "diverged": [_diverged_row(one) for one in findings.diverged],
        "refused": findings.family.refused,
        "differences": [picture for picture in pictures if picture.file == "differences.png"],
        "over_epochs": [picture for picture in pictures if picture.file.endswith("_epoch.png")],
        "over_steps": [picture for picture in pictures if picture.file.endswith("_step.png")],
    }


def _diverged_row(one: DivergedPoint) -> dict[str, str]:
    return {
        "name": one.name,
        "sentence": f"{one.what} at step {one.step} of {one.steps} (learning rate {one.lr:.2g}); "
        f"its training loss was {one.first_loss:.3f} at first and {one.last_loss:.3g} at the last step where it was finite",
        "curve": f"{FOLDER}/{one.name}.tsv",
    }


def _metric_row(arm: FamilyArm, findings: Findings, one: Comparison | None) -> dict[str, Any]:
    experiments = list(arm.experiments.values())

    def values(name: str) -> list[float]:
        return [float("nan") if found.metrics.get(name) is None else float(found.metrics[name]) for found in experiments]

    def mean(name: str) -> float:
        return float(np.mean(values(name)))

    result = findings.results[arm.name]
    return {
        "arm": arm.name,
        "planned": arm.planned,
        "older": arm.older_code,
        "seeds": len(experiments),
        "changed": ", ".join(f"{key} {_value(old)} → {_value(new)}" for key, (old, new) in arm.changed.items()) or "params.yaml",
        "several": len(arm.changed) > 1 and arm.against is not None,
        "against": arm.against,
        "train_loss": wording.with_spread(values("train_loss")),
        "eval_loss": wording.with_spread(values("eval_loss")),
        "best_eval_loss": f"{wording.with_spread(values('best_eval_loss'))} (epoch {' / '.join(f'{value:g}' for value in values('best_epoch'))})",
        "accuracy": wording.accuracy_text(result.accuracy, result.by_seed),
        "macro_f1": wording.with_spread([float(found.test_metrics.get("macro_f1") or float("nan")) for found in experiments]),
        "difference": f"{wording.points(one.accuracy.mean)} [{wording.span(one.interval)}]" if one else "",
        "verdict": one.verdict.value if one else "",
        "cost": f"{mean('steps'):.0f} steps, {wording.large(mean('tokens'))} tokens, {wording.large(mean('flops'))}FLOP",
    }


def _verdict_row(one: Comparison, findings: Findings) -> dict[str, Any]:
    several = findings.family.arms
    changed = next(arm.changed for arm in several if arm.name == one.arm)
    return {
        "arm": one.arm,
        "against": one.against,
        "verdict": one.verdict.value,
        "kind": {Verdict.BETTER: "better", Verdict.WORSE: "worse", Verdict.EQUAL: "equal"}.get(one.verdict, "undecided"),
        "sentence": wording.verdict_sentence(
            one, findings.plan.margin, "corrected interval" if len(one.seeds) > 1 else "interval over test examples"
        ),
        "confounded": ", ".join(changed) if len(changed) > 1 else "",
        "seeds": ", ".join(map(str, one.seeds)),
        "loss": f"{wording.signed(one.loss.mean)} ({wording.signed(one.loss_interval[0])} to {wording.signed(one.loss_interval[1])})",
        "p": f"{wording.p_value(one.accuracy.p_value())} (Holm {wording.p_value(one.step.adjusted)})",
        "level": f"{100 * (1 - one.step.alpha):.4g} %",
        "examples_only": wording.span(one.accuracy.interval_over_examples()),
        "outperforms": wording.percent(one.outperforms, 0),
        "detectable": f"{100 * one.detectable:.1f} ({wording.percent(one.disagreement)} disagree)",
        "pooled": one.pooled,
        "mcnemar": "; ".join(f"seed {t.seed}: {t.test.only_first} : {t.test.only_second}, p {wording.p_value(t.test.p_value)}" for t in one.tests),
    }


def _stability_rows(arm: FamilyArm, findings: Findings) -> list[dict[str, Any]]:
    return [
        {
            "arm": arm.name,
            "seed": seed,
            "course": one.course.value,
            "median": f"{one.median:.2f}",
            "p95": f"{one.p95:.1f}",
            "maximum": f"{one.maximum:.1f}",
            "clipped": wording.percent(one.clipped, 0),
            "norm_trend": f"× {one.norm_trend:.2f}",
            "loss_trend": wording.signed(one.loss_trend),
            "reason": "; ".join(one.reasons),
        }
        for seed, one in findings.stabilities[arm.name].items()
    ]


def _overfitting_row(arm: FamilyArm, findings: Findings) -> dict[str, Any]:
    found = findings.diagnoses[arm.name].overfitting
    return {
        "arm": arm.name,
        "fit": found.fit.value,
        "best": " / ".join(f"{epoch:g}" for epoch in found.best_epochs),
        "gap_at_best": wording.signed(found.gap_at_best),
        "gap_at_end": wording.signed(found.gap_at_end),
        "rise": f"{100 * found.rise:.0f} %",
        "sentence": found.sentence,
    }


def _value(value: Any) -> str:
    return "null" if value is None else f"{value:g}" if isinstance(value, float) else str(value)
