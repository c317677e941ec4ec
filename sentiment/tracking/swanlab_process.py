"""The process that holds a SwanLab run: it reads what to record from its standard input, one JSON object a line.

SwanLab's calls may wait without end and cannot be interrupted from another thread; a process can be ended. Started by
`sentiment.tracking.recording`, as ``python -m sentiment.tracking.swanlab_process``; it answers on its standard output.
"""

import json
import os
import re
import subprocess
import sys
import threading
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any, TextIO

from sentiment.model.network import reachable
from sentiment.tracking import local_runs

_CREDENTIALS = re.compile(r"(?<=://)[^/@\s]*@")


def without_credentials(address: str) -> str:
    """Return a remote's address without the user, password or token in it."""
    return _CREDENTIALS.sub("", address)


def main() -> None:
    """Hold one run from its start to its finish."""
    answers = os.fdopen(os.dup(1), "w", encoding="utf-8", buffering=1)
    os.dup2(2, 1)  # what SwanLab prints goes with its errors
    messages = (json.loads(line) for line in sys.stdin)
    try:
        request = next(messages)
        if test := request.get("test"):  # of a run in the local dashboard
            local_runs.add_test(Path(request["log_dir"]), test["id"], test["values"], test["images"], test["step"])
            _answer(answers, started=test["id"], folder=request["log_dir"])
            _answer(answers, finished=True)
        else:
            _Run(request, answers).record(messages)
    except Exception as error:  # whatever SwanLab raises: the training goes on without it
        _answer(answers, failed=(str(error).splitlines() or [type(error).__name__])[0])


class _Run:
    def __init__(self, request: Mapping[str, Any], answers: TextIO) -> None:
        import swanlab

        self._swanlab = swanlab
        self._answers = answers
        self._limit = float(request["limit"])
        self._mode = self._possible_mode(str(request["mode"]))
        Path(request["log_dir"]).mkdir(parents=True, exist_ok=True)
        self._folder = Path(request["log_dir"])
        if request["replaces"] and self._mode == "local":
            local_runs.remove_unfinished(self._folder, request["replaces"])
        everything = bool(request["collect"])
        # Of the machine only what its curves need: no host name, folders, command line, packages. Git's part is never asked for, as
        # it records the remote's address with any token in it.
        probe = swanlab.Settings.Probe(runtime=everything, requirements=everything, conda=False, git=False, swanlab=everything)
        config = {**request["config"], **(_git() if everything else {})}
        run = swanlab.init(
            project=request["project"],
            name=request["name"],
            description=request["description"],
            tags=request["tags"],
            config=config,
            mode=self._mode,
            color=request["color"],
            log_dir=request["log_dir"],
            settings=swanlab.Settings(probe=probe, terminal=swanlab.Settings.Terminal(proxy_type="none"), interactive=False),
            **({"id": request["id"], "resume": "allow"} if request["id"] else {}),
        )
        self._id = str(run.id)
        _answer(answers, started=self._id, folder=str(run.dir))

    def record(self, messages: Iterator[Mapping[str, Any]]) -> None:
        """Record until told to finish; where the training is gone, finish within the limit."""
        for message in messages:
            if message["do"] == "finish":
                self._finish(bool(message["failed"]))
                _answer(self._answers, finished=True)
                return
            self._log(message)
        watchdog = threading.Timer(self._limit, os._exit, [1])
        watchdog.daemon = True
        watchdog.start()
        self._finish(failed=True)

    def _finish(self, failed: bool) -> None:
        if failed:
            self._swanlab.finish("crashed", error="the training ended early")
        else:
            self._swanlab.finish()
        if self._mode == "local":
            local_runs.repair_columns(self._folder, self._id)

    def _log(self, message: Mapping[str, Any]) -> None:
        swanlab, values = self._swanlab, message["values"]
        if message["do"] == "images":
            values = {name: swanlab.Image(path) for name, path in values.items()}
        elif message["do"] == "charts":
            if self._mode == "local":  # its dashboard shows none
                return
            values = _charts(swanlab.echarts, **values)
        swanlab.log(values, step=message["step"])

    def _possible_mode(self, mode: str) -> str:
        if mode != "online":
            return mode
        settings = self._swanlab.Settings()
        if not settings.api_key:
            _answer(self._answers, say="online, but there is no key; recording offline (`swanlab login`, then `swanlab sync` uploads it)")
            return "offline"
        if not reachable(settings.api_host):
            _answer(self._answers, say=f"online, but {settings.api_host} does not answer; recording offline (`swanlab sync` uploads it later)")
            return "offline"
        return mode


def _charts(echarts: Any, labels: list[int], predicted: list[int], class_names: list[str], scores: list[float] | None) -> dict[str, Any]:
    charts = {"charts/confusion": echarts.confusion_matrix(labels, predicted, class_names)}
    if scores is not None:
        charts["charts/roc"] = echarts.roc_curve(labels, scores)
        charts["charts/pr"] = echarts.pr_curve(labels, scores)
    return charts


def _git() -> dict[str, str]:
    questions = {"git_remote": ["config", "--get", "remote.origin.url"], "git_commit": ["rev-parse", "HEAD"]}
    answers = {
        key: subprocess.run(["git", *question], capture_output=True, text=True, check=False).stdout.strip() for key, question in questions.items()
    }
    return {key: without_credentials(answer) for key, answer in answers.items() if answer}


def _answer(answers: TextIO, **content: object) -> None:
    answers.write(json.dumps(content) + "\n")
    answers.flush()


if __name__ == "__main__":
    main()
