"""What made the results that lie beside a params.yaml: dvc.lock says it, params.yaml may have changed since."""

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from sentiment.core import paths
from sentiment.core.code_dependencies import file_hash
from sentiment.core.yaml_text import parse_yaml
from sentiment.terminal.errors import UserError
from sentiment.use.commands import run_git

LOCK = Path("dvc.lock")


@dataclass(frozen=True)
class Origin:
    """What dvc.lock records of the results.

    Attributes
    ----------
    parameters : dict of str to value
        By dotted name: those that the stages ran with.
    hashes : dict of str to str
        MD5 of every output, by path.
    broken : bool
        A stage has run again since a later one read it: the results are of more than one run.
    """

    parameters: dict[str, Any]
    hashes: dict[str, str]
    broken: bool


def parse_origin(text: str) -> Origin:
    """Read the text of a dvc.lock; an `Origin` without anything where it is empty or damaged."""
    try:
        content = parse_yaml(text, str(LOCK))
    except UserError:
        content = None
    stages = (content.get("stages") if isinstance(content, dict) else None) or {}
    recorded = [_recorded(stage) for stage in stages.values()]
    parameters = {key: value for values in recorded for key, value in values.items()}  # train's and eval's before prepare's: they made the figures
    hashes = {str(out["path"]): str(out.get("md5")) for stage in stages.values() for out in stage.get("outs") or []}
    read = [(str(dep["path"]), str(dep.get("md5"))) for stage in stages.values() for dep in stage.get("deps") or []]
    broken = any(values[key] != parameters[key] for values in recorded for key in values)
    return Origin(parameters, hashes, broken or any(hashes.get(path, value) != value for path, value in read))


def origin_at(revision: str) -> Origin:
    """Return what the dvc.lock of a commit records."""
    try:
        return parse_origin(run_git("show", f"{revision}:./{LOCK}"))
    except UserError:
        return parse_origin("")


def origin_here() -> Origin:
    """Return what the workspace's dvc.lock records."""
    return parse_origin(LOCK.read_text(encoding="utf-8", errors="replace") if LOCK.is_file() else "")


def is_recorded(origin: Origin, path: Path) -> bool:
    """Return whether a file of the workspace is the one that dvc.lock records."""
    return path.is_file() and origin.hashes.get(path.as_posix()) == file_hash(path)


def differing(parameters: Mapping[str, Any], origin: Origin) -> list[str]:
    """List the parameters whose value in params.yaml is not the one that the results were made with."""
    return [key for key, value in origin.parameters.items() if key in parameters and parameters[key] != value]


def flatten_sections(content: Mapping[str, Any]) -> dict[str, Any]:
    """Return values by dotted name, as params.yaml and dvc.lock hold them: in sections, or by dotted name already."""
    flat: dict[str, Any] = {}
    for section, values in content.items():
        if isinstance(values, dict):
            flat.update({f"{section}.{key}": value for key, value in values.items()})
        else:
            flat[section] = values
    return flat


def _recorded(stage: Mapping[str, Any]) -> dict[str, Any]:
    return flatten_sections((stage.get("params") or {}).get(paths.PARAMS.as_posix()) or {})
