"""Dealing rows and groups out: every row once, sizes right, classes balanced, groups whole."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from sentiment.data.dealing.splitting import hold_out, subsample
from sentiment.terminal.errors import UserError

NAMES = ["negative", "positive", "mixed"]


@st.composite
def rows(draw: st.DrawFn) -> tuple[np.ndarray, np.ndarray, float, int]:
    generator = np.random.default_rng(draw(st.integers(0, 2**32 - 1)))
    count = draw(st.integers(60, 400))
    labels = np.concatenate([np.repeat(np.arange(3), 10), generator.integers(3, size=count - 30)])
    groups = generator.integers(max(12, count // draw(st.integers(2, 12))), size=count).astype(str)
    return labels, groups, draw(st.sampled_from([0.1, 0.2, 0.3, 0.5])), draw(st.integers(0, 1000))


@given(rows())
@settings(max_examples=60)
def test_rows_are_dealt_out_once_and_stratified(case: tuple[np.ndarray, np.ndarray, float, int]) -> None:
    labels, _, share, seed = case
    rest, taken = hold_out(labels, None, share, seed, NAMES, "test")
    assert sorted([*rest, *taken]) == list(range(len(labels)))
    assert abs(len(taken) - share * len(labels)) <= 1
    for label in range(3):
        assert abs((labels[taken] == label).mean() - (labels == label).mean()) <= 2 / len(taken)


@given(rows())
@settings(max_examples=60)
def test_groups_stay_whole_and_sizes_are_right_to_within_one(case: tuple[np.ndarray, np.ndarray, float, int]) -> None:
    labels, groups, share, seed = case
    try:
        rest, taken = hold_out(labels, groups, share, seed, NAMES, "test")
    except UserError:
        return  # a class that stands in too few groups
    assert sorted([*rest, *taken]) == list(range(len(labels)))
    assert not set(groups[rest]) & set(groups[taken])
    largest = max(np.unique(groups, return_counts=True)[1])
    assert abs(len(taken) - share * len(labels)) <= largest


@pytest.mark.parametrize("classes", [2, 3])
def test_the_size_is_right_to_within_one_group_however_groups_mix_the_classes(classes: int) -> None:
    for seed in range(400):
        generator = np.random.default_rng(seed)
        count = int(generator.integers(60, 400))
        labels = np.concatenate([np.repeat(np.arange(classes), 10), generator.integers(classes, size=count)])
        groups = generator.integers(max(12, count // int(generator.integers(2, 13))), size=len(labels)).astype(str)
        share = (0.1, 0.2, 0.3, 0.5)[seed % 4]
        _, taken = hold_out(labels, groups, share, seed, NAMES[:classes], "test")
        assert abs(len(taken) - share * len(labels)) <= max(np.unique(groups, return_counts=True)[1]), seed


def test_groups_are_dealt_out_with_the_class_balance_kept() -> None:
    generator = np.random.default_rng(3)
    labels = (generator.random(2000) < 0.3).astype(np.int64)
    groups = generator.integers(150, size=2000).astype(str)
    rest, taken = hold_out(labels, groups, 0.2, 0, NAMES[:2], "test")
    assert abs(labels[taken].mean() - labels[rest].mean()) < 0.02


def test_a_subsample_cuts_at_most_one_group_of_each_class() -> None:
    generator = np.random.default_rng(5)
    labels, groups = generator.integers(3, size=600), generator.integers(40, size=600).astype(str)
    chosen = subsample(labels, groups, 250, 1, "split.max_train_examples")
    for label in range(3):
        of_class = np.flatnonzero(labels == label)
        drawn = np.intersect1d(chosen, of_class)
        cut = [name for name in np.unique(groups[drawn]) if (groups[drawn] == name).sum() < (groups[of_class] == name).sum()]
        assert len(cut) <= 1


def test_another_seed_deals_otherwise_and_the_same_one_the_same() -> None:
    labels = np.arange(200) % 2
    groups = (np.arange(200) // 5).astype(str)
    first, again, other = (hold_out(labels, groups, 0.2, seed, NAMES[:2], "test")[1].tolist() for seed in (1, 1, 2))
    assert first == again != other


def test_a_class_that_cannot_stand_on_both_sides_is_named() -> None:
    labels = np.array([0] * 20 + [1])
    with pytest.raises(UserError, match="class 'positive' has 1 of the rows from which the test split is taken"):
        hold_out(labels, None, 0.2, 0, NAMES[:2], "test")
    with pytest.raises(UserError, match="class 'positive' has 1 of the groups"):
        hold_out(np.array([0, 1, 1, 1] * 5), np.array(["a", "b", "b", "b"] + ["c", "b", "b", "b"] * 4), 0.2, 0, NAMES[:2], "test")


@pytest.mark.parametrize("groups", [None, np.arange(300) // 2])
def test_of_many_classes_each_stands_on_both_sides_or_the_rare_one_is_named(groups: np.ndarray | None) -> None:
    names = [f"class {number}" for number in range(30)]
    labels = np.arange(300) // 2 % 30  # ten rows a class, five groups
    rest, taken = hold_out(labels, groups, 0.3, 0, names, "validation")
    assert set(labels[rest]) == set(labels[taken]) == set(range(30))
    rare = np.where(labels == 17, 16, labels)
    rare[0] = 17
    with pytest.raises(UserError, match="class 'class 17' has 1 of the (rows|groups) from which the validation split is taken"):
        hold_out(rare, groups, 0.3, 0, names, "validation")


def test_rare_classes_have_a_row_or_a_group_on_each_side() -> None:
    names = [str(number) for number in range(30)]
    rest, taken = hold_out(np.arange(90) % 30, None, 0.1, 0, names, "test")  # nine rows for thirty classes
    assert set((np.arange(90) % 30)[taken]) == set((np.arange(90) % 30)[rest]) == set(range(30))
    labels = np.array([0] * 500 + [1] * 400 + [2] * 3)
    for groups in (None, np.arange(len(labels))):
        for seed in range(20):
            rest, taken = hold_out(labels, groups, 0.2, seed, NAMES, "test", sides=3)
            assert (labels[rest] == 2).sum() >= 2 and (labels[taken] == 2).sum() == 1
            assert abs(len(taken) - 0.2 * len(labels)) <= 2
            train, validation = hold_out(labels[rest], None if groups is None else groups[rest], 0.1, seed, NAMES, "validation")
            assert 2 in labels[rest][train] and 2 in labels[rest][validation]
    with pytest.raises(UserError, match=r"class 'mixed' has 2 of the rows .* at least 3: .*prepare.drop_classes=\[mixed\]"):
        hold_out(labels[:-1], None, 0.2, 0, NAMES, "test", sides=3)


def test_tied_rows_stay_together_with_and_without_groups() -> None:
    labels = np.arange(200) % 2
    ties = np.arange(200)
    ties[1::10] = ties[0::10]  # twenty pairs, one row of each class
    for seed in range(10):
        for groups in (None, (np.arange(200) // 3)):
            rest, taken = hold_out(labels, groups, 0.3, seed, NAMES[:2], "test", ties=ties)
            assert sorted([*rest, *taken]) == list(range(200))
            assert not set(ties[rest]) & set(ties[taken])
            if groups is not None:
                assert not set(groups[rest]) & set(groups[taken])


@given(rows(), st.data())
@settings(max_examples=60)
def test_a_subsample_has_exactly_the_size_and_the_balance(case: tuple[np.ndarray, np.ndarray, float, int], data: st.DataObject) -> None:
    labels, groups, _, seed = case
    size = data.draw(st.integers(3, len(labels)))
    for given_groups in (None, groups):
        chosen = subsample(labels, given_groups, size, seed, "split.max_train_examples")
        assert len(set(chosen.tolist())) == size
        assert chosen.tolist() == sorted(chosen.tolist())
        for label in range(3):
            assert (labels[chosen] == label).any()
            assert abs((labels[chosen] == label).sum() - size * (labels == label).mean()) < 2


def test_a_subsample_takes_few_groups_whole() -> None:
    labels, groups = np.arange(400) % 2, (np.arange(400) // 10).astype(str)
    chosen = subsample(labels, groups, 100, 0, "split.max_train_examples")
    assert len(set(groups[chosen])) <= 12


def test_no_limit_and_one_beyond_the_rows_keep_all_and_one_below_the_classes_is_refused() -> None:
    labels = np.arange(10) % 2
    assert subsample(labels, None, None, 0, "x").tolist() == subsample(labels, None, 11, 0, "x").tolist() == list(range(10))
    with pytest.raises(UserError, match="split.max_test_examples = 2, but there are 3 classes, and each needs a row: set it to 3 or more"):
        subsample(np.arange(10) % 3, None, 2, 0, "split.max_test_examples")


def test_a_cap_keeps_a_row_of_a_rare_class() -> None:
    labels = np.array([0] * 600 + [1] * 400 + [2] * 2)
    for seed in range(10):
        chosen = subsample(labels, None, 20, seed, "x")
        assert len(chosen) == 20 and np.bincount(labels[chosen]).tolist() in ([11, 8, 1], [12, 7, 1])


def test_a_refusal_names_the_groups_that_equal_texts_connect() -> None:
    labels, groups = np.array([0, 0, 1, 1] * 4), np.repeat(np.arange(8), 2)
    ties = np.arange(16)
    ties[::2] = 0  # a row of each group holds the same words
    with pytest.raises(UserError, match=r"8 count as 1, since those that hold the same words stay together.*-S prepare\.group_column=null"):
        hold_out(labels, groups, 0.2, 0, NAMES[:2], "test", ties=ties)
