"""Files of a stage that are missing, damaged or edited are named; texts for people may be edited."""

from pathlib import Path

import pytest

from sentiment.core.checksums import FILE, check_files, write_checksums
from sentiment.terminal.errors import UserError


@pytest.fixture
def written(tmp_path: Path) -> Path:
    folder = tmp_path / "split"
    (folder / "below").mkdir(parents=True)
    for name in ("a.parquet", "below/b.json", "README.md"):
        (folder / name).write_text(name)
    write_checksums(folder)
    return folder


def test_what_was_written_is_accepted(written: Path) -> None:
    (written / "README.md").write_text("edited")
    check_files(written, "split")
    check_files(written, "split", ["a.parquet"])


@pytest.mark.parametrize("content", ["", "a.parque", "b.parquet", None])
def test_a_damaged_file_is_named_where_it_is_read(written: Path, content: str | None) -> None:
    path = written / "a.parquet"
    path.write_text(content) if content is not None else path.unlink()
    for names in (None, ["a.parquet"]):
        with pytest.raises(
            UserError, match=r"a\.parquet is (missing|not what the stage split wrote).*dvc checkout --force .*python -m stages\.split"
        ):
            check_files(written, "split", names)
    check_files(written, "split", ["below/b.json"])


@pytest.mark.parametrize("content", ["", "[]", "{", "{}", "\x00"])
def test_damaged_checksums_are_named(written: Path, content: str) -> None:
    (written / FILE).write_text(content)
    with pytest.raises(UserError, match=r"checksums\.json is damaged"):
        check_files(written, "split")


def test_files_of_an_older_version_have_none(written: Path) -> None:
    (written / FILE).unlink()
    check_files(written, "split", ["a.parquet"])
    with pytest.raises(UserError, match="missing"):
        check_files(written, "split", ["c.parquet"])


def test_a_folder_that_was_never_made_names_the_stage(tmp_path: Path) -> None:
    with pytest.raises(UserError, match="run the stage split first"):
        check_files(tmp_path / "split", "split", ["a.parquet"])
