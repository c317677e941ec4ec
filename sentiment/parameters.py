"""Every hyperparameter, typed: the schema of params.yaml and the one place that reads it."""

import re
from pathlib import Path, PurePosixPath
from typing import Annotated, Any, Literal

from pydantic import AfterValidator, BaseModel, BeforeValidator, ConfigDict, Field, ValidationError, model_validator

from sentiment.errors import UserError
from sentiment.yamlfile import parse_yaml, read_yaml


def _number_is_no_revision(value: object) -> object:
    if isinstance(value, int | float) and not isinstance(value, bool):
        raise ValueError("YAML read it as a number: put the revision in quotes")
    return value


def _inside_the_repository(value: object) -> object:
    if isinstance(value, str) and (value.startswith(("/", "~")) or ".." in PurePosixPath(value).parts):
        raise ValueError("must be a path inside the repository: bring the data in with `python -m sentiment fetch`")
    return value


def _distinct(value: list[str]) -> list[str]:
    if len(set(value)) != len(value) or not all(name.strip() for name in value):
        raise ValueError("class names must be distinct and not empty")
    return value


Revision = Annotated[str | None, BeforeValidator(_number_is_no_revision)]
RepositoryPath = Annotated[str, BeforeValidator(_inside_the_repository), Field(min_length=1)]
ClassNames = Annotated[list[str], Field(min_length=2), AfterValidator(_distinct)]


class _Section(BaseModel):
    model_config = ConfigDict(extra="forbid", strict=True, frozen=True)


class PrepareParameters(_Section):
    """What the prepare stage reads."""

    source: RepositoryPath = Field(description="file or folder inside the repository (jsonl, csv, tsv, parquet)")
    text_column: str = Field(min_length=1, description="column that holds the text")
    label_column: str = Field(min_length=1, description="column that holds the label: an index or a name of `class_names`")
    group_column: str | None = Field(description="rows of one group never fall into two splits; null where there is none")
    class_names: ClassNames | None = Field(description="class of label 0, of label 1, …; null: the labels that occur, in order")
    strip_html: bool = Field(description="remove HTML tags and resolve entities")
    near_duplicate_threshold: Annotated[float, Field(gt=0.5, le=1.0)] | None = Field(
        description="Jaccard similarity of word shingles from which two texts count as the same; null turns it off"
    )


class SplitParameters(_Section):
    """What the split stage reads."""

    seed: int = Field(ge=0, lt=2**32, description="which rows or groups are drawn")
    test_size: float = Field(gt=0.0, lt=1.0, description="share of the rows, only where the source has no test split of its own")
    validation_size: float = Field(gt=0.0, lt=1.0, description="share of what remains after the test split")
    max_train_examples: Annotated[int, Field(ge=2)] | None = Field(
        description="exactly this many, class balance kept, drawn after validation is carved"
    )
    max_test_examples: Annotated[int, Field(ge=2)] | None = Field(description="exactly this many, class balance kept")


class TrainParameters(_Section):
    """What the train stage reads, beside `seed`."""

    model: str = Field(min_length=1, description="a Hub id, a local folder, or package:NAME")
    model_revision: Revision = Field(description="commit, tag or branch of a Hub model")
    max_length: int = Field(ge=8, description="tokens a text is cut to, special tokens included")
    truncation: Literal["head", "tail", "head_tail"] = Field(
        description="which part of a long text is kept (head_tail: the first quarter and the end)"
    )
    lr: float = Field(gt=0.0, le=1.0, description="peak learning rate of AdamW")
    batch_size: int = Field(ge=1, description="examples a step, over all processes and accumulated micro-batches")
    gradient_accumulation_steps: int = Field(
        ge=1, description="micro-batches a step is computed in: less memory, the same update; divides `batch_size`"
    )
    epochs: int = Field(ge=1, description="passes over the training set")
    weight_decay: float = Field(ge=0.0, le=1.0, description="AdamW's decoupled decay (not on biases and LayerNorm)")
    lr_scheduler: Literal["linear", "cosine", "constant", "constant_with_warmup"] = Field(description="how the learning rate falls after warm-up")
    warmup: float = Field(ge=0.0, lt=1.0, description="share of all steps in which the learning rate rises from 0")
    max_grad_norm: float = Field(gt=0.0, description="gradients are clipped to this norm")
    label_smoothing: float = Field(ge=0.0, lt=1.0, description="share of the target spread over all classes")
    class_weights: Literal["balanced"] | None = Field(
        description="null, or balanced: each class weighs n / (classes × its rows) in the training loss"
    )
    early_stopping_patience: Annotated[int, Field(ge=1)] | None = Field(
        description="stop after this many evaluations without a lower validation loss"
    )
    keep: Literal["last", "best"] = Field(description="which epoch's model is kept (best: lowest validation loss)")
    precision: Literal["auto", "fp32", "bf16"] = Field(description="auto: bf16 autocast where the hardware is faster with it")
    batching: Literal["group_by_length", "random"] = Field(description="how training batches are composed")

    @model_validator(mode="after")
    def _check_accumulation(self) -> "TrainParameters":
        if self.batch_size % self.gradient_accumulation_steps:
            raise ValueError(f"batch_size ({self.batch_size}) must be a multiple of gradient_accumulation_steps ({self.gradient_accumulation_steps})")
        return self


class EvalParameters(_Section):
    """What the eval stage reads, beside what it shares with train."""

    challenge: bool = Field(description="also report data/challenge.jsonl, by phenomenon")
    batch_size: int = Field(ge=1, description="texts a forward pass")
    bootstrap_resamples: int = Field(ge=100, le=1_000_000, description="resamples behind a 95 % interval")
    label_issues: bool = Field(description="list the training and test rows whose label looks wrong")


class Parameters(_Section):
    """The whole of params.yaml."""

    seed: int = Field(ge=0, lt=2**32, description="initialisation and data order of training; never the split")
    prepare: PrepareParameters
    split: SplitParameters
    train: TrainParameters
    eval: EvalParameters


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
            problems[key] = f"{key} is missing"
        else:
            message = item["msg"].removeprefix("Value error, ")
            message = message.replace("Input should", "must")
            problems[key] = f"{key} = {item['input']!r}: {message}" if not isinstance(item["input"], dict) else f"{key}: {message}"
    # A mistyped key is reported twice, as unknown and as missing: the first is the one to put right.
    first, *more = sorted(problems.values(), key=lambda problem: problem.endswith(" is missing"))
    return first + (f" (and {len(more)} more)" if more else "")


_UNION_MEMBERS = {"int", "float", "str", "none", "nullable"}


def _drop_union_members(names: list[str]) -> list[str]:
    return [name for index, name in enumerate(names) if not (index >= 2 and name in _UNION_MEMBERS)]


def _nearest(names: list[str]) -> str:
    import difflib

    model: Any = Parameters
    for name in names[:-1]:
        annotation = model.model_fields[name].annotation
        if not (isinstance(annotation, type) and issubclass(annotation, BaseModel)):
            return ""
        model = annotation
    matches = difflib.get_close_matches(names[-1], model.model_fields, n=1)
    return f": did you mean {'.'.join([*names[:-1], matches[0]])}?" if matches else f": known are {', '.join(model.model_fields)}"


def flatten(parameters: Parameters) -> dict[str, Any]:
    """Return every parameter by its dotted name (``train.lr``), in params.yaml's order."""
    flat: dict[str, Any] = {}
    for name, value in parameters.model_dump().items():
        if isinstance(value, dict):
            flat.update({f"{name}.{key}": inner for key, inner in value.items()})
        else:
            flat[name] = value
    return flat
