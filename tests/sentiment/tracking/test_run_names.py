"""Names of runs."""

import re
import subprocess
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from sentiment.settings.schema import flatten, parse_parameters
from sentiment.tracking.run_names import baseline_parameters, experiment_name, legend_name, long_form
from tests.imports import ROOT

TEXT = (ROOT / "sentiment/settings/defaults.yaml").read_text(encoding="utf-8")  # the same values, one to a line
PARAMETERS = parse_parameters(TEXT, "params.yaml")
BASE = flatten(PARAMETERS)


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
        ({"prepare.class_names": None}, "baseline_prepare.class_names-none"),
        ({"prepare.source": "data/imdb", "prepare.class_names": None}, "imdb_baseline"),
        ({"prepare.source": "data/外卖"}, "外卖_baseline"),
        ({"prepare.source": "data/reviews.v2"}, "reviews.v2_baseline"),
        ({"prepare.source": "data/отзывы.csv.gz"}, "отзывы_baseline"),
        ({"prepare.source": "data/imdb", "prepare.text_column": ["title", "text"]}, "imdb_baseline_text-title-text"),
    ],
)
def test_a_run_is_the_baseline_plus_what_changed(changes: dict[str, Any], name: str) -> None:
    assert experiment_name({**BASE, **changes}, BASE) == name


@pytest.mark.parametrize(
    ("name", "shown"),
    [
        ("baseline", "baseline"),
        ("baseline_lr5e-5_bs32", "baseline_lr5e-5_bs32"),
        ("baseline_lr5e-5_bs32_seed43", "lr5e-5_bs32_seed43"),
        ("imdb_baseline_lr5e-5_bs32_seed43", "imdb_lr5e-5_bs32_s43"),
        ("baseline_lr5e-5_bs32-eval", "lr5e-5_bs32-eval"),
        ("评论_baseline_lr5e-5_bs32_seed43", "评论_lr5e-5_bs32_s43"),
    ],
)
def test_a_legend_shows_what_tells_runs_apart(name: str, shown: str) -> None:
    assert legend_name(name) == shown


def test_names_of_one_study_stay_different_in_a_legend() -> None:
    arms = ("baseline", "baseline_bs32", "baseline_lr5e-5_bs32", "baseline_epoch2", "baseline_early_stopping_patience1")
    names = [f"{prefix}{arm}{seed}" for prefix in ("", "imdb_") for arm in arms for seed in ("", "_seed43", "_seed44")]
    assert len({legend_name(name)[:20] for name in names}) == len(names)


def test_the_long_form_says_what_a_run_is() -> None:
    assert long_form({**BASE, "train.model": "google-bert/bert-base-uncased", "prepare.source": "data/imdb"}) == (
        "bert-base-uncased@imdb-lr2e-5_bs8_epoch3_wd0.01"
    )


@given(st.text(min_size=1, max_size=30), st.floats(1e-7, 1e-2))
def test_a_name_holds_nothing_that_git_or_a_folder_refuses(text: str, lr: float) -> None:
    name = experiment_name({**BASE, "train.model": text, "train.lr": lr}, BASE)
    assert not set(name) & set("/: \\~^?*[\n\t")


def test_a_plain_name_of_an_encoder_stays_in_the_long_form() -> None:
    assert long_form({**BASE, "train.model": "bert", "prepare.source": "data/imdb"}) == "bert@imdb-lr2e-5_bs8_epoch3_wd0.01"


def test_two_runs_that_differ_have_different_names() -> None:
    runs = [{}, {"train.lr": 5e-5}, {"train.lr": 5e-6}, {"train.lr": 5.5e-5}, {"train.epochs": 5}, {"seed": 43}, {"split.seed": 43}]
    runs += [{"prepare.source": f"data/{name}"} for name in ("外卖", "отзывы", "reviews.v1", "reviews.v2")]
    runs += [{"prepare.source": "data/x", "prepare.label_column": name} for name in ("stars", "tone")]
    runs += [{"prepare.label_map": {"1": "bad"}}, {"prepare.label_map": {"1": None}}, {"prepare.drop_classes": ["积极"]}]
    runs += [{"train.class_weights": "balanced"}, {"prepare.strip_html": False}, {"split.max_train_examples": 2000}]
    assert len({experiment_name({**BASE, **changes}, BASE) for changes in runs}) == len(runs)


