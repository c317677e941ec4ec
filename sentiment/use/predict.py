"""Classifying texts with a trained model: a few of them, or files of any size."""

import hashlib
import itertools
import sys
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from functools import partial
from pathlib import Path

from sentiment.data.reading.cleaning import clean
from sentiment.data.reading.formats import count_rows
from sentiment.data.reading.raw_lines import refuse
from sentiment.terminal.errors import Interrupted, UserError
from sentiment.terminal.printable import listed
from sentiment.terminal.progress import ProgressBar, progress_bar, say
from sentiment.use.answer_files import AnswerFile, AnswerForm, answer_kind
from sentiment.use.answers import Answer, LabelRule, Tally, make_answers
from sentiment.use.backends import TORCH, find_backend, open_reader
from sentiment.use.quick_start import loading
from sentiment.use.terminal_answers import show_answers
from sentiment.use.text_rows import STANDARD_INPUT, TextRow, check_inputs, file_rows, typed_rows, windows

BATCH_SIZE = 64
_ROWS_TO_SEE = 20_000  # reading fewer takes no time


@dataclass(frozen=True)
class Job:
    """What is to be classified, and how.

    Attributes
    ----------
    texts : list of str
        Of the command line.
    files : list of Path
        Or files; with neither, standard input, one text a line.
    model : str
        As for `find_model`.
    out : Path or None
        A file for the answers; None for the terminal, or jsonl to what standard output is led to.
    text_column : str
        Holds the text.
    keep : list of str
        Columns that go into the answers.
    thresholds : dict of str to float
        As for `LabelRule`.
    abstain_below : float
        As for `LabelRule`.
    skip_bad : bool
        Pass over rows that cannot be read, and count them.
    resume : bool
        Take up an interrupted job.
    batch_size : int
        Texts a forward pass.
    calibrated : bool
        Give calibrated probabilities; without, those of the eval stage's predictions.parquet.
    backend : str
        torch, onnx or onnx-int8.
    """

    texts: list[str] = field(default_factory=list)
    files: list[Path] = field(default_factory=list)
    model: str = "models/classifier"
    out: Path | None = None
    text_column: str = "text"
    keep: list[str] = field(default_factory=list)
    thresholds: dict[str, float] = field(default_factory=dict)
    abstain_below: float = 0.0
    skip_bad: bool = False
    resume: bool = False
    batch_size: int = BATCH_SIZE
    calibrated: bool = True
    backend: str = TORCH


class Predictor:
    """A trained model that answers for raw texts, as eval does for the test split: the same cleaning, cutting, precision and batches.

    Parameters
    ----------
    folder : Path
        The model.
    batch_size : int
        Texts a forward pass.
    calibrated : bool
        Divide the logits by the temperature beside the model.
    backend : str
        torch, onnx or onnx-int8; `folder` holds what it reads.
    """

    def __init__(self, folder: Path, batch_size: int = BATCH_SIZE, calibrated: bool = True, backend: str = TORCH) -> None:
        self.folder = folder
        with loading():
            self.reader, self.settings, temperature = open_reader(folder, backend, batch_size)
        self.class_names = self.reader.class_names
        if len(set(self.class_names)) < len(self.class_names):
            raise UserError(f"{folder}: two classes bear the same name ({listed(self.class_names)}): give each its own in id2label of config.json")
        self.temperature = temperature if calibrated else 1.0

    def clean(self, text: str) -> str:
        """Clean a text as prepare does for the model's training texts."""
        return clean(text, self.settings.strip_html)

    def answer(self, texts: list[str], rule: LabelRule, progress: Callable[[int], None] | None = None) -> list[Answer]:
        """Answer for raw texts, in their order; those without anything to read get no guess."""
        cleaned = [self.clean(text) for text in texts]
        present = [row for row, text in enumerate(cleaned) if text]
        answers = [Answer(None, None, False)] * len(texts)
        if present:
            logits, lengths = self.reader.read([cleaned[row] for row in present], progress)
            for row, answer in zip(present, make_answers(logits, lengths > self.settings.max_length, rule, self.temperature), strict=True):
                answers[row] = answer
        return answers

    def key(self) -> str:
        """Return a digest of all that an answer depends on beside the text."""
        digest = hashlib.sha256(repr((self.settings, self.reader.runtime)).encode())
        for path in sorted(path for path in self.folder.iterdir() if path.is_file() and path.suffix != ".md"):
            with path.open("rb") as file:
                digest.update(hashlib.file_digest(file, "sha256").digest())
        return digest.hexdigest()


def run_job(job: Job) -> Tally:
    """Classify what a job names, and write or show the answers.

    Raises
    ------
    UserError
        Where a file, a row, the model or an option is wrong.
    Interrupted
        On Ctrl-C; the windows that are done are kept for ``--resume``.
    """
    files = job.files or ([] if job.texts else [STANDARD_INPUT])
    _check(job, files)
    predictor = Predictor(find_backend(job.model, job.backend), job.batch_size, job.calibrated, job.backend)
    rule = LabelRule(predictor.class_names, job.thresholds, job.abstain_below)
    if job.out is None:
        return _to_the_terminal(job, files, predictor, rule)
    return _to_a_file(job, job.out, files, predictor, rule)


