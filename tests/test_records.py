"""The figures that README and docs quote are those of the committed records.

A line of `quotes` is a document and the words that have to be in it, with the figures put in from the records. Where a record was made
anew, the failure shows the words that the document needs now.
"""

import re
from functools import cache
from pathlib import Path
from typing import Any

import pytest

from benchmarks.export_latency import markdown_of
from sentiment.core.files import read_json

ROOT = Path(__file__).resolve().parents[1]
README, CHINESE = "README.md", "README.zh-CN.md"


@cache
def record(path: str) -> Any:
    return read_json(ROOT / path)


def number(value: float) -> str:
    """Return a figure with its sign, as the reports write it."""
    return f"{value:+.1f}".replace("-", "−")


def percent(value: float) -> str:
    return f"{100 * value:.1f}"


def interval(pair: dict[str, Any], word: str = "to") -> str:
    low, high = (number(100 * bound) for bound in pair["interval"])
    return f"({low} {word} {high})"


def comparison(arm: str, plan: str = "ablations") -> dict[str, Any]:
    found: dict[str, Any] = next(one for one in record(f"reports/{plan}/report.json")["comparisons"] if one["arm"] == arm)
    return found


def accuracy(arm: str, plan: str = "ablations") -> dict[str, Any]:
    found: dict[str, Any] = next(one for one in record(f"reports/{plan}/report.json")["arms"] if one["name"] == arm)["accuracy"]
    return found


def single(run: str, key: str = "accuracy") -> str:
    return percent(record("benchmarks/results/single_runs.json")["runs"][run][key])


def times(arm: str, file: str = "train_throughput") -> dict[str, float]:
    """How many times as fast as the tutorial's recipe: the median of the rounds, and the range."""
    ratio: dict[str, float] = record(f"benchmarks/results/{file}.json")["arms"][arm]["ratio"]
    return ratio


def gpu_rows() -> list[str]:
    """Return the rows of the documentation's tables of a GPU, as far as the record of the last run has them."""
    units = record("benchmarks/results/gpu_h100.json")["units"]
    rows = []
    for size, name in ((32, "project"), (32, "with compile"), (8, "project"), (8, "with compile"), (8, "without graphs")):
        arm = units[f"arms {size}"]["result"]["arms"][name]
        speed = arm["examples_per_second"]
        bold = "**" if name == "with compile" else ""
        rows.append(f"{bold}{speed['median']:,.0f} ({speed['low']:,.0f}–{speed['high']:,.0f}){bold} | {bold}{arm['ratio']['median']:.1f}{bold}")
    return rows


def engine_rows() -> list[str]:
    """Return rows of the documentation's tables of both engines, as the records have them."""
    short = [f"{result['seconds']:.0f} s |" for result in record("benchmarks/results/study_engines_short.json")["results"]]
    experiments = [one for result in record("benchmarks/results/study_engines_long.json")["results"] for one in result["phases"]]
    rows = [" | ".join(f"{one[phase]:.1f}" for one in experiments) for phase in ("before", "train start", "training", "eval")]
    shares = [(sum(one.values()) - one["training"]) / one["training"] for one in experiments]
    assert max(shares) <= 0.25
    return [*short, *rows, "beside the training | " + " | ".join(f"{100 * share:.0f} %" for share in shares)]


