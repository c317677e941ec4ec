"""What the README promises."""

import re
import subprocess
from pathlib import Path

import yaml

from sentiment.settings.readme_table import parameter_table

ROOT = Path(__file__).resolve().parents[1]
READMES = ("README.md", "README.zh-CN.md")
README = (ROOT / "README.md").read_text(encoding="utf-8")


def test_the_parameter_table_is_the_schemas() -> None:
    table = README.split("<!-- parameters: python -m sentiment parameters -->\n")[1].split("\n<!-- /parameters -->")[0]
    assert table == parameter_table()


def test_its_links_and_pictures_lead_somewhere() -> None:
    for page in [
        ROOT / "README.md",
        ROOT / "README.zh-CN.md",
        ROOT / "CONTRIBUTING.md",
        *sorted((ROOT / "docs").glob("*.md")),
        ROOT / "data/README.md",
    ]:
        for target in re.findall(r"\]\((?!https?:|#)([^)#]+)", page.read_text(encoding="utf-8")):
            assert (page.parent / target).exists(), f"{page.name}: {target}"


def test_every_make_target_it_names_is_there() -> None:
    targets = set(re.findall(r"^([a-z-]+):", (ROOT / "Makefile").read_text(encoding="utf-8"), re.MULTILINE))
    assert set(re.findall(r"\bmake ([a-z-]+)", README)) <= targets


def test_every_parameter_it_sets_is_there() -> None:
    parameters = yaml.safe_load((ROOT / "params.yaml").read_text(encoding="utf-8"))
    for section, key in re.findall(r"-S '?(\w+)\.(\w+)=", README):
        assert key in parameters[section], f"{section}.{key}"


def test_make_help_lists_every_target() -> None:
    listed = subprocess.run(["make", "help"], cwd=ROOT, capture_output=True, text=True, check=True).stdout
    assert {"run", "test", "lint", "show", "watch", "clean"} <= {line.split()[1] for line in listed.splitlines() if line.strip()}
    assert "Could not override" in listed and "Could not override" in README


def test_what_contributing_asks_to_edit_is_there_and_is_little() -> None:
    page = (ROOT / "CONTRIBUTING.md").read_text(encoding="utf-8")
    rows = [row for row in page.split("| to add | edit |")[1].split("\n\n")[0].splitlines()[2:] if row]
    assert len(rows) == 10
    for row in rows:
        cells = row.split("|")[2]
        files = [name for name in re.findall(r"`([^` ]+)`", cells) if "NAME" not in name]
        folder = ""
        for name in files:
            folder = name.rpartition("/")[0] if "/" in name else folder
            found = (ROOT / name).exists() or (ROOT / folder / name).exists() or name in {"parameters.py", "paths.py"}
            assert found, name
        assert len(re.split(r"[,;]| or ", cells.split("(")[0])) <= 4, row


def test_both_readmes_have_the_same_parameters_with_the_same_defaults() -> None:
    chinese = (ROOT / "README.zh-CN.md").read_text(encoding="utf-8")
    row = re.compile(r"^\| `((?:seed|prepare|split|train|eval)[\w.]*)` \| (.*?) \|", re.MULTILINE)
    assert row.findall(chinese) == row.findall(README)


def figures_by_section(page: str) -> list[list[str]]:
    """Return the figures of each section's sentences, without code, tables and addresses."""
    text = re.sub(r"```.*?```|(?m:^\|[^\n]*$)|`[^`]*`|\]\([^)]*\)|<http[^>]*>", "", (ROOT / page).read_text(encoding="utf-8"), flags=re.DOTALL)
    found = re.compile(r"(?<![A-Za-z\d.])[−+]?\d+(?:,\d{3})*(?:\.\d+)?")
    return [sorted(set(found.findall(section))) for section in re.split(r"(?m)^#+ .*$", text)]


def test_both_readmes_have_the_same_sections_and_figures() -> None:
    levels = [re.findall(r"(?m)^(#+) ", re.sub(r"```.*?```", "", (ROOT / page).read_text(encoding="utf-8"), flags=re.DOTALL)) for page in READMES]
    assert levels[0] == levels[1]
    assert figures_by_section(READMES[1]) == figures_by_section(READMES[0])
