"""Which words moved a decision."""

import unicodedata
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt

from sentiment.core.scripts import without_spaces
from sentiment.evaluation.attribution import attribute
from sentiment.model.tokens import head_tokens, tokenize
from sentiment.model.trained.judgement import log_softmax
from sentiment.model.trained.reader import TextClassifier


@dataclass(frozen=True)
class WordWeight:
    """A word of the cleaned text: from which character to which, and how much it adds to the log odds of the class, in nats."""

    start: int
    end: int
    weight: float


@dataclass(frozen=True)
class Explanation:
    """Why a text got a class.

    Attributes
    ----------
    text : str
        As the model read it, cleaned and uncut.
    label : str
        The class that is explained.
    probability : float
        Of it, as `predict` gives it but in fp32.
    words : list of WordWeight
        In the text's order; what was cut off has none.
    completeness_error : float
        How far the weights are from adding up to the whole change of the log odds, in nats.
    change : float
        That change: from a text of padding alone to this one, in nats.
    """

    text: str
    label: str
    probability: float
    words: list[WordWeight]
    completeness_error: float
    change: float

    @property
    def strongest(self) -> list[WordWeight]:
        """The words by the size of their weight, the largest first."""
        return sorted(self.words, key=lambda word: -abs(word.weight))

    def parts(self) -> Iterator[tuple[str, WordWeight | None]]:
        """Yield the whole text in parts: words with their weight, and what lies between them with None."""
        position = 0
        for word in self.words:
            if word.start > position:
                yield self.text[position : word.start], None
            yield self.text[word.start : word.end], word
            position = word.end
        if position < len(self.text):
            yield self.text[position:], None


def explain_text(reader: TextClassifier, text: str, temperature: float, target: int | None = None) -> Explanation:
    """Explain the class of a text.

    Parameters
    ----------
    reader : TextClassifier
        The model.
    text : str
        Cleaned; not empty.
    temperature : float
        What the logits are divided by for the probability; 1 leaves them as they are.
    target : int, optional
        The class to explain; the most probable one by default.
    """
    settings = reader.settings
    tokenized = tokenize(reader.tokenizer, [text], settings.max_length, settings.truncation)
    spans = _spans(reader.tokenizer, text, tokenized.token_ids[0], settings.truncation)
    special = np.array([span is None for span in spans])
    found = attribute(reader.model, tokenized, special, target)
    chosen = int(found.logits.argmax()) if target is None else target
    return Explanation(
        text=text,
        label=reader.class_names[chosen],
        probability=float(np.exp(log_softmax(found.logits[None], temperature))[0, chosen]),
        words=_words(text, spans, found.weights),
        completeness_error=found.completeness_error,
        change=found.log_odds - found.baseline,
    )


def _spans(tokenizer: Any, text: str, ids: npt.NDArray[np.int32], truncation: str) -> list[tuple[int, int] | None]:
    """Return each token's characters in the text, None for a special token."""
    encoded = tokenizer(text, add_special_tokens=False, return_offsets_mapping=True, verbose=False)
    body, offsets = encoded["input_ids"], encoded["offset_mapping"]
    whole = tokenizer(text, verbose=False)["input_ids"]
    added = len(whole) - len(body)
    before = next((start for start in range(added + 1) if whole[start : start + len(body)] == body), 0)
    room = len(ids) - added
    if len(body) > room:
        head = head_tokens(room, truncation)
        offsets = [*offsets[:head], *offsets[len(body) - (room - head) :]]
    return [None] * before + [tuple(span) for span in offsets] + [None] * (added - before)


def _words(text: str, spans: list[tuple[int, int] | None], weights: npt.NDArray[np.float64]) -> list[WordWeight]:
    words: list[WordWeight] = []
    for span, weight in zip(spans, weights, strict=True):
        if span is None or span[0] == span[1]:
            continue
        start, end = span
        while start < end and text[start].isspace():  # some tokenizers count the space before a word to it
            start += 1
        last = words[-1] if words else None
        if last is not None and start <= last.end and _one_word(text, last.end, start, end):
            words[-1] = WordWeight(last.start, max(end, last.end), last.weight + float(weight))
        elif start < end:
            words.append(WordWeight(start, end, float(weight)))
    return words


def _one_word(text: str, last_end: int, start: int, end: int) -> bool:
    """Return whether a token from `start` to `end` belongs to the word that ends at `last_end`."""
    if start < last_end:
        return True  # bytes of one character
    around = text[start - 1 : end]
    return all(sign.isalnum() or unicodedata.combining(sign) for sign in around) and not without_spaces(around)
