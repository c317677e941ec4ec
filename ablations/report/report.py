"""The report: what the experiments say, as Markdown, as one HTML page, as figures and as JSON."""

import base64
import shutil
from dataclasses import asdict
from pathlib import Path
from typing import Any

import jinja2
from markupsafe import Markup

from ablations.compare.collect import collect
from ablations.compare.comparison import Comparison
from ablations.compare.family import FamilyArm
from ablations.diverged import FOLDER as DIVERGED
from ablations.diverged import read_diverged
from ablations.plan.plan_file import load_ablations, plan_option
from ablations.report import wording
from ablations.report.comparison_figures import draw_all
from ablations.report.findings import Findings, analyse
from ablations.report.view import make_view
from sentiment.core import paths
from sentiment.core.files import replacing, write_json, write_text
from sentiment.settings.schema import load_parameters
from sentiment.terminal.errors import UserError
from sentiment.terminal.progress import say

_NAMED = 6  # of what is missing
_TEMPLATES = Path(__file__).resolve().parent / "templates"


def write_report(file: Path) -> None:
    """Read the experiments through DVC and write the report of a plan to reports/<its name>/."""
    parameters = load_parameters(paths.PARAMS)
    plan = load_ablations(file, parameters)
    folder = paths.REPORTS / file.stem
    source = plan.arms[0].parameters["prepare.source"]
    experiments, refused = collect()
    experiments = [experiment for experiment in experiments if experiment.parameters["prepare.source"] == source]  # other data is another study
    try:
        findings = analyse(experiments, refused, plan, parameters, read_diverged(folder))
        _refuse_to_compare_nothing(findings)
    except UserError as error:
        left = f" ({folder} stays as it is)" if folder.exists() else ""
        raise UserError(f"{error}: `python -m ablations run{plan_option(file)}` makes what is missing{left}") from None
    write_report_files(findings, folder)
    for one in findings.comparisons:
        say(f"{one.arm} against {one.against}: {one.verdict.value} ({wording.points(one.accuracy.mean)} points, {wording.span(one.interval)})")
    for lost in findings.diverged:
        say(f"diverged: {lost.name}: {lost.what} at step {lost.step} of {lost.steps}")
    if findings.family.missing:
        say(f"missing: {', '.join(findings.family.missing)}")
    say(f"{folder / 'report.html'} and {folder / 'report.md'} are written")


def _refuse_to_compare_nothing(findings: Findings) -> None:
    """Refuse a report in which no arm of the plan could be compared: it would replace one that has findings."""
    there = {arm.name for arm in findings.family.arms if arm.planned}
    pairs = [(arm.name, arm.against) for arm in findings.family.arms if arm.planned and arm.against in there]
    missing = findings.family.missing
    if missing and not pairs and not findings.diverged:
        others = ", ".join(arm.name for arm in findings.family.arms if not arm.planned)
        raise UserError(
            f"nothing of this plan can be compared, missing: {', '.join(missing[:_NAMED])}{' …' if len(missing) > _NAMED else ''}"
            f"{f'; {others} belong to another plan (--plan FILE)' if others else ''}"
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
        if (folder / DIVERGED).is_dir():
            shutil.copytree(folder / DIVERGED, partial / DIVERGED)
        pictures = draw_all(partial, findings.family.arms, findings.comparisons, findings.plan.margin)
        view = make_view(findings, pictures)
        write_text(partial / "report.md", _environment().get_template("report.md.j2").render(view))
        data = {picture.file: base64.b64encode((partial / picture.file).read_bytes()).decode("ascii") for picture in pictures}
        write_text(partial / "report.html", _environment().get_template("report.html.j2").render(view, data=data))
        write_json(partial / "report.json", as_json(findings))


def as_json(findings: Findings) -> dict[str, Any]:
    """Return the findings as plain values."""
    return {
        "plan": findings.plan.name,
        "commits": sorted({one.baseline for arm in findings.family.arms for one in arm.experiments.values()}),
        "alpha": findings.plan.alpha,
        "margin": findings.plan.margin,
        "test_examples": findings.examples,
        "test_groups": findings.groups,
        "identity": asdict(findings.family.identity) if findings.family.identity else None,
        "arms": [_arm_json(arm, findings) for arm in findings.family.arms],
        "comparisons": [_comparison_json(one) for one in findings.comparisons],
        "advice": [asdict(advice) for advice in findings.advice],
        "missing": findings.family.missing,
        "diverged": [asdict(one) for one in findings.diverged],
        "refused": [asdict(refusal) for refusal in findings.family.refused],
    }


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
