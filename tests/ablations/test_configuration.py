"""ablations.yaml: what it may say, and how it says what is wrong."""

import pytest

from ablations.plan.plan_file import parse_ablations
from ablations.plan.points import hydra_value, make_points, recipe, set_options
from sentiment.settings.schema import flatten
from sentiment.terminal.errors import UserError
from tests.ablations import synthetic


def parse(arms: str, head: str = "seeds: [42]\nmargin: 0.01\n") -> list[str]:
    return [arm.name for arm in parse_ablations(f"{head}arms:\n{arms}", "ablations.yaml", synthetic.baseline()).arms]


def test_the_shipped_plan() -> None:
    plan = synthetic.plan()
    assert [(arm.name, arm.against) for arm in plan.arms] == [
        ("baseline", None),
        ("baseline_bs32", "baseline"),
        ("baseline_lr5e-5_bs32", "baseline_bs32"),
        ("baseline_epoch2", "baseline"),
        ("baseline_early_stopping", "baseline"),
    ]
    assert plan.seeds == [42, 43, 44]
    points = make_points(plan, flatten(synthetic.baseline()))
    assert len({point.name for point in points}) == 15
    assert [point.name for point in points[:3]] == ["baseline", "baseline_bs32", "baseline_lr5e-5_bs32"]
    assert points[-1].name == "baseline_epoch6_early_stopping_patience1_keep-best_seed44"
    assert points[-1].parameters["train.keep"] == "best"
    assert points[7].parameters["train.lr"] == 5e-5
    assert all(set(point.parameters) == set(flatten(synthetic.baseline())) for point in points)


def test_three_lines_make_an_arm() -> None:
    text = (synthetic.ROOT / "ablations.yaml").read_text() + "  mine:\n    against: baseline\n    set: {train.lr: 3e-5}\n"
    arm = parse_ablations(text, "ablations.yaml", synthetic.baseline()).arms[-1]
    assert (arm.name, arm.against, arm.parameters["train.lr"]) == ("mine", "baseline", 3e-5)


def test_a_list_of_values_is_a_grid() -> None:
    assert parse("  x: {set: {train.lr: [1e-5, 3e-5], train.epochs: [1, 2], train.warmup: 0.1}}") == [
        "x_lr1e-5_epoch1",
        "x_lr1e-5_epoch2",
        "x_lr3e-5_epoch1",
        "x_lr3e-5_epoch2",
    ]


@pytest.mark.parametrize(
    ("arms", "told"),
    [
        ("  x: {set: {train.lrr: 1}}", "arms.x.set: train.lrr is not a parameter of train: did you mean train.lr?"),
        ("  x: {set: {train.lr: -1}}", "arms.x: train.lr = -1: must be greater than 0"),
        ("  x: {set: {train.epochs: 2.5}}", "arms.x: train.epochs = 2.5: must be a valid integer"),
        ("  x: {sett: {train.lr: 1}}", "arms.x.sett is no entry: known are against, set"),
        ("  x: {against: y, set: {}}", "arms.x.against = y: must name an arm that stands above it"),
        ("  x: {set: {seed: 1}}", "arms.x.set: the seed is no part of an arm"),
        ("  x: {set: {split.seed: 1}}", "arms.x.set: split.seed: arms share data, split and test"),
        ("  x: {set: {}}\n  y: {set: {train.lr: 2.0e-5}}", "arms.y: has the same parameters as x"),
        ("  x: {set: {}}\n  x: {set: {train.lr: 1e-5}}", "the key 'x' occurs twice"),
        ("  x y: {set: {}}", "arms.x y: a name is made of letters"),
        ("  x: {set: {train.lr: []}}", "a list of values must not be empty"),
        ("  x: [1]", "arms.x = [1]"),
    ],
)
def test_errors_name_the_entry(arms: str, told: str) -> None:
    with pytest.raises(UserError) as error:
        parse(arms)
    assert told in str(error.value)
    assert str(error.value).startswith("ablations.yaml")
    assert "\n" not in str(error.value)


@pytest.mark.parametrize(
    ("head", "told"),
    [
        ("seeds: [42, 42]\nmargin: 0.01\n", "seeds = [42, 42]"),
        ("seeds: []\nmargin: 0.01\n", "seeds"),
        ("seeds: [a]\nmargin: 0.01\n", "seeds.0 = 'a'"),
        ("seeds: [1]\n", "margin is missing"),
        ("seeds: [1]\nmargin: 0\n", "margin = 0"),
        ("seeds: [1]\nmargin: 0.01\nseedss: 1\n", "seedss is no entry"),
    ],
)
def test_errors_of_the_head(head: str, told: str) -> None:
    with pytest.raises(UserError) as error:
        parse("  x: {set: {}}", head)
    assert told in str(error.value)


