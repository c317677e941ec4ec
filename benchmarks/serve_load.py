"""The web service under load: clients that ask without a pause, beside what the bare model does on the same texts.

python -m benchmarks.serve_load                   # 16 clients, 60 seconds, the classifier of `make run`; two minutes
"""

import argparse
import http.client
import json
import socket
import subprocess
import sys
import threading
import time
from typing import Any

import numpy as np

from benchmarks.output import add_output_options, command_line, commit_here, output_file, show_markdown
from sentiment.core import paths
from sentiment.core.files import write_json
from sentiment.core.tables import read_table
from sentiment.model.runtime import start_runtime
from sentiment.model.text_settings import read_text_settings
from sentiment.model.trained.reader import TextClassifier
from sentiment.terminal.errors import UserError, run_main
from sentiment.terminal.progress import say

STARTS_WITHIN = 120.0  # seconds
TOGETHER = 32


def ask(port: int, text: str) -> int:
    """Send one text; return the status, 0 where there was no answer."""
    connection = http.client.HTTPConnection("127.0.0.1", port, timeout=60)
    try:
        connection.request("POST", "/predict", json.dumps({"texts": [text]}), {"Content-Type": "application/json"})
        answer = connection.getresponse()
        answer.read()
    except OSError:
        return 0
    finally:
        connection.close()
    return answer.status


def load(port: int, texts: list[str], clients: int, seconds: float) -> tuple[list[float], int]:
    """Let clients ask until the time is over; return the seconds of each answer, and how many requests failed."""
    times: list[float] = []
    failed = 0
    lock = threading.Lock()
    end = time.monotonic() + seconds

    def client(number: int) -> None:
        nonlocal failed
        generator = np.random.default_rng(number)
        while time.monotonic() < end:
            start = time.perf_counter()
            status = ask(port, texts[int(generator.integers(len(texts)))])
            with lock:
                times.append(time.perf_counter() - start)
                failed += status != 200

    threads = [threading.Thread(target=client, args=(number,)) for number in range(clients)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    return times, failed


def wait_until_ready(port: int, server: "subprocess.Popen[bytes]") -> None:
    """Wait until the service answers."""
    end = time.monotonic() + STARTS_WITHIN
    while time.monotonic() < end and server.poll() is None:
        if ask(port, "ready?") == 200:
            return
        time.sleep(0.3)
    raise UserError(f"the service did not start within {STARTS_WITHIN:.0f} s: `python -m sentiment serve` says why")


def main() -> None:
    """Run the benchmark."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--clients", type=int, default=16)
    parser.add_argument("--seconds", type=float, default=60.0)
    add_output_options(parser, "--json")
    options = parser.parse_args()
    texts = read_table(paths.SPLIT / "test.parquet", columns=["text"]).column("text").to_pylist()
    settings = read_text_settings(paths.CLASSIFIER)
    bare = TextClassifier(paths.CLASSIFIER, start_runtime(settings.precision), settings, TOGETHER)
    bare.read(texts[:TOGETHER])
    start = time.perf_counter()
    bare.read(texts)
    rate = len(texts) / (time.perf_counter() - start)
    del bare
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = free.getsockname()[1]
    server = subprocess.Popen([sys.executable, "-m", "sentiment", "serve", "--port", str(port)], stdout=subprocess.DEVNULL)
    try:
        wait_until_ready(port, server)
        say(f"serve_load: {options.clients} clients, {options.seconds:.0f} s")
        times, failed = load(port, texts, options.clients, options.seconds)
    finally:
        server.terminate()
        server.wait()
    result: dict[str, Any] = {
        "clients": options.clients,
        "seconds": options.seconds,
        "requests": len(times),
        "failed": failed,
        "p50_ms": 1000 * float(np.quantile(times, 0.5)),
        "p95_ms": 1000 * float(np.quantile(times, 0.95)),
        "texts_per_second": len(times) / options.seconds,
        "bare_texts_per_second": rate,
    }
    show_markdown(
        "| clients | requests | failed | p50 | p95 | texts/s | bare model, 32 together |\n| ---: | ---: | ---: | ---: | ---: | ---: | ---: |\n"
        f"| {result['clients']} | {result['requests']:,} | {failed} | {result['p50_ms']:.0f} ms | {result['p95_ms']:.0f} ms "
        f"| {result['texts_per_second']:.0f} | {rate:.0f} |"
    )
    commit = commit_here()
    write_json(output_file(options, "serve_load"), {"command": command_line("serve_load"), "commit": commit, **result})


if __name__ == "__main__":
    run_main(main)
