"""The README that lies beside a trained model."""

import yaml

from sentiment.model.trained.temperature import Temperature
from sentiment.training.history import Outcome
from sentiment.training.parameters import TrainParameters


def model_card(
    source: str, class_names: list[str], train: TrainParameters, seed: int, outcome: Outcome, rows: int, precision: str, commit: str | None
) -> str:
    """Write the card of a trained classifier.

    Parameters
    ----------
    source : str
        Where the texts came from.
    class_names : list of str
        In the order of their indices.
    train : TrainParameters
        What it was trained with.
    seed : int
        Of initialisation and data order.
    outcome : Outcome
        How the training went.
    rows : int
        Training rows.
    precision : str
        fp32 or bf16.
    commit : str or None
        Of the encoder on the Hub.

    Returns
    -------
    str
        Markdown with a YAML header, the same for the same training.
    """
    kept = outcome.best if train.keep == "best" else outcome.validations[-1]
    header = yaml.safe_dump({"library_name": "transformers", "pipeline_tag": "text-classification", "tags": ["sentiment", "bert"]}, sort_keys=True)
    note = (
        "\nLong texts were cut at their "
        + {"tail": "beginning", "head_tail": "middle"}[train.truncation]
        + " in training; the tokenizer alone cuts the end, so the pipeline above reads them a little differently.\n"
        if train.truncation != "head"
        else ""
    )
    return f"""---
{header}---

# {" / ".join(class_names)} classifier

`{train.model}`{f" at commit `{commit}`" if commit else ""} fine-tuned on {rows:,} texts of `{source}`.

```python
from transformers import pipeline

classify = pipeline("text-classification", model="models/classifier", truncation=True)
classify(["a text", "another one"])
```

In the checkout, `python -m sentiment predict "a text"` gives the calibrated probabilities.

`truncation=True` cuts a text to the {train.max_length} tokens the model was trained on; without it a longer one is an error.
{note}
| | |
| --- | --- |
| classes | {", ".join(f"{index} = {name}" for index, name in enumerate(class_names))} |
| learning rate, batch, epochs | {train.lr:g}, {train.batch_size}, {train.epochs} |
| weight decay, warm-up, schedule | {train.weight_decay:g}, {train.warmup:g}, {train.lr_scheduler} |
| precision, seed | {precision}, {seed} |
| kept | epoch {kept.epoch:g} of {outcome.validations[-1].epoch:g} ({train.keep}) |
| validation loss, accuracy | {kept.loss:.4f}, {kept.accuracy:.1%} |

How it does on texts it has not seen stands in the report of the eval stage (`reports/eval/report.md`). It knows texts like
those it was trained on; on others, and on irony, understatement or comparisons, expect it to be wrong more often than its
probabilities say.
"""


def calibration_note(temperature: Temperature) -> str:
    """Return the card's section on the probabilities."""
    if temperature.unused:
        what = f"No temperature is used: {temperature.unused}."
    else:
        what = (
            f"`python -m sentiment predict` divides the logits by {temperature.value:.3f} (standard error {temperature.standard_error:.3f}; fitted "
            f"on {temperature.rows:,} validation texts, `temperature.json`), so that of the texts with a probability of 80 % about 80 % are right. "
            "The pipeline above does not. Which class is the most probable one never changes by it."
        )
    return f"\n## Probabilities\n\n{what}\n"
