"""A model to the Hub: what its card says, what is sent, and what is refused."""

import base64
import json
import threading
from collections.abc import Iterator
from dataclasses import replace
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pytest
from huggingface_hub import ModelCard

from sentiment.core.files import write_json
from sentiment.model.trained.temperature import Temperature
from sentiment.settings.schema import load_parameters
from sentiment.terminal.errors import UserError
from sentiment.use.publishing import publish as publish_module
from sentiment.use.publishing.card_examples import CardExample, answered_right
from sentiment.use.publishing.hub_card import Published, card_data, hub_card
from sentiment.use.publishing.publish import Publication, lay_out, publish, send
from tests.imports import ROOT

METRICS = {"accuracy": 0.897, "accuracy_low": 0.837, "accuracy_high": 0.955, "macro_f1": 0.896, "roc_auc": 0.97, "loss": 0.264, "ece": 0.047}
SLICES = {
    "tokens": [{"name": "1 to 64", "rows": 100, "accuracy": 0.95, "low": 0.9, "high": 0.98}],
    "challenge": [
        {"name": "mixed <b>|", "rows": 45, "accuracy": 0.289, "low": 0.177, "high": 0.434},
        {"name": "rare", "rows": 3, "accuracy": 0.0, "low": 0.0, "high": 0.6},
    ],
}


def published(**changes: Any) -> Published:
    known = Published(
        "me/films", load_parameters(ROOT / "params.yaml"), ["negative", "positive"], METRICS, SLICES, Temperature(1.3, 1.3, 0.1, 150, None),
        "a" * 40, "apache-2.0", "en", None, None, [CardExample('He said "no" & left.', "negative", 0.973)],
    )  # fmt: skip
    return replace(known, **changes)


class Reader:
    """Answers by the first letter: a is negative, anything else positive, the surer the longer."""

    def read(self, texts: list[str], progress: Any = None) -> tuple[np.ndarray, np.ndarray]:
        sizes = np.array([len(text) for text in texts]) / 50
        signs = np.array([1 if text.startswith("a") else -1 for text in texts])
        return np.stack([signs * sizes, -signs * sizes], axis=1), np.ones(len(texts), dtype=np.int64)


def test_examples_are_texts_that_the_model_answers_right_with_its_answer() -> None:
    texts = ["a fine text of negative words here", "another one of negative words, longer", "b wrongly answered, but much longer than both of them"]
    texts += ["a positive text that is answered wrong", "a" * 500, "a text with `code` in it, thirty letters"]
    table = pa.table({"text": texts, "label": [0, 0, 0, 1, 0, 0]})
    (one,) = answered_right(table, ["negative", "positive"], Reader())  # type: ignore[arg-type]
    assert (one.text, one.label) == (texts[1], "negative")
    assert one.probability == pytest.approx(1 / (1 + np.exp(-2 * len(texts[1]) / 50)))
    card = hub_card(published(examples=[one]))
    assert f"classify({texts[1]!r})\n# negative, {one.probability:.2f}\n```" in card


class Hub:
    """A stand-in for the Hub that takes one commit, and checks the header of a card as the Hub does: all of it must be known YAML."""

    def __init__(self) -> None:
        self.files: dict[str, bytes] = {}
        self.created: dict[str, Any] = {}
        self.token = ""
        self.refuse = 0
        hub = self

        class Handler(BaseHTTPRequestHandler):
            protocol_version = "HTTP/1.1"

            def do_POST(self) -> None:
                body = self.rfile.read(int(self.headers.get("Content-Length", 0)))
                hub.token = self.headers.get("Authorization", "")
                if hub.refuse:
                    self._send({"error": "not yours"}, hub.refuse)
                elif self.path == "/api/repos/create":
                    hub.created = json.loads(body)
                    self._send({"url": f"{hub.url}/me/films", "name": "me/films"})
                elif self.path == "/api/validate-yaml":
                    card = ModelCard(json.loads(body)["content"], ignore_metadata_errors=False)
                    wrong = [] if card.data.license and card.data.pipeline_tag else [{"message": "licence or task is missing"}]
                    self._send({"errors": wrong, "warnings": []})
                elif "/preupload/" in self.path:
                    files = json.loads(body)["files"]
                    self._send({"files": [{"path": file["path"], "uploadMode": "regular", "shouldIgnore": False} for file in files]})
                elif "/commit/" in self.path:
                    for line in body.splitlines():
                        entry = json.loads(line)
                        if entry["key"] == "file":
                            hub.files[entry["value"]["path"]] = base64.b64decode(entry["value"]["content"])
                    self._send({"commitUrl": f"{hub.url}/me/films/commit/1", "commitOid": "1", "pullRequestUrl": None, "success": True})
                else:
                    self._send({"error": self.path}, 404)

            def do_GET(self) -> None:
                self._send({"id": "me/films", "sha": "0" * 40, "siblings": []})

            def _send(self, content: Any, status: int = 200) -> None:
                encoded = json.dumps(content).encode()
                self.send_response(status)
                self.send_header("Content-Type", "application/json")
                self.send_header("Content-Length", str(len(encoded)))
                self.end_headers()
                self.wfile.write(encoded)

            def log_message(self, *_: Any) -> None:
                pass

        self.server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        self.url = f"http://127.0.0.1:{self.server.server_port}"


