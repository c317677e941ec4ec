"""Experiments to colleagues and from them: `dvc exp push`, `pull` and `apply`, with every output verified.

DVC alone takes the storage from the experiment's own configuration: an experiment that was made before
`dvc remote add` goes to git without its outputs, and nothing is said. Here the storage is the clone's.
"""

import json
import re
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import Any

from dvc.exceptions import DvcException
from dvc.fs.callbacks import TqdmCallback
from dvc.repo import Repo
from dvc_data.hashfile.transfer import transfer
from dvc_data.hashfile.tree import Tree

from sentiment.terminal.errors import UserError
from sentiment.terminal.progress import say
from sentiment.use.commands import run_dvc, run_git
from sentiment.use.experiment_refs import ExperimentReference, references, references_of

_CONFIG = Path(".dvc/config")
_SHOWN_NAMES = 8


@dataclass(frozen=True)
class Places:
    """Where experiments go and come from.

    Attributes
    ----------
    git_remote : str
        Git's name of the repository that holds the experiments.
    storage : str or None
        DVC's name of the storage that holds their outputs; None for the default one.
    """

    git_remote: str = "origin"
    storage: str | None = None


@dataclass(frozen=True)
class _Outputs:
    """What an experiment consists of: hashes by path, the objects they come to, and whether its own config names a storage."""

    hashes: dict[str, Any]
    knows_storage: bool


def share(names: Sequence[str], places: Places, force: bool = False) -> None:
    """Push experiments to git, and their outputs to the storage first.

    Parameters
    ----------
    names : sequence of str
        The experiments.
    places : Places
        Where to.
    force : bool
        Replace another experiment of the same name in the git remote.

    Raises
    ------
    UserError
        Where a place is not configured, an experiment is not there, an output is in no cache, or
        anything is missing after the push.
    """
    with _repository() as repo:
        storage = _storage_of(repo, places)
        chosen = _choose(names, references(), "in this repository", "`make show` lists them")
        for reference in chosen:
            outputs = _read_outputs(repo, reference.revision)
            objects, lacking = _objects(repo.cache.local, outputs, repo.cache.local)
            if lacking:
                raise UserError(
                    f"{reference.name}: {lacking[0]} is not in this machine's cache, and nothing was sent: "
                    f"share it where it was made, or make it again with `dvc exp remove {reference.name}` and `dvc exp run`"
                )
            target = _storage_objects(repo, storage)
            _copy(repo.cache.local, target, outputs, repo.cache.local)
            if missing := set(objects) - set(target.oids_exist(list(objects))):
                path = objects[min(missing)]
                raise UserError(f"{reference.name}: {len(missing)} of {len(objects)} files did not reach the storage {storage} (of {path})")
            run_dvc("exp", "push", "--no-cache", *(["--force"] if force else []), places.git_remote, reference.path)
            if reference not in references_of(places.git_remote):
                raise UserError(
                    f"{reference.name}: {places.git_remote} has another experiment of this name: "
                    f"`python -m sentiment share --force {reference.name}` replaces it, `dvc exp rename` gives this one another name"
                )
            size = sum(Path(repo.cache.local.oid_to_path(oid)).stat().st_size for oid in objects)
            say(f"share: {reference.name} is on {places.git_remote}, its {len(objects)} files ({size / 2**20:.1f} MiB) in the storage '{storage}'")
            if not outputs.knows_storage:
                say(f"share: {reference.name} was made before the storage was configured: `dvc exp pull` alone would fetch no outputs, receive does")
    say(f"share: in another clone `python -m sentiment receive {' '.join(one.name for one in chosen)}` fetches them")


