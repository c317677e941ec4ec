"""What computes a classifier's logits: PyTorch, or onnxruntime for an exported one; neither is loaded for the other."""

from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any, Protocol

import numpy as np
import numpy.typing as npt

from sentiment.core import paths
from sentiment.export.paths import EXPORT, MODEL
from sentiment.model.text_settings import FILE as SETTINGS_FILE
from sentiment.model.text_settings import TextSettings
from sentiment.model.trained.temperature import read_temperature
from sentiment.terminal.errors import UserError
from sentiment.use.model_source import find_model, settings_of

TORCH = "torch"


class TextReader(Protocol):
    """What reads cleaned texts: `TextClassifier` or `OnnxClassifier`."""

    runtime: Any

    @property
    def class_names(self) -> list[str]:
        """The classes, in the order of their indices."""

    def read(self, texts: Sequence[str], progress: Callable[[int], None] | None = None) -> tuple[npt.NDArray[np.float64], npt.NDArray[np.int64]]:
        """Return the logits, shape (n, classes), and the tokens of each text before cutting."""


def find_backend(model: str, backend: str) -> Path:
    """Return the folder of a model for a backend.

    Parameters
    ----------
    model : str
        As for `find_model`; for an exported one a folder, or a revision or experiment that has it.
    backend : str
        torch, onnx or onnx-int8.

    Raises
    ------
    UserError
        Where there is none.
    """
    if backend == TORCH:
        return find_model(model)
    if model == paths.CLASSIFIER.as_posix():
        return EXPORT / backend
    for folder in (Path(model).expanduser(), Path(model).expanduser() / backend):
        if (folder / MODEL).is_file():
            return folder
    return find_model(model, EXPORT) / backend


def open_reader(folder: Path, backend: str, batch_size: int) -> tuple[TextReader, TextSettings, float]:
    """Load a model; return it with how it reads a text, and its temperature."""
    if backend == TORCH:
        settings, temperature = settings_of(folder), read_temperature(folder).value
        from sentiment.model.architecture import architecture_of
        from sentiment.model.runtime import start_runtime
        from sentiment.model.trained.reader import TextClassifier

        classifier = TextClassifier(folder, start_runtime(settings.precision), settings, batch_size)
        most = architecture_of(classifier.model.config).positions
        if most is not None and settings.max_length > most:
            why = f"max_length is {settings.max_length}, and the model reads {most} tokens at most"
            raise UserError(f"{folder / SETTINGS_FILE}: {why}: they do not belong together")
        return classifier, settings, temperature
    from sentiment.export.onnx_reader import OnnxClassifier

    reader = OnnxClassifier(folder, batch_size)
    form = reader.description
    return reader, TextSettings(form.max_length, form.truncation, form.strip_html, backend), form.temperature