@pytest.fixture
def hub() -> Iterator[Hub]:
    found = Hub()
    thread = threading.Thread(target=found.server.serve_forever)
    thread.start()
    yield found
    found.server.shutdown()
    thread.join()
    found.server.server_close()


@pytest.fixture
def workspace(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.chdir(tmp_path)
    for name, content in (
        ("models/classifier/model.safetensors", "weights"),
        ("models/classifier/README.md", "the card of the train stage"),
        ("reports/train/steps.tsv", "step\n"),
        ("reports/eval/report.md", "report"),
        ("reports/eval/predictions.parquet", "ids and labels"),
        ("reports/eval/label_issues.json", "{}"),
    ):
        path = tmp_path / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(content)
    return tmp_path


@pytest.mark.parametrize("dataset", [None, "stanfordnlp/imdb"])
def test_the_header_comes_back_whole(dataset: str | None) -> None:
    model = published(dataset=dataset, dataset_revision="b" * 40 if dataset else None)
    read = ModelCard(hub_card(model), ignore_metadata_errors=False).data
    assert read.to_dict() == card_data(model).to_dict()
    assert read.base_model == "sentence-transformers/all-MiniLM-L6-v2"
    assert {result.metric_type: result.metric_value for result in read.eval_results or []} == {"accuracy": 0.897, "f1": 0.896, "roc_auc": 0.97}
    assert (read.license, read.language, read.datasets) == ("apache-2.0", "en", [dataset] if dataset else None)


def test_it_names_intervals_limits_and_how_to_make_it_again() -> None:
    card = hub_card(published())
    assert "0.8970 | 0.8370 to 0.9550" in card
    assert "challenge: mixed &lt;b>\\| | 45 | 28.9% | 17.7% to 43.4%" in card and "rare" not in card
    assert "a" * 40 in card and "learning_rate" not in card and "lr: 2.0e-05" in card
    assert "divide the logits by 1.300" in card


def test_model_card_curves_and_report_are_sent(hub: Hub, workspace: Path) -> None:
    folder = workspace / "out"
    lay_out(folder, published())
    send(folder, "me/films", True, hub.url, "hf_secret")
    assert set(hub.files) == {"model.safetensors", "README.md", "curves/steps.tsv", "report/report.md"}
    assert hub.files["README.md"].decode() == hub_card(published())
    assert hub.created.get("visibility", hub.created.get("private")) in ("private", True)
    assert hub.token == "Bearer hf_secret"


@pytest.mark.parametrize("status", [401, 403])
def test_a_refusal_is_one_line(hub: Hub, workspace: Path, status: int) -> None:
    hub.refuse = status
    lay_out(workspace / "out", published())
    with pytest.raises(UserError, match="the Hub does not take me/films"):
        send(workspace / "out", "me/films", False, hub.url, "hf_secret")


def test_without_a_token_nothing_is_done(workspace: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("huggingface_hub.get_token", lambda: None)
    with pytest.raises(UserError, match="no token for the Hub"):
        publish(Publication("me/films"))
    assert not (workspace / ".cache").exists()


def test_a_workspace_that_differs_from_its_commit_is_refused(workspace: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(publish_module, "run_git", lambda *_: " M params.yaml\n")
    with pytest.raises(UserError, match="commit first"):
        publish_module.describe(Publication("me/films"))
    monkeypatch.setattr(publish_module, "run_git", lambda *_: "")
    monkeypatch.setattr(publish_module, "run_dvc", lambda *_: json.dumps({"train": []}))
    with pytest.raises(UserError, match=r"differs from its dvc\.lock \(train\)"):
        publish_module.describe(Publication("me/films"))


@pytest.mark.parametrize("name", ["films", "a/b/c", "../films", "me/fi lms", "me/-films"])
def test_a_name_that_the_hub_does_not_take_is_refused_before_it_is_asked(workspace: Path, name: str) -> None:
    with pytest.raises(UserError, match="owner/name|takes no such name"):
        publish_module.describe(Publication(name))


def test_a_licence_that_is_not_known_must_be_named(workspace: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(publish_module, "run_git", lambda *_: "")
    monkeypatch.setattr(publish_module, "run_dvc", lambda *_: "{}")
    text = (ROOT / "params.yaml").read_text(encoding="utf-8").replace("data/reviews.jsonl ", "data/mine ")
    (workspace / "params.yaml").write_text(text, encoding="utf-8")
    with pytest.raises(UserError, match="name it with --license"):
        publish_module.describe(Publication("me/films"))
    write_json(workspace / "data/split/classes.json", {"class_names": ["a", "b"]})
    write_json(workspace / "reports/eval/summary.json", METRICS)
    write_json(workspace / "reports/eval/slices.json", SLICES)
    found = publish_module.describe(Publication("me/films", licence="mit"))
    assert (found.licence, found.language, found.class_names) == ("mit", None, ["a", "b"])
