"""What the queue needs of a repository: said at the start, not after a night of training."""

from pathlib import Path

from ablations.repository import git
from sentiment.terminal.errors import UserError
from sentiment.use.commands import run_dvc


def check_repository() -> None:
    """Refuse a repository in which DVC's queue would lose experiments or fail.

    Raises
    ------
    UserError
        In a shallow clone, and where the cache's path has characters that DVC cannot write into a workspace's configuration.
    """
    if git("rev-parse", "--is-shallow-repository").strip() == "true":
        raise UserError(
            "this is a shallow clone, in which DVC throws the results of queued and temporary experiments away: `git fetch --unshallow`, "
            "then run this again"
        )
    if Path.cwd().resolve().as_posix().isascii():
        return
    cache = run_dvc("cache", "dir").strip()
    if not cache.isascii():
        raise UserError(
            f"DVC's queue cannot write the path of its cache, {cache}, as it holds characters beyond ASCII: move it, "
            "`mv .dvc/cache /a/path/in/ascii && dvc cache dir --local /a/path/in/ascii`, then run this again"
        )
