"""Part e: what happens at a GPU's limits: more processes than GPUs, and more than its memory holds. Both must end in one line."""

from dataclasses import replace
from typing import Any

from benchmarks.gpu.setting import Setting, last_line, run_module, show_progress
from benchmarks.gpu.training import TrainingJob, run_training_job

_LITTLE_MEMORY = 0.03  # of a GPU's memory: BERT-base alone takes 1.8 GB to train


def limits(setting: Setting) -> dict[str, Any]:
    """Ask for too much in both ways and return what is said."""
    if setting.device != "cuda":
        return {"missing": "needs a GPU"}
    show_progress("limits: two processes, little memory")
    sizes = setting.sizes
    done = run_module("benchmarks.gpu.many_processes", environment={"SENTIMENT_PROCESSES": "2", "SENTIMENT_DEVICE": "cuda", "DEBUG": "0"})
    job = TrainingJob(
        str(setting.model), str(setting.reviews), str(setting.scratch / "memory"), sizes.rows // 8, sizes.length, max(sizes.batch_sizes)
    )
    full = run_training_job(setting, replace(job, memory_share=_LITTLE_MEMORY), "eager")
    return {"two processes": last_line(done.stderr + done.stdout), "out of memory": full.get("error", "there was enough")}


def limits_lines(found: dict[str, Any]) -> list[str]:
    """Draw what was said."""
    if "missing" in found:
        return [f"Passed over: {found['missing']}."]
    return ["| asked for | what is said |", "| --- | --- |", *(f"| {name} | {line} |" for name, line in found.items())]
