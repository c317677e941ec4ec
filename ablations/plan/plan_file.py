"""ablations.yaml, typed: the one place that reads it."""

import difflib
import itertools
import re
import shlex
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Annotated, Any

from pydantic import BaseModel, ConfigDict, Field, ValidationError

from sentiment.core.yaml_text import parse_yaml, read_yaml
from sentiment.settings.schema import Parameters, check_parameters, flatten
from sentiment.terminal.errors import UserError
from sentiment.tracking.run_names import experiment_name
from sentiment.training.parameters import TrainParameters

FILE = Path("ablations.yaml")
_NAME = re.compile(r"[A-Za-z0-9][A-Za-z0-9._+-]*")


class _Entry(BaseModel):
    model_config = ConfigDict(extra="forbid", frozen=True)


class ArmEntry(_Entry):
    """One arm as it is written down."""

    against: str | None = Field(default=None, description="the arm it is compared with, which stands above it")
    set: dict[str, Any] = Field(description="train parameters that differ from params.yaml; a list makes one arm of each value")


class AblationsEntry(_Entry):
    """The whole of ablations.yaml."""

    seeds: Annotated[list[Annotated[int, Field(ge=0, lt=2**32, strict=True)]], Field(min_length=1)] = Field(
        description="each arm is trained once a seed"
    )
    margin: float = Field(gt=0.0, lt=0.5, description="accuracies that differ by less count as practically equal")
    alpha: float = Field(default=0.05, gt=0.0, le=0.2, description="probability of a false finding in the family of comparisons")
    resamples: int = Field(default=4000, ge=1000, le=100_000, description="bootstrap draws behind each interval")
    base: dict[str, Any] = Field(default={}, description="parameters of any section that every arm has instead of those in params.yaml")
    arms: Annotated[dict[str, ArmEntry], Field(min_length=1)] = Field(description="arms by name, in the order of the report")


@dataclass(frozen=True)
class Arm:
    """One recipe: all parameters but the seed.

    Attributes
    ----------
    name : str
        As ablations.yaml calls it.
    against : str or None
        The arm it is compared with.
    parameters : mapping
        Every parameter by its dotted name; the seed is the baseline's.
    """

    name: str
    against: str | None
    parameters: Mapping[str, Any]


@dataclass(frozen=True)
class Ablations:
    """What to run and how to judge it.

    Attributes
    ----------
    arms : list of Arm
        In the file's order; each stands below the one it is compared with.
    seeds : list of int
        Seeds of training.
    margin, alpha : float
        Margin of practical equality; level of the family of comparisons.
    resamples : int
        Bootstrap draws.
    base : mapping
        Parameters that every arm has instead of those in params.yaml, by dotted name.
    name : str
        The plan's file.
    """

    arms: list[Arm]
    seeds: list[int]
    margin: float
    alpha: float
    resamples: int
    base: Mapping[str, Any] = field(default_factory=dict)
    name: str = FILE.name

    @property
    def other_data(self) -> bool:
        """Whether data or split are others than those of params.yaml."""
        return any(key.startswith(("prepare.", "split.")) for key in self.base)


def plan_option(file: Path) -> str:
    """Return what a printed command needs to be about this plan: `` --plan FILE``, nothing for the default one."""
    return "" if file == FILE else f" --plan {shlex.quote(str(file))}"


def load_ablations(path: Path, baseline: Parameters) -> Ablations:
    """Read and check an ablations.yaml.

    Parameters
    ----------
    path : Path
        The file.
    baseline : Parameters
        params.yaml, which each arm departs from.

    Returns
    -------
    Ablations

    Raises
    ------
    UserError
        Where the file is missing or wrong: one line that names the entry, the value and what is allowed.
    """
    return parse_ablations(read_yaml(path), str(path), baseline)


def parse_ablations(text: str, name: str, baseline: Parameters) -> Ablations:
    """Parse and check the text of an ablations.yaml; `name` is what errors call it."""
    content = parse_yaml(text, name)
    try:
        entry = AblationsEntry.model_validate(content)
    except ValidationError as error:
        raise UserError(f"{name}: {_describe(error)}") from None
    if len(set(entry.seeds)) < len(entry.seeds):
        raise UserError(f"{name}: seeds = {entry.seeds}: each seed may stand there once")
    flat = _with_base(flatten(baseline), entry.base, f"{name}: base")
    arms: list[Arm] = []
    for arm_name, arm in entry.arms.items():
        arms.extend(_arms(arm_name, arm, arms, flat, name))
    return Ablations(arms, entry.seeds, entry.margin, entry.alpha, entry.resamples, {key: flat[key] for key in entry.base}, Path(name).name)


