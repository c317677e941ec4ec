"""Stage 4, eval: test the classifier, draw its figures, write its report.

Reads   models/classifier, data/split, reports/train/ (curves), data/challenge.jsonl
Writes  reports/eval/ (report.md, figures, predictions.parquet, curves, classes.json, slices.json,
        mistakes.json, label_issues.json), reports/eval.json
Run     python -m stages.eval           (or: dvc repro)
"""

from dataclasses import asdict
from typing import Any

import numpy as np
import numpy.typing as npt
import pyarrow as pa

from sentiment import paths, reference
from sentiment.challenge import CLASS_NAMES, PHENOMENON, read_challenge
from sentiment.classifier import Classifier
from sentiment.classnames import read_class_names
from sentiment.classreport import ByClass
from sentiment.confusion import confusion_counts
from sentiment.console import say
from sentiment.curves import precision_recall_curves, roc_curves
from sentiment.errors import run_main
from sentiment.examples import doubtful_labels, most_confident_mistakes
from sentiment.files import read_json, replacing, write_json, write_text
from sentiment.metrics import Calibration, accuracy_interval, by_class, calibration
from sentiment.parameters import load_parameters
from sentiment.prediction import Predictions
from sentiment.runtime import start_runtime
from sentiment.slices import CUT, Slice, as_dicts, by_cut, by_length, by_value, slice_of
from sentiment.tables import groups_of, labels_of, read_table
from sentiment.testfiles import draw_figures, draw_training, write_by_class, write_curves, write_predictions
from sentiment.testreport import ChallengeResult, TestResult, render
from sentiment.tracking import describe_run, record_evaluation


def challenge_result(train: pa.Table, strip_html: bool, classifier: Classifier, words: Any) -> ChallengeResult:
    """Classify the challenge set."""
    challenge = read_challenge(paths.CHALLENGE, train, strip_html)
    predictions, _ = classifier.classify(challenge.table, "eval: challenge")
    return ChallengeResult(
        overall=slice_of("all", predictions.correct),
        by_phenomenon=by_value(challenge.table.column(PHENOMENON).to_pylist(), predictions.correct),
        reference_accuracy=reference.accuracy(words, challenge.table.column("text").to_pylist(), predictions.labels),
        in_train=challenge.in_train,
    )


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


def write_results(result: TestResult, test: pa.Table, predictions: Predictions, bins: Calibration, max_grad_norm: float) -> None:
    """Write the folder of the report."""
    classes, challenge = result.by_class, result.challenge
    with replacing(paths.EVAL_REPORT) as folder:
        folder.mkdir()
        write_predictions(folder, test, predictions)
        write_by_class(folder, classes)
        write_curves(folder, classes, bins)
        draw_figures(folder, classes, bins)
        draw_training(folder, paths.TRAIN_REPORT, max_grad_norm)
        by_phenomenon = {"challenge": as_dicts([challenge.overall, *challenge.by_phenomenon])} if challenge else {}
        write_json(folder / "slices.json", {**{name: as_dicts(part) for name, part in result.slices.items()}, **by_phenomenon})
        write_json(folder / "mistakes.json", [asdict(mistake) for mistake in result.mistakes])
        if result.doubtful is not None:
            write_json(folder / "label_issues.json", {split: asdict(labels) for split, labels in result.doubtful.items()})
        write_text(folder / "report.md", render(result))


def metrics(result: TestResult) -> dict[str, float | None]:
    """Sum a test up in a few figures."""
    return {
        "accuracy": result.accuracy,
        "accuracy_low": result.interval.low,
        "accuracy_high": result.interval.high,
        "macro_f1": result.macro_f1,
        "roc_auc": result.roc_auc,
        "loss": result.loss,
        "ece": result.calibration_error,
        "challenge_accuracy": result.challenge.overall.accuracy if result.challenge else None,
        "tfidf_accuracy": result.reference_accuracy,
    }


def main() -> None:
    """Run the stage."""
    params = load_parameters(paths.PARAMS)
    train, test = (read_table(paths.SPLIT / f"{split}.parquet") for split in ("train", "test"))
    class_names = read_class_names(paths.SPLIT, "split")
    runtime = start_runtime(params.train.precision)
    classifier = Classifier(paths.CLASSIFIER, runtime, params.train.max_length, params.train.truncation, params.eval.batch_size)
    predictions, lengths = classifier.classify(test, "eval: test")
    say("eval: counting words, for comparison (TF-IDF + logistic regression)")
    words = reference.fit_tfidf(train.column("text").to_pylist(), labels_of(train))
    challenge = None
    if params.eval.challenge and class_names != CLASS_NAMES:
        say(f"eval: the challenge set has the classes {', '.join(CLASS_NAMES)}, not those of this data: left out")
    elif params.eval.challenge:
        challenge = challenge_result(train, params.prepare.strip_html, classifier, words)

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
        reference_accuracy=reference.accuracy(words, test.column("text").to_pylist(), predictions.labels),
        by_class=judge_classes(predictions, class_names),
        slices=slices_of(test, lengths, predictions.correct, params.train.max_length),
        truncated=float((lengths > params.train.max_length).mean()),
        max_length=params.train.max_length,
        without_answer=int((~np.isfinite(predictions.losses)).sum()),
        challenge=challenge,
        mistakes=most_confident_mistakes(test, predictions, class_names),
        doubtful=doubtful_labels(train, test, predictions, class_names) if params.eval.label_issues else None,
    )
    write_results(result, test, predictions, bins, params.train.max_grad_norm)
    figures_of_merit = metrics(result)
    write_json(paths.EVAL_METRICS, figures_of_merit)

    summary = read_json(paths.TRAIN_REPORT / paths.RUN_SUMMARY)
    pictures = sorted(paths.EVAL_REPORT.glob("*.png"))
    record_evaluation(describe_run(params, summary["training"], class_names), summary["steps"], figures_of_merit, pictures, predictions, class_names)
    say(f"eval: {result.accuracy:.1%} of {result.rows} test texts right ({result.interval.low:.1%} to {result.interval.high:.1%})")


if __name__ == "__main__":
    run_main(main)
