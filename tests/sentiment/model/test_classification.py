"""Encoders as people have them: with a head, with a tokenizer that does not fit, with weights that are not to be opened."""

import json
import pickle
import subprocess
import sys
import time
from pathlib import Path
from typing import Any

import pytest
import torch
from safetensors.torch import load_file, save_file
from transformers import AutoModel, AutoModelForSequenceClassification, pipeline, set_seed

from sentiment.model.classification import load_classifier, load_trained, try_encoder
from sentiment.model.encoders import Encoder, folder_encoder
from sentiment.model.loading import load_tokenizer, longest_input
from sentiment.model.runtime import Runtime
from sentiment.model.tokens import Layout, pad, tokenize
from sentiment.terminal.errors import UserError
from tests.families import FAMILIES, small_model
from tests.imports import ROOT

CPU = Runtime("cpu", "fp32", 1)


def fine_tuned(folder: Path, family: str = "bert", **config: Any) -> Path:
    """A model that has a head, of the classes positive and negative, unless the configuration says otherwise."""
    small_model(family, folder)
    names = {"id2label": {0: "positive", 1: "negative"}, "label2id": {"positive": 0, "negative": 1}}
    with torch.random.fork_rng():
        set_seed(5)
        model = AutoModelForSequenceClassification.from_pretrained(folder, **{**names, **config})
    model.save_pretrained(folder)
    return folder


def edit(path: Path, **values: Any) -> None:
    path.write_text(json.dumps({**json.loads(path.read_text(encoding="utf-8")), **values}), encoding="utf-8")


def load(encoder: Encoder, names: list[str], head: str = "new", seed: int = 3) -> Any:
    set_seed(seed)
    return load_classifier(encoder, names, "cpu", head)


def refusal(folder: Path, names: list[str] | None = None, head: str = "new") -> str:
    with pytest.raises(UserError) as caught:
        encoder = folder_encoder(folder)
        try_encoder(encoder, load_tokenizer(encoder), names or ["negative", "positive"], head, CPU)
    assert len(str(caught.value).splitlines()) == 1
    return str(caught.value)


@pytest.mark.parametrize("family", ["bert", "roberta", "modernbert", "xlnet"])
def test_a_head_that_is_there_is_replaced_by_the_one_an_encoder_without_gets(family: str, tmp_path: Path) -> None:
    names = ["negative", "positive"]
    headed = folder_encoder(fine_tuned(tmp_path / "headed", family))
    AutoModel.from_pretrained(tmp_path / "headed").save_pretrained(tmp_path / "bare")
    bare = folder_encoder(tmp_path / "bare")
    assert try_encoder(headed, load_tokenizer(headed), names, "new", CPU).head == "replaced"
    fresh, replaced, other = load(bare, names), load(headed, names), load(headed, names, seed=4)
    theirs, others = dict(fresh.named_parameters()), dict(other.named_parameters())
    assert all(torch.equal(weight, theirs[name]) for name, weight in replaced.named_parameters())
    changed = {name for name, weight in replaced.named_parameters() if not torch.equal(weight, others[name])}
    assert changed and all(not name.startswith(f"{replaced.base_model_prefix}.") for name in changed)
    assert replaced.config.id2label == {0: "negative", 1: "positive"}


def test_a_head_of_another_size_is_replaced(tmp_path: Path) -> None:
    encoder = folder_encoder(fine_tuned(tmp_path / "stars", id2label={i: f"{i} stars" for i in range(5)}, label2id={}))
    assert try_encoder(encoder, load_tokenizer(encoder), ["negative", "positive"], "new", CPU).head == "replaced"
    assert load(encoder, ["negative", "positive"]).classifier.weight.shape[0] == 2


def test_a_kept_head_gives_each_class_the_score_it_had_by_name(tmp_path: Path) -> None:
    folder = fine_tuned(tmp_path / "headed")
    encoder = folder_encoder(folder)
    tokenizer = load_tokenizer(encoder)
    assert try_encoder(encoder, tokenizer, ["Negative", "Positive"], "keep", CPU).head == "kept"
    model = load(encoder, ["Negative", "Positive"], "keep").eval()
    original = AutoModelForSequenceClassification.from_pretrained(folder).eval()
    batch = tokenizer("a good film", return_tensors="pt")
    with torch.inference_mode():
        assert torch.allclose(model(**batch).logits, original(**batch).logits[:, [1, 0]], atol=1e-6)
    assert model.config.label2id == {"Negative": 0, "Positive": 1}


