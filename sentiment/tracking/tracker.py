"""SwanLab: one run a training, in the mode the environment asks for, and never at a training's cost."""

import math
import os
import re
import subprocess
import sys
from collections.abc import Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from sentiment.core.files import read_json, write_json
from sentiment.core.paths import RUN_SUMMARY, TRAIN_REPORT, main_root
from sentiment.model.trained.judgement import Predictions
from sentiment.settings.schema import Parameters, flatten
from sentiment.terminal.errors import UserError
from sentiment.terminal.progress import say
from sentiment.tracking.colours import colour_of
from sentiment.tracking.recording import Recording
from sentiment.tracking.run_names import baseline_parameters, experiment_name, legend_name, long_form, run_name

PROJECT = "BERT_fine_tuning"
COLLECT_VARIABLE = "SENTIMENT_TRACK_MACHINE"  # 1: host name, folder, command line, packages and git's remote go into the record too
_PROJECT_LENGTH = 100
MODES = ("local", "offline", "online", "disabled")
_JOINED_MODES = ("online", "offline")  # the local dashboard shows a resumed run as a second one


@dataclass(frozen=True)
class RunInfo:
    """What a run is called and what it is.

    Attributes
    ----------
    name : str
        From `sentiment.tracking.run_names`.
    description : str
        The long form.
    tags : list of str
        For filtering.
    config : mapping
        All parameters and what else the run depends on.
    key : str
        The training's fingerprint: the runs of its train and eval stages are joined by it.
    """

    name: str
    description: str
    tags: list[str]
    config: Mapping[str, Any]
    key: str


def describe_run(parameters: Parameters, key: str, class_names: list[str]) -> RunInfo:
    """Say what a run is, from all of its parameters and the baseline's.

    Parameters
    ----------
    parameters : Parameters
        Every parameter, also those that the stage itself does not read.
    key : str
        The training's fingerprint.
    class_names : list of str
        The classes, also where the parameters leave it to the data to tell them.
    """
    flat = flatten(parameters)
    baseline, revision = baseline_parameters(parameters)
    derived = experiment_name(flat, baseline) if baseline else long_form(flat)
    given = os.environ.get("DVC_EXP_NAME", "")
    name = run_name(given, derived)
    tags = [Path(parameters.prepare.source).stem, parameters.train.model.split("/")[-1].removeprefix("package:")]
    config = {"run": name, **flat, "dataset": parameters.prepare.source, "class_names": class_names, "baseline_revision": revision}
    if given and given != name:  # what `dvc exp run -n` calls it
        tags.append(given)
        config["dvc_experiment"] = given
    return RunInfo(name, long_form(flat), tags, config, key)


class Tracker:
    """A run that is being recorded, or nothing at all where that is not wanted; no method raises, and none but `finish` waits."""

    def __init__(self, recording: Recording | None) -> None:
        self._recording = recording

    def log(self, values: Mapping[str, float], step: int) -> None:
        """Record scalars at a step; values that are not finite are left out."""
        if known := finite(values):
            self._put("scalars", known, step)

    def log_images(self, images: Mapping[str, Path], step: int) -> None:
        """Record PNG files as images."""
        self._put("images", {name: str(path.resolve()) for name, path in images.items()}, step)

    def log_charts(self, predictions: Predictions, class_names: Sequence[str], step: int) -> None:
        """Record ECharts of a test, in the modes that show them."""
        scores = predictions.probabilities[:, 1].tolist() if len(class_names) == 2 else None
        answers = {"labels": predictions.labels.tolist(), "predicted": predictions.predicted.tolist()}
        self._put("charts", {**answers, "class_names": list(class_names), "scores": scores}, step)

    def finish(self, failed: bool = False) -> None:
        """End the run: call it when everything else is done."""
        if self._recording is not None:
            self._recording.finish(failed)
            self._recording = None

    def _put(self, what: str, values: Mapping[str, Any], step: int) -> None:
        if self._recording is not None:
            self._recording.put({"do": what, "values": values, "step": step})


def finite(values: Mapping[str, float]) -> dict[str, float]:
    """Return the values that a dashboard can show."""
    return {name: float(value) for name, value in values.items() if math.isfinite(value)}


def start_training_run(info: RunInfo) -> Tracker:
    """Begin the run of a training; a resumed training continues its own where the mode can."""
    return _start(info, info.name, resumed=True)


