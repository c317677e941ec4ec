"""The command predict: `python -m sentiment predict "A great film."`."""

import argparse
from typing import Any

from sentiment.terminal.command_line import input_path, named, output_path

BACKENDS = ("torch", "onnx", "onnx-int8")
DEFAULT_MODEL = "models/classifier"
MODEL_HELP = "a folder, an experiment or revision of this repository, or a Hub id (default: models/classifier)"


def add_predict(commands: Any) -> None:
    """Add the command to a parser's subcommands."""
    does = "classify texts with a trained model: those on the command line, files, or standard input (one text a line)"
    command = commands.add_parser("predict", help="classify texts, files of any size, or standard input", description=does)
    command.add_argument("texts", nargs="*", metavar="TEXT")
    command.add_argument("--file", nargs="+", action="extend", type=input_path, default=[], metavar="FILE", help="txt, jsonl, csv, tsv or parquet")
    command.add_argument("--out", type=output_path, metavar="FILE", help="write jsonl, csv or parquet, by its name")
    command.add_argument("--model", type=named, default=DEFAULT_MODEL, help=MODEL_HELP)
    command.add_argument("--text-column", default="text", metavar="NAME", help="column of a file that holds the text (default: text)")
    command.add_argument("--keep", action="append", default=[], metavar="COLUMN", help="copy a column into the answers; all copies every one")
    thresholds = "the class is the label from this probability on, whatever the others have; may be repeated"
    command.add_argument("--threshold", action="append", type=_threshold, default=[], metavar="CLASS=P", help=thresholds)
    command.add_argument("--abstain-below", type=probability, default=0.0, metavar="P", help="no label where its probability is lower")
    command.add_argument("--skip-bad", action="store_true", help="pass over rows that cannot be read, and count them")
    command.add_argument("--resume", action="store_true", help="take up an interrupted job from files into a file")
    command.add_argument("--batch-size", type=_count, default=64, metavar="N", help="texts a forward pass (default: 64, as eval.batch_size)")
    command.add_argument("--uncalibrated", action="store_true", help="the probabilities of the eval stage's predictions.parquet")
    computes = "what computes: torch, or an exported model (export.formats) that needs no torch (default: torch)"
    command.add_argument("--backend", choices=BACKENDS, default="torch", help=computes)
    command.set_defaults(run=_predict)


def _predict(arguments: argparse.Namespace) -> None:
    from sentiment.use.quick_start import loading

    with loading():
        from sentiment.use.predict import Job, run_job
    run_job(
        Job(
            texts=arguments.texts,
            files=arguments.file,
            model=arguments.model,
            out=arguments.out,
            text_column=arguments.text_column,
            keep=arguments.keep,
            thresholds=dict(arguments.threshold),
            abstain_below=arguments.abstain_below,
            skip_bad=arguments.skip_bad,
            resume=arguments.resume,
            batch_size=arguments.batch_size,
            calibrated=not arguments.uncalibrated,
            backend=arguments.backend,
        )
    )


def probability(text: str) -> float:
    """Read a probability from a command line."""
    try:
        value = float(text)
    except ValueError:
        value = -1.0
    if not 0 <= value <= 1:
        raise argparse.ArgumentTypeError(f"{text!r} is no probability from 0 to 1")
    return value


def _threshold(text: str) -> tuple[str, float]:
    name, sign, value = text.rpartition("=")
    if not sign or not name:
        raise argparse.ArgumentTypeError(f"{text!r}: write CLASS=P, for example positive=0.8")
    return name, probability(value)


def _count(text: str) -> int:
    if not (text.isascii() and text.isdigit() and int(text) > 0):
        raise argparse.ArgumentTypeError(f"{text!r} is no number from 1")
    return int(text)
