"""Experiments of a plan that diverged: DVC keeps nothing of a failed one, so what is known of it is kept beside the report.

``reports/<plan>/diverged/`` is committed with the report, which reads nothing else of them: a colleague's is the same.
"""

import hashlib
import json
import math
import shutil
from dataclasses import asdict, dataclass
from pathlib import Path

from ablations.plan.points import Point
from sentiment.core import paths
from sentiment.core.code_dependencies import code_hashes
from sentiment.core.files import read_json, read_tsv, remove, write_json

FOLDER = "diverged"


@dataclass(frozen=True)
class DivergedPoint:
    """An experiment whose training diverged.

    Attributes
    ----------
    name, arm : str
        The experiment, and the arm it is of.
    seed : int
        Its seed.
    what : str
        What was not finite.
    step, steps : int
        Where, and how many steps there would have been.
    lr : float
        The learning rate of that step.
    first_loss, last_loss : float
        The training loss of the first step, and of the last one at which it was finite.
    identity : str
        Hash of its parameters and of the code of the train stage: where these change, it is to be tried again.
    """

    name: str
    arm: str
    seed: int
    what: str
    step: int
    steps: int
    lr: float
    first_loss: float
    last_loss: float
    identity: str


def keep_point(point: Point, report: Path) -> DivergedPoint | None:
    """Copy what a failed experiment left of its training into the report's folder.

    Parameters
    ----------
    point : Point
        The experiment.
    report : Path
        The report's folder.

    Returns
    -------
    DivergedPoint or None
        None where it did not fail because it diverged.
    """
    left = paths.diverged_folder(point.name)
    if not (left / paths.RUN_SUMMARY).exists():
        return None
    run = read_json(left / paths.RUN_SUMMARY)
    finite = [loss for loss in read_tsv(left / paths.STEP_CURVE)["loss"] if math.isfinite(loss)] or [math.nan]
    found = DivergedPoint(
        point.name, point.arm, point.seed, run["what"], run["step"], run["steps"], run["lr"], finite[0], finite[-1], _identity(point)
    )
    folder = report / FOLDER
    folder.mkdir(parents=True, exist_ok=True)
    shutil.copyfile(left / paths.STEP_CURVE, folder / f"{point.name}.tsv")
    write_json(folder / f"{point.name}.json", asdict(found))
    return found


def read_diverged(report: Path) -> list[DivergedPoint]:
    """Read the experiments that are kept in a report's folder, by name."""
    return [DivergedPoint(**read_json(path)) for path in sorted((report / FOLDER).glob("*.json"))]


def still_diverged(points: list[Point], report: Path) -> dict[str, DivergedPoint]:
    """Return those of a plan's experiments that diverged and would again: neither parameters nor code have changed since."""
    known = {one.name: one for one in read_diverged(report)}
    return {point.name: known[point.name] for point in points if point.name in known and known[point.name].identity == _identity(point)}


def forget_point(name: str, report: Path) -> None:
    """Forget that an experiment diverged: it is about to run again, or has ended in success."""
    remove(paths.diverged_folder(name))
    for ending in ("json", "tsv"):
        remove(report / FOLDER / f"{name}.{ending}")


def _identity(point: Point) -> str:
    content = json.dumps([dict(point.parameters), code_hashes("train")], sort_keys=True, default=str)
    return hashlib.sha256(content.encode()).hexdigest()[:16]
