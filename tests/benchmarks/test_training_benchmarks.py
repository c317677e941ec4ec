"""The benchmarks of training: they run as the documentation says, and the speed one with next to nothing installed."""

import ast
import json
import os
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
import torch

from benchmarks.recipe import ARMS, PROJECT, TUTORIAL, Training
from benchmarks.samples import Sample, read_reviews, training_flops
from sentiment.model.tokens import TokenizedTexts
from tests.imports import ROOT, imported_at_once
from tests.models import tiny_bert

BARE = {"torch", "transformers", "numpy", "pyarrow"}


@pytest.fixture(scope="module")
def model(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tiny_bert(tmp_path_factory.mktemp("model") / "tiny")


def third_party(path: Path) -> set[str]:
    """Packages that a file imports when it is imported, not inside its functions."""
    names: set[str] = set()
    for node in ast.parse(path.read_text(encoding="utf-8")).body:
        if isinstance(node, ast.Import):
            names.update(alias.name.split(".")[0] for alias in node.names)
        elif isinstance(node, ast.ImportFrom) and node.module:
            names.add(node.module.split(".")[0])
    return names - set(sys.stdlib_module_names) - {"sentiment", "benchmarks"}


def test_the_speed_benchmark_needs_four_packages_alone() -> None:
    modules = imported_at_once([ROOT / "benchmarks/train_throughput.py"])
    assert ROOT / "sentiment/model/tokens.py" in modules
    assert {name for module in modules for name in third_party(module)} <= BARE


def run(*arguments: str, **environment: str) -> subprocess.CompletedProcess[str]:
    command = [sys.executable, "-m", *arguments]
    return subprocess.run(command, cwd=ROOT, env={**os.environ, **environment}, capture_output=True, text=True, check=False, timeout=240)


def test_the_speed_benchmark_prints_a_table_and_writes_json(model: Path, tmp_path: Path) -> None:
    sizes = ("--length", "32", "--steps", "2", "--pairs", "2", "--batch-size", "4", "--device", "cpu")
    done = run(
        "benchmarks.train_throughput",
        "--model",
        str(model),
        *sizes,
        "--arms",
        "tutorial,project,without grouping",
        "--json",
        str(tmp_path / "r.json"),
    )
    assert done.returncode == 0, done.stderr
    assert "| without grouping |" in done.stdout
    result = json.loads((tmp_path / "r.json").read_text())
    assert list(result["rounds"]["project"][0]) == ["seconds", "examples", "tokens", "padded_tokens", "flops", "peak_mib"]
    arms = result["arms"]
    assert list(arms) == ["tutorial", "project", "without grouping"] and result["reference"] == "tutorial"
    assert arms["tutorial"]["ratio"]["median"] == 1.0
    assert arms["project"]["padding_ratio"] <= arms["without grouping"]["padding_ratio"] <= arms["tutorial"]["padding_ratio"]
    for arm in arms.values():
        rate = arm["examples_per_second"]
        assert 0 < rate["low"] <= rate["median"] <= rate["high"]
    assert result["conditions"]["length"] == "32"


def test_an_arm_that_cannot_run_is_left_out_in_words(model: Path, tmp_path: Path) -> None:
    sizes = ("--length", "32", "--steps", "2", "--pairs", "1", "--batch-size", "4", "--device", "cpu", "--model", str(model))
    result = tmp_path / "r.json"
    no_compiler = {"CXX": "/no/such/compiler", "TORCHINDUCTOR_CACHE_DIR": str(tmp_path / "inductor")}
    done = run("benchmarks.train_throughput", *sizes, "--arms", "project,with compile", "--json", str(result), **no_compiler)
    assert done.returncode == 0, done.stderr
    assert "left out: the arm 'with compile' ended early with status 1" in done.stderr
    assert "Traceback" not in done.stderr
    assert list(json.loads(result.read_text())["arms"]) == ["project"]
    done = run("benchmarks.train_throughput", *sizes, "--arms", "with compile,project", "--json", str(tmp_path / "none.json"), **no_compiler)
    assert done.returncode == 1
    assert "error: the arm 'with compile' ended early" in done.stderr
    assert not (tmp_path / "none.json").exists()


@pytest.mark.parametrize(
    ("arguments", "told"),
    [
        (["--reviews", "no/such.jsonl"], "--reviews no/such.jsonl: no such file"),
        (["--model", "no/such"], "--model no/such: no model folder"),
        (["--arms", "tutorial,magic"], "unknown arms: magic"),
    ],
)
def test_the_speed_benchmark_refuses_in_words(arguments: list[str], told: str) -> None:
    done = run("benchmarks.train_throughput", *arguments)
    assert done.returncode != 0
    assert told in done.stderr
    assert "Traceback" not in done.stderr


def sample(rows: int) -> Sample:
    generator = np.random.default_rng(1)
    ids = [generator.integers(5, 60, size=int(length), dtype=np.int32) for length in generator.integers(4, 32, size=rows)]
    lengths = np.array([len(row) for row in ids], dtype=np.int64)
    return Sample(TokenizedTexts(ids, lengths), np.arange(rows, dtype=np.int64) % 2)


@pytest.mark.parametrize("name", [name for name in ARMS if name != "with compile"])
def test_every_arm_trains_on_each_text_once(name: str, model: Path) -> None:
    training = Training(ARMS[name], model, "cpu", 4, 32, 1e-3)
    before = torch.cat([parameter.detach().flatten().clone() for parameter in training.model.parameters()])
    steps = list(training.epoch(sample(18)))
    assert [step.tokens for step in steps] != []
    assert sum(step.tokens for step in steps) == int(sample(18).texts.lengths.sum())
    assert all(step.padded_tokens >= step.tokens and float(step.loss) > 0 for step in steps)
    assert not torch.equal(before, torch.cat([parameter.detach().flatten() for parameter in training.model.parameters()]))


def test_the_tutorial_pads_to_the_maximum_and_the_project_to_the_longest(model: Path) -> None:
    padded = {
        recipe: sum(step.padded_tokens for step in Training(recipe, model, "cpu", 4, 32, 1e-3).epoch(sample(16))) for recipe in (TUTORIAL, PROJECT)
    }
    assert padded[TUTORIAL] == 16 * 32
    assert padded[PROJECT] < 16 * 32


def test_floating_point_operations_are_those_of_the_products(model: Path) -> None:
    training = Training(PROJECT, model, "cpu", 4, 32, 1e-3)
    layers, hidden, inner = 2, 32, 64
    weights = layers * (4 * hidden * hidden + 2 * hidden * inner)
    expected = 6 * weights * (10 + 20) + 12 * layers * hidden * (10**2 + 20**2)
    assert training_flops(training.model, np.array([10, 20])) == expected


def test_the_quality_benchmark_takes_up_what_is_finished(tmp_path: Path) -> None:
    arguments = ["benchmarks.quality", "--rows", "16", "--validation", "8", "--length", "16", "--epochs", "1", "--json", str(tmp_path / "q.json")]
    first = run(*arguments, "--seeds", "1")
    assert first.returncode == 0, first.stderr
    assert "| validation loss |" in first.stdout
    before = json.loads((tmp_path / "q.json").read_text())["runs"]
    again = run(*arguments, "--seeds", "1", "2")
    after = json.loads((tmp_path / "q.json").read_text())["runs"]
    assert "seed 1:" not in again.stderr
    assert set(after) == {"tutorial 1", "project 1", "tutorial 2", "project 2"}
    assert {name: after[name] for name in before} == before


def test_reviews_are_read_with_labels_as_words_or_numbers(tmp_path: Path) -> None:
    path = tmp_path / "reviews.jsonl"
    path.write_text('{"text": "a", "label": "positive"}\n{"text": "b", "label": 0}\n')
    texts, labels = read_reviews(path)
    assert (texts, labels.tolist()) == (["a", "b"], [1, 0])
