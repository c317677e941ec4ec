"""Whether git has what an experiment needs: queued and temporary workspaces hold nothing else."""

from pathlib import Path

from sentiment.core.paths import main_root
from sentiment.terminal.errors import UserError
from sentiment.terminal.progress import say
from sentiment.use.commands import run_git


def what_to_commit(source: Path) -> list[str]:
    """List the files that must be committed before a queued or temporary experiment can read a source.

    Parameters
    ----------
    source : Path
        A file or folder inside the repository, itself in git or under DVC.

    Returns
    -------
    list of str
        Nothing where HEAD has it, where there is no repository, and inside of a temporary workspace.
    """
    if main_root() != Path.cwd().resolve():
        return []
    tracker = source.with_name(source.name + ".dvc")
    needed = [tracker, tracker.with_name(".gitignore")] if tracker.is_file() else [source]
    try:
        changed = run_git("status", "--porcelain", "--untracked-files=all", "--", *map(str, needed))
    except UserError:
        return []
    return [str(path) for path in needed if path.exists()] if changed.strip() else []


def commit_command(files: list[str], what: str) -> str:
    """Return the line that commits files, and nothing else that may be staged."""
    return f"git add {' '.join(files)} && git commit -m 'Add {what}' -- {' '.join(files)}"


def warn_of_uncommitted(stage: str, source: Path) -> None:
    """Say which file a queued or temporary experiment would lack, and the command that commits it."""
    if files := what_to_commit(source):
        say(f"{stage}: experiments with --temp or --queue would lack {files[0]}; commit it: {commit_command(files, str(source))}")


def commit(files: list[str], what: str) -> None:
    """Commit files, and nothing else that may be staged; a UserError where git does not."""
    run_git("add", "--", *files)
    run_git("commit", "--quiet", "-m", f"Add {what}", "--", *files)
