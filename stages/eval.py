"""Stage 4, eval: test the classifier, draw its figures, write its report.

Reads   models/classifier, data/split, reports/train/ (curves), reports/reference/ (the simpler method's answers)
Writes  reports/eval/ (report.md, report.html, figures, predictions.parquet, curves, classes.json, slices.json,
        mistakes.json, label_issues.json, summary.json), reports/eval.json
Run     python -m stages.eval           (or: dvc repro)
"""

from dataclasses import asdict
from typing import Any

import numpy as np
import numpy.typing as npt
import pyarrow as pa

from sentiment.core import paths
from sentiment.core.checkpoint_store import remove_checkpoint
from sentiment.core.checksums import check_files, write_checksums
from sentiment.core.class_names import FILE as CLASSES_FILE
from sentiment.core.class_names import read_class_names
from sentiment.core.experiment_workspace import refuse_lost_results
from sentiment.core.files import read_json, replacing, write_json, write_text
from sentiment.core.tables import groups_of, read_table, without_texts
from sentiment.evaluation.classifier import Classifier
from sentiment.evaluation.confusion import confusion_counts
from sentiment.evaluation.doubtful_labels import DoubtfulLabels, find_doubtful_labels
from sentiment.evaluation.metrics import Calibration, accuracy_interval, by_class, calibration
from sentiment.evaluation.mistakes import explained, most_confident_mistakes
from sentiment.evaluation.one_against_rest import precision_recall_curves, roc_curves
from sentiment.evaluation.paths import EVAL_FIGURES, EVAL_METRICS, EVAL_REPORT, EVAL_SUMMARY, REFERENCE_REPORT
from sentiment.evaluation.reference_files import Reference, read_reference
from sentiment.evaluation.report.class_section import ByClass
from sentiment.evaluation.report.html_page import html_page
from sentiment.evaluation.report.page import CalibratedResult, ChallengeResult, TestResult, render_page
from sentiment.evaluation.report.result_files import draw_figures, draw_training, write_by_class, write_curves, write_predictions
from sentiment.evaluation.slices import CUT, PHENOMENON, Slice, as_dicts, by_cut, by_length, by_value, slice_of
from sentiment.model.runtime import start_runtime
from sentiment.model.text_settings import read_text_settings
from sentiment.model.trained.judgement import Predictions, at_temperature
from sentiment.model.trained.temperature import Temperature, read_temperature
from sentiment.settings.ran_with import ran_with
from sentiment.settings.schema import load_parameters
from sentiment.terminal.errors import run_main
from sentiment.terminal.progress import say
from sentiment.tracking.tracker import describe_run, record_evaluation


def challenge_result(challenge: pa.Table, classifier: Classifier, reference: Reference) -> ChallengeResult | None:
    """Classify the challenge set; None where it is empty, as it is for data with other classes."""
    if not challenge.num_rows:
        say("eval: the challenge set is empty for this data: left out")
        return None
    predictions, _ = classifier.classify(challenge, "eval: challenge")
    return ChallengeResult(
        overall=slice_of("all", predictions.correct),
        by_phenomenon=by_value(challenge.column(PHENOMENON).to_pylist(), predictions.correct),
        reference_accuracy=reference.challenge_accuracy,
    )


def calibrated_result(predictions: Predictions, temperature: Temperature) -> CalibratedResult:
    """Return what the model's temperature makes of the test."""
    after = at_temperature(predictions, temperature.value)
    return CalibratedResult(temperature, after.loss, calibration(after.probabilities, after.labels).error)


def doubtful_labels(test: pa.Table, predictions: Predictions, reference: Reference, class_names: list[str]) -> dict[str, DoubtfulLabels]:
    """Return the rows whose label looks wrong: the reference doubts training rows, the classifier test rows that it answered."""
    answered = np.where(np.isfinite(predictions.losses)[:, None], predictions.probabilities, np.nan)
    return {"train": reference.doubtful, "test": find_doubtful_labels(test, answered, class_names)}


def judge_classes(predictions: Predictions, class_names: list[str]) -> ByClass:
    """Judge each class against the others."""
    reports = by_class(predictions.labels, predictions.predicted, len(class_names))
    return ByClass(
        classes=dict(zip(class_names, reports, strict=True)),
        roc=roc_curves(predictions.labels, predictions.probabilities),
        precision_recall=precision_recall_curves(predictions.labels, predictions.probabilities),
        counts=confusion_counts(predictions.labels, predictions.predicted, len(class_names)),
    )


def slices_of(test: pa.Table, lengths: npt.NDArray[np.int64], correct: npt.NDArray[np.bool_], max_length: int) -> dict[str, list[Slice]]:
    """Cut the test set by length, by what was cut off, and by phenomenon where it has any."""
    slices = {"tokens": by_length(lengths, correct, max_length), CUT: by_cut(lengths, correct, max_length)}
    if PHENOMENON in test.column_names:
        slices[PHENOMENON] = by_value(test.column(PHENOMENON).to_pylist(), correct)
    return slices


