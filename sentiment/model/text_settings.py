"""How a trained classifier reads a text: written beside the model, so that whoever uses it reads texts the same way."""

from dataclasses import asdict, dataclass
from pathlib import Path

from sentiment.core.files import read_json, write_json
from sentiment.terminal.errors import UserError, shown

FILE = "text_settings.json"
_LEAST_LENGTH = 3  # tokens: one, between two special ones


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
        Where the file is missing or broken, or holds a value that training does not write.
    """
    try:
        settings = TextSettings(**read_json(folder / FILE))
    except (OSError, ValueError, TypeError):
        raise UserError(f"{folder / FILE}: missing or broken: run the stage train first (dvc repro, or python -m stages.train)") from None
    right = {
        "max_length": type(settings.max_length) is int and settings.max_length >= _LEAST_LENGTH,
        "truncation": settings.truncation in ("head", "tail", "head_tail"),
        "strip_html": isinstance(settings.strip_html, bool),
        "precision": settings.precision in ("auto", "fp32", "bf16"),
    }
    for name in (name for name, possible in right.items() if not possible):
        raise UserError(f"{folder / FILE}: {name} is {shown(getattr(settings, name))}, which it cannot be: `dvc repro -f train` writes it anew")
    return settings
