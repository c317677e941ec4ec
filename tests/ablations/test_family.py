"""Which experiments are compared, and what is said of the others."""

import dataclasses

import numpy as np
import pytest

from ablations.compare.collect import names_single_modules
from ablations.compare.experiments import Experiment
from ablations.compare.family import Family, Refusal, make_family
from ablations.repository import parse_rows
from sentiment.settings.schema import flatten
from tests.ablations import synthetic


def sort(experiments: list[Experiment], refused: list[Refusal] | None = None) -> Family:
    return make_family(experiments, synthetic.plan(), flatten(synthetic.baseline()), refused or [])


def test_the_plan_in_its_order() -> None:
    made = synthetic.family({})
    found = sort(made[::-1])
    assert [arm.name for arm in found.arms] == [arm.name for arm in synthetic.plan().arms]
    assert all(list(arm.experiments) == [42, 43, 44] for arm in found.arms)
    assert found.missing == []
    assert found.refused == []


def test_parameters_count_and_names_do_not() -> None:
    made = synthetic.family({})
    made[0] = dataclasses.replace(made[0], name="made-by-hand")
    assert sort(made).arms[0].experiments[42].name == "made-by-hand"


@pytest.mark.parametrize(
    ("field", "value", "words"),
    [
        ("data", "d2", "other data"),
        ("split", "s2", "another split"),
        ("precision", "fp32", "another precision (fp32 instead of bf16)"),
        ("threads", 1, "another number of threads (1 instead of 2)"),
        ("code", "c2", "other code"),
    ],
)
def test_another_identity_is_refused_in_words(field: str, value: object, words: str) -> None:
    made = synthetic.family({})
    made[3] = dataclasses.replace(made[3], identity=dataclasses.replace(synthetic.IDENTITY, **{field: value}))
    found = sort(made)
    assert [(one.name, words in one.reason) for one in found.refused] == [("baseline_epoch2", True)]
    assert found.missing == ["baseline_epoch2"]
    assert list(found.arms[3].experiments) == [43, 44]


def test_older_code_is_called_that() -> None:
    made = [dataclasses.replace(one, older_code=number == 3) for number, one in enumerate(synthetic.family({}))]
    made[3] = dataclasses.replace(made[3], identity=dataclasses.replace(synthetic.IDENTITY, code="c2"))
    assert [one.reason for one in sort(made).refused] == ["made with older code: not comparable"]


def test_a_lock_that_names_single_modules_is_older() -> None:
    def stages(*paths: str) -> dict[str, object]:
        return {"train": {"deps": [{"path": path, "md5": "0"} for path in ("data/split/train.parquet", *paths, "stages/train.py")]}}

    assert names_single_modules(stages("sentiment/training.py"))
    assert not names_single_modules(stages("sentiment/training"))


def test_other_test_examples_are_refused() -> None:
    made = synthetic.family({})
    answers = dataclasses.replace(made[-1].answers, ids=np.array([f"other{row}" for row in range(len(made[-1].answers.ids))]))
    made[-1] = dataclasses.replace(made[-1], answers=answers)
    assert "other test examples" in sort(made).refused[0].reason


def test_the_same_experiment_twice_counts_once() -> None:
    made = synthetic.family({})
    found = sort([*made, dataclasses.replace(made[0], name="zz")])
    assert found.refused == [Refusal("zz", "has the same parameters and seed as baseline, which stands for both")]


def test_an_experiment_made_by_hand_is_an_arm_beside_the_nearest() -> None:
    made = synthetic.family({})
    by_hand = dataclasses.replace(made[0], name="handy", parameters={**made[0].parameters, "train.lr": 3e-5})
    alone = dataclasses.replace(made[0], name="odd", parameters={**made[0].parameters, "train.lr": 3e-5, "train.max_length": 128, "train.epochs": 1})
    found = sort([*made, by_hand, alone])
    assert [(arm.name, arm.against, arm.planned) for arm in found.arms[5:]] == [("handy", "baseline", False), ("odd", None, False)]
    assert found.arms[5].changed == {"train.lr": (2e-5, 3e-5)}


def test_rows_that_are_no_success_are_told_apart() -> None:
    def row(name: str, state: str | None, error: object = None) -> dict[str, object]:
        executor = {"state": state, "name": "dvc-task", "local": {"root": "/w", "log": "/l", "pid": 1, "task_id": name * 2}} if state else None
        return {"name": name, "revs": [{"rev": name, "name": name, "error": error, "data": {}}], "executor": executor}

    shown = [{"rev": "workspace", "experiments": None}, {"rev": "main", "experiments": [row("a", None), row("b", "running"), row("c", "failed")]}]
    assert [(one.name, one.state, one.task) for one in parse_rows(shown)] == [("b", "running", "bb"), ("c", "failed", "cc")]
