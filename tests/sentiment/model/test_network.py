"""Asking a host: any HTTP answer counts, and nothing that happens there makes noise or takes long."""

import socket
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager

import pytest

from sentiment.model.network import reachable


@pytest.fixture(autouse=True)
def _no_proxies(monkeypatch: pytest.MonkeyPatch) -> None:
    for name in ("http_proxy", "https_proxy", "all_proxy"):
        monkeypatch.delenv(name, raising=False)
        monkeypatch.delenv(name.upper(), raising=False)


@contextmanager
def server(answer: Callable[[socket.socket], None]) -> Iterator[str]:
    """Serve one connection at a time on this machine and give the address."""
    with socket.create_server(("127.0.0.1", 0)) as listening:

        def serve() -> None:
            while True:
                try:
                    connection, _ = listening.accept()
                except OSError:
                    return
                with connection:
                    answer(connection)

        threading.Thread(target=serve, daemon=True).start()
        yield f"http://127.0.0.1:{listening.getsockname()[1]}"


def saying(status: bytes) -> Callable[[socket.socket], None]:
    def answer(connection: socket.socket) -> None:
        connection.recv(4096)
        connection.sendall(status + b"\r\nContent-Length: 0\r\n\r\n")

    return answer


@pytest.mark.parametrize("status", [b"HTTP/1.1 200 OK", b"HTTP/1.1 404 Not Found", b"HTTP/1.1 503 Service Unavailable"])
def test_any_http_answer_counts(status: bytes) -> None:
    with server(saying(status)) as url:
        assert reachable(url)


def test_a_closed_port_is_no_answer() -> None:
    with server(saying(b"")) as url:
        pass
    assert not reachable(url)


@pytest.mark.filterwarnings("error::pytest.PytestUnhandledThreadExceptionWarning")
def test_an_answer_that_is_no_http_is_none(capfd: pytest.CaptureFixture[str]) -> None:
    with server(saying(b"what do you want?")) as url:
        assert not reachable(url)
    assert capfd.readouterr() == ("", "")


@pytest.mark.filterwarnings("error::pytest.PytestUnhandledThreadExceptionWarning")
@pytest.mark.parametrize("url", ["", "nowhere", "http://", "http://two words/", "http://[::bad", "ftp://127.0.0.1:9/"])
def test_what_is_no_web_address_is_no_answer(url: str, capfd: pytest.CaptureFixture[str]) -> None:
    assert not reachable(url)
    assert capfd.readouterr() == ("", "")


def test_a_host_that_stays_silent_is_left_after_the_time_out() -> None:
    let_go = threading.Event()
    with server(lambda _: let_go.wait(20) and None) as url:
        start = time.monotonic()
        assert not reachable(url, timeout=0.3)
        assert time.monotonic() - start < 10
        let_go.set()
