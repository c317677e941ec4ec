"""Single trainings that the documentation quotes, each with its test, in a clone in a temporary folder.

    python -m benchmarks.single_runs                                  # four recipes on the bundled corpus, from the cache where they are there
    python -m benchmarks.single_runs --imdb FOLDER                    # also on 1,000 IMDB test reviews, and a training on 4,000; half an hour

FOLDER has IMDB as train.parquet and test.parquet with the columns text, label and movie. One seed each: they describe these models, and
compare no recipes. For that there are `python -m ablations` and its reports.
"""

import argparse
import json
import os
import subprocess
import sys
import tempfile
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow.csv as pc
import pyarrow.parquet as pq

from benchmarks.output import add_output_options, commit_here, output_file, show_markdown
from sentiment.core.files import read_json, write_json
from sentiment.evaluation.counting_words import fit_tfidf

ROOT = Path(__file__).resolve().parents[1]
REVIEWS = 1_000
RECIPES: dict[str, list[str]] = {
    "baseline": [],
    "baseline_lr5e-5": ["train.lr=5e-5"],
    "baseline_bs32": ["train.batch_size=32"],
    "baseline_lr5e-5_bs32": ["train.lr=5e-5", "train.batch_size=32"],
}
ON_IMDB = {
    "imdb_baseline_4000": ["prepare.source=data/imdb", "prepare.group_column=movie", "split.validation_size=0.04", "split.max_train_examples=4000"]
}


def call(checkout: Path, environment: dict[str, str], *command: str) -> None:
    """Run a command in the clone; its output is shown."""
    print(f"> {' '.join(command)}", file=sys.stderr, flush=True)
    subprocess.run(command, cwd=checkout, env=environment, check=True, stdout=sys.stderr)


def metrics_of(checkout: Path) -> dict[str, Any]:
    """Return the figures of the results in the clone."""
    slices = read_json(checkout / "reports/eval/slices.json")
    files = ("train/run.json", "eval/summary.json", "reference.json")
    found = {key: value for name in files for key, value in read_json(checkout / "reports" / name).items() if key != "training"}
    return {**found, "slices": {name: slices[name] for name in ("cut", "tokens") if name in slices}}


def accuracy_on(sample: Path, labels: np.ndarray, checkout: Path, environment: dict[str, str]) -> float:
    """Return the share of a csv file's texts that the clone's classifier answers right."""
    answers = checkout / "answers.jsonl"
    call(checkout, environment, sys.executable, "-m", "sentiment", "predict", "--file", str(sample), "--out", str(answers))
    answered = [json.loads(line)["label"] for line in answers.read_text(encoding="utf-8").splitlines()]
    answers.unlink()
    return float(np.mean(np.array(answered) == np.where(labels == 1, "positive", "negative")))


def runs_table(runs: dict[str, Any]) -> str:
    """Return the table of all runs."""
    lines = ["| run | test | challenge | 1,000 IMDB test reviews |", "| --- | --- | --- | --- |"]
    for name, figures in runs.items():
        cells = (figures.get(key) for key in ("accuracy", "challenge_accuracy", "imdb_accuracy"))
        lines.append(f"| {name} | " + " | ".join("–" if cell is None else f"{cell:.1%}" for cell in cells) + " |")
    return "\n".join(lines)


def main() -> None:
    """Run the benchmark."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--imdb", type=Path, metavar="FOLDER", help="IMDB, as train.parquet and test.parquet")
    add_output_options(parser, "--json")
    options = parser.parse_args()
    environment = {**os.environ, "PATH": f"{Path(sys.executable).parent}{os.pathsep}{os.environ['PATH']}", "SWANLAB_MODE": "disabled"}
    environment |= {f"GIT_{who}_{what}": value for who in ("AUTHOR", "COMMITTER") for what, value in (("NAME", "b"), ("EMAIL", "b@example.org"))}
    cache = subprocess.run(["dvc", "cache", "dir"], cwd=ROOT, env=environment, capture_output=True, text=True, check=True).stdout.strip()
    commit = commit_here()
    runs: dict[str, Any] = {}
    with tempfile.TemporaryDirectory() as folder:
        checkout, sample = Path(folder) / "checkout", Path(folder) / "sample.csv"
        subprocess.run(["git", "clone", "-q", str(ROOT), str(checkout)], check=True)
        call(checkout, environment, "dvc", "cache", "dir", "--local", cache)
        labels = np.empty(0, dtype=np.int64)
        if options.imdb:
            test = pq.read_table(options.imdb / "test.parquet", columns=["text", "label"])
            test = test.take(np.random.default_rng(0).permutation(test.num_rows)[:REVIEWS])
            labels = test.column("label").to_numpy()
            pc.write_csv(test.select(["text"]), sample)
            call(checkout, environment, sys.executable, "-m", "sentiment", "fetch", str(options.imdb.resolve()), "--name", "imdb", "--commit")
        for name, settings in {**RECIPES, **(ON_IMDB if options.imdb else {})}.items():
            call(checkout, environment, "git", "checkout", "-q", "params.yaml")
            call(checkout, environment, "dvc", "exp", "run", "-n", name, *[part for setting in settings for part in ("-S", setting)])
            runs[name] = {"settings": settings, **metrics_of(checkout)}
            if options.imdb and name in RECIPES:
                runs[name]["imdb_accuracy"] = accuracy_on(sample, labels, checkout, environment)
                train = pq.read_table(checkout / "data/split/train.parquet", columns=["text", "label"])
        counted = read_json(checkout / "reports/reference/summary.json")
        figures = {key: counted[key] for key in ("accuracy", "challenge_accuracy")}
        if options.imdb:
            counting = fit_tfidf(train.column("text").to_pylist(), train.column("label").to_numpy())
            figures["imdb_accuracy"] = float(np.mean(counting.predict(test.column("text").to_pylist()) == labels))
        runs = {"counting words": figures, **runs}
    show_markdown(runs_table(runs))
    command = "python -m benchmarks.single_runs" + (" --imdb FOLDER" if options.imdb else "")
    write_json(output_file(options, "single_runs"), {"command": command, "commit": commit, "runs": runs})


if __name__ == "__main__":
    main()
