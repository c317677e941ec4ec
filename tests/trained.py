"""A small random classifier with all that the train stage writes beside it."""

from pathlib import Path

import torch
from transformers import BertForSequenceClassification, BertTokenizerFast, set_seed

from sentiment.model.text_settings import TextSettings, write_text_settings
from tests.models import tiny_bert


def tiny_classifier(folder: Path, class_names: tuple[str, ...] = ("negative", "positive"), max_length: int = 32) -> Path:
    """Save a classifier to a folder: the same bytes each time, in fp32."""
    encoder = tiny_bert(folder.with_name(f"{folder.name}-encoder"))
    with torch.random.fork_rng():
        set_seed(1)
        model = BertForSequenceClassification.from_pretrained(
            encoder,
            num_labels=len(class_names),
            id2label=dict(enumerate(class_names)),
            label2id={name: index for index, name in enumerate(class_names)},
        )
        torch.nn.init.normal_(model.classifier.weight, std=2.0)
    model.save_pretrained(folder)
    BertTokenizerFast.from_pretrained(encoder).save_pretrained(folder)
    write_text_settings(folder, TextSettings(max_length, "head", strip_html=True, precision="fp32"))
    return folder
