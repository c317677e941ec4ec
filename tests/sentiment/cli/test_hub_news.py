"""What `show` says of models and data that have other commits on the Hub by now."""

import json
from pathlib import Path

import pytest

from sentiment.cli.hub_news import hub_news
from tests.hub import COMMIT, stand_in_hub

OTHER = COMMIT[::-1]


@pytest.fixture
def taken(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A checkout whose training and whose data came from the Hub."""
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("HF_ENDPOINT", "http://127.0.0.1:9")
    model = {"model": "someone/tiny", "revision": None, "commit": COMMIT, "head": "new"}
    data = {"source": "someone/reviews", "revision": None, "commit": COMMIT}
    for path, record in (("reports/train/encoder.json", model), ("data/mine/origin.json", data)):
        (tmp_path / path).parent.mkdir(parents=True)
        (tmp_path / path).write_text(json.dumps(record), encoding="utf-8")
    return tmp_path


@pytest.mark.parametrize(("kind", "name", "way"), [("models", "someone/tiny", "dvc repro -sf train"), ("datasets", "someone/reviews", "--name mine")])
def test_a_newer_commit_is_said_with_what_to_do(taken: Path, monkeypatch: pytest.MonkeyPatch, kind: str, name: str, way: str) -> None:
    (taken / "hub").mkdir()
    for commit, expected in ((COMMIT, []), (OTHER, [name])):
        with stand_in_hub(name, taken / "hub", kind, commit) as url:
            monkeypatch.setenv("HF_ENDPOINT", url)
            news = hub_news()
        assert [line.split(":")[0] for line in news] == expected
    assert OTHER[:7] in news[0] and COMMIT[:7] in news[0] and way in news[0]


def test_without_the_hub_or_at_a_commit_that_was_asked_for_there_is_no_news(taken: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    assert hub_news() == []
    for path in ("reports/train/encoder.json", "data/mine/origin.json"):
        record = json.loads((taken / path).read_text(encoding="utf-8"))
        (taken / path).write_text(json.dumps({**record, "revision": COMMIT}), encoding="utf-8")
    with stand_in_hub("someone/tiny", taken / "hub", "models", OTHER) as url:
        monkeypatch.setenv("HF_ENDPOINT", url)
        assert hub_news() == []