def receive(names: Sequence[str], places: Places, force: bool = False, apply: bool = False) -> None:
    """Fetch experiments from git and their outputs from the storage.

    Parameters
    ----------
    names : sequence of str
        The experiments.
    places : Places
        Where from.
    force : bool
        Replace another experiment of the same name in this repository.
    apply : bool
        Bring the (one) experiment into the workspace too. The clone's own .dvc/config stays.

    Raises
    ------
    UserError
        Where a place is not configured, an experiment is not there, or an output is not in the storage.
    """
    if apply and len(names) != 1:
        raise UserError("--apply: one experiment at a time goes into the workspace")
    fetched = fetch_experiments(names, places, force)
    for reference, files in fetched:
        say(f"receive: {reference.name} is here, with all of its {files} files")
    chosen = [reference for reference, _ in fetched]
    if apply:
        _apply(chosen[0])
    else:
        say(f"receive: `python -m sentiment receive --apply {chosen[0].name}` brings it into the workspace; `make show` compares")


def fetch_experiments(names: Sequence[str], places: Places, force: bool = False) -> list[tuple[ExperimentReference, int]]:
    """Fetch experiments from git and their outputs from the storage, and say nothing.

    Parameters
    ----------
    names, places, force
        As `receive` takes them.

    Returns
    -------
    list of tuple
        Each experiment with the number of its files.

    Raises
    ------
    UserError
        As `receive` does.
    """
    fetched = []
    with _repository() as repo:
        storage = _storage_of(repo, places)
        for reference in _choose(names, references_of(places.git_remote), f"on {places.git_remote}", "`share` sends them there"):
            before = next((one.revision for one in references() if one.path == reference.path), None)
            run_dvc("exp", "pull", "--no-cache", *(["--force"] if force else []), places.git_remote, reference.path)
            if reference not in references():
                raise UserError(
                    f"{reference.name}: this repository has another experiment of this name: `python -m sentiment receive --force {reference.name}` "
                    f"replaces it, `dvc exp rename {reference.name} NEW` keeps both"
                )
            try:
                fetched.append((reference, _fetch_outputs(repo, storage, reference)))
            except UserError:  # an experiment is here with all of its outputs, or not at all
                run_git("update-ref", *([reference.path, before] if before else ["-d", reference.path]))
                raise
    return fetched


def is_whole(reference: ExperimentReference) -> bool:
    """Tell whether an experiment of this repository has all of its outputs in DVC's cache here."""
    with _repository() as repo:
        return not _objects(repo.cache.local, _read_outputs(repo, reference.revision), repo.cache.local)[1]


def storage_of(places: Places) -> tuple[str, str]:
    """Return the storage's name and, where it is a folder, its path, else ""; a UserError where git's remote or the storage is not configured."""
    with _repository() as repo:
        name = _storage_of(repo, places)
        url = str(repo.config["remote"][name]["url"])
        return name, "" if "://" in url else str(Path(url).resolve())


def _repository() -> Repo:
    try:
        return Repo()
    except DvcException as error:
        raise UserError(f"run this in the project's root ({error})") from None


def _storage_of(repo: Repo, places: Places) -> str:
    if places.git_remote not in run_git("remote").split():
        raise UserError(
            f"git has no remote {places.git_remote}: `git remote add {places.git_remote} URL`, or name one of those that `git remote` lists"
        )
    known = sorted(repo.config["remote"])
    storage = places.storage or repo.config["core"].get("remote")
    if storage is None:
        default = (
            f"`dvc remote default {known[0]}` (share and receive also take --remote: {', '.join(known)})"
            if known
            else "`dvc remote add -d storage FOLDER_OR_URL`"
        )
        raise UserError(f"no storage is configured for models and data: {default}, and run this again")
    if storage not in known:
        raise UserError(f"--remote {storage}: DVC knows {', '.join(known) or 'no storage'}; `dvc remote add {storage} FOLDER_OR_URL` adds it")
    return str(storage)


def _choose(names: Iterable[str], there: list[ExperimentReference], where: str, advice: str) -> list[ExperimentReference]:
    """Find experiments by name; of several with one name the one that departs from HEAD."""
    head = run_git("rev-parse", "HEAD").strip()
    chosen = []
    for name in dict.fromkeys(names):
        found = [one for one in there if name in (one.name, one.path)]
        found = [one for one in found if one.baseline == head] or found
        if not found:
            known = list(dict.fromkeys(one.name for one in there))
            listed = (
                f"there are {', '.join(known[:_SHOWN_NAMES])}{' …' if len(known) > _SHOWN_NAMES else ''}" if known else f"there are none; {advice}"
            )
            raise UserError(f"no finished experiment {name} {where}: {listed}")
        if len(found) > 1:
            raise UserError(f"{name}: there are several {where}; name one in full: {', '.join(one.path for one in found)}")
        chosen.append(found[0])
    return chosen


