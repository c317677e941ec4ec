"""Which commit of a repository on the Hub is meant: asked there, or found in its cache."""

import os
import re

from sentiment.model.network import reachable

_HUB = "https://huggingface.co"
_COMMIT = re.compile(r"[0-9a-f]{40}")
_TIMEOUT_SECONDS = 10.0


def hub_answers() -> bool:
    """Tell whether the Hub (or the mirror that ``HF_ENDPOINT`` names) answers, in five seconds at most."""
    return reachable(os.environ.get("HF_ENDPOINT", _HUB))


def is_commit(revision: str | None) -> bool:
    """Tell whether a revision is a whole commit hash: nothing can move it."""
    return bool(revision and _COMMIT.fullmatch(revision))


def commit_on_hub(name: str, revision: str | None, kind: str = "model") -> str:
    """Ask the Hub which commit a revision is now.

    Parameters
    ----------
    name : str
        ``owner/name``.
    revision : str or None
        Commit, tag or branch; None for the main branch.
    kind : str
        model or dataset.

    Returns
    -------
    str
        40 hexadecimal digits.

    Raises
    ------
    OSError, ValueError
        Where the repository or the revision does not exist, or the Hub does not answer.
    """
    from huggingface_hub import HfApi

    info = HfApi(endpoint=os.environ.get("HF_ENDPOINT")).repo_info(name, revision=revision, repo_type=kind, timeout=_TIMEOUT_SECONDS)
    if not info.sha:
        raise ValueError(f"the Hub names no commit of {name}")
    return str(info.sha)


def commit_of_model(name: str, revision: str | None) -> str:
    """Ask the Hub which commit of a model a revision is now, and have its cache remember it for a time without network.

    Parameters
    ----------
    name : str
        ``owner/name``.
    revision : str or None
        Commit, tag or branch; None for the main branch.

    Raises
    ------
    OSError, ValueError
        As `commit_on_hub`, and where the repository has no config.json.
    """
    from huggingface_hub import hf_hub_download

    return _commit_of(hf_hub_download(name, "config.json", revision=revision, endpoint=os.environ.get("HF_ENDPOINT")))


def commit_in_cache(name: str, revision: str | None) -> str | None:
    """Return the commit of a model that the Hub's cache has for a revision; None where it has none."""
    from huggingface_hub import try_to_load_from_cache

    path = try_to_load_from_cache(name, "config.json", revision=revision or "main")
    return _commit_of(path) if isinstance(path, str) else None


def _commit_of(path: str) -> str:
    # …/models--owner--name/snapshots/COMMIT/config.json
    return path.replace(os.sep, "/").split("/snapshots/")[-1].split("/")[0]
