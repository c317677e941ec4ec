"""The options that advice and the README give are what DVC takes."""

from pathlib import Path
from typing import Any

import pytest
import yaml

from sentiment.core.overrides import override


@pytest.mark.parametrize("value", ["data/imdb", "data/外卖", "a b", ["neutral"], ["very bad", "好"], ["no", "yes"], ["2"]])
def test_dvc_reads_back_what_is_given(tmp_path: Path, value: Any) -> None:
    import shlex

    from dvc.utils.hydra import apply_overrides

    path = tmp_path / "params.yaml"
    path.write_text("prepare:\n  source: x\n", encoding="utf-8")
    option, assignment = shlex.split(override("prepare.source", value))
    assert option == "-S"
    apply_overrides(str(path), [assignment])
    found = yaml.safe_load(path.read_text(encoding="utf-8"))["prepare"]["source"]
    names = {"True": "yes", "False": "no"}
    assert ([names.get(str(one), str(one)) for one in found] if isinstance(found, list) else found) == value
