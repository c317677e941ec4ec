"""How fast an exported classifier answers: PyTorch in fp32 and bf16, ONNX in fp32 and int8, in turn on the same texts.

    python -m benchmarks.export_latency               # the classifier of `make run`, texts of its test split; two minutes on two CPU cores

Batch 1 is what a service with few clients does, batch 32 what a file does. Each arm is timed in each round, so that a machine that others use
slows all of them.
"""

import argparse
import tempfile
import time
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np

from benchmarks.output import add_output_options, command_line, commit_here, output_file, show_markdown
from sentiment.core import paths
from sentiment.core.files import write_json
from sentiment.core.tables import read_table
from sentiment.export.conversion import export_classifier
from sentiment.export.onnx_reader import OnnxClassifier
from sentiment.export.paths import MODEL
from sentiment.model.runtime import start_runtime
from sentiment.model.text_settings import read_text_settings
from sentiment.model.trained.reader import TextClassifier
from sentiment.terminal.errors import run_main
from sentiment.terminal.progress import progress_bar
from sentiment.use.backends import TextReader

FORMATS = ("onnx", "onnx-int8")
TOGETHER = 32


def time_arm(one: TextReader, many: TextReader, texts: Sequence[str], batch: Sequence[str]) -> tuple[list[float], float]:
    """Return the seconds of each text alone, and texts a second read together."""
    seconds = []
    for text in texts:
        start = time.perf_counter()
        one.read([text])
        seconds.append(time.perf_counter() - start)
    start = time.perf_counter()
    many.read(batch)
    return seconds, len(batch) / (time.perf_counter() - start)


def markdown_of(arms: dict[str, Any]) -> str:
    """Return the table of all arms."""
    first = arms["PyTorch fp32"]
    lines = [
        "| form | MiB | one text: p50 | p95 | times fp32 | 32 together: texts/s | times fp32 |",
        "| --- | ---: | ---: | ---: | ---: | ---: | ---: |",
    ]
    for name, arm in arms.items():
        alone, together = first["p50_ms"] / arm["p50_ms"], arm["texts_per_second"] / first["texts_per_second"]
        times = f"{arm['p50_ms']:.1f} ms | {arm['p95_ms']:.1f} ms | {alone:.2f}"
        lines.append(f"| {name} | {arm['mib']:.0f} | {times} | {arm['texts_per_second']:.0f} | {together:.2f} |")
    return "\n".join(lines)


def main() -> None:
    """Run the benchmark."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--rounds", type=int, default=5, help="each arm is timed so often (default: 5)")
    parser.add_argument("--texts", type=int, default=40, help="texts a round one by one; eight times as many together (default: 40)")
    add_output_options(parser, "--json")
    options = parser.parse_args()
    texts = read_table(paths.SPLIT / "test.parquet", columns=["text"]).column("text").to_pylist()
    settings = read_text_settings(paths.CLASSIFIER)
    with tempfile.TemporaryDirectory() as folder:
        export_classifier(paths.CLASSIFIER, FORMATS, Path(folder))
        weights = (paths.CLASSIFIER / "model.safetensors").stat().st_size
        readers: dict[str, tuple[TextReader, TextReader, int]] = {}
        for precision in ("fp32", "bf16"):
            runtime = start_runtime(precision)
            single, several = (TextClassifier(paths.CLASSIFIER, runtime, settings, size) for size in (1, TOGETHER))
            readers[f"PyTorch {precision}"] = (single, several, weights)
        for name in FORMATS:
            exported = Path(folder) / name
            readers[name] = (OnnxClassifier(exported, 1), OnnxClassifier(exported, TOGETHER), (exported / MODEL).stat().st_size)
        alone: dict[str, list[float]] = {name: [] for name in readers}
        rates: dict[str, list[float]] = {name: [] for name in readers}
        generator = np.random.default_rng(0)
        with progress_bar("export_latency", options.rounds * len(readers)) as bar:
            for number in range(options.rounds + 1):  # the first warms up
                chosen = [texts[row] for row in generator.choice(len(texts), options.texts)]
                batch = [texts[row] for row in generator.choice(len(texts), 8 * options.texts)]
                for position, name in enumerate(np.roll(list(readers), number)):
                    one, many, _ = readers[name]
                    seconds, rate = time_arm(one, many, chosen, batch)
                    if number:
                        alone[name] += seconds
                        rates[name].append(rate)
                        bar.update((number - 1) * len(readers) + position + 1)
    arms = {
        name: {
            "mib": size / 2**20,
            "p50_ms": 1000 * float(np.quantile(alone[name], 0.5)),
            "p95_ms": 1000 * float(np.quantile(alone[name], 0.95)),
            "texts_per_second": float(np.median(rates[name])),
        }
        for name, (_, _, size) in readers.items()
    }
    show_markdown(markdown_of(arms))
    commit = commit_here()
    write_json(output_file(options, "export_latency"), {"command": command_line("export_latency"), "commit": commit, "arms": arms})


if __name__ == "__main__":
    run_main(main)
