"""The web service: answers, limits, hostile clients, and what it says of the model."""

import http.client
import json
import signal
import socket
import subprocess
import sys
import time
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from typing import Any

import pytest

from sentiment.use.answers import LabelRule
from sentiment.use.explain import explain
from sentiment.use.predict import Predictor
from sentiment.use.service import request_limits
from sentiment.use.service.serve import MOST_CHARACTERS, MOST_TEXTS, make_app
from tests.serving import serving
from tests.trained import tiny_classifier


class Client:
    """A running service and how it is asked."""

    def __init__(self, port: int, predictor: Predictor) -> None:
        self.port, self.predictor = port, predictor

    def ask(self, method: str, path: str, body: Any = None, host: str = "127.0.0.1", kind: str = "application/json") -> tuple[int, Any]:
        connection = http.client.HTTPConnection("127.0.0.1", self.port, timeout=60)
        content = body if isinstance(body, bytes | None) else json.dumps(body).encode()
        connection.request(method, path, content, {"Content-Type": kind, "Host": host})
        reply = connection.getresponse()
        read = reply.read().decode()
        connection.close()
        return reply.status, json.loads(read) if "json" in (reply.getheader("content-type") or "") else read

    def predict(self, *texts: str) -> tuple[int, Any]:
        return self.ask("POST", "/predict", {"texts": list(texts)})


@pytest.fixture(scope="module")
def client(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Client]:
    predictor = Predictor(tiny_classifier(tmp_path_factory.mktemp("serve") / "classifier"))
    with serving(make_app(predictor, "tiny", ["127.0.0.1"])) as port:
        found = Client(port, predictor)
        yield found
        assert found.predict("good")[0] == 200  # after all that was done to it


def test_it_answers_as_predict_does(client: Client) -> None:
    texts = ["so good <br /> a film", "", "dull & bad", "never " * 100]
    status, content = client.predict(*texts)
    assert status == 200
    for text, answer in zip(texts, content["answers"], strict=True):
        expected = client.predictor.answer([text], LabelRule(client.predictor.class_names))[0]
        assert (answer["label"], answer["cut"]) == (expected.label, expected.cut)
        if expected.probabilities:
            assert list(answer["probabilities"].values()) == pytest.approx(list(expected.probabilities), abs=1e-6)
    assert [answer["label"] is None for answer in content["answers"]] == [False, True, False, False]
    assert content["answers"][3]["cut"]


def test_requests_at_once_get_their_own_answers(client: Client) -> None:
    texts = [f"{'good ' * (number % 5)}{'bad ' * (number % 7)}film" for number in range(48)]
    alone = [client.predictor.answer([text], LabelRule(client.predictor.class_names))[0].probabilities for text in texts]
    with ThreadPoolExecutor(16) as clients:
        replies = list(clients.map(client.predict, texts))
    for (status, content), expected in zip(replies, alone, strict=True):
        assert status == 200
        assert list(content["answers"][0]["probabilities"].values()) == pytest.approx(list(expected or ()), abs=1e-5)


@pytest.mark.parametrize(
    ("body", "status", "words"),
    [
        (b"", 422, "body"),
        (b"not json", 422, "JSON"),
        (b'{"texts": ["\xff"]}', 400, "body"),
        (b'{"texts": ["\\ud83d"]}', 422, "texts.0"),
        ({"texts": []}, 422, "at least 1"),
        ({"texts": "good"}, 422, "list"),
        ({"texts": [3]}, 422, "string"),
        ({"texts": ["good"], "\ud83d": 1}, 422, "unicode"),
        ({"texts": ["good"], "more": 1}, 422, "not permitted"),
        ({"texts": ["good"], "k" * 100_000: 1}, 422, "not permitted"),
        (b'{"texts": [NaN]}', 422, "texts.0"),
        (b'{"texts": ' + b"9" * 10_000 + b"}", 400, "body"),
        ({"texts": ["x" * (MOST_CHARACTERS + 1)]}, 422, f"at most {MOST_CHARACTERS}"),
        ({"texts": ["good"] * 10_000}, 422, f"at most {MOST_TEXTS}"),
        ({"texts": ["x" * 10_000_000]}, 413, "MiB"),
        (b"[" * 100_000, 400, "body"),
    ],
)
def test_what_is_wrong_is_refused_clearly(client: Client, body: Any, status: int, words: str) -> None:
    found, content = client.ask("POST", "/predict", body)
    assert found == status, content
    assert words in content["detail"]
    assert len(content["detail"]) < 500


