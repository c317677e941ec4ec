"""Queueing one point of a plan, always on the study's commit."""

from collections.abc import Mapping

from ablations.plan.points import Point, set_options
from ablations.repository import dvc, head
from ablations.run.retrying import queue_again
from sentiment.terminal.errors import UserError
from sentiment.terminal.progress import say
from sentiment.use.experiment_refs import references


def queue_point(point: Point, commit: str, stashed: str | None, forced: bool, environment: Mapping[str, str]) -> None:
    """Queue a point.

    Parameters
    ----------
    point : Point
        What to run. Another experiment of its name gets another one.
    commit : str
        The study's commit.
    stashed : str or None
        As what it was queued before by this study: then it is queued as it was.
    forced : bool
        Run every stage, whatever DVC's cache has.
    environment : mapping
        That of the workers.

    Raises
    ------
    UserError
        Where it was not queued before and HEAD is another commit by now.
    """
    free_name(point.name, commit)
    if stashed:
        queue_again(point.name, stashed, commit)
        return
    if head() != commit:
        raise UserError(
            f"{point.name} is not queued yet, and HEAD is no longer {commit[:7]}, on which this call began: run it again, "
            "or check that commit out first"
        )
    dvc("exp", "run", "--queue", "-n", point.name, *experiment_options(point, forced), environment=environment)


def experiment_options(point: Point, forced: bool) -> list[str]:
    """Return the options of ``dvc exp run`` that make a point, but for its name; `forced` has every stage run."""
    return [*(["--force"] if forced else []), *set_options(point.parameters)]


def free_name(name: str, commit: str) -> None:
    """Rename the experiment of a name that was made otherwise, if there is one; its result stays."""
    taken = {reference.name for reference in references() if reference.baseline == commit}
    if name not in taken:
        return
    count = 1
    while (new := f"{name}-before{count}") in taken:
        count += 1
    dvc("exp", "rename", name, new)
    say(f"{name} was made otherwise (code, data, parameters, threads): it is called {new} from now on")
