"""Folders of this repository whose content is DVC's: a name for a new one, and putting it under DVC."""

import re
import subprocess
from pathlib import Path

from sentiment.core.overrides import override
from sentiment.terminal.errors import UserError
from sentiment.terminal.progress import say
from sentiment.use.commands import run_dvc, run_git
from sentiment.use.committed import commit, commit_command, what_to_commit

_NAME = re.compile(r"\w[\w.-]*")


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
        raise UserError(f"--name {name}: letters, digits (of any script), dots, dashes and underscores only{none_of}")
    if not Path("dvc.yaml").is_file():
        raise UserError("run this in the project's root, where dvc.yaml lies")
    folder = parent / name
    if (folder.is_file() or folder.is_dir()) and not folder.with_name(folder.name + ".dvc").is_file():
        raise UserError(f"{folder} is there already and was not fetched: choose another --name")
    return folder


def put_under_dvc(folder: Path, parameter: str, and_commit: bool) -> None:
    """Add a folder to DVC, stage the file that names its content in git, and say how to use it.

    Parameters
    ----------
    folder : Path
        In data/ or encoders/.
    parameter : str
        Which takes the folder.
    and_commit : bool
        Commit the staged file.
    """
    run_dvc("add", "--quiet", str(folder))
    if subprocess.run(["git", "rev-parse", "--is-inside-work-tree"], capture_output=True, check=False).returncode == 0:
        run_git("add", f"{folder}.dvc", str(folder.parent / ".gitignore"))
    say(f"fetch: {folder} is under DVC; use it with {override(parameter, folder.as_posix())}")
    if not (files := what_to_commit(folder)):
        return
    if and_commit:
        commit(files, str(folder))
        say(f"fetch: {files[0]} is committed")
    else:
        command = commit_command(files, str(folder))
        say(f"fetch: {files[0]} is staged; commit it before `dvc exp run`, which un-stages it (--commit does so): {command}")
