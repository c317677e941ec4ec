"""An encoder brought into encoders/, and what is refused there."""

import json
import subprocess
from pathlib import Path

import pytest

from sentiment.model.encoders import find_encoder, folder_encoder
from tests.models import tiny_bert
from tests.sentiment.cli.test_fetch import checkout, fetch

__all__ = ["checkout"]


def test_an_encoder_is_copied_without_what_does_not_belong_and_put_under_dvc(checkout: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    source = tiny_bert(tmp_path / "my-bert")
    for name in ("optimizer.pt", "README.md"):
        (source / name).write_text("not of the model", encoding="utf-8")
    done = fetch(checkout, "--model", str(source))
    assert done.returncode == 0, done.stderr
    assert "use it with -S train.model=encoders/my-bert" in done.stdout and "git add encoders/my-bert.dvc" in done.stdout
    copied = {path.name for path in (checkout / "encoders/my-bert").iterdir()}
    assert {"config.json", "model.safetensors", "tokenizer.json"} <= copied and not {"optimizer.pt", "README.md"} & copied
    staged = subprocess.run(["git", "diff", "--cached", "--name-only"], cwd=checkout, capture_output=True, text=True, check=True).stdout
    assert {"encoders/my-bert.dvc", "encoders/.gitignore"} <= set(staged.split())
    monkeypatch.chdir(checkout)
    assert find_encoder("encoders/my-bert", None).fingerprint == folder_encoder(source).fingerprint
    tiny_bert(source, hidden_size=64)
    again = fetch(checkout, "--model", str(source))
    assert again.returncode == 0, again.stderr
    assert find_encoder("encoders/my-bert", None).fingerprint == folder_encoder(source).fingerprint


def test_what_is_no_encoder_is_refused_in_one_line_and_leaves_nothing(checkout: Path, tmp_path: Path) -> None:
    broken = tiny_bert(tmp_path / "broken")
    (broken / "config.json").write_text(json.dumps({"model_type": "no such type"}), encoding="utf-8")
    pickled = tiny_bert(tmp_path / "pickled")
    (pickled / "model.safetensors").rename(pickled / "pytorch_model.bin")
    cases = {
        ("--model", str(broken)): "cannot be loaded",
        ("--model", str(pickled)): "has its weights as a pickle only",
        ("--model", "google-bert/bert-base-uncased"): "a model of the Hub needs no fetching",
        ("--model", str(broken), "--name", "../away"): "--name ../away",
        ("--model", str(broken), "--revision", "main"): "--revision is for a dataset",
        (): "name what to fetch",
    }
    for arguments, expected in cases.items():
        done = fetch(checkout, *arguments)
        assert done.returncode == 1 and done.stderr.startswith("error: ") and len(done.stderr.splitlines()) == 1, done.stderr
        assert expected in done.stderr
    assert not [path for path in checkout.glob("encoders/*") if path.name != ".gitignore"]
