"""Bringing data in: local files and folders, and the Hub through a local stand-in; always under DVC, never half."""

import json
import os
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from tests.hub import COMMIT, stand_in_hub
from tests.imports import ROOT

UNREACHABLE = "http://127.0.0.1:9"
ROWS = [{"text": "good", "label": 1}, {"text": "bad", "label": 0, "extra": "x"}]


@pytest.fixture
def checkout(tmp_path: Path) -> Path:
    root = tmp_path / "checkout"
    (root / "data").mkdir(parents=True)
    (root / "dvc.yaml").write_text("stages: {}\n")
    for command in (["git", "init", "-q"], [sys.executable, "-m", "dvc", "init", "-q"]):
        subprocess.run(command, cwd=root, check=True, capture_output=True)
    return root


def fetch(checkout: Path, *arguments: str, **environment: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [sys.executable, "-m", "sentiment", "fetch", *arguments],
        cwd=checkout,
        env={**os.environ, "PYTHONPATH": str(ROOT), "HF_ENDPOINT": UNREACHABLE, "HF_HOME": str(checkout.parent / "home"), **environment},
        capture_output=True,
        text=True,
        timeout=120,
        check=False,
    )


def jsonl(path: Path, rows: list[dict[str, object]]) -> Path:
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text("".join(json.dumps(row) + "\n" for row in rows), encoding="utf-8")
    return path


def refused(done: subprocess.CompletedProcess[str], checkout: Path, name: str) -> str:
    assert done.returncode == 1
    assert done.stderr.startswith("error: ") and len(done.stderr.splitlines()) == 1, done.stderr
    assert not (checkout / "data" / name).exists()
    assert [path.name for path in (checkout / "data").iterdir() if path.name != ".gitignore"] == []
    return done.stderr


def test_a_file_becomes_parquet_under_dvc(checkout: Path, tmp_path: Path) -> None:
    done = fetch(checkout, str(jsonl(tmp_path / "reviews.jsonl", ROWS)))
    assert done.returncode == 0, done.stderr
    table = pq.read_table(checkout / "data/reviews/all.parquet")
    assert table.to_pylist() == [{"text": "good", "label": 1, "extra": None}, {"text": "bad", "label": 0, "extra": "x"}]
    assert json.loads((checkout / "data/reviews/origin.json").read_text()) == {"source": "reviews.jsonl", "rows": {"all": 2}}
    staged = subprocess.run(["git", "diff", "--cached", "--name-only"], cwd=checkout, capture_output=True, text=True, check=True).stdout
    assert {"data/reviews.dvc", "data/.gitignore"} <= set(staged.split())


def test_data_survives_an_experiment_that_unstages_it(checkout: Path, tmp_path: Path) -> None:
    def run(*command: str) -> str:
        identity = {f"GIT_{role}_{what}": "x@example.org" for role in ("AUTHOR", "COMMITTER") for what in ("NAME", "EMAIL")}
        return subprocess.run(command, cwd=checkout, env={**os.environ, **identity}, capture_output=True, text=True, check=True).stdout

    run("git", "add", "-A")
    run("git", "commit", "-q", "-m", "start")
    source = str(jsonl(tmp_path / "reviews.jsonl", ROWS))
    advice = fetch(checkout, source).stdout.splitlines()[-1]
    assert "commit it before `dvc exp run`, which un-stages it (--commit does so): git add data/reviews.dvc" in advice
    run("git", "reset", "-q")  # as `dvc exp run` leaves it
    run("sh", "-c", advice.partition("(--commit does so): ")[2])  # the printed command
    assert "data/reviews.dvc" in run("git", "ls-tree", "--name-only", "-r", "HEAD").split()
    assert "--commit" not in fetch(checkout, source).stdout  # nothing left to commit
    other = fetch(
        checkout, source, "--name", "other", "--commit", GIT_AUTHOR_NAME="x", GIT_AUTHOR_EMAIL="x", GIT_COMMITTER_NAME="x", GIT_COMMITTER_EMAIL="x"
    )
    assert other.returncode == 0 and "data/other.dvc is committed" in other.stdout, other.stderr
    assert run("git", "status", "--porcelain") == ""


