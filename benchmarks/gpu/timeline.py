"""Part b: where a step's time goes: kernels, launches, and the time in which the device waits for the host.

Each way of giving the GPU a step is profiled in a process of its own: ``python -m benchmarks.gpu.timeline JOB``, where JOB is JSON.
"""

import json
import re
import sys
import time
from collections import defaultdict
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import torch
from torch._C._autograd import DeviceType
from torch.profiler import ProfilerActivity, profile
from transformers import AutoTokenizer

from benchmarks.gpu.setting import Setting, last_line, run_module, show_progress
from benchmarks.recipe import PROJECT, Training
from benchmarks.samples import Sample, read_reviews
from sentiment.model.tokens import tokenize

_WAYS = {"graph": PROJECT, "compiled": replace(PROJECT, compiled=True), "eager": replace(PROJECT, graphs=False)}
_STEPS, _SMALL_STEPS = 12, 2
_KEPT = 60
_GROUPS = (  # the first that matches a kernel's name
    ("attention", r"flash|fmha|attention"),
    ("matrix products", r"gemm|cutlass|nvjet|xmma|cublas|addmm|\bmm\b|bmm"),
    ("update", r"adam"),
    ("norm of the gradients, clipping", r"lpnorm|multi_tensor|foreach"),
    ("normalisation, dropout, activation", r"norm|dropout|gelu|softmax|tanh"),
    ("copies, casts, zeros", r"memcpy|memset|copy|fill"),
    ("other passes over memory", r""),
)


def profile_ways(batch_size: int, setting: Setting) -> dict[str, Any]:
    """Profile each way of giving the device a step."""
    found: dict[str, Any] = {}
    for way in _WAYS if setting.device == "cuda" else ("eager",):
        show_progress(f"profile, batch {batch_size}, {way}")
        job = {"model": str(setting.model), "reviews": str(setting.reviews), "device": setting.device, "way": way}
        numbers = {"batch_size": batch_size, "length": setting.sizes.length, "steps": _STEPS if setting.device == "cuda" else _SMALL_STEPS}
        done = run_module("benchmarks.gpu.timeline", json.dumps({**job, **numbers}))
        found[way] = {"error": last_line(done.stderr), "stderr": done.stderr[-4000:]} if done.returncode else json.loads(last_line(done.stdout))
    return found


def profile_work(job: dict[str, Any]) -> dict[str, Any]:
    """Train a few steps three times: to get ready, against the clock, and under the profiler."""
    device, steps = job["device"], job["steps"]
    training = Training(_WAYS[job["way"]], Path(job["model"]), device, job["batch_size"], job["length"], 2e-5)
    texts, labels = read_reviews(Path(job["reviews"]))
    rows = np.random.default_rng(1).choice(len(texts), steps * job["batch_size"], replace=False)
    tokenizer = AutoTokenizer.from_pretrained(job["model"])
    sample = Sample(tokenize(tokenizer, [texts[row] for row in rows], job["length"], "head"), labels[rows])
    training.make_ready(sample)
    seconds = min(_timed(training, sample, device) for _ in range(2))
    activities = [ProfilerActivity.CPU, *([ProfilerActivity.CUDA] if device == "cuda" else [])]
    with profile(activities=activities) as profiler:
        _timed(training, sample, device)
    return {"wall_ms": 1e3 * seconds / steps, **summarise_events(_events(profiler, device), steps)}


def _timed(training: Training, sample: Sample, device: str) -> float:
    start = time.perf_counter()
    *_, last = training.epoch(sample)
    float(last.loss)
    if device == "cuda":
        torch.cuda.synchronize()
    return time.perf_counter() - start


Event = tuple[str, str, int, int]  # host or device, name, start and duration in ns


def _events(profiler: Any, device: str) -> list[Event]:
    found: list[Event] = []
    for event in profiler.profiler.kineto_results.events():
        on_device = event.device_type() != DeviceType.CPU
        if event.name().startswith("Optimizer."):  # a span of several kernels, not one
            continue
        if on_device or device == "cpu" or "aunch" in event.name():
            found.append(("device" if on_device else "host", event.name(), event.start_ns(), event.duration_ns()))
    return found


def summarise_events(events: list[Event], steps: int) -> dict[str, Any]:
    """Sum events up, a step.

    Parameters
    ----------
    events : list of tuple
        Host or device, name, start and duration in nanoseconds; kernels on the device may overlap.
    steps : int
        Steps that they are of.

    Returns
    -------
    dict
        busy_ms (the device, overlaps counted once), kernels and launches, milliseconds of each group of kernels,
        and the kernels that take longest.
    """
    kernels = [event for event in events if event[0] == "device"]
    by_name: dict[str, list[int]] = defaultdict(list)
    for _, name, _, duration in kernels or events:
        by_name[name].append(duration)
    groups: dict[str, float] = defaultdict(float)
    for name, durations in by_name.items():
        groups[group_of(name)] += sum(durations) / 1e6 / steps
    longest = sorted(by_name.items(), key=lambda item: -sum(item[1]))[:_KEPT]
    return {
        "busy_ms": _union(kernels) / 1e6 / steps if kernels else None,
        "kernels": len(kernels) / steps,
        "launches": sum(1 for kind, name, *_ in events if kind == "host" and "aunch" in name) / steps,
        "groups_ms": dict(groups),
        "longest": [{"name": name[:110], "ms": sum(times) / 1e6 / steps, "calls": len(times) / steps} for name, times in longest],
    }


def group_of(name: str) -> str:
    """Return the group that a kernel belongs to, by its name."""
    return next(group for group, pattern in _GROUPS if re.search(pattern, name, re.IGNORECASE))


def _union(kernels: list[Event]) -> int:
    covered, end = 0, 0
    for _, _, start, duration in sorted(kernels, key=lambda event: event[2]):
        covered += max(0, start + duration - max(start, end))
        end = max(end, start + duration)
    return covered


def profile_lines(batch_size: int, found: dict[str, Any]) -> list[str]:
    """Draw a profile."""
    rows = [
        f"Batch {batch_size}:",
        "",
        "| steps | ms a step | device busy | device waits | kernels | launches by the host |",
        "| --- | ---: | ---: | ---: | ---: | ---: |",
    ]
    for way, result in found.items():
        if "error" in result:
            rows.append(f"| {way} | {result['error']} | | | | |")
            continue
        busy = result["busy_ms"]
        share = f"{busy:.2f} ms | {max(0.0, 1 - busy / result['wall_ms']):.0%}" if busy else "–| –"
        rows.append(f"| {way} | {result['wall_ms']:.2f} | {share} | {result['kernels']:.0f} | {result['launches']:.0f} |")
    best = next((result for result in found.values() if "error" not in result), None)
    if best:
        ways = [way for way, result in found.items() if "error" not in result]
        rows += ["", f"| kernels, ms a step | {' | '.join(ways)} |", "| --- |" + " ---: |" * len(ways)]
        for group, _ in sorted(best["groups_ms"].items(), key=lambda item: -item[1]):
            rows.append(f"| {group} | " + " | ".join(f"{found[way]['groups_ms'].get(group, 0.0):.2f}" for way in ways) + " |")
    return rows


if __name__ == "__main__":
    print(json.dumps(profile_work(json.loads(sys.argv[1]))))
