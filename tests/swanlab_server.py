"""A stand-in for SwanLab's server: takes runs, and falls silent when told to."""

import json
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any


@dataclass
class StandIn:
    """The server's address, what it was sent, and from which path on it does not answer."""

    url: str = ""
    requests: list[tuple[str, str, Any]] = field(default_factory=list)
    silent_from: str | None = None
    ended: threading.Event = field(default_factory=threading.Event)
    experiments: set[str] = field(default_factory=set)

    def sent(self, path: str) -> list[Any]:
        """Return the bodies that were sent to addresses that end with `path`."""
        return [body for _, address, body in self.requests if address.endswith(path)]


@contextmanager
def stand_in_server() -> Iterator[StandIn]:
    """Serve as much of SwanLab's protocol as a run and `swanlab sync` need."""
    state = StandIn()

    class Handler(BaseHTTPRequestHandler):
        protocol_version = "HTTP/1.1"

        def _serve(self) -> None:
            body = self.rfile.read(int(self.headers.get("Content-Length") or 0))
            path = self.path.partition("?")[0]
            content = json.loads(body) if body[:1] in (b"{", b"[") else body
            if state.silent_from is not None and (state.silent_from in path or state.silent_from == "everything") and self.command != "HEAD":
                state.ended.wait(60)
                return
            state.requests.append((self.command, path, content))
            status, answer = self._answer(path, content)
            self._send(status, answer)

        do_GET = do_POST = do_PUT = do_HEAD = _serve  # noqa: N815  (http.server's names)

        def _answer(self, path: str, content: Any) -> tuple[int, Any]:
            if path.endswith("/login/api_key"):
                return 200, {"sid": "x", "expiredAt": "2999-01-01T00:00:00.000Z", "userInfo": {"username": "someone"}}
            if path.endswith("/experiment") and isinstance(content, dict):
                identity = content.get("cuid") or "made0000"
                known = identity in state.experiments
                state.experiments.add(identity)
                return 200 if known else 201, {"cuid": identity, "slug": identity, "name": content["name"], "createdAt": "2026-01-01T00:00:00.000Z"}
            if "/summaries/" in path:
                return 200, {"log": [], "media": [], "scalar": []}
            if self.command == "GET" and "/project/" in path:
                name = path.rsplit("/", 1)[-1]
                return 200, {
                    "cuid": "project0",
                    "name": name,
                    "group": {"username": "someone"},
                    "_count": {"experiments": 0},
                    "path": f"/someone/{name}",
                }
            return 200, {}

        def _send(self, status: int, answer: Any) -> None:
            content = json.dumps(answer).encode()
            self.send_response(status)
            self.send_header("Content-Type", "application/json")
            self.send_header("Content-Length", str(len(content)))
            self.end_headers()
            if self.command != "HEAD":
                self.wfile.write(content)

        def log_message(self, *arguments: object) -> None:
            pass

    server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    server.daemon_threads = True
    threading.Thread(target=server.serve_forever, daemon=True).start()
    state.url = f"http://127.0.0.1:{server.server_address[1]}"
    try:
        yield state
    finally:
        state.ended.set()
        server.shutdown()
