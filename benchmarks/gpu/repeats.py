"""Part c: whether trainings are equal bit for bit: repeated, strict and not, and resumed after an interruption."""

from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from typing import Any

from benchmarks.gpu.setting import STEPS, Setting, show_progress
from benchmarks.gpu.training import TrainingJob, run_training_job

_TOGETHER = 9  # trainings at once on a GPU: only their bits count
_EPOCHS = 2


def repeat(setting: Setting) -> dict[str, Any]:
    """Train twice in each way, loosely twice, and once with an interruption; return all digests."""
    steps = STEPS if setting.device == "cuda" else ("eager",)
    plans = [(f"{step}, strict, {which}", step, "strict") for which in ("resumed", "a", "b") for step in steps]
    if setting.device == "cuda":
        plans += [(f"graph, loose, {which}", "graph", "loose") for which in "ab"]
    show_progress(f"determinism: {len(plans)} trainings")
    with ThreadPoolExecutor(_TOGETHER if setting.device == "cuda" else 1) as pool:
        results = list(pool.map(lambda plan: _train(setting, *plan), plans))
    return {name: result for (name, *_), result in zip(plans, results, strict=True)}


def _train(setting: Setting, name: str, step: str, determinism: str) -> dict[str, Any]:
    sizes = setting.sizes
    rows, batch_size = sizes.rows // 8, sizes.batch_sizes[-1]
    middle = rows // batch_size * 3 // 2  # of the second epoch
    folder = setting.scratch / name.replace(", ", "-")
    job = TrainingJob(str(setting.model), str(setting.reviews), str(folder), rows, sizes.length, batch_size, _EPOCHS)
    if name.endswith("resumed"):
        first = run_training_job(setting, replace(job, stop_after=middle), step, determinism)
        if "interrupted" not in first:
            return first if "error" in first else {"error": "was not interrupted"}
    return run_training_job(setting, job, step, determinism)


def verdicts(found: dict[str, Any]) -> dict[str, str]:
    """Return in words what equals what."""
    said = {}
    for step in STEPS:
        for determinism in ("strict", "loose"):
            said[f"{step}, {determinism}: repeated"] = _equal(found, f"{step}, {determinism}, a", f"{step}, {determinism}, b")
        said[f"{step}, strict: resumed"] = _equal(found, f"{step}, strict, a", f"{step}, strict, resumed")
    said["graph against eager, strict"] = _equal(found, "graph, strict, a", "eager, strict, a")
    return {name: verdict for name, verdict in said.items() if verdict}


def _equal(found: dict[str, Any], one: str, other: str) -> str:
    if one not in found or other not in found:
        return ""
    if failed := next((name for name in (one, other) if "error" in found[name]), None):
        return f"failed ({found[failed]['error']})"
    first, second = found[one]["digest"], found[other]["digest"]
    if first == second:
        return "equal, bit for bit"
    return "the curves are equal, the weights differ" if first["curves"] == second["curves"] else "differ"


def repeats_lines(found: dict[str, Any]) -> list[str]:
    """Draw the verdicts."""
    return ["| trainings | weights and curves |", "| --- | --- |", *(f"| {name} | {verdict} |" for name, verdict in verdicts(found).items())]
