"""Folders of this repository whose content is DVC's: a name for a new one, and putting it under DVC."""

import re
import subprocess
import sys
from pathlib import Path

from sentiment.terminal.errors import UserError

_NAME = re.compile(r"[A-Za-z0-9][A-Za-z0-9._-]*")


def new_folder(parent: Path, name: str, reserved: tuple[str, ...] = ()) -> Path:
    """Return where something fetched may be written.

    Parameters
    ----------
    parent : Path
        data or encoders.
    name : str
        Of the folder in it.
    reserved : tuple of str
        Names that are taken.

    Returns
    -------
    Path
        A folder that is not there, or was fetched before.

    Raises
    ------
    UserError
        Where the name cannot be used, something else has it, or this is not the project's root.
    """
    if not _NAME.fullmatch(name) or name in reserved:
        none_of = f", and none of {', '.join(reserved)}" if reserved else ""
        raise UserError(f"--name {name}: letters, digits, dots, dashes and underscores only{none_of}")
    if not Path("dvc.yaml").is_file():
        raise UserError("run this in the project's root, where dvc.yaml lies")
    folder = parent / name
    if (folder.is_file() or folder.is_dir()) and not folder.with_name(folder.name + ".dvc").is_file():
        raise UserError(f"{folder} is there already and was not fetched: choose another --name")
    return folder


def put_under_dvc(folder: Path) -> None:
    """Add a folder to DVC, and stage the file that names its content in git."""
    # The same interpreter's DVC, whether or not its environment is on PATH.
    _run([sys.executable, "-m", "dvc", "add", "--quiet", str(folder)])
    if subprocess.run(["git", "rev-parse", "--is-inside-work-tree"], capture_output=True, check=False).returncode == 0:
        _run(["git", "add", f"{folder}.dvc", str(folder.parent / ".gitignore")])


def _run(command: list[str]) -> None:
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    if done.returncode:
        last = (done.stderr.strip().splitlines() or ["no message"])[-1]
        raise UserError(f"`{' '.join(command[-3:])}` failed: {last}")
