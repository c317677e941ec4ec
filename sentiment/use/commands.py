"""Git and DVC, run as commands."""

import os
import subprocess
import sys
from pathlib import Path

from sentiment.terminal.errors import UserError, error_line


def run_git(*arguments: str) -> str:
    """Return what a git command prints.

    Raises
    ------
    UserError
        Where it fails, with git's own line.
    """
    return _output(["git", *arguments], "git")


def run_dvc(*arguments: str) -> str:
    """Return what a command of this interpreter's DVC prints, whether or not its environment is on PATH.

    Raises
    ------
    UserError
        Where it fails, with DVC's own line.
    """
    return _output([sys.executable, "-m", "dvc", *arguments], "dvc")


def _output(command: list[str], name: str) -> str:
    environment = {**os.environ, "PATH": f"{Path(sys.executable).parent}{os.pathsep}{os.environ.get('PATH', '')}"}
    done = subprocess.run(command, capture_output=True, text=True, env=environment, stdin=subprocess.DEVNULL, check=False)
    if done.returncode:
        shown = command[command.index("dvc") + 1 :] if name == "dvc" else command[1:]
        raise UserError(f"`{name} {' '.join(shown)}` failed: {error_line(done.stderr)}")
    return done.stdout