def test_a_head_that_cannot_be_kept_is_refused_with_both_lists_of_classes(tmp_path: Path) -> None:
    headed = fine_tuned(tmp_path / "headed")
    assert "the classes positive, negative where the data has bad, good" in refusal(headed, ["bad", "good"], "keep")
    assert "the data has negative, neutral, positive" in refusal(headed, ["negative", "neutral", "positive"], "keep")
    bare = small_model("bert", tmp_path / "bare")
    edit(bare / "config.json", id2label={"0": "negative", "1": "positive"})
    assert "it has no classification head: set train.head to new" in refusal(bare, head="keep")


def test_a_model_of_many_labels_becomes_one_of_a_single_label(tmp_path: Path) -> None:
    folder = fine_tuned(tmp_path / "many", problem_type="multi_label_classification")
    edit(folder / "config.json", function_to_apply="none")
    encoder = folder_encoder(folder)
    load(encoder, ["negative", "positive"]).save_pretrained(tmp_path / "saved")
    load_tokenizer(encoder).save_pretrained(tmp_path / "saved")
    scores = pipeline("text-classification", model=str(tmp_path / "saved"), top_k=None)(["a good film"])[0]
    assert sum(score["score"] for score in scores) == pytest.approx(1)


def test_the_shorter_of_tokenizer_and_positions_is_the_limit(tmp_path: Path) -> None:
    folder = small_model("bert", tmp_path / "short", max_position_embeddings=32)
    edit(folder / "tokenizer_config.json", model_max_length=512)
    encoder = folder_encoder(folder)
    assert longest_input(encoder, load_tokenizer(encoder)) == 32


@pytest.mark.parametrize(("family", "expected"), [("xlnet", None), ("roberta", 64), ("mpnet", 64), ("modernbert", 64)])
def test_without_a_limit_of_the_tokenizer_the_positions_count(family: str, expected: int | None, tmp_path: Path) -> None:
    encoder = folder_encoder(small_model(family, tmp_path / family))
    tokenizer = load_tokenizer(encoder)
    tokenizer.model_max_length = int(1e30)
    assert longest_input(encoder, tokenizer) == expected


def test_a_tokenizer_with_more_tokens_than_the_embedding_has_rows_is_refused(tmp_path: Path) -> None:
    folder = small_model("bert", tmp_path / "tiny")
    tokenizer = load_tokenizer(folder_encoder(folder))
    tokenizer.add_tokens(["another"])
    tokenizer.save_pretrained(folder)
    assert "the tokenizer has token ids up to 106, the embedding 106 rows" in refusal(folder)


def test_a_tokenizer_in_python_is_refused(tmp_path: Path) -> None:
    folder = small_model("bert", tmp_path / "slow")
    (folder / "tokenizer.json").unlink()
    (folder / "tokenizer_config.json").write_text('{"tokenizer_class": "CanineTokenizer"}', encoding="utf-8")
    edit(folder / "config.json", vocab_size=2_000_000)
    assert "CanineTokenizer is a tokenizer in Python code" in refusal(folder)


@pytest.mark.parametrize("family", ["bert", "roberta"])
def test_without_a_token_for_padding_another_one_is_used_and_changes_nothing(family: str, tmp_path: Path) -> None:
    folder = small_model(family, tmp_path / "tiny", **({"pad_token_id": None} if family == "bert" else {}))
    for name in ("tokenizer_config.json", "special_tokens_map.json"):
        if (folder / name).exists():
            content = json.loads((folder / name).read_text(encoding="utf-8"))
            content["pad_token"] = None
            (folder / name).write_text(json.dumps(content), encoding="utf-8")
    encoder = folder_encoder(folder)
    tokenizer = load_tokenizer(encoder)
    assert tokenizer.pad_token_id is not None
    model = load(encoder, ["bad", "good"]).eval()
    short, long = tokenize(tokenizer, ["a good film", "the story is not boring and the acting is good"], 32, "head").token_ids
    with torch.inference_mode():
        alone = model(**pad([short], model.config.pad_token_id)).logits[0]
        together = model(**pad([short, long], model.config.pad_token_id)).logits[0]
    assert torch.allclose(alone, together, atol=1e-5)


class Poison:
    def __reduce__(self) -> tuple[Any, tuple[str]]:
        return Path.touch, (Path("poisoned"),)  # type: ignore[return-value]


