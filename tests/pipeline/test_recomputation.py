"""An edit costs what it can change, and nothing outside a stage's dependencies changes what it writes."""

import json
import subprocess
import sys
from pathlib import Path

import pytest
import yaml

from sentiment.core.code_dependencies import code_hashes
from tests.imports import ROOT
from tests.pipeline.conftest import Project


def changed_stages(project: Project) -> set[str]:
    return set(json.loads(project.dvc("status", "--json").stdout))


def append(project: Project, path: str, line: str) -> None:
    file = project.root / path
    file.write_text(file.read_text(encoding="utf-8") + f"\n{line}\n", encoding="utf-8")


def add_eval_parameter(project: Project) -> None:
    schema = project.root / "sentiment/evaluation/parameters.py"
    schema.write_text(schema.read_text(encoding="utf-8") + '    favourite_colour: str = Field(description="made up")\n', encoding="utf-8")
    params = yaml.safe_load((project.root / "params.yaml").read_text(encoding="utf-8"))
    params["eval"]["favourite_colour"] = "green"
    (project.root / "params.yaml").write_text(yaml.safe_dump(params, sort_keys=False), encoding="utf-8")


EDITS = {
    "a figure of the report": (lambda project: append(project, "sentiment/evaluation/report/page.py", "X = 1"), {"reference", "eval", "export"}),
    "a new parameter of eval": (add_eval_parameter, {"reference", "eval", "export"}),
    "a new path of a room": (
        lambda project: append(project, "sentiment/evaluation/paths.py", 'EXTRA = Path("reports/extra")'),
        {"reference", "eval", "export"},
    ),
    "how the classifier is exported": (lambda project: append(project, "sentiment/export/conversion.py", "X = 1"), {"export"}),
    "what SwanLab records": (lambda project: append(project, "sentiment/tracking/tracker.py", "X = 1"), set()),
    "a column of `make show`": (lambda project: append(project, "sentiment/cli/show.py", "X = 1"), set()),
    "the wording of the model card": (lambda project: append(project, "sentiment/use/model_card.py", "X = 1"), set()),
    "the forward pass": (lambda project: append(project, "sentiment/model/prediction.py", "X = 1"), {"train", "eval", "export"}),
    "how data is dealt out": (lambda project: append(project, "sentiment/data/dealing/splitting.py", "X = 1"), {"prepare", "split"}),
    "what an editor leaves behind": (lambda project: append(project, "sentiment/model/__init__.py~", "X = 1"), set()),
}


def test_an_edit_makes_no_stage_stale_but_those_it_can_change(project: Project) -> None:
    for what, (edit, expected) in EDITS.items():
        if what == "what an editor leaves behind":
            (project.root / "sentiment/model/__init__.py~").touch()
        edit(project)
        assert changed_stages(project) == expected, what
        project.run("git", "stash", "-q", "--include-untracked")
        project.run("git", "stash", "drop", "-q")


def test_dvc_hashes_a_room_as_the_one_function_does(project: Project) -> None:
    stages = yaml.safe_load((project.root / "dvc.lock").read_text(encoding="utf-8"))["stages"]
    for name, stage in stages.items():
        recorded = {dep["path"]: dep["md5"] for dep in stage["deps"]}
        hashes = code_hashes(name, project.root)
        assert hashes and hashes == {path: recorded[path] for path in hashes}


# Runs a stage with a tracker and a terminal that do nothing, and draw from Python's random as SwanLab does.
REPLACED = """
import random, runpy, sys
from contextlib import contextmanager
from types import SimpleNamespace

class Null:
    def __getattr__(self, name):
        random.seed()
        random.random()
        return lambda *a, **k: self
@contextmanager
def progress_bar(*a, **k):
    yield Null()
import sentiment.terminal.progress as progress
progress.say = lambda *a, **k: random.random()
progress.progress_bar = progress_bar
if sys.argv[1] in ("train", "eval"):
    import sentiment.tracking.tracker as tracker
    tracker.start_training_run = lambda *a, **k: Null()
    tracker.record_evaluation = lambda *a, **k: random.random()
    tracker.describe_run = lambda *a, **k: random.random()
    import sentiment.tracking.training_watchers as watchers
    class Watcher(watchers.TrackingCallback):
        def _send(self, *a, **k):
            random.seed()
    watchers.TrackingCallback = Watcher
runpy.run_module(f"stages.{sys.argv[1]}", run_name="__main__")
"""


@pytest.mark.parametrize("stage", ["prepare", "split", "reference", "train", "eval", "export"])
def test_tracker_and_terminal_change_no_output(stage: str, project: Project) -> None:
    stages = yaml.safe_load((project.root / "dvc.yaml").read_text(encoding="utf-8"))["stages"]
    written = [project.root / name for name in [*stages[stage]["outs"], *(path for entry in stages[stage].get("metrics", []) for path in entry)]]

    def contents() -> dict[Path, bytes]:
        files = [file for path in written for file in (path.rglob("*") if path.is_dir() else [path]) if file.is_file()]
        return {file: file.read_bytes() for file in files}

    before = contents()
    for path in written:
        subprocess.run(["rm", "-rf", str(path)], check=True)
    project.run(sys.executable, "-c", REPLACED, stage)
    assert contents() == before
    assert before and ROOT.exists()
