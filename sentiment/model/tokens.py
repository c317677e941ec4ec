"""From texts to token ids: tokenised once, cut to length, padded batch by batch."""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
import numpy.typing as npt

from sentiment.model.token_cache import kept_bodies

if TYPE_CHECKING:
    import torch

_CHUNK = 2048
_CHUNK_CHARACTERS = 1_000_000
_PIECE_CHARACTERS = 500_000  # far more than any review has
# oneDNN compiles and keeps kernels for each new shape, some 6 MB a length: fewer lengths save memory and time.
LENGTH_STEP = 8
# A GPU's step is recorded for each new shape; with 8 texts and more, products of multiples of 128 rows fill its tiles.
_CUDA_LENGTH_STEP = 16
_HEAD_SHARE = 0.25  # Sun et al. 2019, "How to Fine-Tune BERT for Text Classification?": 128 of 510


@dataclass(frozen=True)
class Layout:
    """Where padding goes, and the token types of a family that has more than one in a single text.

    Attributes
    ----------
    left : bool
        Padding comes before the text (XLNet), not after it.
    first_types, last_types : tuple of int
        Token types of the special tokens before and after a text; those of the text are 0. Empty where all are 0:
        the model is then given none.
    pad_type : int
        Token type of the padding.
    """

    left: bool = False
    first_types: tuple[int, ...] = ()
    last_types: tuple[int, ...] = ()
    pad_type: int = 0


_PLAIN = Layout()


@dataclass(frozen=True)
class TokenizedTexts:
    """Texts as the model reads them.

    Attributes
    ----------
    token_ids : list of ndarray of int32
        One array a text, special tokens included, at most `max_length` long.
    full_lengths : ndarray of int, shape (n,)
        Tokens before cutting, special tokens included.
    layout : Layout
        For `pad`.
    """

    token_ids: list[npt.NDArray[np.int32]]
    full_lengths: npt.NDArray[np.int64]
    layout: Layout = _PLAIN

    @property
    def lengths(self) -> npt.NDArray[np.int64]:
        """Tokens of each text after cutting."""
        return np.fromiter((len(ids) for ids in self.token_ids), dtype=np.int64, count=len(self.token_ids))

    def batches(self, batch_size: int) -> list[npt.NDArray[np.int64]]:
        """Return the positions of the texts of each batch: the longest first, those of like length together."""
        order = np.argsort(-self.lengths, kind="stable")
        return [order[start : start + batch_size] for start in range(0, len(order), batch_size)]


def tokenize(tokenizer: Any, texts: Sequence[str], max_length: int, truncation: str, cache: Path | None = None) -> TokenizedTexts:
    """Turn texts into token ids and cut the long ones.

    Parameters
    ----------
    tokenizer : transformers tokenizer
        A fast one: it works on several threads.
    texts : sequence of str
        The texts.
    max_length : int
        Tokens to keep, special tokens included.
    truncation : str
        head keeps the beginning, tail the end, head_tail the first quarter and the end.
    cache : Path, optional
        A folder in which the uncut ids are kept: experiments that share texts and tokenizer tokenise once,
        whatever their lengths.

    Returns
    -------
    TokenizedTexts
        In the order of `texts`.
    """
    prefix, suffix = _special_tokens(tokenizer)
    room = max_length - len(prefix) - len(suffix)
    head = head_tokens(room, truncation)
    bodies = kept_bodies(cache, tokenizer, texts, lambda: _encode(tokenizer, texts)) if cache else _encode(tokenizer, texts)
    token_ids: list[npt.NDArray[np.int32]] = []
    for body in bodies:
        kept = body if len(body) <= room else np.concatenate([body[:head], body[len(body) - (room - head) :]])
        token_ids.append(np.concatenate([prefix, kept, suffix]))
    full_lengths = np.fromiter((len(body) for body in bodies), dtype=np.int64, count=len(texts)) + len(prefix) + len(suffix)
    return TokenizedTexts(token_ids, full_lengths, _layout(tokenizer, len(prefix), len(suffix)))


def length_step(device: str, max_length: int) -> int:
    """Return what the lengths of a training's batches are multiples of, so that there are few.

    Parameters
    ----------
    device : str
        cpu, cuda or mps.
    max_length : int
        Tokens a text has at most: no batch may become longer than a model that just reads them.
    """
    return _CUDA_LENGTH_STEP if device == "cuda" and max_length % _CUDA_LENGTH_STEP == 0 else LENGTH_STEP


def head_tokens(room: int, truncation: str) -> int:
    """Return how many of the `room` tokens that a long text keeps are from its beginning; the others are from its end."""
    return {"head": room, "tail": 0, "head_tail": round(room * _HEAD_SHARE)}[truncation]


