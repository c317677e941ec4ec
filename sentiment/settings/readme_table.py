"""The table of parameters in the README, from the schema."""

import types
import typing
from typing import Any

from annotated_types import Ge, Gt, Le, Lt, MinLen
from pydantic import BaseModel
from pydantic.fields import FieldInfo

from sentiment.core import paths
from sentiment.settings.schema import Parameters, flatten, load_parameters


def parameter_table() -> str:
    """Return one Markdown row a parameter: name, value in params.yaml, what is allowed, what it means."""
    values = flatten(load_parameters(paths.PARAMS))
    fields: dict[str, FieldInfo] = {}
    for name, field in Parameters.model_fields.items():
        section = field.annotation
        if isinstance(section, type) and issubclass(section, BaseModel):
            fields.update({f"{name}.{key}": inner for key, inner in section.model_fields.items()})
        else:
            fields[name] = field
    lines = ["| parameter | default | allowed | meaning |", "| --- | --- | --- | --- |"]
    for name, value in values.items():
        field = fields[name]
        lines.append(f"| `{name}` | `{_value(value)}` | {_allowed(field)} | {field.description} |")
    return "\n".join(lines)


def _value(value: Any) -> str:
    if value is None:
        return "null"
    if isinstance(value, bool):
        return str(value).lower()
    if isinstance(value, list):
        return f"[{', '.join(map(str, value))}]"
    if isinstance(value, float):
        return repr(value).replace("e-0", "e-")
    return str(value)


def _allowed(field: FieldInfo) -> str:
    kinds, limits = _unfold(field.annotation)
    bounds = [*limits, *field.metadata]
    words = [_words(kind, bounds) for kind in kinds if kind is not type(None)]
    if type(None) in kinds:
        words.append("null")
    return ", ".join(words)


def _unfold(annotation: Any) -> tuple[list[Any], list[Any]]:
    origin = typing.get_origin(annotation)
    if origin is typing.Annotated:
        kinds, limits = _unfold(annotation.__origin__)
        return kinds, [*limits, *(item for extra in annotation.__metadata__ for item in getattr(extra, "metadata", [extra]))]
    if origin in (typing.Union, types.UnionType):
        parts = [_unfold(part) for part in typing.get_args(annotation)]
        return [kind for kinds, _ in parts for kind in kinds], [limit for _, limits in parts for limit in limits]
    return [annotation], []


def _words(kind: Any, bounds: list[Any]) -> str:
    if typing.get_origin(kind) is typing.Literal:
        return ", ".join(map(str, typing.get_args(kind)))
    if typing.get_origin(kind) is list and typing.get_origin(typing.get_args(kind)[0]) is typing.Literal:
        return "a list of " + ", ".join(map(str, typing.get_args(typing.get_args(kind)[0])))
    if typing.get_origin(kind) is list:
        return "names, at least two" if any(isinstance(bound, MinLen) and bound.min_length == 2 for bound in bounds) else "names"
    if typing.get_origin(kind) is dict:
        return "labels with names or null"
    if kind in (int, float):
        symbols = {Ge: ("≥", "ge"), Gt: (">", "gt"), Le: ("≤", "le"), Lt: ("<", "lt")}
        limits = [f"{symbols[type(bound)][0]} {_bound(getattr(bound, symbols[type(bound)][1]))}" for bound in bounds if type(bound) in symbols]
        return " ".join(["whole number" if kind is int else "number", " and ".join(limits)]).strip()
    if kind is bool:
        return "true, false"
    return "text"


def _bound(value: float) -> str:
    return "2³²" if value == 2**32 else f"{value:,}" if isinstance(value, int) else f"{value:g}"
