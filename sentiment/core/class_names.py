"""The names of the classes, written down beside the tables for the later stages: told in params.yaml or found in the data."""

from pathlib import Path

from sentiment.core.files import read_json, write_json
from sentiment.terminal.errors import UserError

FILE = "classes.json"


def write_class_names(folder: Path, names: list[str]) -> None:
    """Write the names of the classes beside the tables of a stage."""
    write_json(folder / FILE, {"class_names": names})


def read_class_names(folder: Path, stage: str) -> list[str]:
    """Read the names of the classes.

    Parameters
    ----------
    folder : Path
        What `stage` wrote.
    stage : str
        For the error.

    Raises
    ------
    UserError
        Where the file is missing or broken.
    """
    path = folder / FILE
    try:
        names: list[str] = read_json(path)["class_names"]
    except (OSError, ValueError, KeyError, TypeError):
        raise UserError(f"{path}: missing or broken: run the stage {stage} first (dvc repro, or python -m stages.{stage})") from None
    return names
