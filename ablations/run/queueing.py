"""Queueing one point of a plan, always on the study's commit."""

from collections.abc import Mapping

from ablations.plan.points import Point, set_options
from ablations.repository import dvc, head
from ablations.run.retrying import queue_again
from sentiment.terminal.errors import UserError
from sentiment.terminal.progress import say
from sentiment.use.experiment_refs import ExperimentReference, references


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
    here = {reference.name: reference for reference in references() if reference.baseline == commit}
    if point.name in here:
        _rename(here[point.name], set(here))
    if stashed:
        queue_again(point.name, stashed, commit)
        return
    if head() != commit:
        raise UserError(
            f"{point.name} is not queued yet, and HEAD is no longer {commit[:7]}, on which this call began: run it again, "
            "or check that commit out first"
        )
    options = [*(["--force"] if forced else []), "-n", point.name, *set_options(point.parameters)]
    dvc("exp", "run", "--queue", *options, environment=environment)


def _rename(reference: ExperimentReference, taken: set[str]) -> None:
    """Free the name of an experiment that was made otherwise; its result stays."""
    count = 1
    while (new := f"{reference.name}-before{count}") in taken:
        count += 1
    dvc("exp", "rename", reference.name, new)
    say(f"{reference.name} was made otherwise (code, data, parameters, threads): it is called {new} from now on")
