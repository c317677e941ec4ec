"""What of a plan is done already: with the same code, data, parameters, precision and threads."""

import subprocess
import sys
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import yaml

from ablations.experiment_files import is_readable, training_summary
from ablations.plan.points import Point, recipe
from ablations.repository import dependencies, git, lock, outputs, parse_lock, show_file
from sentiment.core import paths
from sentiment.core.code_dependencies import code_hashes, file_hash
from sentiment.core.yaml_text import parse_yaml, read_yaml
from sentiment.data.paths import CHALLENGE
from sentiment.evaluation.paths import EVAL_METRICS
from sentiment.settings.schema import flatten, parse_older_parameters
from sentiment.terminal.errors import UserError
from sentiment.terminal.progress import say
from sentiment.use.committed import commit_command, what_to_commit
from sentiment.use.experiment_refs import ExperimentReference, references
from sentiment.use.recorded.experiment_agreement import disagreement

_TRAINING = ("reference", "train", "eval")
_DATA = ("prepare", "split")


@dataclass(frozen=True)
class Machine:
    """What changes bits and is no parameter."""

    threads: int
    precision: str

    def __str__(self) -> str:
        return f"{self.threads} thread{'s' if self.threads != 1 else ''} in {self.precision}"


@dataclass(frozen=True)
class Survey:
    """The plan's points as they stand.

    Attributes
    ----------
    done : mapping of str to ExperimentReference
        Points by name, with the experiment that stands for each.
    machines : mapping of str to Machine
        Of what is done.
    passed_over : mapping of str to str
        Experiments that look like points of the plan and are not counted, with the reason.
    """

    done: Mapping[str, ExperimentReference]
    machines: Mapping[str, Machine]
    passed_over: Mapping[str, str] = field(default_factory=dict)

    def say_passed_over(self) -> None:
        """Print what is not counted, and why."""
        for name, reason in self.passed_over.items():
            say(f"not counted: {name} {reason}")


def survey(points: Sequence[Point], baseline: str, current: "Current") -> Survey:
    """Compare the experiments of this repository with a plan.

    Parameters
    ----------
    points : sequence of Point
        The plan.
    baseline : str
        The study's commit: of two experiments that both match, the one that departs from it is taken.
    current : Current
        What they must have been made with.

    Returns
    -------
    Survey
    """
    wanted = {(recipe(point.parameters), point.seed): point for point in points}
    passed_over: dict[str, str] = {}
    done: dict[str, ExperimentReference] = {}
    machines: dict[str, Machine] = {}
    found = sorted(references(), key=lambda reference: (reference.baseline != baseline, reference.name))
    for reference in found:
        parameters = _parameters(reference.revision)
        point = wanted.get((recipe(parameters), parameters["seed"])) if parameters else None
        if point is None or point.name in done or not current.matches(reference.revision):
            continue
        if show_file(reference.revision, EVAL_METRICS) is None:
            continue
        if reason := disagreement(reference.revision):
            passed_over[reference.name] = reason
        elif not is_readable(reference.name, reference.revision):
            passed_over[reference.name] = "has no results any more, neither in the cache nor on a remote (`dvc gc`?)"
        else:
            done[point.name], machines[point.name] = reference, _machine(reference)
    return Survey(done, machines, passed_over)


def this_machine(precision: str, environment: Mapping[str, str]) -> Machine:
    """Ask in which precision and with how many threads a training would run.

    Parameters
    ----------
    precision : str
        The parameter: auto, fp32 or bf16.
    environment : mapping
        That of the workers.

    Returns
    -------
    Machine
    """
    code = "import sys; from sentiment.model.runtime import start_runtime; r = start_runtime(sys.argv[1]); print(r.threads, r.precision)"
    done = subprocess.run([sys.executable, "-c", code, precision], env=dict(environment), capture_output=True, text=True, check=False)
    if done.returncode:
        raise UserError(f"the training's runtime does not start: {(done.stderr.strip().splitlines() or ['no message'])[-1]}")
    threads, chosen = done.stdout.split()
    return Machine(int(threads), chosen)


def check_source(source: str) -> None:
    """Refuse a source that an experiment's own workspace would lack.

    Raises
    ------
    UserError
        Where neither the file nor its .dvc file is in git.
    """
    tracked = [path for path in (source, f"{source}.dvc") if Path(path).exists() and git("ls-files", "--", path).strip()]
    if tracked:
        return
    lacked = f"prepare.source = {source} is not in git, nor is {source}.dvc, and the experiments would lack it"
    if files := what_to_commit(Path(source)):
        raise UserError(f"{lacked}: {commit_command(files, source)}")
    raise UserError(f"{lacked}: bring it in with `python -m sentiment fetch --commit` (IMDB: `make imdb`)")


class Current:
    """Code and data as they lie in the workspace now.

    Parameters
    ----------
    source : str or None
        Where the plan's data and split are not the workspace's, so that dvc.lock does not know them: what they are made from.
    """

    def __init__(self, source: str | None) -> None:
        stages: Mapping[str, Any] = parse_yaml(read_yaml(Path("dvc.yaml")), "dvc.yaml")["stages"]
        checked = _TRAINING if source is None else (*_DATA, *_TRAINING)
        self._commands = {stage: _as_list(stages[stage]["cmd"]) for stage in checked if stage in stages}
        self._code = {stage: code_hashes(stage) for stage in self._commands}
        self._source = {source: _hash_of_source(Path(source)), str(CHALLENGE): file_hash(CHALLENGE)} if source is not None else {}
        locked = Path("dvc.lock")
        self._split = outputs(parse_lock(locked.read_text(encoding="utf-8")), "split").get(str(paths.SPLIT)) if locked.exists() else None

    @classmethod
    def of(cls, points: Sequence[Point], other_data: bool) -> "Current":
        """Return what the experiments of a plan must have been made with."""
        return cls(str(points[0].parameters["prepare.source"]) if other_data else None)

    def matches(self, revision: str) -> bool:
        """Return whether an experiment was made with this code and this data."""
        stages = lock(revision)
        if not self._same_data(stages):
            return False
        for stage, files in self._code.items():
            made_with = dependencies(stages, stage)
            if _as_list(stages.get(stage, {}).get("cmd")) != self._commands[stage]:
                return False
            if any(made_with.get(path) != value for path, value in files.items()):
                return False
        return True

    def _same_data(self, stages: Mapping[str, Any]) -> bool:
        if self._source:
            made_with = dependencies(stages, "prepare")
            return all(made_with.get(path) == value for path, value in self._source.items())
        return self._split is not None and outputs(stages, "split").get(str(paths.SPLIT)) == self._split


def _hash_of_source(source: Path) -> str | None:
    tracker = source.with_name(source.name + ".dvc")
    if tracker.is_file():
        return str(yaml.safe_load(tracker.read_text(encoding="utf-8"))["outs"][0]["md5"])
    return file_hash(source) if source.is_file() else None


def _as_list(command: Any) -> list[str]:
    return [command] if isinstance(command, str) else list(command or [])


def _parameters(revision: str) -> dict[str, Any] | None:
    try:
        return flatten(parse_older_parameters(show_file(revision, paths.PARAMS) or "", "params.yaml"))
    except UserError:
        return None


def _machine(reference: ExperimentReference) -> Machine:
    summary = training_summary(reference.name, reference.revision)
    return Machine(int(summary.get("threads") or 0), str(summary.get("precision")))
