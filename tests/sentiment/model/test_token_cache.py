"""Token ids that experiments share."""

import os
import time
from pathlib import Path

import pytest

from sentiment.model import token_cache
from sentiment.model.encoders import folder_encoder
from sentiment.model.loading import load_tokenizer
from sentiment.model.tokens import TokenizedTexts, tokenize
from tests.models import tiny_bert

TEXTS = ["a good story", "", "very bad and dull " * 30, "é ü 漢"]


@pytest.fixture(scope="module")
def tokenizer(tmp_path_factory: pytest.TempPathFactory) -> object:
    return load_tokenizer(folder_encoder(tiny_bert(tmp_path_factory.mktemp("model") / "tiny")))


def ids(texts: TokenizedTexts) -> list[list[int]]:
    return [row.tolist() for row in texts.token_ids]


@pytest.mark.parametrize("truncation", ["head", "tail", "head_tail"])
def test_what_comes_from_the_cache_is_what_was_made(tokenizer: object, truncation: str, tmp_path: Path) -> None:
    fresh = tokenize(tokenizer, TEXTS, 24, truncation)
    for _ in range(2):
        kept = tokenize(tokenizer, TEXTS, 24, truncation, tmp_path / "cache")
        assert ids(kept) == ids(fresh)
        assert kept.full_lengths.tolist() == fresh.full_lengths.tolist()


def test_another_length_and_truncation_tokenise_no_more(tokenizer: object, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    tokenize(tokenizer, TEXTS, 24, "head", tmp_path)
    expected = tokenize(tokenizer, TEXTS, 40, "tail")
    monkeypatch.setattr("sentiment.model.tokens._encode", lambda *_: pytest.fail("tokenised again"))
    assert ids(tokenize(tokenizer, TEXTS, 40, "tail", tmp_path)) == ids(expected)


def test_other_texts_and_another_tokenizer_get_ids_of_their_own(tokenizer: object, tmp_path: Path) -> None:
    other = load_tokenizer(folder_encoder(tiny_bert(tmp_path / "other")))
    other.add_tokens(["story"])
    for chosen, texts in ((tokenizer, TEXTS), (tokenizer, ["a good", " story"]), (tokenizer, ["a good story"]), (other, TEXTS)):
        assert ids(tokenize(chosen, texts, 24, "head", tmp_path / "cache")) == ids(tokenize(chosen, texts, 24, "head"))
    assert len(list((tmp_path / "cache").iterdir())) == 4


def test_a_file_that_was_cut_short_is_made_again(tokenizer: object, tmp_path: Path) -> None:
    expected = ids(tokenize(tokenizer, TEXTS, 24, "head", tmp_path))
    (file,) = tmp_path.iterdir()
    whole = file.read_bytes()
    for size in (0, 10, len(whole) // 2):
        file.write_bytes(whole[:size])
        assert ids(tokenize(tokenizer, TEXTS, 24, "head", tmp_path)) == expected
        assert file.stat().st_size == len(whole)


def test_a_folder_that_cannot_be_written_costs_nothing_but_time(tokenizer: object) -> None:
    assert ids(tokenize(tokenizer, TEXTS, 24, "head", Path("/proc/none"))) == ids(tokenize(tokenizer, TEXTS, 24, "head"))


def test_the_folder_does_not_grow_for_ever(tokenizer: object, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(token_cache, "_KEEP", 3)
    for number in range(6):
        tokenize(tokenizer, [f"story {number}"], 24, "head", tmp_path)
    assert len(list(tmp_path.iterdir())) == 3


def test_what_a_killed_process_was_writing_is_swept_up(tokenizer: object, tmp_path: Path) -> None:
    for name, age in ((".old.1.partial", 7200.0), (".new.2.partial", 0.0)):  # another process may be writing the new one
        (tmp_path / name).write_bytes(b"half")
        os.utime(tmp_path / name, (time.time() - age,) * 2)
    tokenize(tokenizer, TEXTS, 24, "head", tmp_path)
    assert [path.name for path in tmp_path.glob(".*")] == [".new.2.partial"]
