"""Stage 4, eval: test the classifier, draw its figures, write its report.

Reads   models/classifier, data/split, reports/train/ (curves), data/challenge.jsonl
Writes  reports/eval/ (report.md, figures, predictions.parquet, curves, slices.json, mistakes.json, label_issues.json), reports/eval.json
Run     python -m stages.eval           (or: dvc repro)
"""

from dataclasses import asdict
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt
import pyarrow as pa

from sentiment import paths, reference
from sentiment.challenge import CLASS_NAMES, PHENOMENON, read_challenge
from sentiment.classnames import read_class_names
from sentiment.console import progress_bar, say
from sentiment.encoders import load_trained
from sentiment.errors import run_main
from sentiment.files import read_json, replacing, write_json, write_text
from sentiment.metrics import accuracy_interval, by_class, calibration, macro_f1, roc_auc
from sentiment.parameters import load_parameters
from sentiment.prediction import Predictions, predict
from sentiment.runtime import Runtime, start_runtime
from sentiment.slices import as_dicts, by_cut, by_length, by_value, slice_of
from sentiment.tables import groups_of, labels_of, read_table
from sentiment.testfiles import write_curves, write_predictions
from sentiment.testlists import doubtful_labels, most_confident_mistakes, most_confused
from sentiment.testreport import ChallengeResult, TestResult, render
from sentiment.tokens import tokenize
from sentiment.tracking import describe_run, record_evaluation


class Classifier:
    """A trained model with all it takes to classify a table."""

    def __init__(self, folder: Path, runtime: Runtime, max_length: int, truncation: str, batch_size: int) -> None:
        self._tokenizer, self._model = load_trained(folder)
        self._model.to(runtime.device)
        self._runtime = runtime
        self._max_length, self._truncation, self._batch_size = max_length, truncation, batch_size

    def classify(self, table: pa.Table, name: str) -> tuple[Predictions, npt.NDArray[np.int64]]:
        """Return predictions in row order, and each text's number of tokens before cutting."""
        texts = tokenize(self._tokenizer, table.column("text").to_pylist(), self._max_length, self._truncation, paths.token_cache())
        with progress_bar(name, table.num_rows) as bar:
            predictions = predict(self._model, texts, labels_of(table), self._batch_size, self._runtime, bar.update)
        return predictions, texts.full_lengths


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
        say(f"eval: the challenge set has the classes {', '.join(CLASS_NAMES)}, not {', '.join(class_names)}: left out")
    elif params.eval.challenge:
        challenge = challenge_result(train, params.prepare.strip_html, classifier, words)

    groups = groups_of(test)
    bins = calibration(predictions.probabilities, predictions.labels)
    slices = {"tokens": by_length(lengths, predictions.correct), "cut": by_cut(lengths, predictions.correct, params.train.max_length)}
    if PHENOMENON in test.column_names:
        slices[PHENOMENON] = by_value(test.column(PHENOMENON).to_pylist(), predictions.correct)
    result = TestResult(
        model=params.train.model,
        source=params.prepare.source,
        rows=test.num_rows,
        groups=len(np.unique(groups)) if groups is not None else 0,
        accuracy=predictions.accuracy,
        interval=accuracy_interval(predictions.correct, groups, params.eval.bootstrap_resamples),
        macro_f1=macro_f1(predictions.labels, predictions.predicted, len(class_names)),
        roc_auc=roc_auc(predictions.labels, predictions.probabilities),
        loss=predictions.loss,
        calibration_error=bins.error,
        reference_accuracy=reference.accuracy(words, test.column("text").to_pylist(), predictions.labels),
        classes=dict(zip(class_names, by_class(predictions.labels, predictions.predicted, len(class_names)), strict=True)),
        slices=slices,
        truncated=float((lengths > params.train.max_length).mean()),
        max_length=params.train.max_length,
        without_answer=int((~np.isfinite(predictions.losses)).sum()),
        challenge=challenge,
        mistakes=most_confident_mistakes(test, predictions, class_names),
        confused=most_confused(predictions, class_names),
        doubtful=doubtful_labels(train, test, predictions, class_names) if params.eval.label_issues else None,
    )
    with replacing(paths.EVAL_REPORT) as folder:
        folder.mkdir()
        write_predictions(folder, test, predictions, class_names)
        write_curves(folder, predictions, class_names, result.roc_auc, bins, params.train.max_grad_norm)
        by_phenomenon = {"challenge": as_dicts([challenge.overall, *challenge.by_phenomenon])} if challenge else {}
        write_json(folder / "slices.json", {**{name: as_dicts(part) for name, part in slices.items()}, **by_phenomenon})
        write_json(folder / "mistakes.json", [asdict(mistake) for mistake in result.mistakes])
        if result.doubtful is not None:
            write_json(folder / "label_issues.json", {split: [asdict(found) for found in rows] for split, rows in result.doubtful.items()})
        write_text(folder / "report.md", render(result))
    figures_of_merit = metrics(result)
    write_json(paths.EVAL_METRICS, figures_of_merit)

    summary = read_json(paths.TRAIN_REPORT / paths.RUN_SUMMARY)
    pictures = sorted(paths.EVAL_REPORT.glob("*.png"))
    record_evaluation(describe_run(params, summary["training"], class_names), summary["steps"], figures_of_merit, pictures, predictions, class_names)
    say(f"eval: {result.accuracy:.1%} of {result.rows} test texts right ({result.interval.low:.1%} to {result.interval.high:.1%})")


if __name__ == "__main__":
    run_main(main)