def _with_base(flat: Mapping[str, Any], base: Mapping[str, Any], where: str) -> Mapping[str, Any]:
    if "seed" in base:
        raise UserError(f"{where}: the seed is no part of an arm: put it into seeds")
    if unknown := [key for key in base if key not in flat]:
        matches = difflib.get_close_matches(unknown[0], flat, n=1)
        raise UserError(f"{where}: {unknown[0]} is no parameter{f': did you mean {matches[0]}?' if matches else ''}")
    return _checked({**flat, **base}, where, base) if base else flat


def _arms(name: str, entry: ArmEntry, above: list[Arm], flat: Mapping[str, Any], file: str) -> list[Arm]:
    where = f"{file}: arms.{name}"
    if not _NAME.fullmatch(name):
        raise UserError(f"{where}: a name is made of letters, digits and . _ + -")
    known = [arm.name for arm in above]
    if entry.against is not None and entry.against not in known:
        hint = f"known are {', '.join(known)}" if known else "none stands there"
        raise UserError(f"{where}.against = {entry.against}: must name an arm that stands above it ({hint})")
    for key in entry.set:
        _check_key(key, where)
    values = [value if isinstance(value, list) else [value] for value in entry.set.values()]
    if any(not options for options in values):
        raise UserError(f"{where}.set: a list of values must not be empty")
    made: list[Arm] = []
    for choice in itertools.product(*values):
        changed = dict(zip(entry.set, choice, strict=True))
        parameters = _checked({**flat, **changed}, where, changed)
        grid = {key: parameters[key] for key, options in zip(entry.set, values, strict=True) if len(options) > 1}
        label = name + experiment_name({**flat, **grid}, {**flat, **dict.fromkeys(grid)}).removeprefix("baseline") if grid else name
        for other in [*above, *made]:
            if other.name == label:
                raise UserError(f"{where}: the name {label} occurs twice")
            if other.parameters == parameters:
                raise UserError(f"{where}: has the same parameters as {other.name}")
        made.append(Arm(label, entry.against, parameters))
    return made


def _check_key(key: str, where: str) -> None:
    if key == "seed":
        raise UserError(f"{where}.set: the seed is no part of an arm: put it into seeds")
    section, _, field = key.partition(".")
    if section in ("prepare", "split", "eval"):
        raise UserError(
            f"{where}.set: {key}: arms share data, split and test, or they could not be compared; only train.* can differ (base is for all)"
        )
    if section != "train" or field not in TrainParameters.model_fields:
        matches = difflib.get_close_matches(key, [f"train.{name}" for name in TrainParameters.model_fields], n=1)
        raise UserError(f"{where}.set: {key} is not a parameter of train{f': did you mean {matches[0]}?' if matches else ''}")


def _checked(flat: Mapping[str, Any], where: str, changed: Mapping[str, Any]) -> dict[str, Any]:
    nested: dict[str, Any] = {}
    for key, value in flat.items():
        section, _, field = key.rpartition(".")
        (nested.setdefault(section, {}) if section else nested)[field] = value
    try:
        return flatten(check_parameters(nested, where))
    except UserError as error:
        raise UserError(f"{error} (set: {', '.join(changed) or 'nothing'})") from None


def _describe(error: ValidationError) -> str:
    # A mistyped key is reported twice, as unknown and as missing: the first is the one to put right.
    item = min(error.errors(), key=lambda item: item["type"] == "missing")
    location = ".".join(str(part) for part in item["loc"])
    more = f" (and {error.error_count() - 1} more)" if error.error_count() > 1 else ""
    if item["type"] == "extra_forbidden":
        fields = ArmEntry.model_fields if location.startswith("arms.") else AblationsEntry.model_fields
        return f"{location} is no entry: known are {', '.join(fields)}{more}"
    if item["type"] == "missing":
        return f"{location} is missing{more}"
    message = item["msg"].replace("Input should", "must")
    if not location:
        return f"must be a mapping with the keys {', '.join(AblationsEntry.model_fields)}"
    return f"{location} = {item['input']!r}: {message}{more}"
