"""The report: what the experiments say, as Markdown, as one HTML page, as figures and as JSON."""

import base64
from collections.abc import Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

import jinja2
import numpy as np
from markupsafe import Markup

from ablations.compare.advice import Advice, Diagnosis, advise
from ablations.compare.collect import collect
from ablations.compare.comparison import ArmResult, Comparison, TestBench, Verdict
from ablations.compare.experiments import Experiment
from ablations.compare.family import Family, FamilyArm, Refusal, make_family
from ablations.compare.overfitting import judge_overfitting
from ablations.compare.stability import Stability, judge_stability, worst
from ablations.plan.plan_file import Ablations, load_ablations
from ablations.report import wording
from ablations.report.comparison_figures import Picture, draw_all
from sentiment.core import paths
from sentiment.core.files import replacing, write_json, write_text
from sentiment.settings.schema import Parameters, flatten, load_parameters
from sentiment.terminal.errors import UserError
from sentiment.terminal.progress import say

REPORTS = Path("reports")
_TEMPLATES = Path(__file__).resolve().parent / "templates"


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


def write_report(file: Path) -> None:
    """Read the experiments through DVC and write the report of a plan to reports/<its name>/."""
    parameters = load_parameters(paths.PARAMS)
    plan = load_ablations(file, parameters)
    folder = REPORTS / file.stem
    source = plan.arms[0].parameters["prepare.source"]
    experiments, refused = collect()
    experiments = [experiment for experiment in experiments if experiment.parameters["prepare.source"] == source]  # other data is another study
    findings = analyse(experiments, refused, plan, parameters)
    write_report_files(findings, folder)
    for one in findings.comparisons:
        say(f"{one.arm} against {one.against}: {one.verdict.value} ({wording.points(one.accuracy.mean)} points, {wording.span(one.interval)})")
    if findings.family.missing:
        say(f"missing: {', '.join(findings.family.missing)}")
    say(f"{folder / 'report.html'} and {folder / 'report.md'} are written")


def analyse(experiments: Sequence[Experiment], refused: Sequence[Refusal], plan: Ablations, parameters: Parameters) -> Findings:
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
    if not family.arms:
        told = "; ".join(f"{refusal.name} {refusal.reason}" for refusal in family.refused[:3])
        raise UserError(f"no finished experiment to report{f' ({told})' if told else ''}: `python -m ablations run` makes them")
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
    )


def write_report_files(findings: Findings, folder: Path) -> None:
    """Write the report's files.

    Parameters
    ----------
    findings : Findings
        What to say.
    folder : Path
        report.md, report.html, report.json and PNG files; written whole or not at all.
    """
    with replacing(folder) as partial:
        partial.mkdir()
        pictures = draw_all(partial, findings.family.arms, findings.comparisons, findings.plan.margin)
        view = _view(findings, pictures)
        write_text(partial / "report.md", _environment().get_template("report.md.j2").render(view))
        data = {picture.file: base64.b64encode((partial / picture.file).read_bytes()).decode("ascii") for picture in pictures}
        write_text(partial / "report.html", _environment().get_template("report.html.j2").render(view, data=data))
        write_json(partial / "report.json", as_json(findings))


def as_json(findings: Findings) -> dict[str, Any]:
    """Return the findings as plain values."""
    return {
        "alpha": findings.plan.alpha,
        "margin": findings.plan.margin,
        "test_examples": findings.examples,
        "test_groups": findings.groups,
        "identity": asdict(findings.family.identity) if findings.family.identity else None,
        "arms": [_arm_json(arm, findings) for arm in findings.family.arms],
        "comparisons": [_comparison_json(one) for one in findings.comparisons],
        "advice": [asdict(advice) for advice in findings.advice],
        "missing": findings.family.missing,
        "refused": [asdict(refusal) for refusal in findings.family.refused],
    }


def _diagnose(arm: FamilyArm, stabilities: Any) -> Diagnosis:
    experiments = list(arm.experiments.values())
    kept = [one.metrics["best_eval_loss" if one.parameters["train.keep"] == "best" else "eval_loss"] for one in experiments]
    losses = [float("inf") if value is None else float(value) for value in kept]
    return Diagnosis(worst([one.course for one in stabilities]), judge_overfitting(experiments), float(np.mean(losses)))


def _arm_json(arm: FamilyArm, findings: Findings) -> dict[str, Any]:
    result, found = findings.results[arm.name], findings.diagnoses[arm.name]
    low, high = result.accuracy.interval_over_examples()
    return {
        "name": arm.name,
        "against": arm.against,
        "planned": arm.planned,
        "changed": {key: {"from": old, "to": new} for key, (old, new) in arm.changed.items()},
        "experiments": {str(seed): one.name for seed, one in arm.experiments.items()},
        "metrics": {str(seed): dict(one.metrics) for seed, one in arm.experiments.items()},
        "accuracy": {"mean": result.accuracy.mean, "low": low, "high": high, "by_seed": result.by_seed},
        "course": found.course.value,
        "stability": {str(seed): asdict(one) for seed, one in findings.stabilities[arm.name].items()},
        "overfitting": asdict(found.overfitting),
    }