def _check(job: Job, files: list[Path]) -> None:
    if job.texts and job.files:
        raise UserError("texts on the command line and --file: give one of the two")
    if job.resume and (job.out is None or not job.files):
        raise UserError("--resume: only a job from files into a file (--file … --out …) can be taken up")
    check_inputs(files)
    if job.out is not None:
        answer_kind(job.out)
        if any(path.exists() and job.out.resolve() == path.resolve() for path in files):
            raise UserError(f"--out {job.out}: is one of the files to read: name another one")
    if files == [STANDARD_INPUT] and sys.stdin.isatty():
        say("predict: one text a line, Ctrl-D ends")


def _rows(job: Job, files: list[Path], tally: Tally) -> Iterator[TextRow]:
    if job.texts:
        return typed_rows(job.texts)

    def pass_over(_: UserError) -> None:
        tally.bad += 1

    return file_rows(files, job.text_column, job.keep, pass_over if job.skip_bad else refuse)


def _to_the_terminal(job: Job, files: list[Path], predictor: Predictor, rule: LabelRule) -> Tally:
    _check_rows(job, files)
    tally = Tally()
    form = AnswerForm(".jsonl", predictor.class_names)
    for window in windows(_rows(job, files, tally)):
        answers = predictor.answer([row.text for row in window], rule)
        _count_answers(window, answers, predictor, tally)
        if sys.stdout.isatty():
            show_answers(window, answers, predictor.class_names)
        else:
            sys.stdout.write(form.lines([form.record(row, answer) for row, answer in zip(window, answers, strict=True)]))
    if len(job.texts) != 1:
        print(f"predict: {tally.describe()}", file=sys.stderr)
    return tally


def _to_a_file(job: Job, out: Path, files: list[Path], predictor: Predictor, rule: LabelRule) -> Tally:
    key = {
        "model": predictor.key(),
        "input": [[str(path.resolve()), path.stat().st_size, path.stat().st_mtime_ns] for path in job.files] or job.texts,
        "options": [job.text_column, job.keep, job.thresholds, job.abstain_below, job.skip_bad, job.batch_size, job.calibrated],
    }
    target = AnswerFile(out, AnswerForm(answer_kind(out), predictor.class_names), key, job.resume)
    try:
        finished = _answer_all(job, files, predictor, rule, target)
        target.finish()
    except BaseException as error:
        kept = target.give_up(resumable=bool(job.files))
        advice = f"{kept:,} texts are done and kept: the same command with --resume goes on after them"
        if kept and isinstance(error, KeyboardInterrupt):
            raise Interrupted(advice) from None
        if isinstance(error, OSError):
            what = f"--out {out}: cannot be written ({error.strerror})"
            raise UserError(f"{what}; {advice}" if kept else f"{what}: make room, or name another place") from None
        raise
    say(f"predict: {finished.describe()}; {out}")
    return finished


def _answer_all(job: Job, files: list[Path], predictor: Predictor, rule: LabelRule, target: AnswerFile) -> Tally:
    finished, tally = Tally(), Tally()
    done = target.done()
    ready = sum(part.rows for part in done)
    for part in done:
        finished.add(part.tally)
    rows = _rows(job, files, tally)
    started = time.monotonic()
    with progress_bar("predict", _check_rows(job, files) if files else len(job.texts)) as bar:
        bar.start_from(ready)
        read = sum(1 for _ in itertools.islice(rows, ready))
        tally.clear()  # what was passed over among them is in the tally of their windows
        for window in windows(rows):
            show = partial(_show_progress, bar, ready, read, started)
            answers = predictor.answer([row.text for row in window], rule, show)
            _count_answers(window, answers, predictor, tally)
            target.write(window, answers, len(window), tally)
            read += len(window)
            finished.add(tally)
            tally.clear()
        bar.complete()
    finished.add(tally)
    return finished


def _count_answers(window: list[TextRow], answers: list[Answer], predictor: Predictor, tally: Tally) -> None:
    for row, answer in zip(window, answers, strict=True):
        tally.count(answer, empty=answer.probabilities is None and not predictor.clean(row.text))


def _check_rows(job: Job, files: list[Path]) -> int:
    """Read files once before anything is computed, and return how many texts they hold; standard input can be read only once."""
    kept = [path for path in files if path != STANDARD_INPUT]
    total = 0
    with progress_bar("predict: checking rows", sum(map(count_rows, kept)), at_least=_ROWS_TO_SEE) as bar:
        for _ in _rows(job, kept, Tally()):
            total += 1
            if total % _ROWS_TO_SEE == 0:
                bar.update(total)
        bar.complete()
    return total


def _show_progress(bar: ProgressBar, ready: int, read: int, started: float, done: int) -> None:
    rate = (read + done - ready) / max(time.monotonic() - started, 1e-9)
    bar.update(read + done, f"{rate:,.0f} texts/s")