def pad(token_ids: Sequence[npt.NDArray[np.int32]], pad_token_id: int, layout: Layout = _PLAIN, step: int = LENGTH_STEP) -> "dict[str, torch.Tensor]":
    """Make one batch as `pad_arrays` does, of tensors."""
    import torch

    return {name: torch.from_numpy(array) for name, array in pad_arrays(token_ids, pad_token_id, layout, step).items()}


def pad_arrays(
    token_ids: Sequence[npt.NDArray[np.int32]], pad_token_id: int, layout: Layout = _PLAIN, step: int = LENGTH_STEP
) -> dict[str, npt.NDArray[np.int64]]:
    """Make one batch, of int64 and the shape (texts, longest text up to a multiple of `step`).

    It has `input_ids` and `attention_mask`, and `token_type_ids` where the layout has some.
    """
    longest = -(-max(len(ids) for ids in token_ids) // step) * step
    shape = (len(token_ids), longest)
    batch = {"input_ids": np.full(shape, pad_token_id, dtype=np.int64), "attention_mask": np.zeros(shape, dtype=np.int64)}
    first, last = layout.first_types, layout.last_types
    if first or last:
        batch["token_type_ids"] = np.full(shape, layout.pad_type, dtype=np.int64)
    for row, ids in enumerate(token_ids):
        place = slice(longest - len(ids), longest) if layout.left else slice(0, len(ids))
        batch["input_ids"][row, place] = ids
        batch["attention_mask"][row, place] = 1
        if first or last:
            batch["token_type_ids"][row, place] = [*first, *[0] * (len(ids) - len(first) - len(last)), *last]
    return batch


def _encode(tokenizer: Any, texts: Sequence[str]) -> list[npt.NDArray[np.int32]]:
    # The tokenizer holds some 250 bytes for each character of a call: very long texts go through it in pieces.
    parts: list[list[npt.NDArray[np.int32]]] = [[] for _ in texts]
    for batch in _batches(texts):
        chunk = tokenizer(
            [piece for _, piece in batch],
            add_special_tokens=False,
            return_attention_mask=False,
            return_token_type_ids=False,
            verbose=False,
        )["input_ids"]
        for (row, _), body in zip(batch, chunk, strict=True):
            parts[row].append(np.asarray(body, dtype=np.int32))
    return [part[0] if len(part) == 1 else np.concatenate(part) for part in parts]


def _batches(texts: Sequence[str]) -> Iterator[list[tuple[int, str]]]:
    batch: list[tuple[int, str]] = []
    characters = 0
    for row, text in enumerate(texts):
        for piece in _pieces(text):
            if batch and (len(batch) == _CHUNK or characters + len(piece) > _CHUNK_CHARACTERS):
                yield batch
                batch, characters = [], 0
            batch.append((row, piece))
            characters += len(piece)
    if batch:
        yield batch


def _pieces(text: str) -> Iterator[str]:
    """Cut a very long text before single spaces, where the tokens of the pieces are those of the whole; any other is one piece."""
    start = 0
    while len(text) - start > _PIECE_CHARACTERS:
        end = _last_gap(text, start + 1, start + _PIECE_CHARACTERS)
        yield text[start:end]
        start = end
    yield text[start:]


def _last_gap(text: str, first: int, last: int) -> int:
    """Return the last position from `first` to `last` that holds a space between two other signs; `last` where there is none."""
    position = text.rfind(" ", first, last + 1)
    while position > 0 and (text[position - 1].isspace() or text[position + 1 : position + 2].isspace()):
        position = text.rfind(" ", first, position)
    return position if position > 0 else last


def _special_tokens(tokenizer: Any) -> tuple[npt.NDArray[np.int32], npt.NDArray[np.int32]]:
    # What the tokenizer puts before and after a text, found by asking it: fast tokenizers have no method for it.
    body = tokenizer("a", add_special_tokens=False)["input_ids"]
    whole = tokenizer("a")["input_ids"]
    start = next((start for start in range(len(whole) - len(body) + 1) if whole[start : start + len(body)] == body), None)
    around = ([], []) if start is None else (whole[:start], whole[start + len(body) :])
    return np.asarray(around[0], dtype=np.int32), np.asarray(around[1], dtype=np.int32)


def _layout(tokenizer: Any, before: int, after: int) -> Layout:
    types = tokenizer("a").get("token_type_ids", [])
    left = tokenizer.padding_side == "left"
    if not any(types):
        return Layout(left)
    return Layout(left, tuple(types[:before]), tuple(types[len(types) - after :]), tokenizer.pad_token_type_id)
