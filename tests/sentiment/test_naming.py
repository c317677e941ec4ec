"""Names of runs."""

from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from sentiment.naming import experiment_name, long_form
from sentiment.parameters import flatten, parse_parameters

BASE = flatten(parse_parameters((Path(__file__).resolve().parents[2] / "params.yaml").read_text(encoding="utf-8"), "params.yaml"))


@pytest.mark.parametrize(
    ("changes", "name"),
    [
        ({}, "baseline"),
        ({"train.batch_size": 32}, "baseline_bs32"),
        ({"train.batch_size": 32, "train.lr": 5e-5}, "baseline_lr5e-5_bs32"),
        ({"train.epochs": 2, "seed": 43}, "baseline_epoch2_seed43"),
        ({"prepare.source": "data/imdb", "prepare.group_column": "movie", "train.batch_size": 32}, "imdb_baseline_bs32"),
        ({"train.max_length": 512, "train.weight_decay": 0.1}, "baseline_len512_wd0.1"),
        ({"train.early_stopping_patience": 1}, "baseline_early_stopping_patience1"),
        ({"train.model": "google-bert/bert-base-uncased"}, "baseline_model-google-bert-bert-base-uncased"),
        ({"split.seed": 7}, "baseline_split.seed7"),
    ],
)
def test_a_run_is_the_baseline_plus_what_changed(changes: dict[str, Any], name: str) -> None:
    assert experiment_name({**BASE, **changes}, BASE) == name


def test_the_long_form_says_what_a_run_is() -> None:
    assert long_form({**BASE, "train.model": "google-bert/bert-base-uncased", "prepare.source": "data/imdb"}) == (
        "bert-base-uncased@imdb-lr2e-5_bs8_epoch3_wd0.01"
    )


@given(st.text(min_size=1, max_size=30), st.floats(1e-7, 1e-2))
def test_a_name_holds_nothing_that_git_or_a_folder_refuses(text: str, lr: float) -> None:
    name = experiment_name({**BASE, "train.model": text, "train.lr": lr}, BASE)
    assert not set(name) & set("/: \\~^?*[\n\t")
