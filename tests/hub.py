"""A stand-in for the Hub: serves the files of one folder as one dataset or model."""

import hashlib
import json
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from urllib.parse import unquote, urlparse

COMMIT = "0123456789abcdef0123456789abcdef01234567"


@contextmanager
def stand_in_hub(name: str, folder: Path, kind: str = "datasets", commit: str = COMMIT) -> Iterator[str]:
    """Serve `folder` as the repository `name` at the address that is yielded."""
    files = {path.relative_to(folder).as_posix(): path.read_bytes() for path in sorted(folder.rglob("*")) if path.is_file()}

    class Handler(BaseHTTPRequestHandler):
        protocol_version = "HTTP/1.1"

        def do_HEAD(self) -> None:
            self._answer(body=False)

        def do_GET(self) -> None:
            self._answer(body=True)

        def do_POST(self) -> None:
            self.rfile.read(int(self.headers.get("Content-Length", 0)))
            self._answer(body=True)

        def _answer(self, body: bool) -> None:
            path = unquote(urlparse(self.path).path)
            prefix = "" if kind == "models" else "/datasets"
            api = f"/api/{kind}/{name}"
            if path == "/":
                self._send(b"{}", "application/json", body)
            elif path in (api, f"{api}/revision/main", f"{api}/revision/{commit}"):
                siblings = [{"rfilename": file} for file in files]
                info = {
                    "id": name,
                    "_id": "0",
                    "sha": commit,
                    "private": False,
                    "gated": False,
                    "disabled": False,
                    "downloads": 0,
                    "likes": 0,
                    "tags": [],
                    "siblings": siblings,
                }
                self._send(json.dumps(info).encode(), "application/json", body)
            elif path.startswith(f"{api}/tree/"):
                under = path.removeprefix(f"{api}/tree/").partition("/")[2]
                self._send(json.dumps(self._listing(under)).encode(), "application/json", body)
            elif path.startswith(f"{prefix}/{name}/resolve/"):
                revision, _, file = path.removeprefix(f"{prefix}/{name}/resolve/").partition("/")
                if revision in ("main", commit) and file in files:
                    self._send(files[file], "application/octet-stream", body)
                else:
                    self._missing("EntryNotFound" if revision in ("main", commit) else "RevisionNotFound")
            else:
                self._missing("RevisionNotFound" if path.startswith(api) else "RepoNotFound")

        @staticmethod
        def _listing(under: str) -> list[dict[str, object]]:
            start = f"{under}/" if under else ""
            inside = {file: content for file, content in files.items() if file.startswith(start)}
            folders = sorted({file.removeprefix(start).split("/")[0] for file in inside if "/" in file.removeprefix(start)})
            listing: list[dict[str, object]] = [{"type": "directory", "path": start + name, "size": 0, "oid": "0"} for name in folders]
            for file, content in inside.items():
                if "/" not in file.removeprefix(start):
                    listing.append({"type": "file", "path": file, "size": len(content), "oid": hashlib.sha1(content).hexdigest()})
            return listing

        def _send(self, content: bytes, kind: str, body: bool) -> None:
            self.send_response(200)
            self.send_header("Content-Type", kind)
            self.send_header("Content-Length", str(len(content)))
            self.send_header("ETag", f'"{hashlib.sha1(content).hexdigest()}"')
            self.send_header("X-Repo-Commit", commit)
            self.end_headers()
            if body:
                self.wfile.write(content)

        def _missing(self, code: str) -> None:
            self.send_response(404)
            self.send_header("X-Error-Code", code)
            self.send_header("Content-Length", "0")
            self.end_headers()

        def log_message(self, *arguments: object) -> None:
            pass

    server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    threading.Thread(target=server.serve_forever, daemon=True).start()
    try:
        yield f"http://127.0.0.1:{server.server_address[1]}"
    finally:
        server.shutdown()
