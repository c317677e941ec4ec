"""Make the README's pictures anew: docs/images/result.png and docs/images/swanlab.png.

    make pictures        # python -m tools.pictures; needs Chromium, `make run`, and the experiments of `make ablations`

The first puts figures of the test report side by side. The second is SwanLab's dashboard with three arms of the ablation study, whose curves
are replayed from the experiments' own files.
"""

import io
import os
import shutil
import socket
import subprocess
import sys
import tempfile
import time
from pathlib import Path

import numpy as np
import pyarrow as pa
import pyarrow.csv as pc
import requests
from PIL import Image

from sentiment.core import paths
from sentiment.core.files import read_json
from sentiment.evaluation.paths import EVAL_REPORT
from sentiment.terminal.errors import UserError, run_main
from sentiment.terminal.progress import say
from sentiment.tracking.tracker import RunInfo, start_training_run
from sentiment.use.experiment_refs import references
from sentiment.use.recorded.cached_outputs import read_output

IMAGES = Path("docs/images")
FIGURES = ("losses", "grad_norm", "confusion")
ARMS = ("baseline", "baseline_bs32", "baseline_lr5e-5_bs32")
WIDTH, HEIGHT = 1600, 361  # pixels
WINDOW = (1400, 830)
BROWSERS = ("chromium", "chromium-browser", "google-chrome")
HEADLESS = ("--headless", "--no-sandbox", "--disable-gpu", "--disable-background-networking", "--hide-scrollbars", "--virtual-time-budget=10000")
STARTS_WITHIN = 60.0  # seconds


def result_picture(target: Path) -> None:
    """Put the figures of the test report side by side."""
    parts = [Image.open(EVAL_REPORT / f"{name}.png").convert("RGB") for name in FIGURES]
    height = min(part.height for part in parts)
    parts = [part.resize((round(part.width * height / part.height), height), Image.Resampling.LANCZOS) for part in parts]
    whole = Image.new("RGB", (sum(part.width for part in parts), height), "white")
    left = 0
    for part in parts:
        whole.paste(part, (left, 0))
        left += part.width
    whole.thumbnail((WIDTH, HEIGHT), Image.Resampling.LANCZOS)
    whole.save(target, optimize=True)


def replay(name: str, revision: str, number: int) -> None:
    """Record an experiment's curves as the training did."""
    run = start_training_run(RunInfo(name, "a run of the ablation study", ["reviews"], {}, f"{number:016x}"))
    for path, columns in (
        (paths.TRAIN_REPORT / paths.STEP_CURVE, {"loss": "train/loss", "grad_norm": "train/grad_norm", "lr": "train/lr"}),
        (paths.TRAIN_REPORT / paths.VALIDATION_CURVE, {"loss": "validation/loss", "accuracy": "validation/accuracy"}),
    ):
        content = read_output(path, revision)
        if content is None:
            raise UserError(f"{name}: its curves are neither in the cache nor on a remote: `make ablations` makes them")
        curve: pa.Table = pc.read_csv(io.BytesIO(content), parse_options=pc.ParseOptions(delimiter="\t"))
        for row in curve.to_pylist():
            run.log({shown: row[column] for column, shown in columns.items() if row.get(column) is not None}, int(row["step"]))
    run.finish()


def dashboard_picture(target: Path, browser: str) -> None:
    """Take a picture of SwanLab's dashboard with the arms of the study."""
    known = {reference.name: reference.revision for reference in references()}
    if missing := [name for name in ARMS if name not in known]:
        raise UserError(f"this repository has no experiment {missing[0]}: `make ablations` makes it")
    with tempfile.TemporaryDirectory() as folder:
        os.environ |= {"SWANLAB_MODE": "local", "SWANLAB_LOG_DIR": folder}
        for number, name in enumerate(ARMS):
            say(f"pictures: {name}")
            replay(name, known[name], number)
        with socket.socket() as free:
            free.bind(("127.0.0.1", 0))
            port = free.getsockname()[1]
        address = f"http://127.0.0.1:{port}"
        command = [sys.executable, "-m", "swanlab", "watch", folder, "--host", "127.0.0.1", "--port", str(port)]
        server = subprocess.Popen(command, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
        try:
            _wait(address)
            size = f"--window-size={WINDOW[0]},{WINDOW[1]}"
            with tempfile.TemporaryDirectory() as profile:
                picture = [browser, *HEADLESS, size, f"--user-data-dir={profile}", f"--screenshot={target.resolve()}", f"{address}/charts"]
                subprocess.run(picture, check=True, stderr=subprocess.DEVNULL, timeout=120)
        finally:
            server.terminate()
            server.wait()


def _wait(address: str) -> None:
    end = time.monotonic() + STARTS_WITHIN
    while time.monotonic() < end:
        try:
            requests.get(address, timeout=5)
        except requests.RequestException:
            time.sleep(0.2)
        else:
            return
    raise UserError(f"the dashboard did not start within {STARTS_WITHIN:.0f} s")


def is_uniform(path: Path) -> bool:
    """Return whether a picture shows nothing."""
    return float(np.asarray(Image.open(path).convert("L")).std()) < 1


def main() -> None:
    """Make both pictures."""
    browser = next(filter(None, map(shutil.which, BROWSERS)), None)
    if browser is None:
        raise UserError(f"pictures: none of {', '.join(BROWSERS)} is installed")
    if not (EVAL_REPORT / "losses.png").is_file() or not read_json(paths.TRAIN_REPORT / paths.RUN_SUMMARY):
        raise UserError("pictures: there is no test report: `make run` first")
    result_picture(IMAGES / "result.png")
    dashboard_picture(IMAGES / "swanlab.png", browser)
    if is_uniform(IMAGES / "swanlab.png"):
        raise UserError(f"pictures: {IMAGES / 'swanlab.png'} shows nothing: look at it, and run this again")
    say(f"pictures: {IMAGES}/result.png, {IMAGES}/swanlab.png")


if __name__ == "__main__":
    run_main(main)
