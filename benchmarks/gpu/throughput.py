"""Part a: the tutorial's recipe against this project's, whole and with one part changed at a time, and the stage itself."""

import argparse
from typing import Any

from benchmarks.arm_process import ArmEnded
from benchmarks.gpu.setting import STEPS, Setting, show_progress
from benchmarks.gpu.training import TrainingJob, run_training_job
from benchmarks.train_throughput import measure_arms, throughput_table

_EPOCHS = 3


def compare(batch_size: int, setting: Setting) -> dict[str, Any]:
    """Measure all arms at one batch size, in turn."""
    sizes = setting.sizes
    options = argparse.Namespace(
        model=setting.model,
        config="random weights",
        reviews=setting.reviews,
        length=sizes.length,
        batch_size=batch_size,
        steps=sizes.steps,
        pairs=sizes.rounds,
        arms=list(setting.arms),
        precision="auto",
        device=setting.device,
    )
    try:
        return measure_arms(options, setting.model)
    except ArmEnded as ended:
        return {"error": str(ended)}


def stage(batch_size: int, setting: Setting) -> dict[str, Any]:
    """Measure `fine_tune`, which the train stage runs, with each way of giving the GPU a step; the last of three epochs counts."""
    found = {}
    for step in STEPS if setting.device == "cuda" else ("eager",):
        show_progress(f"stage, batch {batch_size}, {step}")
        folder = setting.scratch / f"stage-{batch_size}-{step}"
        job = TrainingJob(str(setting.model), str(setting.reviews), str(folder), setting.sizes.rows, setting.sizes.length, batch_size, _EPOCHS)
        found[step] = run_training_job(setting, job, step)
    return found


def comparison_lines(batch_size: int, result: dict[str, Any]) -> list[str]:
    """Draw a comparison."""
    if "error" in result:
        return [f"Batch {batch_size}: {result['error']}"]
    return [f"Batch {batch_size}:", "", throughput_table(result)]


def stage_lines(batch_size: int, found: dict[str, Any]) -> list[str]:
    """Draw the stage's measurements."""
    rows = [
        f"`fine_tune` itself, batch {batch_size}:",
        "",
        "| steps | examples/s, first epoch | examples/s, last epoch | first step, s | peak MiB |",
        "| --- | ---: | ---: | ---: | ---: |",
    ]
    for step, result in found.items():
        if "error" in result:
            rows.append(f"| {step} | {result['error']} | | | |")
            continue
        first, last = (result["examples"] / result["epoch_seconds"][place] for place in (0, -1))
        peak = f"{result['peak_mib']:.0f}" if result["peak_mib"] else ""
        rows.append(f"| {step} | {first:.1f} | {last:.1f} | {result['first_step_seconds']:.1f} | {peak} |")
    return rows
