"""Which words moved a decision: what ranks first, what the weights add up to, and how it is shown."""

import io
from collections.abc import Callable
from html.parser import HTMLParser
from pathlib import Path

import numpy as np
import pytest
import torch
from rich.console import Console
from transformers import AutoModelForSequenceClassification, AutoTokenizer, set_seed

from sentiment.evaluation.attribution import attribute
from sentiment.evaluation.explanation import Explanation, WordWeight
from sentiment.model.text_settings import TextSettings, write_text_settings
from sentiment.model.tokens import tokenize
from sentiment.terminal.errors import UserError
from sentiment.use.explain import explain
from sentiment.use.explanation_views import explanation_page, show_explanation
from sentiment.use.predict import Predictor
from tests.families import FAMILIES, small_model
from tests.models import WORDS
from tests.trained import tiny_classifier


@pytest.fixture(scope="module")
def predictor(tmp_path_factory: pytest.TempPathFactory) -> Predictor:
    return Predictor(tiny_classifier(tmp_path_factory.mktemp("explain") / "classifier"))


@pytest.fixture
def depends_on_great(predictor: Predictor) -> Callable[[str], Predictor]:
    """A model to which all words but one are padding."""

    def cut(truncation: str) -> Predictor:
        folder = predictor.folder
        write_text_settings(folder, TextSettings(16, truncation, strip_html=True, precision="fp32"))
        changed = Predictor(folder)
        embedding = changed.reader.model.get_input_embeddings().weight
        tokenizer = changed.reader.tokenizer
        with torch.no_grad():
            same = [index for index in range(len(tokenizer)) if index not in (tokenizer.convert_tokens_to_ids("great"), *tokenizer.all_special_ids)]
            embedding[same] = embedding[tokenizer.pad_token_id].clone()
        return changed

    return cut


@pytest.mark.parametrize(("truncation", "position"), [("head", 5), ("tail", 45), ("head_tail", 2), ("head_tail", 47)])
def test_the_word_that_a_model_depends_on_ranks_first(depends_on_great: Callable[[str], Predictor], truncation: str, position: int) -> None:
    words = ["film", "bad", "so", "dull", "very"] * 10
    words[position] = "great"
    text = " ".join(words)
    found = explain(depends_on_great(truncation), text)
    first, *others = found.strongest
    assert text[first.start : first.end] == "great"
    assert first.start == len(" ".join(words[:position])) + 1
    assert abs(first.weight) > 0.01 and all(abs(word.weight) < 1e-6 for word in others)
    assert len(found.words) == 14  # of 50; [CLS] and [SEP] are none


def test_the_weights_add_up(predictor: Predictor) -> None:
    generator = np.random.default_rng(0)
    for _ in range(5):
        found = explain(predictor, " ".join(generator.choice(WORDS, size=10)))
        assert sum(word.weight for word in found.words) == pytest.approx(found.change, abs=0.02)
        assert found.completeness_error == pytest.approx(abs(sum(word.weight for word in found.words) - found.change), abs=1e-9)


@pytest.mark.parametrize("family", FAMILIES)
def test_the_weights_add_up_in_every_family(family: str, tmp_path: Path) -> None:
    folder = small_model(family, tmp_path / family)
    tokenizer = AutoTokenizer.from_pretrained(folder)
    with torch.random.fork_rng():
        set_seed(0)
        model = AutoModelForSequenceClassification.from_pretrained(folder, num_labels=2)
    for text in ("a good story and great acting", "film"):  # Longformer pads, XLNet reads tokens first
        tokenized = tokenize(tokenizer, [text], 32, "head")
        ids = tokenized.token_ids[0]
        found = attribute(model, tokenized, np.isin(ids, tokenizer.all_special_ids))
        assert found.completeness_error < (0.15 if family == "funnel" else 0.02)  # max-pooling has kinks
        assert np.abs(found.weights).max() > 0
        assert not found.weights[np.isin(ids, tokenizer.all_special_ids)].any()


def test_taking_out_the_top_words_moves_it_more_than_taking_out_others(predictor: Predictor) -> None:
    generator = np.random.default_rng(0)
    top, random = [], []
    for _ in range(20):
        words = list(generator.choice(WORDS, size=12))
        found = explain(predictor, " ".join(words))
        starts = {len(" ".join(words[:place])) + (place > 0): place for place in range(len(words))}
        strongest = {starts[word.start] for word in sorted(found.words, key=lambda word: -word.weight)[:3]}
        for moved, taken in ((top, strongest), (random, set(generator.choice(12, size=3, replace=False)))):
            rest = explain(predictor, " ".join(word for place, word in enumerate(words) if place not in taken), found.label)
            moved.append(found.probability - rest.probability)
    assert np.mean(top) > np.mean(random) + 0.05


def test_the_model_is_left_as_it_was_and_answers_can_be_asked_for(predictor: Predictor) -> None:
    model = predictor.reader.model
    before = [(parameter.requires_grad, parameter.sum().item()) for parameter in model.parameters()]
    one, other = (explain(predictor, "so good a film", name) for name in predictor.class_names)
    assert one.probability + other.probability == pytest.approx(1)
    assert one.change == pytest.approx(-other.change, abs=1e-4)
    assert [(parameter.requires_grad, parameter.sum().item()) for parameter in model.parameters()] == before
    with pytest.raises(UserError, match="no such class"):
        explain(predictor, "good", "great")
    with pytest.raises(UserError, match="nothing to read"):
        explain(predictor, "<br />")


def test_text_without_spaces_is_explained_sign_by_sign(predictor: Predictor) -> None:
    text = "a电影b好看"
    words = explain(predictor, text).words
    assert {text[word.start : word.end] for word in words} >= {"电", "影", "好", "看"}


class _Page(HTMLParser):
    def __init__(self) -> None:
        super().__init__()
        self.tags: set[str] = set()
        self.text = ""

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.tags.add(tag)

    def handle_data(self, data: str) -> None:
        self.text += data


def test_it_is_shown_with_signs_and_obeys_nothing_in_the_text(tmp_path: Path) -> None:
    text = "<script>alert(1)</script> \x1b[31m good bad"
    words = [WordWeight(8, 13, 0.2), WordWeight(len(text) - 8, len(text) - 4, 1.5), WordWeight(len(text) - 3, len(text), -1.0)]
    explanation = Explanation(text, "<b>", 0.75, words, 0.001, 0.7)
    console = Console(file=io.StringIO(), width=100)
    show_explanation(explanation, console)
    shown = console.file.getvalue()  # type: ignore[attr-defined]
    assert "+good+ -bad-" in shown and "\x1b" not in shown and "0.0010" in shown
    page = _Page()
    page.feed(explanation_page(explanation))
    assert "script" not in page.tags and "b" not in page.tags
    assert text in page.text