def test_every_parameter_is_written_out() -> None:
    flat = flatten(synthetic.baseline())
    options = set_options(flat)
    assert options[::2] == ["-S"] * len(flat)
    assert "train.model_revision=null" in options
    assert "prepare.class_names=['negative','positive']" in options


@pytest.mark.parametrize("value", ["plain", "null", "12", "a=b", "a, b", "it's", 'say "x"', "[x]", "{x: 1}", "a\\'b", "2e-5", " ", "ä€"])
def test_text_stays_text_through_hydra(value: str) -> None:
    from dvc.utils.hydra import to_hydra_overrides

    (override,) = to_hydra_overrides([f"train.model={hydra_value(value)}"])
    assert override.value() == value


@pytest.mark.parametrize("value", ["data/imdb", "head_tail", "data/reviews.jsonl", "x-1.2", "null", "12", "a=b", "package:x", "NaN", "a b"])
def test_what_needs_no_quotes_stays_text_through_hydra(value: str) -> None:
    from dvc.utils.hydra import to_hydra_overrides

    from ablations.compare.advice import _is_word

    if _is_word(value):
        (override,) = to_hydra_overrides([f"prepare.source={value}"])
        assert override.value() == value
    assert _is_word(value) == (value in ("data/imdb", "head_tail", "data/reviews.jsonl", "x-1.2"))


@pytest.mark.parametrize("value", [None, True, False, 3, 2e-05, 0.01, ["a", "b'c"], []])
def test_other_values_stay_what_they_are(value: object) -> None:
    from dvc.utils.hydra import to_hydra_overrides

    (override,) = to_hydra_overrides([f"x={hydra_value(value)}"])
    made = override.value()
    assert ([str(item) for item in made] if isinstance(made, list) else made) == value


def test_a_recipe_is_all_but_the_seed() -> None:
    flat = flatten(synthetic.baseline())
    assert recipe(flat) == recipe({**flat, "seed": 7})
    assert recipe(flat) != recipe({**flat, "train.lr": 1e-5})


BASE = """
seeds: [42, 43]
margin: 0.01
base: {prepare.source: data/imdb, prepare.group_column: null, split.max_train_examples: 1000, train.max_length: 128}
arms:
  baseline: {set: {}}
  baseline_bs32: {against: baseline, set: {train.batch_size: 32}}
"""


def test_a_base_is_what_every_arm_has_and_its_data_what_names_begin_with() -> None:
    plan = parse_ablations(BASE, "imdb.yaml", synthetic.baseline())
    points = make_points(plan, flatten(synthetic.baseline()))
    assert [point.name for point in points] == ["imdb_baseline", "imdb_baseline_bs32", "imdb_baseline_seed43", "imdb_baseline_bs32_seed43"]
    assert all(point.parameters["prepare.source"] == "data/imdb" and point.parameters["train.max_length"] == 128 for point in points)
    assert plan.other_data
    assert not synthetic.plan().other_data


@pytest.mark.parametrize(
    ("base", "told"),
    [
        ("{seed: 1}", "imdb.yaml: base: the seed is no part of an arm"),
        ("{train.lrr: 1}", "imdb.yaml: base: train.lrr is no parameter: did you mean train.lr?"),
        ("{prepare.strip_html: often}", "imdb.yaml: base: prepare.strip_html = 'often'"),
    ],
)
def test_errors_in_a_base_name_the_entry(base: str, told: str) -> None:
    with pytest.raises(UserError) as error:
        parse_ablations(f"seeds: [1]\nmargin: 0.1\nbase: {base}\narms: {{baseline: {{set: {{}}}}}}", "imdb.yaml", synthetic.baseline())
    assert str(error.value).startswith(told)


@pytest.mark.parametrize("name", ["ablations-imdb.yaml", "ablations-imdb-cpu.yaml"])
def test_the_shipped_plans_for_imdb_have_the_three_arms(name: str) -> None:
    plan = parse_ablations((synthetic.ROOT / name).read_text(), name, synthetic.baseline())
    names = [point.name for point in make_points(plan, flatten(synthetic.baseline()))[:3]]
    assert names == ["imdb_baseline", "imdb_baseline_bs32", "imdb_baseline_lr5e-5_bs32"]


def test_the_shipped_plan_for_truncation_reads_three_parts() -> None:
    plan = parse_ablations((synthetic.ROOT / "ablations-imdb-truncation.yaml").read_text(), "t.yaml", synthetic.baseline())
    assert [(arm.name, arm.parameters["train.truncation"]) for arm in plan.arms] == [("head", "head"), ("tail", "tail"), ("head_tail", "head_tail")]
