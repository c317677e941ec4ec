"""The measurement of a GPU: its arithmetic, what it makes of what it measures, and how it is taken up again."""

import json
import os
import subprocess
import sys
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import numpy as np
import pytest
from torch._C._autograd import DeviceType

from benchmarks.gpu import __main__ as gpu
from benchmarks.gpu import repeats, timeline
from benchmarks.gpu.arithmetic import cost, imdb_epoch, linear_weights
from benchmarks.gpu.setting import SMALL, Setting
from benchmarks.recipe import BERT_BASE, PROJECT, Training
from benchmarks.samples import training_flops
from tests.benchmarks.test_training_benchmarks import third_party
from tests.imports import ROOT, imported_at_once
from tests.models import tiny_bert


def test_the_arithmetic_is_that_of_the_documentation() -> None:
    assert linear_weights(BERT_BASE) == 84_934_656
    epoch = imdb_epoch(BERT_BASE)
    assert epoch.total == pytest.approx(3.77e15, rel=0.005)
    assert epoch.attention / epoch.total == pytest.approx(0.07, abs=0.005)
    assert epoch.seconds(775e12, 0.4) == pytest.approx(12.2, abs=0.1)
    page = (ROOT / "docs/performance.md").read_text(encoding="utf-8")
    assert "3.77 × 10¹⁵" in page


def test_the_arithmetic_counts_what_the_benchmark_counts(tmp_path: Path) -> None:
    training = Training(PROJECT, tiny_bert(tmp_path / "tiny"), "cpu", 4, 32, 1e-3)
    config = {"hidden_size": 32, "num_hidden_layers": 2, "intermediate_size": 64}
    lengths = np.array([10, 20, 31])
    assert cost(config, lengths).total == training_flops(training.model, lengths)


# safetensors comes with transformers
ALLOWED = {"torch", "transformers", "numpy", "pyarrow", "pydantic", "yaml", "safetensors"}


def test_parts_a_to_c_import_few_packages() -> None:
    seen = imported_at_once([ROOT / "benchmarks/gpu/__main__.py", ROOT / "benchmarks/gpu/training.py", ROOT / "benchmarks/train_throughput.py"])
    assert ROOT / "sentiment/training/fine_tuning.py" in seen
    assert {name for path in seen for name in third_party(path)} <= ALLOWED


def test_a_kernel_is_kept_whatever_its_name_and_a_span_of_kernels_is_not() -> None:
    class Event:
        def __init__(self, name: str, device: DeviceType) -> None:
            self.name, self.device_type = lambda: name, lambda: device
            self.start_ns, self.duration_ns = lambda: 0, lambda: 5

    names = ["at::native::direct_copy_kernel_cuda(at::TensorIteratorBase&)::{lambda()#3}", "Optimizer.step#AdamW.step", "flash_fwd_kernel"]
    events = [*(Event(name, DeviceType.CUDA) for name in names), Event("cudaLaunchKernel", DeviceType.CPU), Event("aten::add", DeviceType.CPU)]
    profiler = SimpleNamespace(profiler=SimpleNamespace(kineto_results=SimpleNamespace(events=lambda: events)))
    found = timeline._events(profiler, "cuda")
    assert [(kind, name) for kind, name, *_ in found] == [("device", names[0]), ("device", names[2]), ("host", "cudaLaunchKernel")]


def test_a_profile_counts_what_overlaps_once_and_sorts_kernels() -> None:
    events = [
        ("host", "cudaGraphLaunch", 0, 5),
        ("device", "pytorch_flash::flash_fwd_kernel", 1_000_000, 2_000_000),
        ("device", "nvjet_sm90_tst_256x128", 2_000_000, 3_000_000),
        ("device", "multi_tensor_apply_kernel<FusedAdamMathFunctor>", 9_000_000, 1_000_000),
    ]
    found = timeline.summarise_events(events, steps=2)
    assert found["busy_ms"] == 2.5
    assert (found["kernels"], found["launches"]) == (1.5, 0.5)
    assert found["groups_ms"] == {"attention": 1.0, "matrix products": 1.5, "update": 0.5}


@pytest.mark.parametrize(
    ("name", "group"),
    [
        ("void at::native::(anonymous namespace)::multi_tensor_apply_kernel<LpNormFunctor>", "norm of the gradients, clipping"),
        ("triton_per_fused_add_native_dropout_native_layer_norm_7", "normalisation, dropout, activation"),
        ("Memset (Device)", "copies, casts, zeros"),
        ("triton_poi_fused_view_1", "other passes over memory"),
    ],
)
def test_kernels_are_grouped_by_name(name: str, group: str) -> None:
    assert timeline.group_of(name) == group


def test_verdicts_say_what_equals_what() -> None:
    def found(weights: str, curves: str = "c") -> dict[str, Any]:
        return {"digest": {"weights": weights, "curves": curves}}

    said = repeats.verdicts(
        {
            "eager, strict, a": found("1"),
            "eager, strict, b": found("1"),
            "eager, strict, resumed": found("2"),
            "graph, strict, a": found("1"),
            "graph, strict, b": {"error": "no memory"},
            "graph, loose, a": found("3", "d"),
            "graph, loose, b": found("4", "e"),
        }
    )
    assert said == {
        "eager, strict: repeated": "equal, bit for bit",
        "eager, strict: resumed": "the curves are equal, the weights differ",
        "graph, strict: repeated": "failed (no memory)",
        "graph, loose: repeated": "differ",
        "graph against eager, strict": "equal, bit for bit",
    }


@pytest.fixture
def setting(tmp_path: Path) -> Setting:
    return Setting("cpu", tmp_path, tmp_path / "reviews", SMALL, ("tutorial", "project"), None, tmp_path)


def test_what_is_measured_is_kept_and_not_measured_again(setting: Setting, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    ran: list[str] = []

    def unit(name: str, fails: bool = False) -> Any:
        def run(_: Setting) -> dict[str, Any]:
            if fails:
                raise KeyboardInterrupt
            ran.append(name)
            return {"value": name}

        return run

    path = tmp_path / "out.json"
    plans = [{"one": ("a", unit("one"), str), "two": ("c", unit("two", fails), str), "three": ("d", unit("three"), str)} for fails in (True, False)]
    monkeypatch.setattr(gpu, "units", lambda _: plans[0])
    with pytest.raises(KeyboardInterrupt):
        gpu.measure_units(setting, ["one", "c"], path, {"torch": "2"})
    monkeypatch.setattr(gpu, "units", lambda _: plans[1])
    done = gpu.measure_units(setting, ["c", "one"], path, {"torch": "2"})
    assert ran == ["one", "two"]
    assert set(done["units"]) == {"one", "two"} == set(json.loads(path.read_text())["units"])
    with pytest.raises(SystemExit, match="torch: 2 there, 3 here"):
        gpu.measure_units(setting, ["a"], path, {"torch": "3"})


def run(*arguments: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run([sys.executable, "-m", "benchmarks.gpu", *arguments], cwd=ROOT, env=os.environ, capture_output=True, text=True, check=False)


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        (["--only", "a,x"], "no part x; there are a, b, c, d, e, arms 32"),
        (["--device", "cpu", "--reviews", "no/such.jsonl"], "--reviews no/such.jsonl: not found"),
        (["--device", "cpu", "--arms", "magic"], "--arms: no magic; there are tutorial, project"),
    ],
)
def test_it_refuses_in_words(arguments: list[str], said: str) -> None:
    done = run(*arguments)
    assert done.returncode == 2
    assert said in done.stderr
    assert "Traceback" not in done.stderr