def quotes() -> list[tuple[str, str]]:
    test, reference = record("reports/eval.json"), record("reports/reference.json")
    low, high, middle = percent(test["accuracy_low"]), percent(test["accuracy_high"]), percent(test["accuracy"])
    counting = percent(reference["tfidf_accuracy"])
    counting_hard, hard = single("counting words", "challenge_accuracy"), percent(test["challenge_accuracy"])
    pairs = {name: comparison(name) for name in ("baseline_bs32", "baseline_lr5e-5_bs32", "baseline_epoch2", "baseline_early_stopping")}
    scale = next(one for one in record("benchmarks/results/data_scale.json")["results"] if one["rows"] == 1_000_000)
    memory = max(scale[stage]["peak_mib"] for stage in ("prepare", "split"))
    imdb, imdb_pairs = "ablations-imdb-cpu", {name: comparison(name, "ablations-imdb-cpu") for name in ("baseline_bs32", "baseline_lr5e-5_bs32")}
    four = record("benchmarks/results/single_runs.json")["runs"]["imdb_baseline_4000"]
    found = [
        (README, f"The baseline gets {middle} % of the test reviews right, with a 95 % interval of {low} to {high} %"),
        (CHINESE, f"准确率为 {middle}%，95% 置信区间为 {low}% 到 {high}%"),
        (CHINESE, f"（TF-IDF 加逻辑回归）达到 {counting}%"),
        (CHINESE, f"（`-S train.lr=5e-5`：{single('baseline_lr5e-5')}%）"),
        (CHINESE, f"（基线 {hard}%，词频方法 {counting_hard}%，学习率 5e-5 为 {single('baseline_lr5e-5', 'challenge_accuracy')}%）"),
        (README, f"(TF-IDF with logistic regression) gets {counting} % on the same split"),
        (README, f"(baseline {hard} %, counting words {counting_hard} %, lr 5e-5 {single('baseline_lr5e-5', 'challenge_accuracy')} %)"),
        (README, f"(`-S train.lr=5e-5`: {single('baseline_lr5e-5')} %)"),
        (
            README,
            f"gets {percent(four['accuracy'])} % of 5,000 test reviews right ({percent(four['accuracy_low'])} to {percent(four['accuracy_high'])} %)",
        ),
        (README, f"counting words {percent(four['tfidf_accuracy'])} %"),
        ("docs/background.md", f"TF-IDF {counting} %, the baseline {middle} %,\n  and {single('baseline_lr5e-5')} % with a learning rate of 5e-5"),
        ("docs/background.md", f"reached {percent(four['accuracy'])} %, TF-IDF on the same 4,000 {percent(four['tfidf_accuracy'])} %"),
        ("docs/background.md", f"the baseline reached {hard} %,\n  hardly more than a coin, and TF-IDF {counting_hard} %"),
        (
            "docs/background.md",
            f"{percent(accuracy('baseline')['mean'])} % at batch 8, {percent(accuracy('baseline_bs32')['mean'])} % at batch 32",
        ),
        ("docs/results.md", f"**{percent(four['accuracy'])}** [{percent(four['accuracy_low'])}, {percent(four['accuracy_high'])}]"),
        ("docs/results.md", f"the same 4,000 reviews | {percent(four['tfidf_accuracy'])} |"),
        (README, f"costs five points at a learning rate of 2e-5 {interval(pairs['baseline_bs32'])}"),
        (README, f"brings the five points back {interval(pairs['baseline_lr5e-5_bs32'])}"),
        (README, f"Two epochs in place of three come out worse {interval(pairs['baseline_epoch2'])}"),
        *[(CHINESE, f"{interval(pairs[name], '到').strip('()')}") for name in ("baseline_bs32", "baseline_lr5e-5_bs32", "baseline_epoch2")],
        ("docs/performance.md", f"**{times('project')['median']:.1f} times the examples a second of the usual recipe**"),
        *[("docs/performance.md", row) for row in gpu_rows()],
        *[("docs/scale.md", row) for row in engine_rows()],
        ("docs/performance.md", f"and {times('without bf16')['median']:.1f} times without bf16"),
        ("docs/performance.md", f"**{times('project', 'train_throughput_amd')['median']:.1f} times the tutorial's examples a second**"),
        ("docs/performance.md", f"and {times('without bf16', 'train_throughput_amd')['median']:.1f} times without bf16 (3.2 to 4.0)"),
        ("docs/performance.md", f"BERT-base on the same two cores: {times('project', 'train_throughput_bert_base')['median']:.1f} times"),
        (README, "A million reviews of 200 words take two and a half minutes on two CPU cores and 1 GiB of memory"),
        ("data/README.md", f"| TF-IDF + logistic regression | {counting} | {counting_hard} | {single('counting words', 'imdb_accuracy')} |"),
    ]
    assert round((scale["prepare"]["seconds"] + scale["split"]["seconds"]) / 30) == 5 and round(memory / 1024) == 1  # the million reviews, in words
    for name, words in (
        ("baseline", "lr 2e-5, batch 8 (the baseline)"),
        ("baseline_lr5e-5", "lr 5e-5, batch 8"),
        ("baseline_bs32", "lr 2e-5, batch 32"),
    ):
        cells = [single(name, key) for key in ("accuracy", "challenge_accuracy", "imdb_accuracy")]
        found.append(("data/README.md", f"| BERT, {words} | {' | '.join(cells)} |"))
    for name, pair in pairs.items():
        verdict = "" if pair["verdict"] == "not distinguishable" else f", {pair['verdict']}"
        cell = f"{number(100 * pair['accuracy_difference'])} {interval(pair)}{verdict} |"
        found.append(("docs/ablations.md", f"| `{name}` against `{pair['against']}` | ..{cell}"))
    load = record("benchmarks/results/serve_load.json")
    found += [("docs/use.md", line) for line in markdown_of(record("benchmarks/results/export_latency.json")["arms"]).splitlines()]
    found += [
        ("docs/use.md", f"get {load['texts_per_second']:.0f} answers a second for a minute, none of {load['requests']:,} fails"),
        ("docs/use.md", f"95 % take less than {load['p95_ms']:.0f} ms; the bare model reads {load['bare_texts_per_second']:.0f} texts a second"),
    ]
    reviews, short = record("benchmarks/results/predict_scale.json")["jobs"]
    memory_of_lines = f"{reviews['peak_mib']:,.0f} MiB of memory; {short['rows']:,} lines of ten words take {short['peak_mib']:,.0f} MiB, the same in"
    found += [
        (
            "docs/use.md",
            f"with {reviews['ratio']:.2f} times the throughput of the model's forward pass alone ({reviews['texts_per_second']:.0f} texts",
        ),
        ("docs/use.md", memory_of_lines),
    ]
    assert round(short["peak_mib"]) == round(short["peak_mib_first_quarter"])
    for name, pair in imdb_pairs.items():
        found.append(
            (
                "docs/results.md",
                f"{number(100 * pair['accuracy_difference'])} {interval(pair, ',').replace(' ,', ',').replace('(', '[').replace(')', ']')}",
            )
        )
        found.append(("docs/results.md", f"| {name} | ..| {percent(accuracy(name, imdb)['mean'])} ± "))
    return found


@pytest.mark.parametrize(("document", "words"), quotes(), ids=lambda value: str(value)[:60])
def test_a_document_quotes_the_record(document: str, words: str) -> None:
    text = (ROOT / document).read_text(encoding="utf-8")
    row, found, rest = words.partition("..")  # anything else in a row of a table
    if found:
        assert [line for line in text.splitlines() if line.startswith(row) and rest in line], f"{document} lacks a row {words!r}"
    else:
        assert re.sub(r"\s+", " ", words) in re.sub(r"\s+", " ", text), f"{document} lacks {words!r}"


@pytest.mark.parametrize("path", sorted((ROOT / "benchmarks/results").glob("*.json")), ids=lambda path: path.name)
def test_a_documents_name_each_record_of_a_benchmark(path: Path) -> None:
    pages = [(ROOT / name).read_text(encoding="utf-8") for name in (README, "data/README.md")]
    pages += [page.read_text(encoding="utf-8") for page in (ROOT / "docs").glob("*.md")]
    assert any(path.name in page or f"benchmarks.{path.stem}" in page for page in pages), f"no document names {path.name}"
