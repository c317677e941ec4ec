"""The machine a stage runs on: what the environment may ask for."""

import pytest
import torch

from sentiment.errors import UserError
from sentiment.runtime import has_bf16, start_runtime


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
