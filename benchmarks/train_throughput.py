"""How fast a training step is: the tutorial's recipe against this project's, in turn, in one run.

    python -m benchmarks.train_throughput --reviews imdb/train.parquet
    python -m benchmarks.train_throughput --config bert-base --batch-size 32     (a GPU, random weights)
    python -m benchmarks.train_throughput --arms all                             (what each part brings)

Each arm is a process of its own that waits while another one works, so that memory settings do not mix.
A round takes one sample of reviews through every arm; rounds are repeated with other reviews, and the
ratios are taken within a round. It needs torch, transformers, NumPy and PyArrow alone.
"""

import argparse
import json
import os
import platform
import sys
import tempfile
import time
from concurrent.futures import ThreadPoolExecutor
from contextlib import ExitStack
from dataclasses import asdict
from pathlib import Path
from typing import Any

import numpy as np
import torch
import transformers
from transformers import AutoTokenizer

from benchmarks.arm_process import ArmEnded, ArmProcess, Round, running_arm, show_line, synchronize, work_as_arm
from benchmarks.output import add_output_options, output_file, show_markdown
from benchmarks.recipe import ARMS, BERT_BASE, GPU_ARMS, arms_on
from benchmarks.samples import packaged_encoder, save_random_encoder

_PRODUCT_SIZE = {"cpu": 2048, "cuda": 8192}
_WARMING_UP = 5  # arms at once on a GPU, where the host is the slower one


def matrix_product_ceiling(device: str, dtype: torch.dtype) -> float:
    """Measure floating point operations a second of one large square product: the best of five."""
    size = _PRODUCT_SIZE[device]
    left, right = (torch.randn(size, size, device=device, dtype=dtype) for _ in range(2))
    seconds = []
    for _ in range(6):
        synchronize(device)
        start = time.perf_counter()
        left @ right
        synchronize(device)
        seconds.append(time.perf_counter() - start)
    return float(2 * size**3 / min(seconds[1:]))


def measure_arms(options: argparse.Namespace, model: Path) -> dict[str, Any]:
    """Run all rounds in turn and return what was measured."""
    with ExitStack() as stack:
        arms = _warmed_up([stack.enter_context(running_arm(name, options, model)) for name in options.arms], options)
        rounds: dict[str, list[Round]] = {arm.name: [] for arm in arms}
        ceilings: dict[str, list[float]] = {"bf16": [], "fp32": []}
        for number in range(1, options.pairs + 1):
            for precision, dtype in (("bf16", torch.bfloat16), ("fp32", torch.float32)):
                ceilings[precision].append(matrix_product_ceiling(options.device, dtype))
            for arm in arms:
                done = arm.run(number)
                rounds[arm.name].append(done)
                show_line(f"round {number}/{options.pairs}  {arm.name}: {done.examples / done.seconds:.2f} examples/s")
    return {
        "conditions": _conditions(options),
        "reference": arms[0].name,
        "ceiling_flops": {precision: _spread(values) for precision, values in ceilings.items()},
        "arms": {name: _summary(done, rounds[arms[0].name], ceilings) for name, done in rounds.items()},
        "rounds": {name: [asdict(entry) for entry in done] for name, done in rounds.items()},
    }


def _warmed_up(arms: list[ArmProcess], options: argparse.Namespace) -> list[ArmProcess]:
    def warm(arm: ArmProcess) -> ArmEnded | None:
        show_line(f"warming up: {arm.name}")
        try:
            arm.run(0)
        except ArmEnded as ended:
            return ended
        return None

    with ThreadPoolExecutor(_WARMING_UP if options.device == "cuda" else 1) as pool:
        ends = list(pool.map(warm, arms))
    if ends[0]:
        raise ends[0]
    for ended in filter(None, ends):
        show_line(f"left out: {ended}")
    return [arm for arm, ended in zip(arms, ends, strict=True) if ended is None]


def throughput_table(result: dict[str, Any]) -> str:
    """Draw the result as Markdown."""
    lines = [
        f"| arm | examples/s (range) | times {result['reference']} (range) | tokens/s | padded ÷ real | GFLOP/s | share of bf16 ceiling | peak MiB |",
        "| --- | ---: | ---: | ---: | ---: | ---: | ---: | ---: |",
    ]
    for name, arm in result["arms"].items():
        rate, ratio = arm["examples_per_second"], arm["ratio"]
        lines.append(
            f"| {name} | {rate['median']:.2f} ({rate['low']:.2f}–{rate['high']:.2f}) "
            f"| {ratio['median']:.2f} ({ratio['low']:.2f}–{ratio['high']:.2f}) | {arm['tokens_per_second']['median']:.0f} "
            f"| {arm['padding_ratio']:.3f} | {arm['flops_per_second']['median'] / 1e9:.0f} | {arm['share_of_bf16_ceiling']['median']:.1%} "
            f"| {arm['peak_mib']:.0f} |"
        )
    ceilings = ", ".join(f"{name} {value['median'] / 1e9:.0f} GFLOP/s" for name, value in result["ceiling_flops"].items())
    return "\n".join(
        [
            *lines,
            "",
            f"Matrix products of {_PRODUCT_SIZE[result['conditions']['device']]} × {_PRODUCT_SIZE[result['conditions']['device']]}: {ceilings}.",
        ]
    )


