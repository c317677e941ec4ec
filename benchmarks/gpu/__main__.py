"""What has to be known of a GPU, as a table, as JSON and as text for docs/performance.md.

    python -m benchmarks.gpu                    all parts; what is finished is kept, and not measured again
    python -m benchmarks.gpu --only a,b,c       throughput, where the time goes, determinism: under 5 minutes on an H100
    python -m benchmarks.gpu --only d,e         the stages, quality, and the limits: another 5
    python -m benchmarks.gpu --device cpu       all of it on a small model, to see that it runs

Parts a to c need torch (from 2.11), transformers, accelerate, NumPy, PyArrow, pydantic and PyYAML alone. Part d says
what it lacks. BERT-base has random weights, which cost the same as trained ones.
"""

import argparse
import json
import os
import platform
import sys
import tempfile
import time
from collections.abc import Callable
from dataclasses import replace
from datetime import UTC, datetime
from functools import partial
from pathlib import Path
from typing import Any

import torch
import transformers
from transformers import AutoTokenizer

from benchmarks.gpu import limits, pipeline, repeats, throughput, timeline
from benchmarks.gpu.setting import FULL, SMALL, Setting, show_progress
from benchmarks.output import add_output_options, output_file, show_markdown
from benchmarks.recipe import GPU_ARMS, arms_on
from benchmarks.samples import packaged_encoder, save_random_encoder
from sentiment.core.files import write_text

Result = dict[str, Any]
Unit = tuple[str, Callable[[Setting], Result], Callable[[Result], list[str]]]
_TITLES = {
    "a": "Throughput",
    "b": "Where a step's time goes",
    "c": "Determinism",
    "d": "The stages, and quality",
    "e": "At the limits",
}


def units(batch_sizes: tuple[int, ...]) -> dict[str, Unit]:
    """Return what is measured, by name: the letter of its part, what measures it, what draws it."""
    found: dict[str, Unit] = {}
    for size in batch_sizes:
        found[f"arms {size}"] = ("a", partial(throughput.compare, size), partial(throughput.comparison_lines, size))
        found[f"stage {size}"] = ("a", partial(throughput.stage, size), partial(throughput.stage_lines, size))
        found[f"profile {size}"] = ("b", partial(timeline.profile_ways, size), partial(timeline.profile_lines, size))
    found["repeats"] = ("c", repeats.repeat, repeats.repeats_lines)
    found["stages"] = ("d", pipeline.stages, pipeline.stages_lines)
    found["quality"] = ("d", pipeline.quality, pipeline.quality_lines)
    found["limits"] = ("e", limits.limits, limits.limits_lines)
    return found


def measure_units(setting: Setting, only: list[str], path: Path, conditions: Result) -> Result:
    """Measure what is asked for and not yet in the file, which is written after each unit."""
    kept = json.loads(path.read_text(encoding="utf-8")) if path.is_file() else {}
    if kept and kept["conditions"] != conditions:
        sys.exit(f"error: {path} holds what was measured under other conditions ({_difference(kept['conditions'], conditions)}): name another --json")
    done: Result = {"conditions": conditions, "date": kept.get("date") or f"{datetime.now(UTC):%Y-%m-%d}", "units": kept.get("units", {})}
    there = units(setting.sizes.batch_sizes)
    for name in (name for asked in only for name, (part, *_) in there.items() if asked in (name, part)):
        if name not in done["units"]:
            run = there[name][1]
            start = time.perf_counter()
            result = run(setting)
            done["units"][name] = {"seconds": time.perf_counter() - start, "result": result}
            write_text(path, json.dumps(done, indent=2) + "\n")  # the order of the arms is kept
            show_progress(f"{name}: done in {time.perf_counter() - start:.0f} s")
    return done


def text(setting: Setting, done: Result) -> str:
    """Write everything up, part by part."""
    conditions = done["conditions"]
    where = ", ".join(f"{name} {conditions[name]}" for name in ("torch", "transformers", "python"))
    lines = [f"{conditions['processor']}, {where}; {done['date']}."]
    there = units(setting.sizes.batch_sizes)
    for part, title in _TITLES.items():
        drawn = [draw(done["units"][name]["result"]) for name, (of, _, draw) in there.items() if of == part and name in done["units"]]
        if drawn:
            lines += ["", f"#### {title}", *(line for piece in drawn for line in ("", *piece))]
    return "\n".join(lines) + "\n"