def test_pickled_weights_are_refused_unopened(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    folder = small_model("bert", tmp_path / "pickled")
    (folder / "model.safetensors").unlink()
    (folder / "pytorch_model.bin").write_bytes(pickle.dumps({"bert": Poison()}))
    assert "has its weights as a pickle only (pytorch_model.bin)" in refusal(folder)
    assert not (tmp_path / "poisoned").exists()


def test_the_documented_command_converts_pickled_weights(tmp_path: Path) -> None:
    folder = small_model("bert", tmp_path / "my-bert")
    weights = load_file(folder / "model.safetensors")
    torch.save(weights, folder / "pytorch_model.bin")
    (folder / "model.safetensors").unlink()
    text = (ROOT / "docs/encoders.md").read_text(encoding="utf-8")
    program = text.split("python - ~/models/my-bert <<'END'\n")[1].split("\nEND\n")[0]
    subprocess.run([sys.executable, "-c", program, str(folder)], check=True)
    converted = load_file(folder / "model.safetensors")
    assert all(torch.equal(weight, converted[name]) for name, weight in weights.items())
    assert load(folder_encoder(folder), ["bad", "good"]).config.model_type == "bert"


def test_a_model_that_brings_code_is_refused_even_where_its_type_is_known(tmp_path: Path) -> None:
    folder = small_model("bert", tmp_path / "custom")
    (folder / "modeling_custom.py").write_text("raise SystemExit('run')", encoding="utf-8")
    edit(folder / "config.json", auto_map={"AutoModelForSequenceClassification": "modeling_custom.Custom"})
    assert "needs Python code from the model's own repository" in refusal(folder)
    edit(folder / "config.json", model_type="custom", auto_map={"AutoConfig": "modeling_custom.Config"})
    assert "cannot be loaded" in refusal(folder)


def test_weights_of_another_model_are_refused(tmp_path: Path) -> None:
    folder = small_model("bert", tmp_path / "tiny")
    weights = load_file(folder / "model.safetensors")
    save_file({name: weight for name, weight in weights.items() if "layer.1." not in name}, folder / "model.safetensors", {"format": "pt"})
    assert "lacks 16 of the encoder's tensors (bert.encoder.layer.1." in refusal(folder)
    wider = small_model("bert", tmp_path / "wider", intermediate_size=32)
    (tmp_path / "tiny/model.safetensors").write_bytes((wider / "model.safetensors").read_bytes())
    assert "in another shape" in refusal(folder)


def test_an_architecture_without_a_classifier_is_refused(tmp_path: Path) -> None:
    folder = small_model("bert", tmp_path / "tiny")
    edit(folder / "config.json", model_type="vit")
    assert "cannot be loaded" in refusal(folder)


def test_sdpa_is_asked_for_only_where_the_class_has_it(tmp_path: Path) -> None:
    with_it = {"albert", "bert", "bert-chinese", "camembert", "distilbert", "electra", "modernbert", "roberta", "xlm-roberta"}
    for family in FAMILIES:
        model = load_classifier(folder_encoder(small_model(family, tmp_path / family)), ["bad", "good"], "cuda")
        assert model.config._attn_implementation == ("sdpa" if family in with_it else "eager"), family


def test_token_types_of_a_family_that_has_them_reach_the_model(tmp_path: Path) -> None:
    folder = small_model("funnel", tmp_path / "funnel")
    tokenizer = load_tokenizer(folder_encoder(folder))
    tokenizer.model_input_names = ["input_ids", "token_type_ids", "attention_mask"]
    texts = tokenize(tokenizer, ["a film", "a"], 16, "head")
    assert texts.layout == Layout(first_types=(2,), last_types=(0,))
    batch = pad(texts.token_ids, 0, texts.layout)
    assert batch["token_type_ids"].tolist() == [[2, 0, 0, 0, 0, 0, 0, 0], [2, 0, 0, 0, 0, 0, 0, 0]]


def test_a_family_that_is_padded_on_the_left_is() -> None:
    import numpy as np

    batch = pad([np.array([7, 8, 9], dtype=np.int32)], 5, Layout(left=True, last_types=(0, 2), pad_type=3))
    assert batch["input_ids"].tolist() == [[5] * 5 + [7, 8, 9]]
    assert batch["attention_mask"].tolist() == [[0] * 5 + [1] * 3]
    assert batch["token_type_ids"].tolist() == [[3] * 5 + [0, 0, 2]]


@pytest.mark.parametrize("damage", ["folder", "weights", "config", "tokenizer"])
def test_a_classifier_that_is_not_whole_is_refused_at_once(damage: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("HF_ENDPOINT", "http://10.255.255.1")  # never answers
    folder = tmp_path / "classifier"
    if damage != "folder":
        fine_tuned(folder)
        {"weights": folder / "model.safetensors", "config": folder / "config.json", "tokenizer": folder / "tokenizer.json"}[damage].unlink()
        for name in ("vocab.txt", "tokenizer_config.json"):
            if damage == "tokenizer":
                (folder / name).unlink(missing_ok=True)
    start = time.monotonic()
    with pytest.raises(UserError, match="the model cannot be loaded .*dvc repro train"):
        load_trained(folder)
    assert time.monotonic() - start < 10