def main() -> None:
    """Parse the command line, measure, print and write."""
    options = _options()
    if options.worker:
        try:
            work_as_arm(json.loads(options.worker))
        except Exception as error:  # torch.compile alone raises a dozen kinds
            if os.environ.get("DEBUG") == "1":
                raise
            sys.exit(f"{type(error).__name__}: {str(error).strip().splitlines()[0] if str(error).strip() else 'no message'}")
        return
    if not options.reviews.is_file():
        sys.exit(f"error: --reviews {options.reviews}: no such file")
    if not (options.model / "config.json").is_file():
        sys.exit(f"error: --model {options.model}: no model folder (config.json)")
    with tempfile.TemporaryDirectory() as temporary:
        model = options.model
        if options.config == "bert-base":
            model = Path(temporary)
            save_random_encoder(BERT_BASE, AutoTokenizer.from_pretrained(options.model), model)
        try:
            result = measure_arms(options, model)
        except ArmEnded as ended:
            sys.exit(f"error: {ended}")
    show_markdown(f"\n{throughput_table(result)}")
    output = output_file(options, "train_throughput")
    output.write_text(json.dumps(result, indent=2) + "\n", encoding="utf-8")
    print(f"\n{output}")


def _options() -> argparse.Namespace:
    parser = argparse.ArgumentParser(prog="python -m benchmarks.train_throughput", description=(__doc__ or "").split("\n")[0])
    parser.add_argument("--model", type=Path, default=packaged_encoder(), help="folder of the encoder and its tokenizer (default: the packaged one)")
    parser.add_argument("--config", choices=["own", "bert-base"], default="own", help="bert-base: that size with random weights")
    parser.add_argument("--reviews", type=Path, default=Path("data/reviews.jsonl"), help="parquet or jsonl with text and label")
    parser.add_argument("--length", type=int, default=512, help="maximum tokens a text")
    parser.add_argument("--batch-size", type=int, default=8)
    parser.add_argument("--steps", type=int, default=16, help="steps of a round; the more, the closer grouping comes to what it does in a training")
    parser.add_argument("--pairs", type=int, default=5, help="rounds after the warm-up")
    parser.add_argument("--arms", default="tutorial,project", help=f"all, or some of: {', '.join(ARMS)}; on a GPU: {', '.join(GPU_ARMS)}")
    parser.add_argument("--precision", choices=["auto", "fp32"], default="auto", help="fp32: no arm uses bf16")
    parser.add_argument("--device", choices=["cpu", "cuda"], default="cuda" if torch.cuda.is_available() else "cpu")
    add_output_options(parser, "--json")
    parser.add_argument("--worker", help=argparse.SUPPRESS)
    options = parser.parse_args()
    there = arms_on(options.device)
    options.arms = list(there) if options.arms == "all" else options.arms.split(",")
    if unknown := [name for name in options.arms if name not in there]:
        parser.error(f"unknown arms: {', '.join(unknown)}; there are: {', '.join(there)}")
    return options


def _summary(rounds: list[Round], reference: list[Round], ceilings: dict[str, list[float]]) -> dict[str, Any]:
    flops = [entry.flops / entry.seconds for entry in rounds]
    return {
        "examples_per_second": _spread([entry.examples / entry.seconds for entry in rounds]),
        "tokens_per_second": _spread([entry.tokens / entry.seconds for entry in rounds]),
        "ratio": _spread([other.seconds / entry.seconds for entry, other in zip(rounds, reference, strict=True)]),
        "padding_ratio": sum(entry.padded_tokens for entry in rounds) / sum(entry.tokens for entry in rounds),
        "flops_per_second": _spread(flops),
        "share_of_bf16_ceiling": _spread([value / ceiling for value, ceiling in zip(flops, ceilings["bf16"], strict=True)]),
        "share_of_fp32_ceiling": _spread([value / ceiling for value, ceiling in zip(flops, ceilings["fp32"], strict=True)]),
        "peak_mib": max(entry.peak_mib for entry in rounds),
    }


def _spread(values: list[float]) -> dict[str, float]:
    return {"median": float(np.median(values)), "low": min(values), "high": max(values)}


def _conditions(options: argparse.Namespace) -> dict[str, Any]:
    name = torch.cuda.get_device_name() if options.device == "cuda" else _processor()
    return {
        "device": options.device,
        "processor": name,
        "threads": torch.get_num_threads(),
        "isa_limit": os.environ.get("ONEDNN_MAX_CPU_ISA"),
        "torch": torch.__version__,
        "transformers": transformers.__version__,
        "python": platform.python_version(),
        **{key: str(getattr(options, key)) for key in ("config", "length", "batch_size", "steps", "pairs", "precision")},
        "reviews": options.reviews.name,
    }


def _processor() -> str:
    try:
        lines = Path("/proc/cpuinfo").read_text(encoding="utf-8").splitlines()
    except OSError:
        return platform.processor()
    return next((line.split(":", 1)[1].strip() for line in lines if line.startswith("model name")), platform.processor())


if __name__ == "__main__":
    main()
