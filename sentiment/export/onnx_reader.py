"""An exported classifier that reads texts: tokenizers and onnxruntime alone, neither torch nor transformers."""

import os
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt

from sentiment.export.description import read_description
from sentiment.export.paths import EXTRA, MODEL, TOKENIZER
from sentiment.model.tokens import pad_arrays, tokenize
from sentiment.terminal.errors import UserError


class BareTokenizer:
    """A tokenizer.json that is called as transformers' fast tokenizers are, as far as `tokenize` does.

    Parameters
    ----------
    path : Path
        The file.
    padding_side : str
        left or right.
    pad_token_type_id : int
        The token type of padding.
    """

    def __init__(self, path: Path, padding_side: str, pad_token_type_id: int) -> None:
        from tokenizers import Tokenizer

        self._tokenizer = Tokenizer.from_file(str(path))
        self._tokenizer.no_truncation()
        self._tokenizer.no_padding()
        self.padding_side, self.pad_token_type_id = padding_side, pad_token_type_id

    def __call__(self, texts: str | list[str], add_special_tokens: bool = True, **_: Any) -> dict[str, Any]:
        """Return the token ids (and of a single text the token types) of a text or of several."""
        if isinstance(texts, str):
            encoded = self._tokenizer.encode(texts, add_special_tokens=add_special_tokens)
            return {"input_ids": encoded.ids, "token_type_ids": encoded.type_ids}
        return {"input_ids": [encoded.ids for encoded in self._tokenizer.encode_batch(texts, add_special_tokens=add_special_tokens)]}


class OnnxClassifier:
    """An exported classifier with all it takes to classify texts.

    Parameters
    ----------
    folder : Path
        What the export stage wrote for one format.
    batch_size : int
        Texts a forward pass.

    Raises
    ------
    UserError
        Where onnxruntime is missing, or the folder holds no exported model that can be loaded.
    """

    def __init__(self, folder: Path, batch_size: int) -> None:
        self.description = read_description(folder)
        try:
            import onnxruntime
        except ImportError:
            raise UserError(f"onnxruntime is not installed: pip install -r {EXTRA} -c constraints.txt") from None
        options = onnxruntime.SessionOptions()
        options.log_severity_level = 3
        if threads := os.environ.get("OMP_NUM_THREADS", ""):
            options.intra_op_num_threads = int(threads)
        try:
            self._session = onnxruntime.InferenceSession(folder / MODEL, options, providers=["CPUExecutionProvider"])
            self.tokenizer = BareTokenizer(folder / TOKENIZER, self.description.padding_side, self.description.pad_token_type_id)
        except Exception as error:  # the files may be anything: whatever the libraries raise
            reason = str(error).splitlines()[0]
            raise UserError(f"{folder}: the exported model cannot be loaded ({reason}): `dvc repro -f export` makes it anew") from None
        self._inputs = {one.name for one in self._session.get_inputs()}
        self._types = {one.name: np.int32 if "int32" in one.type else np.int64 for one in self._session.get_inputs()}
        self._batch_size = batch_size
        self.runtime = f"{self.description.format} on cpu, onnxruntime {onnxruntime.__version__}"

    @property
    def class_names(self) -> list[str]:
        """The classes, in the order of their indices."""
        return self.description.class_names

    def read(self, texts: Sequence[str], progress: Callable[[int], None] | None = None) -> tuple[npt.NDArray[np.float64], npt.NDArray[np.int64]]:
        """Classify cleaned texts together, as `TextClassifier.read` does: the same cutting, batches and padding.

        Parameters
        ----------
        texts : sequence of str
            n texts, cleaned.
        progress : callable, optional
            Called with the number of texts done.

        Returns
        -------
        logits : ndarray of float64, shape (n, classes)
            In the order of `texts`.
        lengths : ndarray of int, shape (n,)
            Tokens of each text before cutting.
        """
        form = self.description
        tokenized = tokenize(self.tokenizer, texts, form.max_length, form.truncation)
        logits = np.zeros((len(texts), len(form.class_names)))
        done = 0
        for rows in tokenized.batches(self._batch_size):
            batch = pad_arrays([tokenized.token_ids[row] for row in rows], form.pad_token_id, tokenized.layout)
            logits[rows] = self._session.run(["logits"], self._feeds(batch))[0]
            done += len(rows)
            if progress:
                progress(done)
        return logits, tokenized.full_lengths

    def _feeds(self, batch: dict[str, npt.NDArray[np.int64]]) -> dict[str, npt.NDArray[Any]]:
        filled = {"token_type_ids": np.zeros_like(batch["input_ids"]), **batch}
        return {name: filled[name].astype(self._types[name], copy=False) for name in self._inputs}