def record_evaluation(
    info: RunInfo, step: int, metrics: Mapping[str, float | None], images: Sequence[Path], predictions: Predictions, class_names: Sequence[str]
) -> None:
    """Add a test to the training's run.

    Parameters
    ----------
    info : RunInfo
        The training's.
    step : int
        The training's last step.
    metrics : mapping
        Scalars; what is None is left out.
    images : sequence of Path
        PNG files, shown by their names.
    predictions : Predictions
        For the charts of the joined modes.
    class_names : sequence of str
        In the order of their indices.
    """
    scalars = finite({f"test/{name}": value for name, value in metrics.items() if value is not None})
    figures = {f"figures/{path.stem}": path for path in images}
    mode, known = _mode(), _known_id(log_folder(), info.key)
    if mode == "local" and known is not None:
        test = {"id": known, "values": scalars, "images": {name: str(path.resolve()) for name, path in figures.items()}, "step": step}
        Tracker(Recording({"mode": mode, "log_dir": str(log_folder()), "test": test}, lambda identity: None)).finish()
        return
    if mode != "disabled" and known is None:
        say("SwanLab: the training was not run here (it came from DVC's cache), so it has no run: the test gets one of its own")
    tracker = _start(info, info.name if known else f"{info.name}-eval", resumed=known is not None)
    tracker.log(scalars, step)
    tracker.log_images(figures, step)
    tracker.log_charts(predictions, class_names, step)
    tracker.finish()


def has_run() -> bool:
    """Tell whether the training whose results lie here was recorded on this machine."""
    try:
        key = str(read_json(TRAIN_REPORT / RUN_SUMMARY)["training"])
    except (OSError, ValueError, KeyError):
        return False
    return _known_id(log_folder(), key) is not None


def watch(host: str, port: int) -> None:
    """Serve SwanLab's dashboard until it is stopped.

    Raises
    ------
    UserError
        Where nothing was recorded yet.
    """
    folder = log_folder()
    if not any(folder.glob("run-*")):
        raise UserError(f"{folder} holds no runs yet: `make run` or `dvc exp run` writes the first")
    with suppress(KeyboardInterrupt):  # the usual way to end it
        subprocess.run([sys.executable, "-m", "swanlab", "watch", str(folder), "--host", host, "--port", str(port)], check=False)


def log_folder() -> Path:
    """Return the folder of SwanLab's runs: ``SWANLAB_LOG_DIR``, from the main checkout's root, else its swanlog."""
    return main_root() / (os.environ.get("SWANLAB_LOG_DIR") or "swanlog")


def _start(info: RunInfo, name: str, resumed: bool) -> Tracker:
    mode = _mode()
    if mode == "disabled":
        return Tracker(None)
    folder = log_folder()
    known = _known_id(folder, info.key)
    request = {
        "project": _project(),
        "name": os.environ.get("SWANLAB_EXP_NAME") or legend_name(name),
        "description": info.description,
        "tags": info.tags,
        "config": dict(info.config),
        "mode": mode,
        "color": colour_of(info.name, folder),
        "log_dir": str(folder),
        "id": known if resumed and mode in _JOINED_MODES else None,
        "replaces": known if resumed and mode == "local" else None,
        "collect": os.environ.get(COLLECT_VARIABLE) == "1",
    }

    def remember(identity: str) -> None:
        if resumed:
            with suppress(OSError):
                write_json(_id_file(folder, info.key), {"id": identity, "name": name})

    return Tracker(Recording(request, remember))


def _project() -> str:
    asked = os.environ.get("SWANLAB_PROJ_NAME") or os.environ.get("SWANLAB_PROJECT") or PROJECT  # the latter is transformers' name
    project = re.sub(r"[^0-9A-Za-z_.+-]+", "-", asked).strip("-")[:_PROJECT_LENGTH] or PROJECT
    if project != asked:
        say(f"SwanLab: the project name {asked!r} may hold letters, digits and _ - . + alone (at most {_PROJECT_LENGTH}): recording in {project}")
    return project


def _mode() -> str:
    asked = os.environ.get("SWANLAB_MODE", "local").lower()
    asked = {"cloud": "online"}.get(asked, asked)
    if asked not in MODES:
        say(f"SwanLab: SWANLAB_MODE={asked} is none of {', '.join(MODES)}; recording locally")
        return "local"
    return asked


def _id_file(folder: Path, key: str) -> Path:
    return folder / "runs" / f"{key}.json"


def _known_id(folder: Path, key: str) -> str | None:
    try:
        return str(read_json(_id_file(folder, key))["id"])
    except (OSError, ValueError, KeyError):
        return None
