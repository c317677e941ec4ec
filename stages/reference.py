"""The simpler method that the classifier has to beat: counting words (or characters), on the same split.

Reads   data/split/{train,test,challenge}.parquet, classes.json
Writes  reports/reference/ (summary.json, doubtful_labels.json; train, test and challenge.parquet with its probabilities),
        reports/reference.json
Run     python -m stages.reference      (or: dvc repro reference)

It depends on the data alone: all ablations of one split share it.
"""

import numpy as np
import numpy.typing as npt
import pyarrow as pa
from sklearn.pipeline import Pipeline

from sentiment.core import paths
from sentiment.core.checksums import check_files, write_checksums
from sentiment.core.class_names import FILE as CLASSES_FILE
from sentiment.core.class_names import read_class_names
from sentiment.core.files import replacing, write_json
from sentiment.core.tables import groups_of, labels_of, read_table, without_texts
from sentiment.evaluation.counting_words import FOLDS, NoReferenceError, fit_tfidf, out_of_sample_probabilities, what_to_count
from sentiment.evaluation.doubtful_labels import find_doubtful_labels
from sentiment.evaluation.paths import REFERENCE_METRICS, REFERENCE_REPORT
from sentiment.evaluation.reference_files import Reference, write_answers, write_reference
from sentiment.settings.schema import load_parameters
from sentiment.terminal.errors import run_main
from sentiment.terminal.progress import progress_bar, say

ANSWERED = ("test", "challenge")
TABLES = ("train", *ANSWERED)


def judge_training_rows(train: pa.Table, classes: int, counted: str) -> npt.NDArray[np.float64]:
    """Let the simpler method judge each training row without having seen it; shape (rows, classes)."""
    with progress_bar("reference: training rows, folds", FOLDS) as bar:
        return out_of_sample_probabilities(train.column("text").to_pylist(), labels_of(train), groups_of(train), classes, bar.update, counted)


def answer(words: Pipeline, table: pa.Table, classes: int) -> npt.NDArray[np.float64]:
    """Return the probabilities that a fitted reference gives to the rows of a table; shape (rows, classes)."""
    probabilities: npt.NDArray[np.float64] = np.zeros((table.num_rows, classes))
    if table.num_rows:
        probabilities[:, words.classes_] = words.predict_proba(table.column("text").to_pylist())
    return probabilities


def accuracy(probabilities: npt.NDArray[np.float64], table: pa.Table) -> float:
    """Return the share of rows whose most probable class is their label."""
    return float((probabilities.argmax(axis=1) == labels_of(table)).mean())


def count_words(
    tables: dict[str, pa.Table], class_names: list[str], counted: str, texts_in_reports: bool
) -> tuple[dict[str, npt.NDArray[np.float64]], Reference]:
    """Fit the simpler method; return the probabilities for the rows of each table, nan where there is nothing to count, and the figures."""
    classes = len(class_names)
    why: str | None = None
    accuracies: dict[str, float | None] = dict.fromkeys(ANSWERED)
    try:
        words = fit_tfidf(tables["train"].column("text").to_pylist(), labels_of(tables["train"]), counted)
    except NoReferenceError as error:
        why = str(error)
        answers = {name: np.full((table.num_rows, classes), np.nan) for name, table in tables.items()}
    else:
        answers = {name: answer(words, tables[name], classes) for name in ANSWERED}
        answers["train"] = judge_training_rows(tables["train"], classes, counted)
        accuracies = {name: accuracy(answers[name], tables[name]) if tables[name].num_rows else None for name in ANSWERED}
    shown = tables["train"] if texts_in_reports else without_texts(tables["train"])
    doubtful = find_doubtful_labels(shown, answers["train"], class_names)
    return answers, Reference(accuracies["test"], accuracies["challenge"], doubtful, why, counted)


def main() -> None:
    """Run the stage."""
    params = load_parameters(paths.PARAMS)
    check_files(paths.SPLIT, "split", ["train.parquet", "test.parquet", "challenge.parquet", CLASSES_FILE])
    tables = {name: read_table(paths.SPLIT / f"{name}.parquet") for name in TABLES}
    class_names = read_class_names(paths.SPLIT, "split")
    counted = what_to_count(tables["train"].column("text").to_pylist())
    say(f"reference: counting {counted} (TF-IDF + logistic regression)")
    answers, reference = count_words(tables, class_names, counted, params.eval.texts_in_reports)
    with replacing(REFERENCE_REPORT) as folder:
        folder.mkdir()
        write_reference(folder, reference)
        for name in TABLES:
            write_answers(folder / f"{name}.parquet", tables[name], answers[name])
        write_checksums(folder)
    write_json(REFERENCE_METRICS, {"tfidf_accuracy": reference.accuracy})
    if reference.accuracy is None:
        say(f"reference: not available: {reference.unavailable}")
    else:
        say(f"reference: {reference.accuracy:.1%} of {tables['test'].num_rows} test texts right")


if __name__ == "__main__":
    run_main(main)
