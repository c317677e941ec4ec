"""The one place that knows which code a stage depends on."""

from pathlib import Path

import pytest

from sentiment.core.code_dependencies import code_files, code_hashes, declared_code, is_code


@pytest.fixture
def checkout(tmp_path: Path) -> Path:
    (tmp_path / "sentiment/room/inner").mkdir(parents=True)
    (tmp_path / "stages").mkdir()
    for name in ("sentiment/room/b.py", "sentiment/room/inner/page.html.j2", "stages/train.py"):
        (tmp_path / name).write_text(name, encoding="utf-8")
    (tmp_path / ".dvcignore").write_text("*.swp\n.ipynb_checkpoints/\n__pycache__/\n", encoding="utf-8")
    (tmp_path / "dvc.yaml").write_text(
        "stages:\n  train:\n    deps: ['${prepare.source}', data/split, sentiment/room, sentiment/gone, stages/train.py]\n", encoding="utf-8"
    )
    return tmp_path


def test_a_room_counts_with_every_file_in_it(checkout: Path) -> None:
    assert declared_code("train", checkout) == ["sentiment/room", "sentiment/gone", "stages/train.py"]
    assert [path.as_posix() for path in code_files("train", checkout)] == [
        "sentiment/room/b.py",
        "sentiment/room/inner/page.html.j2",
        "stages/train.py",
    ]


def test_what_dvc_ignores_does_not_count(checkout: Path) -> None:
    before = code_hashes("train", checkout)
    for name in (".b.py.swp", ".ipynb_checkpoints/b.py", "__pycache__/b.pyc"):
        path = checkout / "sentiment/room" / name
        path.parent.mkdir(exist_ok=True)
        path.write_text("dropped", encoding="utf-8")
    assert code_hashes("train", checkout) == before
    assert len(code_files("train", checkout)) == 3


@pytest.mark.parametrize("change", ["sentiment/room/b.py", "sentiment/room/inner/page.html.j2", "sentiment/room/inner/new.txt"])
def test_an_edit_or_a_new_file_changes_the_rooms_hash_alone(checkout: Path, change: str) -> None:
    before = code_hashes("train", checkout)
    (checkout / change).write_text("edited", encoding="utf-8")
    after = code_hashes("train", checkout)
    assert after["sentiment/room"] != before["sentiment/room"]
    assert after["stages/train.py"] == before["stages/train.py"]


def test_data_is_no_code() -> None:
    assert is_code("sentiment/core") and is_code("stages/train.py")
    assert not is_code("data/split") and not is_code("sentiments/x") and not is_code({"sentiment/core": {}})