def test_it_explains_a_text_and_gives_the_text_back_whole(client: Client) -> None:
    text = "so good, <3 never dull"
    status, content = client.ask("POST", "/explain", {"text": text})
    assert status == 200
    assert "".join(word["text"] for word in content["words"]) == text
    expected = explain(client.predictor, text)
    assert [word["weight"] for word in content["words"] if word["weight"] is not None] == pytest.approx([word.weight for word in expected.words])
    for label in ("secret", "\ud83d", "x" * 100_000, 3):
        status, content = client.ask("POST", "/explain", {"text": text, "label": label})
        assert status == 422 and "label" in content["detail"] and "secret" not in content["detail"] and len(content["detail"]) < 500
    assert client.ask("POST", "/explain", {"text": ""})[0] == 422


def test_other_content_than_json_is_refused_in_words(client: Client) -> None:
    for kind in ("text/plain", "application/x-www-form-urlencoded", "multipart/form-data; boundary=x", ""):
        status, content = client.ask("POST", "/predict", b'{"texts": ["good"]}', kind=kind)
        assert (status, content) == (415, {"detail": "body: send JSON, with the header Content-Type: application/json"})


def test_a_defect_is_answered_and_logged_without_what_was_sent(
    client: Client, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    def fail(texts: list[str], *_: Any) -> list[Any]:
        raise RuntimeError(texts[0])

    monkeypatch.setattr(client.predictor, "answer", fail)
    status, content = client.predict("a private sentence")
    assert status == 500 and "failed on this request" in content["detail"]
    logged = capsys.readouterr().err
    assert logged.startswith("serve: a request failed: RuntimeError in fail (") and len(logged.splitlines()) == 1
    assert "private" not in logged


def test_other_hosts_and_methods_are_refused(client: Client) -> None:
    assert client.ask("GET", "/predict")[0] == 405
    assert client.ask("GET", "/docs")[0] == 404
    assert client.ask("GET", "/health", host="evil.example")[0] == 400  # a page elsewhere whose name leads here
    assert client.ask("GET", "/health") == (200, {"status": "ok"})


def test_a_client_that_never_ends_its_request_is_let_go(client: Client, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(request_limits, "BODY_SECONDS", 0.3)
    with socket.create_connection(("127.0.0.1", client.port), timeout=30) as slow:
        slow.sendall(b"POST /predict HTTP/1.1\r\nHost: 127.0.0.1\r\nContent-Type: application/json\r\nContent-Length: 100\r\n\r\n{")
        assert client.predict("good")[0] == 200
        assert b" 408 " in slow.recv(4096)


def test_it_describes_the_model_and_itself(client: Client) -> None:
    about = client.ask("GET", "/model")[1]
    assert about["classes"] == ["negative", "positive"]
    assert about["reads"]["max_length"] == 32
    assert "/predict" in client.ask("GET", "/openapi.json")[1]["paths"]
    status, page = client.ask("GET", "/")
    assert status == 200 and "<textarea" in page
    assert "http://" not in page and "https://" not in page  # nothing is loaded from elsewhere
    assert "innerHTML" not in page


@pytest.mark.parametrize("host", ["nowhere.invalid", "192.0.2.1"])
def test_an_address_that_is_not_here_is_one_line(client: Client, host: str) -> None:
    command = [sys.executable, "-m", "sentiment", "serve", "--model", str(client.predictor.folder), "--host", host]
    done = subprocess.run(command, capture_output=True, text=True, timeout=60, check=False)
    assert (done.returncode, done.stdout, len(done.stderr.splitlines())) == (1, "", 1)
    assert done.stderr.startswith(f"error: serve: {host}, port 8000 cannot be listened on (")


def test_ctrl_c_ends_the_service_in_one_line(client: Client) -> None:
    command = [sys.executable, "-m", "sentiment", "serve", "--model", str(client.predictor.folder), "--port", "0"]
    process = subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True)
    try:
        assert process.stdout is not None
        assert "http://127.0.0.1:" in process.stdout.readline()
        time.sleep(0.5)
        process.send_signal(signal.SIGTERM)
        printed, errors = process.communicate(timeout=30)
    finally:
        process.kill()
    assert (process.returncode, printed, errors) == (0, "serve: stopped\n", "")