def _difference(before: Result, now: Result) -> str:
    return "; ".join(f"{name}: {before.get(name)} there, {now.get(name)} here" for name in now if before.get(name) != now.get(name))


def _conditions(device: str, reviews: Path) -> Result:
    gpu = device == "cuda"
    return {
        "device": device,
        "processor": torch.cuda.get_device_name() if gpu else platform.processor() or platform.machine(),
        "memory_mib": round(torch.cuda.get_device_properties(0).total_memory / 2**20) if gpu else None,
        "cuda": torch.version.cuda if gpu else None,
        "torch": torch.__version__,
        "transformers": transformers.__version__,
        "python": platform.python_version(),
        "reviews": reviews.name,
    }


def _reviews() -> Path:
    return next((path for path in sorted(Path("data/imdb").glob("train*.parquet"))), Path("data/reviews.jsonl"))


def _options() -> argparse.Namespace:
    parser = argparse.ArgumentParser(prog="python -m benchmarks.gpu", description=(__doc__ or "").split("\n")[0])
    parser.add_argument("--only", default=",".join(_TITLES), help="parts, and pieces of them, in this order (default: a,b,c,d,e)")
    parser.add_argument("--device", choices=["cpu", "cuda"], default="cuda")
    parser.add_argument("--model", type=Path, default=packaged_encoder(), help="folder with a tokenizer (default: the packaged encoder's)")
    parser.add_argument("--reviews", type=Path, default=_reviews(), help="parquet or jsonl with text and label (default: IMDB where fetched)")
    parser.add_argument("--arms", help="of part a, divided by commas (default: all; on a CPU tutorial,project)")
    parser.add_argument("--rounds", type=int, help="of part a")
    parser.add_argument("--encoder", type=Path, help="folder of a pretrained encoder for part d (default: the packaged one)")
    add_output_options(parser, "--json")
    parser.add_argument("--text", type=Path, help="also write the text to a file")
    options = parser.parse_args()
    options.only = options.only.split(",")
    sizes = FULL if options.device == "cuda" else SMALL
    options.sizes = replace(sizes, rounds=options.rounds or sizes.rounds)
    there = [*_TITLES, *units(options.sizes.batch_sizes)]
    if unknown := [name for name in options.only if name not in there]:
        parser.error(f"--only: no part {', '.join(unknown)}; there are {', '.join(there)}")
    if options.device == "cuda" and not torch.cuda.is_available():
        parser.error("there is no GPU here: --device cpu runs everything on a small model")
    for name in ("model", "reviews", "encoder"):
        value = getattr(options, name)
        if value is not None and not value.exists():
            parser.error(f"--{name} {value}: not found")
    arms = options.arms or (",".join(GPU_ARMS) if options.device == "cuda" else "tutorial,project")
    options.arms = tuple(arms.split(","))
    if unknown := [name for name in options.arms if name not in arms_on(options.device)]:
        parser.error(f"--arms: no {', '.join(unknown)}; there are {', '.join(arms_on(options.device))}")
    options.json = output_file(options, "gpu" if options.device == "cuda" else "gpu_cpu")
    return options


def main() -> None:
    """Measure, write and print."""
    options = _options()
    os.environ.setdefault("TOKENIZERS_PARALLELISM", "true")
    with tempfile.TemporaryDirectory() as folder:
        model = Path(folder) / "model"
        save_random_encoder(dict(options.sizes.config), AutoTokenizer.from_pretrained(options.model), model)
        setting = Setting(options.device, model, options.reviews, options.sizes, options.arms, options.encoder, Path(folder))
        done = measure_units(setting, options.only, options.json, _conditions(options.device, options.reviews))
        drawn = text(setting, done)
    if options.text:
        options.text.write_text(drawn, encoding="utf-8")
    show_markdown(f"{drawn}\n{options.json}")


if __name__ == "__main__":
    main()
