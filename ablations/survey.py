"""What of a plan is done already: with the same code, data, parameters, precision and threads."""

import subprocess
import sys
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import yaml

from ablations.plan import Point, recipe
from ablations.repository import Reference, dependencies, file_hash, lock, outputs, parse_lock, references, show_file
from sentiment import paths
from sentiment.errors import UserError
from sentiment.parameters import flatten, parse_parameters

_STAGES = ("train", "eval")


@dataclass(frozen=True)
class Machine:
    """What changes bits and is no parameter."""

    threads: int
    precision: str


@dataclass(frozen=True)
class Survey:
    """The plan's points as they stand.

    Attributes
    ----------
    done : mapping of str to Reference
        Points by name, with the experiment that stands for each.
    machines : mapping of str to Machine
        Of what is done.
    """

    done: Mapping[str, Reference]
    machines: Mapping[str, Machine]


def survey(points: Sequence[Point], baseline: str) -> Survey:
    """Compare the experiments of this repository with a plan.

    Parameters
    ----------
    points : sequence of Point
        The plan.
    baseline : str
        HEAD: of two experiments that both match, the one that departs from it is taken.

    Returns
    -------
    Survey
    """
    wanted = {(recipe(point.parameters), point.seed): point for point in points}
    current = _Current()
    done: dict[str, Reference] = {}
    machines: dict[str, Machine] = {}
    found = sorted(references(), key=lambda reference: (reference.baseline != baseline, reference.name))
    for reference in found:
        parameters = _parameters(reference.revision)
        point = wanted.get((recipe(parameters), parameters["seed"])) if parameters else None
        if point is None or point.name in done or not current.matches(reference.revision):
            continue
        if machine := _machine(reference.revision):
            done[point.name], machines[point.name] = reference, machine
    return Survey(done, machines)


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
    code = "import sys; from sentiment.runtime import start_runtime; r = start_runtime(sys.argv[1]); print(r.threads, r.precision)"
    done = subprocess.run([sys.executable, "-c", code, precision], env=dict(environment), capture_output=True, text=True, check=False)
    if done.returncode:
        raise UserError(f"the training's runtime does not start: {(done.stderr.strip().splitlines() or ['no message'])[-1]}")
    threads, chosen = done.stdout.split()
    return Machine(int(threads), chosen)


class _Current:
    """Code and data as they lie in the workspace."""

    def __init__(self) -> None:
        stages: Mapping[str, Any] = yaml.safe_load(Path("dvc.yaml").read_text(encoding="utf-8"))["stages"]
        self._commands = {stage: _as_list(stages[stage]["cmd"]) for stage in _STAGES if stage in stages}
        self._files = {
            stage: {
                dep: file_hash(Path(dep)) for dep in stages[stage]["deps"] if isinstance(dep, str) and Path(dep).is_file() and not _is_output(dep)
            }
            for stage in self._commands
        }
        locked = Path("dvc.lock")
        self._split = outputs(parse_lock(locked.read_text(encoding="utf-8")), "split").get(str(paths.SPLIT)) if locked.exists() else None

    def matches(self, revision: str) -> bool:
        stages = lock(revision)
        if self._split is None or outputs(stages, "split").get(str(paths.SPLIT)) != self._split:
            return False
        for stage, files in self._files.items():
            made_with = dependencies(stages, stage)
            if _as_list(stages.get(stage, {}).get("cmd")) != self._commands[stage]:
                return False
            if any(made_with.get(path) != value for path, value in files.items()):
                return False
        return True


def _is_output(path: str) -> bool:
    return path.startswith((f"{paths.SPLIT}", f"{paths.CLASSIFIER}", "reports/"))


def _as_list(command: Any) -> list[str]:
    return [command] if isinstance(command, str) else list(command or [])


def _parameters(revision: str) -> dict[str, Any] | None:
    try:
        return flatten(parse_parameters(show_file(revision, paths.PARAMS) or "", "params.yaml"))
    except UserError:
        return None


def _machine(revision: str) -> Machine | None:
    text = show_file(revision, paths.TRAIN_METRICS)
    metrics = yaml.safe_load(text) if text else None
    if not isinstance(metrics, dict) or show_file(revision, paths.EVAL_METRICS) is None:
        return None
    return Machine(int(metrics.get("threads") or 0), str(metrics.get("precision")))
