"""The simpler method that the classifier has to beat: counting words, on the same split.

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
from sentiment.core.class_names import read_class_names
from sentiment.core.files import replacing, write_json
from sentiment.core.tables import groups_of, labels_of, read_table
from sentiment.evaluation.counting_words import FOLDS, fit_tfidf, out_of_sample_probabilities
from sentiment.evaluation.doubtful_labels import find_doubtful_labels
from sentiment.evaluation.paths import REFERENCE_METRICS, REFERENCE_REPORT
from sentiment.evaluation.reference_files import Reference, write_answers, write_reference
from sentiment.settings.schema import load_parameters
from sentiment.terminal.errors import run_main
from sentiment.terminal.progress import progress_bar, say

TABLES = ("train", "test", "challenge")


def judge_training_rows(train: pa.Table, classes: int) -> npt.NDArray[np.float64]:
    """Let counting words judge each training row without having seen it; shape (rows, classes)."""
    with progress_bar("reference: training rows, folds", FOLDS) as bar:
        return out_of_sample_probabilities(train.column("text").to_pylist(), labels_of(train), groups_of(train), classes, bar.update)


def answer(words: Pipeline, table: pa.Table, classes: int) -> npt.NDArray[np.float64]:
    """Return the probabilities that a fitted reference gives to the rows of a table; shape (rows, classes)."""
    probabilities = np.zeros((table.num_rows, classes))
    if table.num_rows:
        probabilities[:, words.classes_] = words.predict_proba(table.column("text").to_pylist())
    return probabilities


def accuracy(probabilities: npt.NDArray[np.float64], table: pa.Table) -> float:
    """Return the share of rows whose most probable class is their label."""
    return float((probabilities.argmax(axis=1) == labels_of(table)).mean())


def main() -> None:
    """Run the stage."""
    load_parameters(paths.PARAMS)  # a mistake anywhere in it ends every stage before it works
    tables = {name: read_table(paths.SPLIT / f"{name}.parquet") for name in TABLES}
    class_names = read_class_names(paths.SPLIT, "split")
    say("reference: counting words (TF-IDF + logistic regression)")
    words = fit_tfidf(tables["train"].column("text").to_pylist(), labels_of(tables["train"]))
    answers = {name: answer(words, tables[name], len(class_names)) for name in ("test", "challenge")}
    answers["train"] = judge_training_rows(tables["train"], len(class_names))
    reference = Reference(
        accuracy=accuracy(answers["test"], tables["test"]),
        challenge_accuracy=accuracy(answers["challenge"], tables["challenge"]) if tables["challenge"].num_rows else None,
        doubtful=find_doubtful_labels(tables["train"], answers["train"], class_names),
    )
    with replacing(REFERENCE_REPORT) as folder:
        folder.mkdir()
        write_reference(folder, reference)
        for name in TABLES:
            write_answers(folder / f"{name}.parquet", tables[name], answers[name])
    write_json(REFERENCE_METRICS, {"tfidf_accuracy": reference.accuracy, "tfidf_challenge_accuracy": reference.challenge_accuracy})
    say(f"reference: {reference.accuracy:.1%} of {tables['test'].num_rows} test texts right")


if __name__ == "__main__":
    run_main(main)
