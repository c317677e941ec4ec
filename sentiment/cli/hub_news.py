"""Whether the Hub has other commits by now than the ones that were trained on or fetched."""

import json
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

from sentiment.core import paths
from sentiment.model.hub import commit_on_hub, hub_answers, is_commit

_SHORT = 7


@dataclass(frozen=True)
class Taken:
    """What was taken from the Hub.

    Attributes
    ----------
    name : str
        ``owner/name``.
    kind : str
        model or dataset.
    commit : str
        The commit that was got.
    revision : str or None
        The branch or tag that was asked for; None for the main branch.
    folder : Path
        Where the record of it is.
    """

    name: str
    kind: str
    commit: str
    revision: str | None
    folder: Path


def hub_news() -> list[str]:
    """Say which models and data sets have moved on since they were taken; the Hub is asked only where there are some.

    Returns
    -------
    list of str
        One line each; none where the Hub does not answer, and none for what was taken at a commit that was asked for.
    """
    taken = list(_taken())
    if not taken or not hub_answers():
        return []
    now = {item: _current(item) for item in taken}
    return [_line(item, commit) for item, commit in now.items() if commit not in (None, item.commit)]


def _current(item: Taken) -> str | None:
    try:
        return commit_on_hub(item.name, item.revision, item.kind)
    except Exception:  # of the Hub's HTTP library; news are no reason to fail
        return None


def _taken() -> Iterator[Taken]:
    trained = (paths.TRAIN_REPORT / paths.ENCODER_RECORD, "model", "model")
    fetched = [(path, "dataset", "source") for path in sorted(Path("data").glob("*/origin.json"))]
    for path, kind, key in (trained, *fetched):
        try:
            record = json.loads(path.read_text(encoding="utf-8"))
            name, commit, revision = record[key], record.get("commit"), record.get("revision")
        except (OSError, ValueError, KeyError, AttributeError, TypeError):
            continue
        if commit and not is_commit(revision):
            yield Taken(str(name), kind, str(commit), revision, path.parent)


def _line(item: Taken, now: str | None) -> str:
    now = (now or "")[:_SHORT]
    if item.kind == "model":
        ways = f"`dvc repro -sf train` takes the new one, -S train.model_revision={item.commit} keeps this one"
        return f"{item.name}: trained from commit {item.commit[:_SHORT]}, and the Hub has {now} now: {ways}"
    ways = f"`python -m sentiment fetch {item.name} --name {item.folder.name}` takes the new one"
    return f"{item.name}: {item.folder} is of commit {item.commit[:_SHORT]}, and the Hub has {now} now: {ways}"
