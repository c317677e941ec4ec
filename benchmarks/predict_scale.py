"""Predict on large files: its throughput beside the model's forward pass alone, and its memory.

    python -m benchmarks.predict_scale                                          # 50,000 reviews of 200 words, then 1,000,000 lines
    python -m benchmarks.predict_scale --reviews data/imdb/train.parquet data/imdb/test.parquet

Both files are classified by `python -m sentiment predict` with the classifier of `make run`: a quarter of an hour on two CPU cores.
The forward pass is that of the eval stage, on texts that are tokenised already. It is timed before and after each job, so that a
machine that others use slows both.
"""

import argparse
import itertools
import json
import sys
import tempfile
import time
from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from benchmarks.data_scale import write_corpus
from benchmarks.memory import run_measured
from benchmarks.output import add_output_options, command_line, commit_here, output_file, show_markdown
from benchmarks.samples import read_reviews
from sentiment.core import paths
from sentiment.core.files import write_json
from sentiment.core.tables import read_table
from sentiment.data.reading.cleaning import clean
from sentiment.model.prediction import compute_logits
from sentiment.model.runtime import start_runtime
from sentiment.model.text_settings import read_text_settings
from sentiment.model.tokens import tokenize
from sentiment.model.trained.reader import TextClassifier
from sentiment.terminal.errors import run_main
from sentiment.terminal.progress import say
from sentiment.use.predict import BATCH_SIZE

_SAMPLE = 4096  # texts of a forward pass that is timed
_LINE_WORDS = 10
_BLOCK = 10_000


@dataclass(frozen=True)
class PredictJob:
    """A file to classify.

    Attributes
    ----------
    name : str
        In the table.
    path : Path
        The file.
    rows : int
        Its texts.
    sample : list of str
        Some of them, for the forward pass alone.
    """

    name: str
    path: Path
    rows: int
    sample: list[str]


class ForwardPass:
    """The eval stage's forward pass over texts of a job, tokenised beforehand.

    Parameters
    ----------
    texts : list of str
        As the source has them.
    """

    def __init__(self, texts: list[str]) -> None:
        settings = read_text_settings(paths.CLASSIFIER)
        self.runtime = start_runtime(settings.precision)
        self.classifier = TextClassifier(paths.CLASSIFIER, self.runtime, settings, BATCH_SIZE)
        cleaned = [clean(text, settings.strip_html) for text in texts]
        self.texts = tokenize(self.classifier.tokenizer, cleaned, settings.max_length, settings.truncation)
        compute_logits(self.classifier.model, self.texts, BATCH_SIZE, self.runtime)

    def texts_per_second(self) -> float:
        """Time one pass."""
        start = time.perf_counter()
        compute_logits(self.classifier.model, self.texts, BATCH_SIZE, self.runtime)
        return len(self.texts.token_ids) / (time.perf_counter() - start)


def review_job(folder: Path, reviews: list[Path], rows: int) -> PredictJob:
    """Write a file of reviews: those of files, repeated until there are enough, else made-up ones of 200 words."""
    path = folder / "reviews.jsonl"
    if not reviews:
        write_corpus(path, rows)
        with path.open(encoding="utf-8") as file:
            sample = [json.loads(line)["text"] for line in itertools.islice(file, _SAMPLE)]
        return PredictJob(f"{rows:,} reviews of 200 words", path, rows, sample)
    texts = [text for file in reviews for text in read_reviews(file)[0]]
    with path.open("w", encoding="utf-8") as target:
        for text in itertools.islice(itertools.cycle(texts), rows):
            target.write(json.dumps({"text": text}) + "\n")
    chosen = np.random.default_rng(0).choice(len(texts), min(_SAMPLE, len(texts)), replace=False)
    return PredictJob(f"{rows:,} reviews", path, rows, [texts[row] for row in chosen])


def line_job(folder: Path, rows: int) -> PredictJob:
    """Write a file of short lines: the words of the test split, ten at a time, in an order drawn anew for each block."""
    words = [word for text in read_table(paths.SPLIT / "test.parquet", columns=["text"]).column("text").to_pylist() for word in text.split()]
    path = folder / "lines.txt"
    with path.open("w", encoding="utf-8") as target:
        for start in range(0, rows, _BLOCK):
            drawn = np.random.default_rng([0, start]).choice(words, (min(_BLOCK, rows - start), _LINE_WORDS))
            target.writelines(" ".join(line) + "\n" for line in drawn.tolist())
    with path.open(encoding="utf-8") as file:
        sample = [line.rstrip("\n") for line in itertools.islice(file, 2 * _SAMPLE)]
    return PredictJob(f"{rows:,} lines of {_LINE_WORDS} words", path, rows, sample)


def measure(job: PredictJob) -> dict[str, Any]:
    """Classify a file with the command predict, and time the forward pass before and after it."""
    forward = ForwardPass(job.sample)
    rates = [forward.texts_per_second()]
    say(f"predict_scale: {job.name}")
    out = job.path.with_name("answers.jsonl")
    run = run_measured([sys.executable, "-m", "sentiment", "predict", "--file", str(job.path), "--out", str(out)])
    rates.append(forward.texts_per_second())
    with out.open("rb") as answers:
        answered = sum(1 for _ in answers)
    if answered != job.rows:
        raise AssertionError(f"{answered} answers for {job.rows} texts")
    alone = float(np.mean(rates))
    return {
        "name": job.name,
        "rows": job.rows,
        "bytes": job.path.stat().st_size,
        "seconds": run.seconds,
        "texts_per_second": job.rows / run.seconds,
        "forward_texts_per_second": rates,
        "ratio": job.rows / run.seconds / alone,
        "peak_mib": run.peak_mib(),
        "peak_mib_first_quarter": run.peak_mib(0.25),
    }


def jobs_table(jobs: Iterable[dict[str, Any]]) -> str:
    """Return the table of all jobs."""
    lines = [
        "| file | seconds | texts/s | forward pass alone: texts/s | ratio | highest memory | in the first quarter |",
        "| --- | ---: | ---: | ---: | ---: | ---: | ---: |",
    ]
    for job in jobs:
        alone = float(np.mean(job["forward_texts_per_second"]))
        memory = f"{job['peak_mib']:,.0f} MiB | {job['peak_mib_first_quarter']:,.0f} MiB"
        lines.append(f"| {job['name']} | {job['seconds']:,.0f} | {job['texts_per_second']:,.0f} | {alone:,.0f} | {job['ratio']:.2f} | {memory} |")
    return "\n".join(lines)


def main() -> None:
    """Run the benchmark."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--rows", type=int, default=50_000, help="reviews (default: 50,000)")
    parser.add_argument("--lines", type=int, default=1_000_000, help="short lines (default: 1,000,000)")
    parser.add_argument("--reviews", type=Path, nargs="+", default=[], metavar="FILE", help="parquet or jsonl with the columns text and label")
    add_output_options(parser, "--json")
    options = parser.parse_args()
    with tempfile.TemporaryDirectory(prefix="predict_scale-") as folder:
        jobs = [
            measure(review_job(Path(folder), options.reviews, options.rows)),
            measure(line_job(Path(folder), options.lines)),
        ]
    show_markdown(jobs_table(jobs))
    record = {"command": command_line("predict_scale"), "commit": commit_here(), "jobs": jobs}
    write_json(output_file(options, "predict_scale"), record)


if __name__ == "__main__":
    run_main(main)
