"""The whole of params.yaml: every section together, checked before any stage works, and the one place that reads it."""

import difflib
import re
from pathlib import Path
from typing import Any

import yaml
from pydantic import BaseModel, Field, ValidationError

from sentiment.core.section import Section
from sentiment.core.yaml_text import parse_yaml, read_yaml
from sentiment.data.parameters import PrepareParameters, SplitParameters
from sentiment.evaluation.parameters import EvalParameters
from sentiment.export.parameters import ExportParameters
from sentiment.terminal.errors import UserError
from sentiment.training.parameters import TrainParameters

_DEFAULTS = Path(__file__).with_name("defaults.yaml")
# What transformers calls them.
_OTHER_NAMES = {
    "learning_rate": "lr",
    "num_train_epochs": "epochs",
    "per_device_train_batch_size": "batch_size",
    "lr_scheduler_type": "lr_scheduler",
    "warmup_ratio": "warmup",
    "label_smoothing_factor": "label_smoothing",
}


class Parameters(Section):
    """The whole of params.yaml."""

    seed: int = Field(ge=0, lt=2**32, description="initialisation and data order of training; never the split")
    prepare: PrepareParameters
    split: SplitParameters
    train: TrainParameters
    eval: EvalParameters
    export: ExportParameters


def load_parameters(path: Path) -> Parameters:
    """Read and check a params.yaml.

    Parameters
    ----------
    path : Path
        The file.

    Returns
    -------
    parameters : Parameters
        Every value, typed and in range.

    Raises
    ------
    UserError
        Where the file is missing or not YAML, or a key is unknown or missing, or a value has the
        wrong type or is out of range: one line that names the key, the value and what is allowed.
    """
    return parse_parameters(read_yaml(path), str(path))


def parse_parameters(text: str, name: str) -> Parameters:
    """Parse and check the text of a params.yaml; `name` is what errors call it."""
    return check_parameters(parse_yaml(text, name), name)


def parse_other_parameters(text: str, name: str, current: Parameters) -> dict[str, Any]:
    """Read a params.yaml of another time, whose keys need not be those of today.

    Parameters
    ----------
    text : str
        The file's text.
    name : str
        What errors call it.
    current : Parameters
        Today's: what a key that it lacks does not contradict.

    Returns
    -------
    dict of str to value
        By dotted name, in today's order: the parameters that both have.

    Raises
    ------
    UserError
        Where it is not YAML, or a value is not allowed.
    """
    content = parse_yaml(text, name)
    there = content if isinstance(content, dict) else {}
    merged: dict[str, Any] = {}
    both: set[str] = set()
    for section, now in current.model_dump().items():
        if not isinstance(now, dict):
            merged[section] = there.get(section, now)
            both |= {section} & set(there)
            continue
        before = there.get(section)
        known = {key: value for key, value in before.items() if key in now} if isinstance(before, dict) else {}
        merged[section] = {**now, **known}
        both |= {f"{section}.{key}" for key in known}
    return {key: value for key, value in flatten(check_parameters(merged, name)).items() if key in both}


def parse_older_parameters(text: str, name: str) -> Parameters:
    """Parse and check the params.yaml of an experiment, which may be from before some parameters were there: those have their defaults."""
    content = parse_yaml(text, name)
    defaults = parse_yaml(_DEFAULTS.read_text(encoding="utf-8"), _DEFAULTS.name)
    if isinstance(content, dict):
        sections = {
            key: {**values, **content[key]} for key, values in defaults.items() if isinstance(values, dict) and isinstance(content.get(key), dict)
        }
        content = {**defaults, **content, **sections}
    return check_parameters(content, name)


def check_parameters(content: object, name: str) -> Parameters:
    """Check what was parsed from a params.yaml; `name` is what errors call it."""
    if not isinstance(content, dict):
        raise UserError(f"{name}: must be a mapping with the keys {', '.join(Parameters.model_fields)}")
    try:
        return Parameters.model_validate(content)
    except ValidationError as error:
        raise UserError(f"{name}: {_describe(error)}") from None


def _describe(error: ValidationError) -> str:
    # A union (a list of float | null, say) reports one error a member: the first names the wanted type.
    problems: dict[str, str] = {}
    for item in error.errors():
        location = [str(part) for part in item["loc"] if not str(part).startswith(("function-", "constrained-"))]
        names = [part for part in location if re.fullmatch(r"[A-Za-z_][A-Za-z0-9_]*|\d+", part)]
        names = _drop_union_members(names)
        if item["type"] == "extra_forbidden" and names[-1:] != [str(item["loc"][-1])]:
            names.append(str(item["loc"][-1]))  # a key that is no name: batch-size
        key = ".".join(names)
        if key in problems:
            continue
        if item["type"] == "extra_forbidden":
            problems[key] = f"{key} is not a parameter{_nearest(names)}"
        elif item["type"] == "missing":
            problems[key] = f"{key} is missing{_how_to_add(key)}"
        else:
            message = item["msg"].removeprefix("Value error, ")
            message = message.replace("Input should", "must")
            problems[key] = f"{key} = {item['input']!r}: {message}" if not isinstance(item["input"], dict) else f"{key}: {message}"
    # A mistyped key is reported twice, as unknown and as missing: the first is the one to put right.
    first, *more = sorted(problems.values(), key=lambda problem: " is missing" in problem)
    return first + (f" (and {len(more)} more)" if more else "")


_UNION_MEMBERS = {"int", "float", "str", "none", "nullable"}


def _drop_union_members(names: list[str]) -> list[str]:
    return [name for index, name in enumerate(names) if not (index >= 2 and name in _UNION_MEMBERS)]


def _nearest(names: list[str]) -> str:
    model: Any = Parameters
    for name in names[:-1]:
        annotation = model.model_fields[name].annotation
        if not (isinstance(annotation, type) and issubclass(annotation, BaseModel)):
            return ""
        model = annotation
    matches = [_OTHER_NAMES[names[-1]]] if names[-1] in _OTHER_NAMES else difflib.get_close_matches(names[-1], model.model_fields, n=1)
    if not matches or matches[0] not in model.model_fields:
        return f": known are {', '.join(model.model_fields)}"
    key = ".".join([*names[:-1], matches[0]])
    default = _default(key)
    return f": did you mean {key}?" + (f" Its default is {default}" if default is not None else "")


def _how_to_add(key: str) -> str:
    *section, name = key.split(".")
    default = _default(key)
    if default is None:
        return ""
    return f": it may be new; add `{name}: {default}`, the default, {f'below `{section[0]}:`' if section else 'at the top level'}"


def _default(key: str) -> str | None:
    """Return the project's own value of a parameter as YAML has it, None for a whole section."""
    value = parse_yaml(_DEFAULTS.read_text(encoding="utf-8"), _DEFAULTS.name)
    for part in key.split("."):
        if not isinstance(value, dict) or part not in value:
            return None
        value = value[part]
    return None if isinstance(value, dict) else yaml.safe_dump(value, default_flow_style=True).removesuffix("\n").removesuffix("\n...")


def flatten(parameters: Parameters) -> dict[str, Any]:
    """Return every parameter by its dotted name (``train.lr``), in params.yaml's order."""
    flat: dict[str, Any] = {}
    for name, value in parameters.model_dump().items():
        if isinstance(value, dict):
            flat.update({f"{name}.{key}": inner for key, inner in value.items()})
        else:
            flat[name] = value
    return flat
