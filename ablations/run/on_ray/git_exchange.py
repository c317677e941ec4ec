"""How experiments come from machines that share no folder: through a git remote, with their outputs in DVC's storage."""

from pathlib import Path

from ablations.experiment_files import is_readable
from ablations.run.queueing import free_name
from sentiment.terminal.errors import UserError
from sentiment.terminal.progress import say
from sentiment.use.commands import run_git
from sentiment.use.experiment_refs import ExperimentReference, find_on, references
from sentiment.use.share import Places, fetch_experiments, is_whole, storage_of

_MOST_TRIES = 30  # of 20 seconds


class GitExchange:
    """The git remote and the storage of a study.

    Parameters
    ----------
    remote : str
        Git's name of the remote; the storage is DVC's default one.
    commit : str
        What the study's experiments depart from.

    Attributes
    ----------
    storage, storage_folder : str
        DVC's name of the storage, and its path where it is a folder; known after `check`.
    """

    def __init__(self, remote: str, commit: str) -> None:
        self.remote = remote
        self.storage = self.storage_folder = ""
        self._commit = commit
        self._received: set[str] = set()
        self._tries: dict[str, int] = {}

    def check(self) -> None:
        """Refuse a remote or a storage that is not configured, and a commit that the remote lacks: a UserError."""
        self.storage, self.storage_folder = storage_of(Places(self.remote))
        if self.storage_folder:
            Path(self.storage_folder).mkdir(parents=True, exist_ok=True)
        run_git("fetch", "--quiet", self.remote)
        if not run_git("for-each-ref", "--count=1", "--contains", self._commit, f"refs/remotes/{self.remote}"):
            raise UserError(f"--through {self.remote}: it lacks this commit ({self._commit[:7]}): `git push {self.remote} HEAD`, then run this again")

    def fetch_if_sent(self, name: str) -> bool:
        """Fetch an experiment that is on the remote and not here, and tell whether there is one.

        Raises
        ------
        UserError
            Where it is here already, as whoever asks does not count it as done; and where it cannot be fetched.
        """
        sent = find_on(self.remote, name, self._commit)
        if sent is None:
            return False
        here = next((one for one in references() if one.path == sent.path), None)
        if here == sent and is_whole(sent):
            raise UserError(
                f"{self.remote} has another {name} for this commit (data, parameters or threads differ): "
                f"`dvc exp remove -g {self.remote} {name}` removes it there, then run this again"
            )
        if here is not None and here != sent:
            free_name(name, self._commit)
        self._fetch(sent)
        return True

    def receive(self, name: str) -> bool:
        """Fetch an experiment that was sent, unless that was done before; False where it has to be tried again.

        Raises
        ------
        UserError
            Where it failed for ten minutes.
        """
        if name in self._received:
            return True
        try:
            self._fetch(ExperimentReference(name, "", self._commit))
        except UserError as error:
            self._tries[name] = self._tries.get(name, 0) + 1
            if self._tries[name] > _MOST_TRIES:
                raise
            if self._tries[name] == 1:
                say(f"{name} is made, and fetching it is tried again: {error}")
            return False
        self._received.add(name)
        return True

    def _fetch(self, reference: ExperimentReference) -> None:
        fetch_experiments([reference.path], Places(self.remote))
        is_readable.cache_clear()
