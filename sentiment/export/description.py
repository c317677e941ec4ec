"""What an exported model has to say of itself: all that it takes to read texts with it, without torch and transformers."""

from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

from sentiment.core.files import read_json, write_json
from sentiment.export.paths import DESCRIPTION, EXPORT, MODEL
from sentiment.terminal.errors import UserError


@dataclass(frozen=True)
class Description:
    """An exported classifier.

    Attributes
    ----------
    format : str
        onnx or onnx-int8.
    fused : bool
        Its attention and normalisation layers are single operators of onnxruntime.
    class_names : list of str
        In the order of their indices.
    pad_token_id : int
        What shorter texts of a batch are filled up with.
    pad_token_type_id : int
        The token type of that.
    padding_side : str
        left or right.
    max_length, truncation, strip_html : int, str, bool
        How a text is cleaned and cut, as in the model's text_settings.json.
    temperature : float
        By what logits are divided for calibrated probabilities.
    """

    format: str
    fused: bool
    class_names: list[str]
    pad_token_id: int
    pad_token_type_id: int
    padding_side: str
    max_length: int
    truncation: str
    strip_html: bool
    temperature: float

    def as_metadata(self) -> dict[str, Any]:
        """Return it as JSON has it."""
        return asdict(self)


def write_description(folder: Path, description: Description) -> None:
    """Write the description beside a model."""
    write_json(folder / DESCRIPTION, description.as_metadata())


def read_description(folder: Path) -> Description:
    """Read the description beside an exported model.

    Raises
    ------
    UserError
        Where there is no exported model, or its description is broken.
    """
    if not (folder / MODEL).is_file():
        form = folder.name if folder.parent == EXPORT else "onnx"
        raise UserError(f"{folder}: no exported model: set `export.formats: [{form}]` in params.yaml, then `dvc repro export`")
    try:
        return Description(**read_json(folder / DESCRIPTION))
    except (OSError, ValueError, TypeError):
        raise UserError(f"{folder / DESCRIPTION}: missing or broken: `dvc repro -f export` makes it anew") from None