def test_a_folder_keeps_its_splits_and_several_files_of_one_are_joined(checkout: Path, tmp_path: Path) -> None:
    folder = tmp_path / "mine"
    jsonl(folder / "train-00.jsonl", ROWS)
    jsonl(folder / "train-01.jsonl", ROWS)
    jsonl(folder / "unlabelled.jsonl", ROWS)
    (folder / "test.csv").write_text('text,label\n"so, so",0\n', encoding="utf-8")
    done = fetch(checkout, str(folder), "--name", "other")
    assert done.returncode == 0, done.stderr
    assert "unlabelled.jsonl starts with none" in done.stdout
    assert sorted(path.name for path in (checkout / "data/other").iterdir()) == ["origin.json", "test.parquet", "train.parquet"]
    assert pq.read_table(checkout / "data/other/train.parquet").num_rows == 4
    assert pq.read_table(checkout / "data/other/test.parquet").to_pylist() == [{"text": "so, so", "label": "0"}]


def test_fetching_again_takes_the_new_data(checkout: Path, tmp_path: Path) -> None:
    source = jsonl(tmp_path / "reviews.jsonl", ROWS)
    assert fetch(checkout, str(source)).returncode == 0
    jsonl(source, ROWS * 3)
    assert fetch(checkout, str(source)).returncode == 0
    assert pq.read_table(checkout / "data/reviews/all.parquet").num_rows == 6
    status = subprocess.run([sys.executable, "-m", "dvc", "status"], cwd=checkout, capture_output=True, text=True, check=True)
    assert "up to date" in status.stdout


@pytest.mark.parametrize(
    ("content", "expected"),
    [
        ('{"text": "good"}\nnot json\n', "bad.jsonl, line 2: not JSON"),
        ('{"text": "good"}\n{"text": 3}\n', "line 2: column 'text' has the value 3 where earlier rows have str values like 'good'"),
        ("", "all: no rows"),
    ],
)
def test_a_file_that_cannot_be_read_leaves_nothing(checkout: Path, tmp_path: Path, content: str, expected: str) -> None:
    (tmp_path / "bad.jsonl").write_text(content, encoding="utf-8")
    assert expected in refused(fetch(checkout, str(tmp_path / "bad.jsonl")), checkout, "bad")


def test_a_failed_fetch_leaves_the_data_of_the_one_before(checkout: Path, tmp_path: Path) -> None:
    source = jsonl(tmp_path / "reviews.jsonl", ROWS)
    assert fetch(checkout, str(source)).returncode == 0
    source.write_text("broken\n", encoding="utf-8")
    assert fetch(checkout, str(source)).returncode == 1
    assert pq.read_table(checkout / "data/reviews/all.parquet").num_rows == 2


def test_what_is_not_there_or_not_allowed_is_said_in_one_line(checkout: Path, tmp_path: Path) -> None:
    source = str(jsonl(tmp_path / "reviews.jsonl", ROWS))
    assert "no such file or folder" in refused(fetch(checkout, "/nowhere/data.jsonl"), checkout, "data")
    assert "letters, digits" in refused(fetch(checkout, source, "--name", "../x"), checkout, "x")
    assert "none of prepared, split" in refused(fetch(checkout, source, "--name", "split"), checkout, "split")
    assert "--revision is for a dataset of the Hub" in refused(fetch(checkout, source, "--revision", "main"), checkout, "reviews")
    (checkout / "data/reviews").mkdir()
    assert "was not fetched: choose another --name" in fetch(checkout, source).stderr


def test_outside_the_project_it_says_where_to_run(tmp_path: Path) -> None:
    assert "run this in the project's root" in fetch(tmp_path, str(jsonl(tmp_path / "reviews.jsonl", ROWS))).stderr


