"""Gathering requests: texts that arrive together share the model's forward passes, in one thread."""

import asyncio
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from contextlib import suppress
from dataclasses import dataclass
from typing import TypeVar

from sentiment.use.answers import Answer

_GATHER_SECONDS = 0.004  # what a request waits for others at the most
_TEXTS_TOGETHER = 64
MOST_WAITING = 2048  # texts
_COST_ALONE = 64  # texts that what runs alone counts for

T = TypeVar("T")


class BusyError(Exception):
    """More texts wait than can be answered soon."""


@dataclass(frozen=True)
class _Request:
    texts: list[str]
    answered: asyncio.Future[list[Answer]]


class RequestBatches:
    """Answers requests in batches.

    Parameters
    ----------
    answer : callable
        Answers texts, in their order; called in one thread.
    """

    def __init__(self, answer: Callable[[list[str]], list[Answer]]) -> None:
        self._answer = answer
        self._waiting: asyncio.Queue[_Request] = asyncio.Queue()
        self._texts_waiting = 0
        self._thread = ThreadPoolExecutor(1, thread_name_prefix="model")
        self._task: asyncio.Task[None] | None = None

    def start(self) -> None:
        """Begin to answer, in the running event loop."""
        self._task = asyncio.create_task(self._work())

    async def stop(self) -> None:
        """End; requests that wait are dropped (the server has answered those it took on)."""
        if self._task is not None:
            self._task.cancel()
            with suppress(asyncio.CancelledError):
                await self._task
        self._thread.shutdown()

    async def ask(self, texts: list[str]) -> list[Answer]:
        """Return the answers to a request's texts.

        Raises
        ------
        BusyError
            Where too many texts wait already.
        """
        if self._texts_waiting + len(texts) > MOST_WAITING:
            raise BusyError
        request = _Request(texts, asyncio.get_running_loop().create_future())
        self._texts_waiting += len(texts)
        try:
            self._waiting.put_nowait(request)
            return await request.answered
        finally:
            self._texts_waiting -= len(texts)

    async def alone(self, action: Callable[[], T]) -> T:
        """Run something with the model, in its thread, between two batches.

        Raises
        ------
        BusyError
            Where too many texts wait already.
        """
        if self._texts_waiting >= MOST_WAITING:
            raise BusyError
        self._texts_waiting += _COST_ALONE
        try:
            return await asyncio.get_running_loop().run_in_executor(self._thread, action)
        finally:
            self._texts_waiting -= _COST_ALONE

    async def _work(self) -> None:
        while True:
            batch = await self._gather()
            texts = [text for request in batch for text in request.texts]
            try:
                answers = await asyncio.get_running_loop().run_in_executor(self._thread, self._answer, texts)
            except Exception as error:  # one broken batch must not end the service: who asked gets the error
                for request in batch:
                    if not request.answered.done():
                        request.answered.set_exception(error)
                continue
            start = 0
            for request in batch:
                if not request.answered.done():  # a client may have left
                    request.answered.set_result(answers[start : start + len(request.texts)])
                start += len(request.texts)

    async def _gather(self) -> list[_Request]:
        batch = [await self._waiting.get()]
        texts = len(batch[0].texts)
        with suppress(TimeoutError):
            async with asyncio.timeout(_GATHER_SECONDS):
                while texts < _TEXTS_TOGETHER:
                    batch.append(await self._waiting.get())
                    texts += len(batch[-1].texts)
        return [request for request in batch if not request.answered.done()]