def write_results(
    result: TestResult,
    summary: dict[str, float | None],
    test: pa.Table,
    predictions: Predictions,
    bins: Calibration,
    max_grad_norm: float,
    parameters: dict[str, Any],
) -> None:
    """Write the folder of the report, and what the stage ran with."""
    classes, challenge = result.by_class, result.challenge
    with replacing(EVAL_REPORT) as folder:
        folder.mkdir()
        write_predictions(folder, test, predictions)
        write_by_class(folder, classes)
        write_curves(folder, classes, bins)
        draw_figures(folder, classes, bins)
        draw_training(folder, paths.TRAIN_REPORT, max_grad_norm)
        by_phenomenon = {"challenge": as_dicts([challenge.overall, *challenge.by_phenomenon])} if challenge else {}
        write_json(folder / EVAL_SUMMARY.name, summary)
        write_json(folder / "slices.json", {**{name: as_dicts(part) for name, part in result.slices.items()}, **by_phenomenon})
        write_json(folder / "mistakes.json", [asdict(mistake) for mistake in result.mistakes])
        if result.doubtful is not None:
            write_json(folder / "label_issues.json", {split: asdict(labels) for split, labels in result.doubtful.items()})
        page = render_page(result)
        write_text(folder / "report.md", page)
        write_text(folder / "report.html", html_page(page, folder))
        write_checksums(folder, parameters)


def summarise_test(result: TestResult) -> dict[str, float | None]:
    """Sum a test up in a few figures."""
    return {
        "accuracy": result.accuracy,
        "accuracy_low": result.interval.low,
        "accuracy_high": result.interval.high,
        "macro_f1": result.macro_f1,
        "roc_auc": result.roc_auc,
        "loss": result.loss,
        "ece": result.calibration_error,
        "calibrated_loss": result.calibrated.loss,
        "calibrated_ece": result.calibrated.calibration_error,
        "challenge_accuracy": result.challenge.overall.accuracy if result.challenge else None,
    }


def main() -> None:
    """Run the stage."""
    params = load_parameters(paths.PARAMS)
    parameters = ran_with("eval").parameters
    refuse_lost_results()
    check_files(paths.SPLIT, "split", ["test.parquet", "challenge.parquet", CLASSES_FILE])
    for folder, stage in ((paths.CLASSIFIER, "train"), (paths.TRAIN_REPORT, "train"), (REFERENCE_REPORT, "reference")):
        check_files(folder, stage)
    test, challenge = (read_table(paths.SPLIT / f"{name}.parquet") for name in ("test", "challenge"))
    class_names = read_class_names(paths.SPLIT, "split")
    reference = read_reference(REFERENCE_REPORT)
    settings = read_text_settings(paths.CLASSIFIER)
    classifier = Classifier(paths.CLASSIFIER, start_runtime(settings.precision), settings, params.eval.batch_size)
    predictions, lengths = classifier.classify(test, "eval: test")
    if not params.eval.texts_in_reports:
        test = without_texts(test)

    summary = read_json(paths.TRAIN_REPORT / paths.RUN_SUMMARY)
    groups = groups_of(test)
    bins = calibration(predictions.probabilities, predictions.labels)
    result = TestResult(
        model=params.train.model,
        source=params.prepare.source,
        rows=test.num_rows,
        groups=len(np.unique(groups)) if groups is not None else 0,
        accuracy=predictions.accuracy,
        interval=accuracy_interval(predictions.correct, groups, params.eval.bootstrap_resamples),
        loss=predictions.loss,
        calibration_error=bins.error,
        reference_accuracy=reference.accuracy,
        reference_unavailable=reference.unavailable,
        counted=reference.counted,
        by_class=judge_classes(predictions, class_names),
        slices=slices_of(test, lengths, predictions.correct, settings.max_length),
        truncated=float((lengths > settings.max_length).mean()),
        max_length=settings.max_length,
        unknown_tokens=summary.get("unknown_tokens"),
        without_answer=int((~np.isfinite(predictions.losses)).sum()),
        challenge=challenge_result(challenge, classifier, reference) if params.eval.challenge else None,
        mistakes=explained(most_confident_mistakes(test, predictions, class_names), params.eval.explain_mistakes, classifier.reader),
        doubtful=doubtful_labels(test, predictions, reference, class_names) if params.eval.label_issues else None,
        calibrated=calibrated_result(predictions, read_temperature(paths.CLASSIFIER)),
    )
    figures_of_merit = summarise_test(result)
    write_results(result, figures_of_merit, test, predictions, bins, params.train.max_grad_norm, parameters)
    write_json(EVAL_METRICS, {figure: figures_of_merit[figure] for figure in EVAL_FIGURES})

    remove_checkpoint(summary["training"])  # DVC starts this stage only once it has saved train's outputs
    pictures = sorted(EVAL_REPORT.glob("*.png"))
    record_evaluation(describe_run(params, summary["training"], class_names), summary["steps"], figures_of_merit, pictures, predictions, class_names)
    say(f"eval: {result.accuracy:.1%} of {result.rows} test texts right ({result.interval.low:.1%} to {result.interval.high:.1%})")


if __name__ == "__main__":
    run_main(main)
