"""What a server takes from a client: a whole body of bounded size within bounded time."""

import asyncio
import json
from typing import Any

BODY_BYTES = 2 * 1024 * 1024
BODY_SECONDS = 10.0


class BodyLimits:
    """ASGI middleware that reads a request's body before the application sees it, and refuses what is too large or too slow.

    Parameters
    ----------
    app : ASGI application
        What answers.
    """

    def __init__(self, app: Any) -> None:
        self._app = app

    async def __call__(self, scope: Any, receive: Any, send: Any) -> None:
        """Answer one request."""
        if scope["type"] != "http":
            await self._app(scope, receive, send)
            return
        try:
            async with asyncio.timeout(BODY_SECONDS):
                body = await _read(receive)
        except TimeoutError:
            await refuse_request(send, 408, f"the body did not arrive within {BODY_SECONDS:g} seconds")
            return
        if body is None:
            await refuse_request(send, 413, f"the body is larger than {BODY_BYTES // 2**20} MiB: send fewer texts at a time")
            return
        unread = [{"type": "http.request", "body": body, "more_body": False}]

        async def replay() -> Any:
            return unread.pop() if unread else await receive()

        await self._app(scope, replay, send)


async def _read(receive: Any) -> bytes | None:
    body = bytearray()
    size = 0
    while True:
        message = await receive()
        part = message.get("body", b"")
        size += len(part)
        if size <= BODY_BYTES:
            body += part
        else:
            body.clear()  # the rest is read and dropped: a client that still sends would see no answer
        if not message.get("more_body"):
            return bytes(body) if size <= BODY_BYTES else None


async def refuse_request(send: Any, status: int, why: str) -> None:
    """Answer a request with a status and the reason, and close the connection."""
    content = json.dumps({"detail": why}).encode()
    headers = [(b"content-type", b"application/json"), (b"content-length", str(len(content)).encode()), (b"connection", b"close")]
    await send({"type": "http.response.start", "status": status, "headers": headers})
    await send({"type": "http.response.body", "body": content})
