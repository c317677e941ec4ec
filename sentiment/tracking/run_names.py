"""Names of runs: the baseline plus what changed."""

import os
import re
import subprocess
import unicodedata
from collections.abc import Mapping
from pathlib import PurePosixPath
from typing import Any

from sentiment.settings.schema import Parameters, flatten, parse_other_parameters
from sentiment.terminal.errors import UserError
from sentiment.terminal.progress import say

BASELINE = "baseline"
BASELINE_REVISION_VARIABLE = "DVC_EXP_BASELINE_REV"

_SHORT = {
    "train.lr": "lr",
    "train.batch_size": "bs",
    "train.epochs": "epoch",
    "train.weight_decay": "wd",
    "train.max_length": "len",
    "seed": "seed",
    "prepare.text_column": "text",
    "prepare.label_column": "label",
}
_LEGEND_LENGTH = 20  # characters that SwanLab's legends show
_COLUMNS = ("prepare.text_column", "prepare.label_column")  # other ones of the same source are other data
_DATA_SUFFIXES = (".gz", ".bz2", ".xz", ".jsonl", ".json", ".csv", ".tsv", ".xlsx", ".parquet")


def experiment_name(parameters: Mapping[str, Any], baseline: Mapping[str, Any]) -> str:
    """Name a run after what differs from the baseline.

    Parameters
    ----------
    parameters, baseline : mapping of str to value
        Flat parameters by dotted name, in params.yaml's order.

    Returns
    -------
    str
        ``baseline``, then a suffix for each parameter that differs: those of train first, then of
        split and eval, the seed last (``baseline_lr5e-5_bs32_seed43``). Other data becomes a prefix
        (``imdb_baseline_bs32``), which stands for its groups, classes and the like too; other columns of text and label
        are named behind it. Letters of any script stay.
    """
    changed = {key: value for key, value in parameters.items() if key in baseline and value != baseline[key] and not key.startswith("export.")}
    prefix = ""
    if "prepare.source" in changed:
        prefix = f"{_source_name(str(changed['prepare.source']))}_"
        changed = {key: value for key, value in changed.items() if not key.startswith("prepare.") or key in _COLUMNS}
    order = {"train": 0, "prepare": 1, "split": 2, "eval": 3, "seed": 4}
    keys = sorted(changed, key=lambda key: order[key.split(".")[0]])
    return prefix + "_".join([BASELINE, *(_suffix(key, changed[key]) for key in keys)])


def run_name(given: str, derived: str) -> str:
    """Choose between the name DVC knows an experiment by and the one its parameters give.

    Parameters
    ----------
    given : str
        What DVC calls it; empty where it runs outside of an experiment.
    derived : str
        From `experiment_name`.

    Returns
    -------
    str
        `given` where it follows the convention (``imdb_baseline_bs32``); names that DVC makes up
        (``gummy-nappy``) say nothing.
    """
    return given if BASELINE in given.split("_") else derived


def legend_name(name: str) -> str:
    """Return a run's name as SwanLab's legends can show it: they cut names after 20 characters, where seeds and last changes are.

    Parameters
    ----------
    name : str
        From `run_name`.

    Returns
    -------
    str
        The name itself where it is short enough; else without the word ``baseline``, which all names share; where that is too long
        still, with ``s43`` for ``seed43``, and cut before it.
    """
    if len(name) <= _LEGEND_LENGTH:
        return name
    short = "_".join(part for part in name.split("_") if part != BASELINE) or name
    if len(short) <= _LEGEND_LENGTH:
        return short
    rest, _, seed = short.rpartition("_seed")
    return f"{rest[: _LEGEND_LENGTH - len(seed) - 2]}_s{seed}" if rest and seed.isdigit() else short


def long_form(parameters: Mapping[str, Any]) -> str:
    """Describe a run by what it is: ``bert-base-uncased@imdb-lr2e-5_bs8_epoch3_wd0.01``."""
    encoder = str(parameters["train.model"]).removeprefix("package:").rstrip("/").split("/")[-1]
    main = "_".join(_suffix(key, parameters[key]) for key in ("train.lr", "train.batch_size", "train.epochs", "train.weight_decay"))
    return f"{encoder}@{_source_name(str(parameters['prepare.source']))}-{main}"


def baseline_parameters(current: Parameters) -> tuple[dict[str, Any], str]:
    """Read the baseline's parameters from git.

    Parameters
    ----------
    current : Parameters
        What to fall back on where git has no params.yaml (the name is then ``baseline``).

    Returns
    -------
    parameters : dict
        Flat, those of params.yaml at ``DVC_EXP_BASELINE_REV``, else at HEAD, that today's schema has
        too; empty where that file cannot be read, which is said in one line.
    revision : str
        The commit, empty where there is none.
    """
    revision = os.environ.get(BASELINE_REVISION_VARIABLE) or "HEAD"
    try:
        text = _git("show", f"{revision}:./params.yaml")
        commit = _git("rev-parse", revision).strip()
    except (OSError, subprocess.CalledProcessError):
        return flatten(current), ""
    try:
        return parse_other_parameters(text, f"params.yaml at {revision[:7]}", current), commit
    except UserError as error:
        say(f"the run is named by all of its parameters, not by what differs from the baseline: {error}")
        return {}, commit


def _git(*arguments: str) -> str:
    return subprocess.run(["git", *arguments], check=True, capture_output=True, text=True).stdout


def _source_name(source: str) -> str:
    path = PurePosixPath(source)
    while path.suffix in _DATA_SUFFIXES:
        path = path.with_suffix("")
    return _plain(path.name)


def _suffix(key: str, value: Any) -> str:
    name = _SHORT.get(key) or (key.removeprefix("train.") if key.startswith("train.") else key)
    if isinstance(value, bool) or not isinstance(value, int | float):
        return f"{name}-{_plain(_words(value))}"
    return name + _number(value)


def _number(value: float) -> str:
    # 5e-05 is written 5e-5, as people type it.
    return re.sub(r"e([-+])0*", lambda match: "e" + match.group(1).replace("+", ""), repr(value))


def _words(value: Any) -> str:
    if value is None:
        return "none"
    if isinstance(value, list):
        return "-".join(map(str, value))
    if isinstance(value, dict):
        return "-".join(f"{key}-{_words(inner)}" for key, inner in value.items())
    return str(value).lower() if isinstance(value, bool) else str(value)


def _plain(text: str) -> str:
    return re.sub(r"\.{2,}", ".", re.sub(r"[^\w.+-]+", "-", unicodedata.normalize("NFC", text))).strip("-.") or "data"
