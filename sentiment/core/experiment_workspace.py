"""What an experiment's own workspace needs of the repository that it comes from."""

import subprocess
from pathlib import Path

from sentiment.core.paths import main_root
from sentiment.terminal.errors import UserError


def refuse_lost_results() -> None:
    """Refuse to work in a workspace from which DVC cannot bring the results home.

    Raises
    ------
    UserError
        In a queued or temporary experiment of a shallow clone: DVC would drop its results, with status 0.
    """
    root = main_root()
    if root == Path.cwd().resolve():
        return
    asked = subprocess.run(["git", "-C", str(root), "rev-parse", "--is-shallow-repository"], capture_output=True, text=True, check=False)
    if asked.stdout.strip() == "true":
        raise UserError(
            f"{root} is a shallow clone, in which DVC throws the results of queued and temporary experiments away: `git fetch --unshallow` there, "
            "then run this again"
        )