@pytest.fixture(scope="module")
def hub(tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    folder = tmp_path_factory.mktemp("hub")
    (folder / "plain").mkdir()
    for split in ("train", "test", "unsupervised"):
        table = pa.table({"text": [f"{split} {row}" for row in range(3)], "label": [0, 1, 1]})
        pq.write_table(table, folder / "plain" / f"{split}-00000-of-00001.parquet")
    files = "".join(f"  - split: {split}\n    path: plain/{split}-*\n" for split in ("train", "test", "unsupervised"))
    (folder / "README.md").write_text(f"---\nconfigs:\n- config_name: plain\n  data_files:\n{files}---\n", encoding="utf-8")
    with stand_in_hub("someone/reviews", folder) as url:
        yield url


def small_dataset(folder: Path) -> Path:
    """Files as the Hub has them."""
    folder.mkdir()
    pq.write_table(pa.table({"text": ["fine", "dull"], "label": [1, 0]}), folder / "train.parquet")
    return folder


def test_a_dataset_that_moved_on_since_the_last_fetch_is_said(checkout: Path, tmp_path: Path) -> None:
    said = []
    folder = small_dataset(tmp_path / "moving")
    for commit in (COMMIT, COMMIT[::-1]):
        with stand_in_hub("someone/moving", folder, commit=commit) as url:
            done = fetch(checkout, "someone/moving", "--cache-dir", str(checkout.parent / "cache"), HF_ENDPOINT=url)
        assert done.returncode == 0, done.stderr
        said.append("the Hub has moved on" in done.stdout)
    assert said == [False, True] and f"was of commit {COMMIT}, and is of {COMMIT[::-1]} now" in done.stdout


def test_a_dataset_of_the_hub_comes_with_its_commit(checkout: Path, hub: str) -> None:
    done = fetch(checkout, "someone/reviews", "--name", "mine", HF_ENDPOINT=hub)
    assert done.returncode == 0, done.stderr
    origin = json.loads((checkout / "data/mine/origin.json").read_text())
    assert origin["commit"] == COMMIT
    assert origin["rows"] == {"test": 3, "train": 3, "unsupervised": 3}
    assert pq.read_table(checkout / "data/mine/train.parquet").column("text").to_pylist() == ["train 0", "train 1", "train 2"]
    assert (checkout / "data/mine.dvc").is_file()


def test_a_cached_dataset_is_found_without_a_network(checkout: Path, hub: str) -> None:
    cache = str(checkout.parent / "cache")
    assert fetch(checkout, "someone/reviews", "--name", "first", "--cache-dir", cache, HF_ENDPOINT=hub).returncode == 0
    done = fetch(checkout, "someone/reviews", "--name", "second", "--cache-dir", cache, "--revision", COMMIT)
    assert done.returncode == 0, done.stderr
    assert "the Hub does not answer; looking in its cache" in done.stdout
    first, second = (pq.read_table(checkout / f"data/{name}/train.parquet") for name in ("first", "second"))
    assert first.equals(second)
    other = fetch(checkout, "someone/reviews", "--name", "third", "--cache-dir", cache, "--revision", "f" * 40)
    assert f"the cache holds commit {COMMIT} only" in other.stderr
    assert not (checkout / "data/third").exists()


def test_splits_of_the_hub_can_be_chosen_and_renamed(checkout: Path, hub: str) -> None:
    arguments = ("someone/reviews", "--name", "mine", "--config", "plain", "--split", "train", "--split", "unsupervised=test")
    assert fetch(checkout, *arguments, HF_ENDPOINT=hub).returncode == 0
    assert sorted(path.stem for path in (checkout / "data/mine").glob("*.parquet")) == ["test", "train"]
    assert "it has train, test, unsupervised" in fetch(checkout, "someone/reviews", "--name", "other", "--split", "dev", HF_ENDPOINT=hub).stderr


def test_a_hub_that_does_not_answer_or_does_not_know_the_id_is_one_line(checkout: Path, hub: str) -> None:
    assert "the Hub does not answer and it is not whole in the cache" in refused(fetch(checkout, "someone/else"), checkout, "else")
    assert "cannot be fetched from the Hub" in refused(fetch(checkout, "someone/else", HF_ENDPOINT=hub), checkout, "else")
    wrong = fetch(checkout, "someone/reviews", "--revision", "nowhere", HF_ENDPOINT=hub)
    assert "at revision nowhere" in refused(wrong, checkout, "reviews")


def test_a_dataset_of_the_hub_keeps_the_names_of_its_classes(checkout: Path, tmp_path: Path) -> None:
    from sentiment.data.reading.class_inference import Classes, find_classes
    from sentiment.data.reading.sources import SourceFile

    folder = tmp_path / "named"
    folder.mkdir()
    features = {"text": {"dtype": "string", "_type": "Value"}, "label": {"names": ["unhappy", "happy"], "_type": "ClassLabel"}}
    table = pa.table({"text": ["a", "b"], "label": [1, 0]}).replace_schema_metadata({"huggingface": json.dumps({"info": {"features": features}})})
    pq.write_table(table, folder / "train.parquet")
    with stand_in_hub("someone/named", folder) as url:
        assert fetch(checkout, "someone/named", "--name", "mine", HF_ENDPOINT=url).returncode == 0
    assert fetch(checkout, str(folder), "--name", "local").returncode == 0
    for name in ("mine", "local"):
        file = SourceFile(checkout / f"data/{name}/train.parquet", "train")
        assert find_classes([file], "label") == Classes(["unhappy", "happy"], labels_are_names=False)
