"""How much of a text an encoder cannot read: the share of its tokens that stand for anything unknown."""

from collections.abc import Sequence
from typing import Any

import numpy as np
import numpy.typing as npt

MOST_UNKNOWN = 0.05  # from this share on, the encoder is the wrong one for the language


def unknown_share(tokenizer: Any, token_ids: Sequence[npt.NDArray[np.int32]]) -> float:
    """Return the share of unknown tokens.

    Parameters
    ----------
    tokenizer : transformers tokenizer
        Whose special tokens are not counted.
    token_ids : sequence of ndarray of int
        One a text.

    Returns
    -------
    float
        In [0, 1]; 0 for a tokenizer that has a token for every byte.
    """
    if tokenizer.unk_token_id is None:
        return 0.0
    special = [one for one in tokenizer.all_special_ids if one != tokenizer.unk_token_id]
    words = unknown = 0
    for ids in token_ids:
        words += int(np.isin(ids, special, invert=True).sum())
        unknown += int((ids == tokenizer.unk_token_id).sum())
    return unknown / words if words else 0.0


def warning_of_unknown(share: float, model: str) -> str | None:
    """Return a line that says what to use instead, from `MOST_UNKNOWN` on; None below it."""
    if share < MOST_UNKNOWN:
        return None
    return (
        f"{model} does not know {share:.0%} of the tokens of the training texts: it cannot read them. Use an encoder of their language "
        "(for Chinese google-bert/bert-base-chinese) or a multilingual one (google-bert/bert-base-multilingual-cased): train.model"
    )
