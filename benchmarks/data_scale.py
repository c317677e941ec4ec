"""How prepare and split grow with the data: seconds, microseconds a row, and memory.

Run     python -m benchmarks.data_scale                                    100,000 and 1,000,000 rows of 200 words
        python -m benchmarks.data_scale --rows 30000 --near-duplicates     other sizes; also look for near-duplicates
Writes  .cache/benchmarks/data_scale.json (--publish: benchmarks/results/) after each size; a size that is there, of the same code, is not run again

The corpus is made up, the same for the same seed: words by Zipf's law, films of 20 reviews, one review in 200 a repetition
of an earlier one. It lies in a temporary folder (1.3 GB for a million rows, and twice that while the stages run).
"""

import argparse
import hashlib
import json
import os
import shutil
import sys
import tempfile
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt
import yaml
from rich.console import Console
from rich.table import Table

from benchmarks.memory import run_measured
from benchmarks.output import add_output_options, output_file
from sentiment.core.files import read_json, write_json
from sentiment.data.paths import CHALLENGE
from sentiment.terminal.errors import Interrupted, UserError, run_main
from sentiment.terminal.progress import progress_bar, say

ROOT = Path(__file__).resolve().parents[1]
STAGES = ("prepare", "split")

_WORDS = 200
_VOCABULARY = 50_000
_FILM_ROWS = 20
_REPEATED = 200  # one row in so many
_BLOCK = 5_000
_SEED = 42
_WIDTH = 110  # where the output is no terminal


def write_corpus(path: Path, rows: int) -> None:
    """Write a made-up corpus as jsonl: text, label and film.

    Parameters
    ----------
    path : Path
        The file.
    rows : int
        How many; the first rows of a longer corpus are those of a shorter one.
    """
    words, cumulative = _vocabulary()
    with path.open("w", encoding="utf-8") as file, progress_bar(f"make {rows:,} rows", rows) as bar:
        for start in range(0, rows, _BLOCK):
            texts = _texts(words, cumulative, np.random.default_rng([_SEED, start]), min(_BLOCK, rows - start))
            for row, text in enumerate(texts, start=start):
                file.write(json.dumps({"text": text, "label": row % 2, "film": f"film {row // _FILM_ROWS}"}) + "\n")
            bar.update(start + len(texts))


def measure_stages(rows: int, near_duplicates: bool) -> dict[str, Any]:
    """Run the two stages on a corpus of this size, as a user would.

    Parameters
    ----------
    rows : int
        Rows of the corpus.
    near_duplicates : bool
        Whether near-duplicates are looked for.

    Returns
    -------
    dict
        Seconds and highest memory (MiB, the process and those it started together) of each stage.
    """
    with tempfile.TemporaryDirectory(prefix="data_scale-") as name:
        folder = Path(name)
        (folder / "data").mkdir()
        for file in (CHALLENGE, Path("dvc.yaml")):
            shutil.copyfile(ROOT / file, folder / file)
        write_corpus(folder / "data/corpus.jsonl", rows)
        parameters = yaml.safe_load((ROOT / "params.yaml").read_text(encoding="utf-8"))
        parameters["prepare"].update(source="data/corpus.jsonl", group_column="film")
        if not near_duplicates:
            parameters["prepare"]["near_duplicate_threshold"] = None
        (folder / "params.yaml").write_text(yaml.safe_dump(parameters, sort_keys=False), encoding="utf-8")
        result: dict[str, Any] = {"rows": rows, "near_duplicates": near_duplicates, "bytes": (folder / "data/corpus.jsonl").stat().st_size}
        for stage in STAGES:
            say(f"{stage}, {rows:,} rows")
            run = run_measured([sys.executable, "-m", f"stages.{stage}"], folder)
            result[stage] = {"seconds": run.seconds, "peak_mib": run.peak_mib()}
        return result


def render(results: list[dict[str, Any]]) -> Table:
    """Put the results into a table; the last column is the time a row over that of the smallest size of its kind."""
    table = Table("rows", "MB", "near-duplicates", "prepare s", "split s", "µs a row", "peak MiB", "ratio")
    for result in results:
        smallest = min((other for other in results if other["near_duplicates"] == result["near_duplicates"]), key=lambda other: int(other["rows"]))
        table.add_row(
            f"{result['rows']:,}",
            f"{result['bytes'] / 1e6:,.0f}",
            "on" if result["near_duplicates"] else "off",
            *(f"{result[stage]['seconds']:.1f}" for stage in STAGES),
            f"{_microseconds(result):.0f}",
            f"{max(result[stage]['peak_mib'] for stage in STAGES):,.0f}",
            f"{_microseconds(result) / _microseconds(smallest):.2f}",
        )
    return table


def main() -> None:
    """Measure what is not measured yet, and show all."""
    parser = argparse.ArgumentParser(
        prog="python -m benchmarks.data_scale", description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--rows", type=int, nargs="+", default=[100_000, 1_000_000], help="sizes of the corpus")
    parser.add_argument("--near-duplicates", action="store_true", help="also look for near-duplicates")
    add_output_options(parser, "--out")
    arguments = parser.parse_args()
    if min(arguments.rows) < 100:
        raise UserError(f"--rows {min(arguments.rows)}: 100 at least")
    code = _code()
    output = output_file(arguments, "data_scale")
    found = read_json(output) if output.exists() else {}
    results: list[dict[str, Any]] = found.get("results", []) if found.get("code") == code else []
    for rows in sorted(set(arguments.rows)):
        if not any((result["rows"], result["near_duplicates"]) == (rows, arguments.near_duplicates) for result in results):
            try:
                results.append(measure_stages(rows, arguments.near_duplicates))
            except KeyboardInterrupt:
                raise Interrupted("sizes that were finished are kept; the same command goes on with the next") from None
            results.sort(key=lambda result: (result["near_duplicates"], result["rows"]))
            write_json(output, {"code": code, "cpus": os.cpu_count(), "results": results})
    console = Console()
    console.print(render(results), width=None if console.is_terminal else _WIDTH)


def _texts(words: npt.NDArray[np.object_], cumulative: npt.NDArray[np.float64], generator: np.random.Generator, rows: int) -> list[str]:
    drawn = words[np.searchsorted(cumulative, generator.random((rows, _WORDS)))].tolist()
    texts: list[str] = []
    for row, text in enumerate(drawn):
        text[_WORDS // 2] += "<br />"
        texts.append(texts[row - 2] if row and row % _REPEATED == 0 else " ".join(text))
    return texts


def _vocabulary() -> tuple[npt.NDArray[np.object_], npt.NDArray[np.float64]]:
    # Zipf's law; rarer words are longer, so that a word has five letters in the mean.
    generator = np.random.default_rng(_SEED)
    letters = np.array(list("etaoinshrdlucmfwypvbgk"))
    words = ["".join(generator.choice(letters, size=3 + int(np.log2(rank + 1) / 3))) for rank in range(_VOCABULARY)]
    weights = 1 / np.arange(1, _VOCABULARY + 1)
    return np.array(words, dtype=object), np.cumsum(weights) / weights.sum()


def _microseconds(result: dict[str, Any]) -> float:
    return sum(float(result[stage]["seconds"]) for stage in STAGES) / float(result["rows"]) * 1e6


def _code() -> str:
    digest = hashlib.sha256()
    for path in sorted([*ROOT.glob("sentiment/**/*.py"), *ROOT.glob("stages/*.py"), Path(__file__)]):
        digest.update(path.read_bytes())
    return digest.hexdigest()[:16]


if __name__ == "__main__":
    run_main(main)
