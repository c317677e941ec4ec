"""The machine a stage runs on: what the environment may ask for."""

import pytest
import torch

from sentiment.model.runtime import be_deterministic, describe_runtime, has_bf16, start_runtime
from sentiment.model.together import processes
from sentiment.terminal.errors import UserError


@pytest.fixture(autouse=True)
def _determinism_as_before() -> object:
    before = torch.are_deterministic_algorithms_enabled()
    yield None
    torch.use_deterministic_algorithms(before)


def test_the_device_can_be_chosen_by_the_environment(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("SENTIMENT_DEVICE", "cpu")
    runtime = start_runtime("auto")
    assert runtime.device == "cpu"
    assert runtime.precision == ("bf16" if has_bf16("cpu") else "fp32")
    assert runtime.threads == torch.get_num_threads()


@pytest.mark.parametrize(
    ("processor", "multiplies"),
    [
        ({"cpu_name": "Intel Xeon", "amx_bf16": True, "avx512_bf16": True}, True),
        ({"cpu_name": "AMD EPYC", "amx_bf16": False, "avx512_bf16": True}, True),
        ({"cpu_name": "Intel Xeon", "amx_bf16": False, "avx512_bf16": True}, False),
        ({"cpu_name": "AMD Ryzen", "amx_bf16": False, "avx512_bf16": False}, False),
        ({"architecture": "arm64", "bf16": True}, False),
    ],
)
def test_bf16_is_for_processors_that_are_faster_with_it(processor: dict[str, object], multiplies: bool, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(torch.cpu, "get_capabilities", lambda: processor)
    monkeypatch.setenv("SENTIMENT_DEVICE", "cpu")
    assert has_bf16("cpu") is multiplies
    runtime = start_runtime("auto")
    assert runtime.precision == ("bf16" if multiplies else "fp32")
    assert ("bf16 products are no faster here" in describe_runtime(runtime)) is not multiplies


def test_a_device_that_is_not_there_is_refused(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("SENTIMENT_DEVICE", "tpu")
    with pytest.raises(UserError, match="SENTIMENT_DEVICE=tpu: this machine has .*cpu"):
        start_runtime("fp32")


def test_precision_is_what_was_asked_for(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("SENTIMENT_DEVICE", "cpu")
    assert start_runtime("bf16").precision == "bf16"
    assert start_runtime("fp32").precision == "fp32"
    with start_runtime("bf16").autocast():
        assert (torch.ones(2, 2) @ torch.ones(2, 2)).dtype == torch.bfloat16


@pytest.mark.parametrize(("device", "determinism", "raises"), [("cuda", "strict", True), ("cuda", "loose", False), ("cpu", "strict", False)])
def test_strict_determinism_refuses_on_a_gpu(device: str, determinism: str, raises: bool) -> None:
    be_deterministic(device, determinism)
    assert torch.are_deterministic_algorithms_enabled()
    assert torch.is_deterministic_algorithms_warn_only_enabled() is not raises


@pytest.mark.parametrize(("variable", "allowed"), [("SENTIMENT_STEP", "eager, graph, compiled"), ("SENTIMENT_DETERMINISM", "strict, loose")])
def test_a_way_that_does_not_exist_is_refused(variable: str, allowed: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv(variable, "fast")
    with pytest.raises(UserError, match=f"{variable}=fast: it must be one of {allowed}"):
        start_runtime("fp32")


def test_steps_are_recorded_on_one_gpu_alone(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("SENTIMENT_DEVICE", "cpu")
    monkeypatch.setenv("SENTIMENT_STEP", "graph")
    assert start_runtime("fp32").step == "eager"


def test_more_processes_than_gpus_are_refused_with_a_way_out(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("WORLD_SIZE", "2")
    monkeypatch.setenv("LOCAL_WORLD_SIZE", "2")
    monkeypatch.setattr(torch.cuda, "device_count", lambda: 1)
    with pytest.raises(UserError, match="SENTIMENT_PROCESSES=2: this machine has 1 GPU, .* set SENTIMENT_PROCESSES=1, or SENTIMENT_DEVICE=cpu"):
        processes.join("cuda")
