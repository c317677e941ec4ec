"""Finished experiments, as git stores them: references under refs/exps, here and in another repository."""

import re
from dataclasses import dataclass

from sentiment.use.commands import run_git

_REFERENCE = re.compile(r"refs/exps/([0-9a-f]{2})/([0-9a-f]{38,62})/([^/]+)")


@dataclass(frozen=True)
class ExperimentReference:
    """A finished experiment.

    Attributes
    ----------
    name : str
        The experiment.
    revision, baseline : str
        Its commit, and the one it departs from.
    """

    name: str
    revision: str
    baseline: str

    @property
    def path(self) -> str:
        """Git's full name of it."""
        return f"refs/exps/{self.baseline[:2]}/{self.baseline[2:]}/{self.name}"


def references() -> list[ExperimentReference]:
    """List all finished experiments of this repository, of every baseline."""
    return _parse(run_git("for-each-ref", "--format=%(objectname) %(refname)", "refs/exps"))


def references_of(git_remote: str) -> list[ExperimentReference]:
    """List all finished experiments of another repository; a UserError where it does not answer."""
    return _parse(run_git("ls-remote", git_remote, "refs/exps/*"))


def find_on(git_remote: str, name: str, baseline: str) -> ExperimentReference | None:
    """Return the experiment of a name that departs from a commit, where another repository has it; a UserError where that does not answer."""
    return next((one for one in references_of(git_remote) if (one.name, one.baseline) == (name, baseline)), None)


def _parse(listing: str) -> list[ExperimentReference]:
    found = []
    for line in listing.splitlines():
        revision, path = line.split(maxsplit=1)
        if match := _REFERENCE.fullmatch(path):
            found.append(ExperimentReference(match[3], revision, match[1] + match[2]))
    return found
