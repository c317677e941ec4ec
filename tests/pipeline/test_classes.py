"""Three classes that nobody named, through the whole pipeline."""

import json

from tests.pipeline.conftest import Project
from tests.pipeline.test_training import edit

NAMES = ["awful", "fine", "mixed"]


def test_classes_found_in_the_data_reach_the_model_and_the_report(project: Project) -> None:
    lines = (project.root / "data/small.jsonl").read_text(encoding="utf-8").splitlines()
    rows = [{**json.loads(line), "label": NAMES[number % 3]} for number, line in enumerate(lines)]
    (project.root / "data/small.jsonl").write_text("".join(json.dumps(row) + "\n" for row in rows), encoding="utf-8")
    project.run("python", "-c", edit("prepare", "class_names", None))
    project.dvc("repro")

    config = project.json("models/classifier/config.json")
    assert [config["id2label"][str(index)] for index in range(3)] == NAMES
    report = (project.root / "reports/eval/report.md").read_text(encoding="utf-8")
    for words in ("macro average", "weighted average", "Mistaken most often", "Labels that look wrong"):
        assert words in report
    by_class = (project.root / "reports/eval/roc_by_class.tsv").read_text(encoding="utf-8").splitlines()
    assert {line.split("\t")[0] for line in by_class[1:]} == set(NAMES)
    curve = [[float(cell) for cell in line.split("\t")] for line in (project.root / "reports/eval/roc.tsv").read_text().splitlines()[1:]]
    assert [row[0] for row in curve] == sorted(row[0] for row in curve), "one line for `dvc plots`, not a zigzag through all classes"
    issues = project.json("reports/eval/label_issues.json")
    assert set(issues) == {"train", "test"}

    project.run("python", "-c", edit("eval", "label_issues", False))
    project.dvc("repro")
    assert not (project.root / "reports/eval/label_issues.json").exists()
    assert "Labels that look wrong" not in (project.root / "reports/eval/report.md").read_text(encoding="utf-8")