def _comparison_json(one: Comparison) -> dict[str, Any]:
    return {
        "arm": one.arm,
        "against": one.against,
        "seeds": one.seeds,
        "verdict": one.verdict.value,
        "accuracy_difference": one.accuracy.mean,
        "interval": list(one.interval),
        "interval_alpha": one.step.alpha,
        "interval_over_examples": list(one.accuracy.interval_over_examples()),
        "p_value": one.accuracy.p_value(),
        "p_value_holm": one.step.adjusted,
        "loss_difference": one.loss.mean,
        "loss_interval": list(one.loss_interval),
        "probability_of_outperforming": one.outperforms,
        "minimum_detectable_effect": one.detectable,
        "disagreement": one.disagreement,
        "seed_variance_pooled": one.pooled,
        "variance": asdict(one.accuracy.variance),
        "degrees_of_freedom": asdict(one.accuracy.degrees),
        "mcnemar": [{"seed": test.seed, **asdict(test.test)} for test in one.tests],
        "needed": asdict(one.needed) if one.needed else None,
    }


def _view(findings: Findings, pictures: Sequence[Picture]) -> dict[str, Any]:
    """Lay the findings out as rows of text: both templates show the same."""
    by_arm = {one.arm: one for one in findings.comparisons}
    counts = {len(arm.experiments) for arm in findings.family.arms}
    few = max(counts) < 10
    identity = findings.family.identity
    return {
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
        "refused": findings.family.refused,
        "differences": [picture for picture in pictures if picture.file == "differences.png"],
        "over_epochs": [picture for picture in pictures if picture.file.endswith("_epoch.png")],
        "over_steps": [picture for picture in pictures if picture.file.endswith("_step.png")],
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
        "seeds": len(experiments),
        "changed": ", ".join(f"{key} {_value(old)} → {_value(new)}" for key, (old, new) in arm.changed.items()) or "params.yaml",
        "several": len(arm.changed) > 1 and arm.against is not None,
        "against": arm.against,
        "train_loss": wording.with_spread(values("train_loss")),
        "eval_loss": wording.with_spread(values("eval_loss")),
        "best_eval_loss": wording.with_spread(values("best_eval_loss")),
        "best_epoch": " / ".join(f"{value:g}" for value in values("best_epoch")),
        "accuracy": wording.accuracy_text(result.accuracy, result.by_seed),
        "macro_f1": wording.with_spread([float(found.test_metrics.get("macro_f1") or float("nan")) for found in experiments]),
        "difference": f"{wording.points(one.accuracy.mean)} [{wording.span(one.interval)}]" if one else "",
        "verdict": one.verdict.value if one else "",
        "steps": f"{mean('steps'):.0f}",
        "tokens": wording.large(mean("tokens")),
        "flops": f"{wording.large(mean('flops'))}FLOP",
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
        "p": wording.p_value(one.accuracy.p_value()),
        "holm": wording.p_value(one.step.adjusted),
        "level": f"{100 * (1 - one.step.alpha):.4g} %",
        "examples_only": wording.span(one.accuracy.interval_over_examples()),
        "outperforms": wording.percent(one.outperforms, 0),
        "detectable": f"{100 * one.detectable:.1f}",
        "disagreement": wording.percent(one.disagreement),
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
            "not_finite": one.not_finite,
            "collapsed": "yes" if one.collapsed else "no",
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


def _environment() -> jinja2.Environment:
    environment = jinja2.Environment(
        loader=jinja2.FileSystemLoader(_TEMPLATES),
        autoescape=jinja2.select_autoescape(enabled_extensions=("html.j2",)),
        undefined=jinja2.StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
    )
    environment.filters["md"] = _markdown
    environment.filters["breakable"] = _breakable
    return environment


def _markdown(text: Any) -> str:
    """Show text as text: nothing in it is taken for HTML, a table's border or emphasis."""
    shown = " ".join(str(text).split()).replace("&", "&amp;").replace("<", "&lt;").replace(">", "&gt;")
    for sign in "\\`*[]|$":
        shown = shown.replace(sign, "\\" + sign)
    return shown


def _breakable(text: Any) -> Markup:
    """Let a name break after its underscores."""
    return Markup(str(Markup.escape(text)).replace("_", "_<wbr>"))  # noqa: S704  (escaped just before)