def _read_outputs(repo: Repo, revision: str) -> _Outputs:
    with repo.switch(revision):
        hashes = {str(out): out.hash_info for out in repo.index.outs if out.use_cache and out.hash_info}
        return _Outputs(hashes, repo.config["core"].get("remote") in set(repo.config["remote"]))


def _fetch_outputs(repo: Repo, storage: str, reference: ExperimentReference) -> int:
    outputs = _read_outputs(repo, reference.revision)
    _copy(_storage_objects(repo, storage), repo.cache.local, outputs, repo.cache.local)
    objects, lacking = _objects(repo.cache.local, outputs, repo.cache.local)
    if lacking:
        raise UserError(
            f"{reference.name}: {lacking[0]} is not whole in the storage '{storage}': "
            f"where it was made, `python -m sentiment share {reference.name}` sends it"
        )
    return len(objects)


def _objects(odb: Any, outputs: _Outputs, trees: Any) -> tuple[dict[str, str], list[str]]:
    """List the objects that outputs come to, with the output each is of, and the outputs that `odb` has not whole."""
    objects: dict[str, str] = {}
    lacking = []
    for path, hash_info in outputs.hashes.items():
        own = {hash_info.value: path}
        if hash_info.isdir:
            try:
                own.update({entry.value: path for _, _, entry in Tree.load(trees, hash_info)})
            except (OSError, DvcException, ValueError):
                lacking.append(path)
                continue
        if set(own) - set(odb.oids_exist(list(own))):
            lacking.append(path)
        objects.update(own)
    return objects, lacking


def _storage_objects(repo: Repo, storage: str) -> Any:
    return _asking(storage, lambda: repo.cloud.get_remote_odb(storage, "push"))


def _copy(source: Any, target: Any, outputs: _Outputs, cache: Any) -> None:
    """Copy what `target` lacks, without DVC's index of what a storage had the last time: it may have been deleted since."""
    hashes = set(outputs.hashes.values())
    # A shallow copy takes a folder whose list of files is there for whole; only it can fetch that list.
    for shallow in (True, False) if target is cache else (False,):
        with TqdmCallback(desc="Copying outputs", unit="file") as callback:
            arguments = {"verify": target is cache, "cache_odb": cache, "shallow": shallow, "callback": callback}
            _asking(target.path, partial(transfer, source, target, hashes, **arguments))


def _asking(storage: str, action: Callable[[], Any]) -> Any:
    try:
        return action()
    except ImportError as error:  # DVC's, where the package of a kind of storage is missing
        package = next(iter(re.findall(r"dvc-\w+", str(error))), "dvc-KIND")
        raise UserError(
            f"the storage {storage} needs {package}: `python -m pip install $(grep {package} requirements-remotes.txt) -c constraints.txt`, "
            "then run this again"
        ) from None
    except (OSError, DvcException) as error:
        raise UserError(f"the storage {storage} cannot be used: {' '.join(str(error).split()) or type(error).__name__}") from None


def _apply(reference: ExperimentReference) -> None:
    before = _CONFIG.read_bytes()
    run_dvc("exp", "apply", reference.revision)
    if _CONFIG.read_bytes() != before:  # an older experiment's lacks the storage
        _CONFIG.write_bytes(before)
        say(f"receive: {_CONFIG} stays this clone's; the experiment's own is older")
    changed = json.loads(run_dvc("status", "--json") or "{}")
    if changed:
        raise UserError(f"{reference.name} is in the workspace, but something in it differs from its dvc.lock: {', '.join(changed)} (`dvc status`)")
    say(f"receive: {reference.name} is in the workspace; `git checkout . && dvc checkout` (`dvc repro` where that finds no outputs) goes back")
