"""A SwanLab run in a process of its own: whatever it waits for, it is ended in time, and the training does not wait.

A thread passes on what is to be recorded; the training only puts it into a queue. Each call that can wait, the start and the
finish, has a limit. A run that the server did not take is kept in SwanLab's folder, which `swanlab sync` uploads.
"""

import errno
import json
import os
import queue
import re
import subprocess
import sys
import threading
from collections.abc import Callable, Mapping
from contextlib import suppress
from pathlib import Path
from typing import Any

from sentiment.terminal.progress import say

LIMIT_SECONDS = 30.0
_ROOT = Path(__file__).resolve().parents[2]
_ERRNO = re.compile(r"\[Errno (\d+)\] ([^:\n]+)")
_DISK = {errno.ENOSPC, errno.EROFS, errno.EDQUOT, errno.EFBIG, errno.EIO, errno.EACCES, errno.EPERM}
# SwanLab reads these itself, and stops at what it does not know; the request says what they come to.
_READ_HERE = ("SWANLAB_MODE", "SWANLAB_PROJECT", "SWANLAB_PROJ_NAME", "SWANLAB_EXP_NAME", "SWANLAB_LOG_DIR")


class Recording:
    """One run, recorded beside a training; no method raises, and none but `finish` waits.

    Parameters
    ----------
    request : mapping
        What `sentiment.tracking.swanlab_process` needs to start the run.
    on_start : callable
        Is given the run's id once SwanLab has one.
    """

    def __init__(self, request: Mapping[str, Any], on_start: Callable[[str], None]) -> None:
        self._request = {**request, "limit": LIMIT_SECONDS}
        self._on_start = on_start
        self._messages: queue.SimpleQueue[dict[str, Any]] = queue.SimpleQueue()
        self._child: _Child | None = None
        self._thread = threading.Thread(target=self._work, name="SwanLab", daemon=True)
        self._thread.start()

    def put(self, message: dict[str, Any]) -> None:
        """Record something later."""
        self._messages.put(message)

    def finish(self, failed: bool) -> None:
        """End the run; waits for at most a start, a start offline and a finish, each within the limit."""
        self._messages.put({"do": "finish", "failed": failed})
        self._thread.join(3.5 * LIMIT_SECONDS)
        if self._thread.is_alive() and self._child is not None:  # it does not read what it is sent
            self._child.end()
            self._thread.join(LIMIT_SECONDS)

    def _work(self) -> None:
        self._child = self._start(str(self._request["mode"]))
        while (message := self._messages.get())["do"] != "finish":
            if self._child is not None:
                self._child.send(message)
        if self._child is not None:
            self._finish(self._child, message)
            self._child.end()

    def _start(self, mode: str) -> "_Child | None":
        self._child = child = _Child(str(self._request["log_dir"]))
        child.send({**self._request, "mode": mode})
        answer = child.answer("started", LIMIT_SECONDS)
        if answer is not None and "started" in answer:
            child.id, child.folder = str(answer["started"]), str(answer["folder"])
            self._on_start(child.id)
            return child
        child.end()
        reason = child.disk_error or (answer["failed"] if answer else f"it did not start within {LIMIT_SECONDS:.0f} s")
        if mode == "online" and not child.disk_error:
            say(f"SwanLab: the server did not take the run ({reason}); recording offline (`swanlab sync` uploads it later)")
            return self._start("offline")
        say(f"SwanLab: this run is not recorded ({reason}); the training goes on")
        return None

    @staticmethod
    def _finish(child: "_Child", message: dict[str, Any]) -> None:
        child.send(message)
        answer = child.answer("finished", LIMIT_SECONDS)
        if answer is not None and "finished" in answer:
            return
        if child.disk_error is None:
            reason = answer["failed"] if answer else f"the server did not take the run within {LIMIT_SECONDS:.0f} s"
            say(f"SwanLab: {reason}; the run is kept: `swanlab sync --id {child.id} {child.folder}` uploads it")


class _Child:
    """The process, what it answered, and why it cannot write where it cannot."""

    def __init__(self, log_folder: str) -> None:
        self._log_folder = log_folder
        self.id = self.folder = ""
        self.disk_error: str | None = None
        self._answers: queue.SimpleQueue[dict[str, Any] | None] = queue.SimpleQueue()
        environment = {key: value for key, value in os.environ.items() if key not in _READ_HERE}
        environment["PYTHONPATH"] = os.pathsep.join(filter(None, [str(_ROOT), environment.get("PYTHONPATH", "")]))
        environment["COLUMNS"] = "1000"  # or a message is broken into lines
        self._process = subprocess.Popen(
            [sys.executable, "-m", "sentiment.tracking.swanlab_process"],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            text=True,
            errors="replace",
            env=environment,
            start_new_session=True,  # Ctrl-C and a lost terminal reach the training alone, which ends it
        )
        for target in (self._read_answers, self._read_noise):
            threading.Thread(target=target, daemon=True).start()

    def send(self, message: dict[str, Any]) -> None:
        """Pass a message on; one that comes too late is lost."""
        assert self._process.stdin is not None
        with suppress(OSError, ValueError):
            self._process.stdin.write(json.dumps(message) + "\n")
            self._process.stdin.flush()

    def answer(self, key: str, seconds: float) -> dict[str, Any] | None:
        """Wait for an answer of one kind, or for a failure; None where neither comes in time."""
        while True:
            try:
                answer = self._answers.get(timeout=seconds)
            except queue.Empty:
                return None
            if answer is None:
                return {"failed": "SwanLab's process ended early"}
            if "say" in answer:
                say(f"SwanLab: {answer['say']}")
            elif key in answer or "failed" in answer:
                return answer

    def end(self) -> None:
        """End the process, whatever it waits for."""
        self._process.kill()
        self._process.wait()

    def _read_answers(self) -> None:
        assert self._process.stdout is not None
        for line in self._process.stdout:
            if line.startswith("{"):
                self._answers.put(json.loads(line))
        self._answers.put(None)

    def _read_noise(self) -> None:
        """Look through what SwanLab prints: its threads print a traceback for each record that does not fit on a full disk."""
        assert self._process.stderr is not None
        for line in self._process.stderr:
            if os.environ.get("DEBUG") == "1":
                print(line, end="", file=sys.stderr)
            found = _ERRNO.search(line)
            if found and int(found[1]) in _DISK and self.disk_error is None:
                self.disk_error = f"{self._log_folder}: {os.strerror(int(found[1]))}"
                if self.id:
                    say(f"SwanLab: stopped recording ({self.disk_error}); the training goes on")
                self._process.kill()
