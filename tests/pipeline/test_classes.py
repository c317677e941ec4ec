"""The DAG with many classes, of which the test set lacks one."""

import csv
import json
import math

import numpy as np
import yaml

from tests.pipeline.conftest import Project

CLASSES = 9
ABSENT = 3
WORDS = ["plot", "cast", "music", "ending", "humour", "pace", "costume", "camera", "dialogue"]


def rows(count: int, classes: list[int], seed: int) -> str:
    generator = np.random.default_rng(seed)
    fillers = ["film", "story", "scene", "actor", "night", "city", "dark", "light", "slow", "old", "new", "long", "short", "young"]
    lines = []
    for number in range(count):
        label = classes[number % len(classes)]
        words = [*generator.choice(fillers, 12), *[WORDS[label]] * 3]
        lines.append(json.dumps({"text": " ".join(generator.permutation(words)), "label": f"topic {label}"}) + "\n")
    return "".join(lines)


def test_a_class_without_test_rows_is_told_and_the_plots_know_each_class(bare_project: Project) -> None:
    project = bare_project
    (project.root / "data/many").mkdir()
    (project.root / "data/many/train.jsonl").write_text(rows(270, list(range(CLASSES)), 1), encoding="utf-8")
    (project.root / "data/many/test.jsonl").write_text(rows(80, [label for label in range(CLASSES) if label != ABSENT], 2), encoding="utf-8")
    parameters = yaml.safe_load((project.root / "params.yaml").read_text(encoding="utf-8"))
    parameters["prepare"].update(source="data/many", group_column=None, class_names=[f"topic {label}" for label in range(CLASSES)])
    parameters["eval"]["label_issues"] = False
    (project.root / "params.yaml").write_text(yaml.safe_dump(parameters, sort_keys=False), encoding="utf-8")
    project.dvc("repro")

    metrics = project.json("reports/eval/summary.json")
    assert all(math.isfinite(metrics[name]) for name in ("accuracy", "macro_f1", "roc_auc", "loss", "ece"))
    report = (project.root / "reports/eval/report.md").read_text(encoding="utf-8")
    assert f"**No test row is of the class topic {ABSENT}**" in report and "nan" not in report
    assert "Labels that look wrong" not in report and not (project.root / "reports/eval/label_issues.json").exists()
    with (project.root / "reports/eval/roc.tsv").open(encoding="utf-8", newline="") as file:
        assert {row["class"] for row in csv.DictReader(file, delimiter="\t")} == {
            "mean of all classes",
            *(f"topic {label}" for label in range(CLASSES) if label != ABSENT),
        }

    project.dvc("plots", "show")
    page = (project.root / "dvc_plots/index.html").read_text(encoding="utf-8")
    spec = json.loads(page.partition("vegaEmbed('#roc'")[0].rpartition("var spec = ")[2].strip().removesuffix(";"))
    # Each class is a line of its own: one line through the points of all would zigzag.
    assert {"field": "class"} in spec["encoding"]["detail"]
    assert {row["class"] for row in spec["data"]["values"]} >= {"mean of all classes", "topic 0", "topic 8"}
