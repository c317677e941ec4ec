"""How a trained classifier reads a text: written beside the model, so that whoever uses it reads texts the same way."""

from dataclasses import asdict, dataclass
from pathlib import Path

from sentiment.core.files import read_json, write_json
from sentiment.terminal.errors import UserError

FILE = "text_settings.json"


@dataclass(frozen=True)
class TextSettings:
    """What is done to a text on its way into the model.

    Attributes
    ----------
    max_length : int
        Tokens a text is cut to, special tokens included.
    truncation : str
        head, tail or head_tail.
    strip_html : bool
        HTML is removed first.
    precision : str
        What was asked for in training: auto, fp32 or bf16.
    """

    max_length: int
    truncation: str
    strip_html: bool
    precision: str


def write_text_settings(folder: Path, settings: TextSettings) -> None:
    """Write the settings beside a model."""
    write_json(folder / FILE, asdict(settings))


def read_text_settings(folder: Path) -> TextSettings:
    """Read the settings beside a model.

    Raises
    ------
    UserError
        Where the file is missing or broken.
    """
    try:
        return TextSettings(**read_json(folder / FILE))
    except (OSError, ValueError, TypeError):
        raise UserError(f"{folder / FILE}: missing or broken: run the stage train first (dvc repro, or python -m stages.train)") from None
