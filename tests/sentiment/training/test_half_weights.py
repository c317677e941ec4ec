"""bf16 copies of the weights: the numbers of autocast, and a model that is left as it was."""

from pathlib import Path
from typing import Any

import torch

from sentiment.model.encoders import find_encoder, load_classifier
from sentiment.training.half_weights import HalfWeights
from tests.models import tiny_bert


def step(model: Any, half: HalfWeights | None) -> tuple[torch.Tensor, dict[str, torch.Tensor]]:
    torch.manual_seed(1)
    if half:
        half.refresh()
    with torch.autocast("cpu", dtype=torch.bfloat16):
        logits = model.train()(input_ids=torch.arange(5, 37).view(2, 16)).logits
    logits.float().square().sum().backward()
    if half:
        half.hand_over()
    return logits.detach(), {name: parameter.grad for name, parameter in model.named_parameters() if parameter.grad is not None}


def test_logits_gradients_and_evaluation_are_those_of_autocast(tmp_path: Path) -> None:
    found = find_encoder(str(tiny_bert(tmp_path / "tiny")), None)
    torch.manual_seed(0)
    plain = load_classifier(found, ["bad", "good"], "mps")
    torch.manual_seed(0)
    copied = load_classifier(found, ["bad", "good"], "mps")
    half = HalfWeights(copied)
    for _ in range(2):
        (expected, gradients), (logits, found_gradients) = step(plain, None), step(copied, half)
        assert torch.equal(logits, expected)
        assert found_gradients.keys() == gradients.keys()
        assert all(torch.equal(found_gradients[name], gradient) for name, gradient in gradients.items())
        for model in (plain, copied):
            with torch.no_grad():
                for parameter in model.parameters():
                    parameter.sub_(0.01 * parameter.grad)
            model.zero_grad()
    with torch.no_grad():
        assert torch.equal(copied.eval()(input_ids=torch.arange(5, 21)[None]).logits, plain.eval()(input_ids=torch.arange(5, 21)[None]).logits)
    half.remove()
    assert copied.state_dict().keys() == plain.state_dict().keys()
    assert {type(module) for module in copied.modules()} == {type(module) for module in plain.modules()}
    assert not hasattr(copied.classifier, "half_weight")
