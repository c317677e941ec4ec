"""The benchmarks of exported models, of large files and of the web service: what they count, and what their tables say."""

import json
import sys
import threading
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path

import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from benchmarks import predict_scale
from benchmarks.export_latency import markdown_of
from benchmarks.memory import run_measured
from benchmarks.serve_load import load
from sentiment.core import paths
from sentiment.terminal.errors import UserError


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


def test_a_command_is_measured_with_the_processes_it_starts(tmp_path: Path) -> None:
    hold = "import time; held = bytearray(150 << 20); time.sleep(0.5)"
    child = f"import subprocess, sys; subprocess.run([sys.executable, '-c', {hold!r}])"
    run = run_measured([sys.executable, "-c", child], tmp_path)
    assert run.seconds > 0.5 and run.peak_mib() > 150
    assert run.peak_mib(0.01) < run.peak_mib()
    with pytest.raises(UserError, match="status 3"):
        run_measured([sys.executable, "-c", "raise SystemExit(3)"], tmp_path)


def test_files_to_classify_have_as_many_texts_as_asked_for(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    reviews = tmp_path / "reviews.parquet"
    pq.write_table(pa.table({"text": ["One film.", "Another\nfilm."], "label": [0, 1]}), reviews)
    job = predict_scale.review_job(tmp_path, [reviews], 5)
    texts = [json.loads(line)["text"] for line in job.path.read_text(encoding="utf-8").splitlines()]
    assert texts == ["One film.", "Another\nfilm."] * 2 + ["One film."] and sorted(job.sample) == sorted(texts[:2])
    monkeypatch.chdir(tmp_path)
    paths.SPLIT.mkdir(parents=True)
    pq.write_table(pa.table({"text": ["One film after another."]}), paths.SPLIT / "test.parquet")
    lines = predict_scale.line_job(tmp_path, 12_345)
    written = lines.path.read_text(encoding="utf-8").splitlines()
    assert len(written) == 12_345 and {len(line.split()) for line in written} == {10}
    assert len(set(written[:100])) > 90 and lines.sample == written[: len(lines.sample)]


def test_the_table_compares_a_job_with_the_forward_pass_alone() -> None:
    job = {"name": "10 lines", "seconds": 5.0, "texts_per_second": 2.0, "forward_texts_per_second": [2.0, 3.0], "ratio": 0.8}
    table = predict_scale.jobs_table([{**job, "peak_mib": 1234.0, "peak_mib_first_quarter": 1000.0}])
    assert table.splitlines()[-1] == "| 10 lines | 5 | 2 | 2 | 0.80 | 1,234 MiB | 1,000 MiB |"