@pytest.fixture
def repository(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """Two commits: the learning rate of the first is 2e-5, that of the second 3e-5."""
    monkeypatch.chdir(tmp_path)
    monkeypatch.delenv("DVC_EXP_BASELINE_REV", raising=False)
    for name in ("GIT_DIR", "GIT_WORK_TREE", "GIT_INDEX_FILE"):
        monkeypatch.delenv(name, raising=False)
    for role in ("AUTHOR", "COMMITTER"):
        monkeypatch.setenv(f"GIT_{role}_NAME", "test")
        monkeypatch.setenv(f"GIT_{role}_EMAIL", "test@example.org")
    git("init", "-q")
    for rate in ("2.0e-5", "3.0e-5"):
        Path("params.yaml").write_text(TEXT.replace("lr: 2.0e-5", f"lr: {rate}"), encoding="utf-8")
        git("add", "params.yaml")
        git("-c", "commit.gpgsign=false", "commit", "-q", "-m", rate)
    return tmp_path


def git(*arguments: str) -> str:
    return subprocess.run(["git", *arguments], check=True, capture_output=True, text=True).stdout.strip()


def test_the_baseline_is_what_is_committed(repository: Path) -> None:
    Path("params.yaml").write_text(TEXT.replace("lr: 2.0e-5", "lr: 9e-5"), encoding="utf-8")
    baseline, revision = baseline_parameters(PARAMETERS)
    assert (baseline["train.lr"], revision) == (3e-5, git("rev-parse", "HEAD"))


def test_an_experiment_is_compared_with_the_commit_it_began_at(repository: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    first = git("rev-parse", "HEAD~1")
    monkeypatch.setenv("DVC_EXP_BASELINE_REV", first)
    baseline, revision = baseline_parameters(PARAMETERS)
    assert (baseline["train.lr"], revision) == (2e-5, first)


def test_without_git_a_run_is_its_own_baseline(repository: Path, monkeypatch: pytest.MonkeyPatch, tmp_path_factory: pytest.TempPathFactory) -> None:
    monkeypatch.setenv("DVC_EXP_BASELINE_REV", "no-such-commit")
    assert baseline_parameters(PARAMETERS) == (BASE, "")
    monkeypatch.delenv("DVC_EXP_BASELINE_REV")
    monkeypatch.chdir(tmp_path_factory.mktemp("no repository"))
    assert baseline_parameters(PARAMETERS) == (BASE, "")


@pytest.mark.parametrize("edit", [("  lr_scheduler: linear\n", ""), ("  lr_scheduler: linear\n", "  gone_since: 1\n"), ("seed: 42\n", "")])
def test_a_baseline_of_another_time_is_compared_by_the_keys_that_both_have(repository: Path, edit: tuple[str, str]) -> None:
    from sentiment.tracking.tracker import describe_run

    Path("params.yaml").write_text(re.sub(rf"^{edit[0].rstrip()}.*\n", edit[1], TEXT, flags=re.MULTILINE), encoding="utf-8")
    git("-c", "commit.gpgsign=false", "commit", "-q", "-a", "-m", "older")
    changed = parse_parameters(TEXT.replace("batch_size: 8\n", "batch_size: 32\n", 1), "params.yaml")
    assert describe_run(changed, "0123456789abcdef", ["a", "b"]).name == "baseline_bs32"


def test_a_baseline_that_cannot_be_read_is_said_and_not_taken_for_this_run(repository: Path, capsys: pytest.CaptureFixture[str]) -> None:
    from sentiment.tracking.tracker import describe_run

    Path("params.yaml").write_text("train: {lr: [1]}\n", encoding="utf-8")
    git("-c", "commit.gpgsign=false", "commit", "-q", "-a", "-m", "other")
    assert describe_run(PARAMETERS, "0123456789abcdef", ["a", "b"]).name == long_form(BASE)
    assert "train.lr" in capsys.readouterr().out


def test_a_run_is_told_its_classes_also_where_the_data_told_them(repository: Path) -> None:
    from sentiment.tracking.tracker import describe_run

    inferred = parse_parameters(TEXT.replace("class_names: [negative, positive]", "class_names: null"), "params.yaml")
    run = describe_run(inferred, "0123456789abcdef", ["1", "2", "3"])
    assert run.config["class_names"] == ["1", "2", "3"]
    assert run.name == "baseline_lr2e-5_prepare.class_names-none"  # the committed learning rate is 3e-5
