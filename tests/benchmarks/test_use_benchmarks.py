"""The benchmarks of exported models and of the web service: what they count, and what their tables say."""

import threading
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

import pytest

from benchmarks.export_latency import markdown_of
from benchmarks.serve_load import load


def test_forms_are_compared_with_pytorch_in_fp32() -> None:
    arm = {"mib": 80.0, "p50_ms": 30.0, "p95_ms": 60.0, "texts_per_second": 100.0}
    table = markdown_of({"PyTorch fp32": arm, "onnx-int8": {**arm, "mib": 20.0, "p50_ms": 10.0, "texts_per_second": 50.0}})
    assert table.splitlines()[-1] == "| onnx-int8 | 20 | 10.0 ms | 60.0 ms | 3.00 | 50 | 0.50 |"


@pytest.fixture
def every_third_fails() -> Iterator[int]:
    count = iter(range(1_000_000))
    lock = threading.Lock()

    class Handler(BaseHTTPRequestHandler):
        def do_POST(self) -> None:
            self.rfile.read(int(self.headers["Content-Length"]))
            with lock:
                status = 500 if next(count) % 3 == 0 else 200
            self.send_response(status)
            self.send_header("Content-Length", "0")
            self.end_headers()

        def log_message(self, *_: object) -> None:
            pass

    server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    threading.Thread(target=server.serve_forever, daemon=True).start()
    yield server.server_port
    server.shutdown()
    server.server_close()


def test_requests_that_fail_are_counted(every_third_fails: int) -> None:
    times, failed = load(every_third_fails, ["a text"], clients=2, seconds=0.3)
    assert failed == -(-len(times) // 3) > 0
    closed, refused = load(1, ["a text"], clients=1, seconds=0.05)
    assert refused == len(closed) > 0
