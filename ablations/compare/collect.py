"""Reading experiments back, through git and DVC, wherever they were made."""

import hashlib
import io
import json
from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow.parquet as pq

from ablations.compare.experiments import Experiment, Identity, TestAnswers, TrainingCurves
from ablations.compare.family import Refusal
from ablations.experiment_files import PREDICTIONS, SPLIT_COUNTS, STEPS, VALIDATION, ExperimentFiles, UnreadableError, training_summary
from ablations.repository import dependencies, git, head, lock, outputs, show_file, unfinished
from sentiment.core import paths
from sentiment.core.code_dependencies import is_code, is_single_module
from sentiment.data.paths import SPLIT_REPORT
from sentiment.evaluation.paths import EVAL_METRICS
from sentiment.settings.schema import flatten, parse_older_parameters
from sentiment.terminal.errors import UserError
from sentiment.use.experiment_refs import ExperimentReference, references
from sentiment.use.recorded.experiment_agreement import disagreement

_OLD_SPLIT_COUNTS = Path("reports/split.json")  # in git, of experiments made before they were cached
_STATES = {"queued": "is still waiting in the queue", "running": "is still running", "failed": "failed"}


def collect() -> tuple[list[Experiment], list[Refusal]]:
    """Read every experiment of this repository.

    Returns
    -------
    experiments : list of Experiment
        Those that ended in success and whose files the cache or a remote has.
    refused : list of Refusal
        The others, with the reason. DVC shows them with the baseline's figures, so they must not be read.
    """
    experiments: list[Experiment] = []
    refused: list[Refusal] = []
    found = references()
    finished = {(reference.name, reference.baseline) for reference in found}
    for baseline in sorted({head(), *(reference.baseline for reference in found)}):
        if not _has_commit(baseline):
            continue
        for row in unfinished(baseline):
            if (row.name, baseline) not in finished:
                refused.append(Refusal(row.name, _STATES.get(row.state, row.state)))
    for reference in found:
        try:
            experiments.append(_read(reference))
        except UnreadableError as error:
            refused.append(Refusal(reference.name, str(error)))
    return experiments, refused


def identity(stages: Mapping[str, Any], metrics: Mapping[str, Any]) -> Identity:
    """Say what an experiment stands on.

    Parameters
    ----------
    stages : mapping
        Of its dvc.lock.
    metrics : mapping
        The summary of its training.

    Returns
    -------
    Identity
        Code is that of training, which holds tokenisation and prediction too: an edited figure of the
        eval stage does not part experiments whose answers are the same.
    """
    source = {path: value for path, value in dependencies(stages, "prepare").items() if not is_code(path)}
    training = stages.get("train", {})
    modules = {path: value for path, value in dependencies(stages, "train").items() if is_code(path)}
    return Identity(
        data=_digest([source, stages.get("prepare", {}).get("params")]),
        split=_digest([outputs(stages, "split").get(str(paths.SPLIT)), stages.get("split", {}).get("params")]),
        precision=str(metrics.get("precision")),
        threads=int(metrics.get("threads") or 0),
        code=_digest([training.get("cmd"), modules]),
    )


def _read(reference: ExperimentReference) -> Experiment:
    revision = reference.revision
    stages = lock(revision)
    if missing := [stage for stage in ("prepare", "split", "train", "eval") if stage not in stages]:
        raise UnreadableError(f"has no {' and no '.join(missing)} stage in its dvc.lock")
    if reason := disagreement(revision):
        raise UnreadableError(reason)
    text = show_file(revision, paths.PARAMS)
    try:
        parameters = flatten(parse_older_parameters(text or "", "its params.yaml"))
    except UserError as error:
        raise UnreadableError(str(error)) from None
    metrics = training_summary(reference.name, revision)
    test_metrics = _json(revision, EVAL_METRICS)
    files = ExperimentFiles(reference.name, revision)
    split = json.loads(files.read(SPLIT_COUNTS)) if SPLIT_REPORT.as_posix() in outputs(stages, "split") else _json(revision, _OLD_SPLIT_COUNTS)
    validation = split.get("validation", {})
    counts = list(validation.get("classes", {}).values())
    rows = int(validation.get("rows") or 1)
    return Experiment(
        name=reference.name,
        revision=revision,
        baseline=reference.baseline,
        parameters=parameters,
        identity=identity(stages, metrics),
        metrics=metrics,
        test_metrics=test_metrics,
        validation_chance=max(counts) / rows if counts else 1 / len(parameters["prepare.class_names"] or ("one", "another")),
        validation_rows=rows,
        curves=_curves(files),
        answers=_answers(files),
        older_code=names_single_modules(stages),
    )


def names_single_modules(stages: Mapping[str, Any]) -> bool:
    """Return whether a dvc.lock is from before the code was laid out in folders."""
    return any(is_single_module(path) for path in dependencies(stages, "train"))


def _curves(files: ExperimentFiles) -> TrainingCurves:
    steps = _table(files.read(STEPS), ["step", "epoch", "loss", "grad_norm"])
    validation = _table(files.read(VALIDATION), ["step", "epoch", "loss", "accuracy"])
    return TrainingCurves(
        steps["step"],
        steps["epoch"],
        steps["loss"],
        steps["grad_norm"],
        validation["step"],
        validation["epoch"],
        validation["loss"],
        validation["accuracy"],
    )


def _table(content: bytes, columns: Iterable[str]) -> dict[str, Any]:
    header, *lines = content.decode("utf-8").splitlines()
    names = header.split("\t")
    values = np.array([[float(cell) for cell in line.split("\t")] for line in lines], dtype=np.float64).reshape(len(lines), len(names))
    if not lines or not set(columns) <= set(names):
        raise UnreadableError(f"its curves lack {', '.join(sorted(set(columns) - set(names))) or 'rows'}")
    return {name: values[:, names.index(name)] for name in columns}


def _answers(files: ExperimentFiles) -> TestAnswers:
    content = files.read(PREDICTIONS)
    table = pq.read_table(io.BytesIO(content), columns=["id", "group", "label", "predicted", "loss"])
    groups = table.column("group")
    return TestAnswers(
        ids=np.asarray(table.column("id").to_pylist(), dtype=np.str_),
        groups=None if groups.null_count == len(groups) else np.asarray([str(group) for group in groups.to_pylist()], dtype=np.str_),
        labels=table.column("label").to_numpy().astype(np.int64),
        predicted=table.column("predicted").to_numpy().astype(np.int64),
        losses=table.column("loss").to_numpy().astype(np.float64),
    )


def _json(revision: str, path: Any) -> Mapping[str, Any]:
    text = show_file(revision, path)
    if text is None:
        raise UnreadableError(f"has no {path}")
    try:
        content = json.loads(text)
    except ValueError:
        raise UnreadableError(f"its {path} is no JSON") from None
    return dict(content)


def _digest(content: Any) -> str:
    return hashlib.sha256(json.dumps(content, sort_keys=True, default=str).encode()).hexdigest()[:16]


def _has_commit(revision: str) -> bool:
    try:
        git("cat-file", "-e", f"{revision}^{{commit}}")
    except UserError:
        return False
    return True
