"""What becomes of a request on which the service fails: an answer, and a line in the log that holds nothing of the request."""

import sys
import traceback
from typing import Any

from sentiment.use.service.request_limits import refuse_request


class Failures:
    """ASGI middleware that answers 500 for an error that nobody expected, and names its kind and place on standard error.

    Parameters
    ----------
    app : ASGI application
        What answers.
    """

    def __init__(self, app: Any) -> None:
        self._app = app

    async def __call__(self, scope: Any, receive: Any, send: Any) -> None:
        """Answer one request."""
        begun = False

        async def watched(message: Any) -> None:
            nonlocal begun
            begun = True
            await send(message)

        try:
            await self._app(scope, receive, watched)
        except Exception as error:  # its message may hold what was sent
            last = traceback.extract_tb(error.__traceback__)[-1]
            place = f"{last.name} ({last.filename}, line {last.lineno})"
            print(f"serve: a request failed: {type(error).__name__} in {place}", file=sys.stderr, flush=True)
            if not begun and scope["type"] == "http":
                await refuse_request(send, 500, "the service failed on this request; its log names the place")
