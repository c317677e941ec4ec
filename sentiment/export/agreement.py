"""Whether an exported classifier answers as the one in PyTorch does, on the test split."""

from collections.abc import Sequence
from dataclasses import asdict, dataclass
from typing import Any

import numpy as np
import numpy.typing as npt

from sentiment.evaluation.metrics import Interval
from sentiment.evaluation.paired_answers import McNemar, difference_interval, mcnemar
from sentiment.model.trained.judgement import judge

PRACTICALLY_EQUAL = 0.01  # a difference of accuracies below this matters to nobody, as in ablations.yaml
_ALPHA = 0.05


@dataclass(frozen=True)
class Agreement:
    """An exported classifier beside the one it was exported from, in fp32.

    Attributes
    ----------
    texts : int
        Of the test split.
    accuracy, exported_accuracy : float
        Of PyTorch and of the exported form.
    interval : Interval
        Of the accuracy of the export less that of PyTorch, 95 %; groups of texts are resampled whole.
    test : McNemar
        First is PyTorch.
    labels_changed : int
        Texts that get another class.
    largest_change : float
        Of a probability.
    """

    texts: int
    accuracy: float
    exported_accuracy: float
    interval: Interval
    test: McNemar
    labels_changed: int
    largest_change: float

    @property
    def verdict(self) -> str:
        """What may be concluded, in words."""
        if not self.labels_changed:
            return "the same class for every test text"
        most = max(0.0, -self.interval.low)
        if self.interval.high < 0 and self.test.p_value < _ALPHA:
            return f"it costs accuracy: up to {most:.1%}"
        if most < PRACTICALLY_EQUAL:
            return f"practically as accurate: it costs at most {most:.1%} (95 %)"
        return f"no loss of accuracy is shown, but one of up to {most:.1%} is not ruled out: more test texts would tell"

    def as_json(self) -> dict[str, Any]:
        """Return it with its verdict as JSON has it."""
        return {**asdict(self), "verdict": self.verdict}


@dataclass(frozen=True)
class Exported:
    """One exported form.

    Attributes
    ----------
    name : str
        onnx or onnx-int8.
    fused : bool
        Its layers are single operators of onnxruntime.
    size : int
        Of its model, in bytes.
    agreement : Agreement
        With PyTorch.
    """

    name: str
    fused: bool
    size: int
    agreement: Agreement

    def as_json(self) -> dict[str, Any]:
        """Return it as JSON has it."""
        return {"fused": self.fused, "bytes": self.size, **self.agreement.as_json()}


def compare_answers(
    torch_logits: npt.NDArray[np.float64],
    exported_logits: npt.NDArray[np.float64],
    labels: npt.NDArray[np.int64],
    groups: npt.NDArray[np.int64] | None,
    resamples: int,
) -> Agreement:
    """Compare the logits, shape (n, classes), of two forms of one classifier on the same n texts."""
    torch, exported = judge(torch_logits, labels), judge(exported_logits, labels)
    return Agreement(
        texts=len(labels),
        accuracy=torch.accuracy,
        exported_accuracy=exported.accuracy,
        interval=difference_interval(torch.correct, exported.correct, groups, resamples),
        test=mcnemar(torch.correct, exported.correct),
        labels_changed=int((torch.predicted != exported.predicted).sum()),
        largest_change=float(np.abs(torch.probabilities - exported.probabilities).max()),
    )


def page(found: Sequence[Exported]) -> str:
    """Return the page beside exported models, in Markdown."""
    if not found:
        return "# Exported models\n\nNone: `export.formats` in params.yaml is empty. `[onnx, onnx-int8]` exports both forms.\n"
    first = found[0].agreement
    lines = [
        "# Exported models",
        "",
        f"Compared with the classifier in PyTorch (fp32) on the {first.texts:,} texts of the test split; its accuracy is {first.accuracy:.1%}.",
        "",
        "| form | MB | accuracy | difference (95 % interval) | McNemar p | other class | largest change of a probability |",
        "| --- | ---: | ---: | --- | ---: | ---: | ---: |",
    ]
    for form in found:
        one = form.agreement
        difference = f"{one.exported_accuracy - one.accuracy:+.1%} ({one.interval.low:+.1%} to {one.interval.high:+.1%})"
        numbers = f"{one.test.p_value:.2g} | {one.labels_changed:,} | {one.largest_change:.2g}"
        lines.append(f"| `{form.name}` | {form.size / 1e6:.1f} | {one.exported_accuracy:.1%} | {difference} | {numbers} |")
    lines.append("")
    for form in found:
        unfused = "" if form.fused else "; its layers are not fused: onnxruntime does not know this family"
        lines.append(f"- `{form.name}`: {form.agreement.verdict}{unfused}.")
    lines += ["", 'Use one, without torch: `python -m sentiment predict --backend onnx "A great film."`.', ""]
    return "\n".join(lines)
