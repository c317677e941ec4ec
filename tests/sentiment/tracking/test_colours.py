"""Each run's name gets a colour of its own while there are any, and keeps it."""

import threading
from pathlib import Path

from sentiment.tracking.colours import PALETTE, colour_of


def test_names_get_different_colours_and_keep_them(tmp_path: Path) -> None:
    names = [f"baseline_bs{number}" for number in range(len(PALETTE))]
    given = [colour_of(name, tmp_path) for name in names]
    assert sorted(given) == sorted(PALETTE)
    assert [colour_of(name, tmp_path) for name in names] == given
    assert colour_of("one more", tmp_path) in PALETTE


def test_names_asked_for_at_once_get_different_colours(tmp_path: Path) -> None:
    given: list[str] = []
    threads = [threading.Thread(target=lambda name=f"run{number}": given.append(colour_of(name, tmp_path))) for number in range(8)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert len(set(given)) == 8


def test_a_damaged_index_or_a_folder_that_cannot_be_is_no_error(tmp_path: Path) -> None:
    (tmp_path / "colours.json").write_text("{", encoding="utf-8")
    assert colour_of("baseline", tmp_path) == PALETTE[0]
    (tmp_path / "file").touch()
    assert colour_of("baseline", tmp_path / "file") in PALETTE
