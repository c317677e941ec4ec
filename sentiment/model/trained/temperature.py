"""The temperature that turns a classifier's logits into calibrated probabilities, as it lies beside the model."""

import math
from dataclasses import asdict, dataclass
from pathlib import Path

from sentiment.core.files import read_json, write_json
from sentiment.terminal.errors import UserError

FILE = "temperature.json"


@dataclass(frozen=True)
class Temperature:
    """By what logits are divided before the softmax (Guo et al. 2017, "On Calibration of Modern Neural Networks").

    Attributes
    ----------
    value : float
        Above 0; 1 changes nothing.
    fitted : float or None
        The maximum of the validation set's likelihood; None where it has none.
    standard_error : float or None
        Of `fitted`, rows of one group counted as dependent; None where it is None.
    rows : int
        Of the validation set.
    unused : str or None
        Why `value` is 1 in spite of what was fitted; None where it is used.
    """

    value: float = 1.0
    fitted: float | None = None
    standard_error: float | None = None
    rows: int = 0
    unused: str | None = "none was fitted"


def write_temperature(folder: Path, temperature: Temperature) -> None:
    """Write the temperature beside a model."""
    write_json(folder / FILE, asdict(temperature))


def read_temperature(folder: Path) -> Temperature:
    """Read the temperature beside a model; 1 where there is none, as for a model from elsewhere.

    Raises
    ------
    UserError
        Where the file is broken.
    """
    path = folder / FILE
    if not path.exists():
        return Temperature()
    try:
        temperature = Temperature(**read_json(path))
        if isinstance(temperature.value, bool) or not 0 < temperature.value < math.inf:
            raise ValueError
    except (OSError, ValueError, TypeError):
        raise UserError(f"{path}: broken: run the stage train again (dvc repro -f train), or remove it for uncalibrated probabilities") from None
    return temperature
