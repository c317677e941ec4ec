"""Where things are: what one stage hands to another, and the main checkout's root. What a room alone uses is in its own `paths`."""

import os
from pathlib import Path

PARAMS = Path("params.yaml")

PREPARED = Path("data/prepared")
SPLIT = Path("data/split")
ENCODERS = Path("encoders")
CLASSIFIER = Path("models/classifier")
REPORTS = Path("reports")
TRAIN_REPORT = REPORTS / "train"

STEP_CURVE = "steps.tsv"
VALIDATION_CURVE = "validation.tsv"
RUN_SUMMARY = "run.json"
ENCODER_RECORD = "encoder.json"

MAIN_ROOT_VARIABLE = "SENTIMENT_MAIN_ROOT"
_EXPERIMENT_WORKSPACES = (".dvc", "tmp", "exps")


def main_root(start: Path | None = None) -> Path:
    """Return the main checkout's root, also from a queued or temporary workspace.

    There, git and DVC both name the temporary clone, which is deleted after the experiment:
    what must outlive it (checkpoints, SwanLab's logs) belongs to the main checkout.

    Parameters
    ----------
    start : Path, optional
        The folder to start from, by default the current one.

    Returns
    -------
    Path
        The value of ``SENTIMENT_MAIN_ROOT`` where it is set, else the parent of
        ``.dvc/tmp/exps`` where `start` lies below one, else `start` itself.
    """
    if override := os.environ.get(MAIN_ROOT_VARIABLE):
        return Path(override).resolve()
    here = (start or Path.cwd()).resolve()
    parts = here.parts
    for index in range(len(parts) - len(_EXPERIMENT_WORKSPACES), 0, -1):
        if parts[index : index + len(_EXPERIMENT_WORKSPACES)] == _EXPERIMENT_WORKSPACES:
            return Path(*parts[:index])
    return here


def diverged_folder(name: str) -> Path:
    """Return where the curves of a training that diverged are kept, by its experiment's name; outside of the outputs."""
    return main_root() / ".diverged" / name
