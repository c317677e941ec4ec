"""What the sections of params.yaml are made of: the strict base class, and the types that several of them use."""

from pathlib import PurePosixPath
from typing import Annotated

from pydantic import AfterValidator, BaseModel, BeforeValidator, ConfigDict, Field


class Section(BaseModel):
    """One section of params.yaml: no unknown keys, no silent conversion, no change after reading."""

    model_config = ConfigDict(extra="forbid", strict=True, frozen=True)


def _number_is_no_revision(value: object) -> object:
    if isinstance(value, int | float) and not isinstance(value, bool):
        raise ValueError("YAML read it as a number: put the revision in quotes")
    return value


def _inside_the_repository(value: object) -> object:
    if isinstance(value, str) and (value.startswith(("/", "~")) or ".." in PurePosixPath(value).parts):
        raise ValueError("must be a path inside the repository: bring the data in with `python -m sentiment fetch`")
    return value


def _as_names(value: object) -> object:
    # `[1, 2, 3]` and `[true, false]` are names too: YAML reads a number where a person writes a class.
    return [_as_name(name) for name in value] if isinstance(value, list) else value


def _as_name(value: object) -> object:
    if isinstance(value, bool):
        return str(value).lower()
    return str(value) if isinstance(value, int) else str(int(value)) if isinstance(value, float) and value.is_integer() else value


def _as_label_map(value: object) -> object:
    return {_as_name(label): _as_name(name) for label, name in value.items()} if isinstance(value, dict) else value


def _distinct(value: list[str]) -> list[str]:
    if len(set(value)) != len(value) or not all(name.strip() for name in value):
        raise ValueError("class names must be distinct and not empty")
    return value


Revision = Annotated[str | None, BeforeValidator(_number_is_no_revision)]
RepositoryPath = Annotated[str, BeforeValidator(_inside_the_repository), Field(min_length=1)]
ClassNames = Annotated[list[str], BeforeValidator(_as_names), Field(min_length=2), AfterValidator(_distinct)]
SomeNames = Annotated[list[str], BeforeValidator(_as_names), AfterValidator(_distinct)]
LabelMap = Annotated[dict[str, str | None], BeforeValidator(_as_label_map)]
