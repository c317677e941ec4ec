"""SwanLab's local dashboard, where its own interface falls short: a run that is replaced, and a test that joins its training's run.

Each function takes the dashboard's folder and imports swanboard, which holds the runs in an SQLite database. They are called in
the process of `sentiment.tracking.swanlab_process`, so an error costs the record alone.
"""

import json
import os
import shutil
from collections.abc import Mapping
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

_FINISHED = 1


def remove_unfinished(folder: Path, identity: str) -> None:
    """Remove a run that did not reach its end: the same training, resumed, records it whole.

    Parameters
    ----------
    folder : Path
        SwanLab's, with runs.swanlab.
    identity : str
        The run's id.
    """
    experiment = _experiment(folder, identity)
    if experiment is None or experiment.status == _FINISHED:
        return
    from swanboard.db import connect
    from swanboard.db.models import Chart, Experiment, Source, Tag

    names = [tag.name for tag in Tag.select().where(Tag.experiment_id == experiment.id)]
    database = connect()
    with database.atomic():
        Experiment.delete().where(Experiment.id == experiment.id).execute()
        shared = Chart.select().where(Chart.project_id == experiment.project_id, Chart.name.in_(names))
        empty = [chart.id for chart in shared if not Source.select().where(Source.chart_id == chart.id).exists()]
        Chart.delete().where(Chart.id.in_(empty)).execute()
    shutil.rmtree(folder / experiment.run_id, ignore_errors=True)


def add_test(folder: Path, identity: str, values: Mapping[str, float], images: Mapping[str, str], step: int) -> None:
    """Add a test to a run that has ended: its figures as columns of the dashboard's table, its images as charts.

    Parameters
    ----------
    folder : Path
        SwanLab's, with runs.swanlab.
    identity : str
        The run's id.
    values : mapping of str to float
        By name; they come before the curves' columns, and a single value gets no chart.
    images : mapping of str to str
        Paths of PNG files by name.
    step : int
        The training's last.

    Raises
    ------
    LookupError
        Where there is no such run.
    """
    experiment = _experiment(folder, identity)
    if experiment is None:
        raise LookupError(f"{folder} has no run {identity}")
    from swanboard.db.models import Tag

    repair_columns(folder, identity)
    for name, value in values.items():
        tag = _tag(experiment, name, "line")
        Tag.update(create_time=experiment.create_time).where(Tag.id == tag.id).execute()  # the table is in this order
        _write_entry(folder, experiment, tag, step, value, {"max": value, "max_step": step, "min": value, "min_step": step, "num": 1})
    for name, path in images.items():
        tag = _tag(experiment, name, "image")
        _draw(experiment, tag)
        media = folder / experiment.run_id / "media" / tag.folder
        media.mkdir(parents=True, exist_ok=True)
        shutil.copy(path, media)
        _write_entry(folder, experiment, tag, step, [Path(path).name], {"num": 1}, more=[None])


def repair_columns(folder: Path, identity: str) -> None:
    """Let the table show each figure of a run below its own name.

    SwanLab 0.10.3 counts the folders of a run's figures from 1 and their order from 0, and swanboard 0.1.10b2 takes the order for
    the folder: each column shows the figure before it, and the first ``TypeError``.
    """
    experiment = _experiment(folder, identity)
    if experiment is None:
        return
    from swanboard.db.models import Tag

    for tag in Tag.select().where(Tag.experiment_id == experiment.id):
        if str(tag.folder).isdigit() and tag.sort != int(tag.folder):
            Tag.update(sort=int(tag.folder)).where(Tag.id == tag.id).execute()


def _experiment(folder: Path, identity: str) -> Any:
    if not (folder / "runs.swanlab").is_file():
        return None
    os.environ["SWANLAB_LOG_DIR"] = str(folder)  # swanboard reads it where it is imported
    from swanboard.db import connect
    from swanboard.db.models import Experiment

    connect(autocreate=False, path=str(folder))
    return Experiment.select().where(Experiment.run_id.endswith(f"-{identity}")).first()


def _tag(experiment: Any, name: str, kind: str) -> Any:
    """Return the entry of a figure, with a folder of its own; a new one where there is none."""
    from swanboard.db.models import Tag

    mine = Tag.select().where(Tag.experiment_id == experiment.id)
    if known := mine.where(Tag.name == name).first():
        return known
    number = max((int(tag.folder) for tag in mine), default=0) + 1
    tag = Tag.create(experiment_id=experiment.id, name=name, type=kind, folder=str(number))
    Tag.update(sort=number).where(Tag.id == tag.id).execute()
    return tag


def _draw(experiment: Any, tag: Any) -> None:
    """Give a figure its chart, in the run's page and in the one of all runs, as SwanLab does."""
    from swanboard.db import ExistedError, add_multi_chart
    from swanboard.db.models import Chart, Display, Namespace, Source

    if Source.select().where(Source.tag_id == tag.id).exists():
        return
    chart = Chart.create(tag.name, experiment_id=experiment, type="image", reference="step")
    try:
        namespace = Namespace.create(name="default", experiment_id=experiment.id, sort=0)
    except ExistedError:
        namespace = Namespace.get(name="default", experiment_id=experiment.id)
    Display.create(chart_id=chart.id, namespace_id=namespace.id)
    Source.create(tag_id=tag.id, chart_id=chart.id, error=None)
    add_multi_chart(tag_id=tag.id, chart_id=chart.id)


def _write_entry(folder: Path, experiment: Any, tag: Any, step: int, data: Any, summary: Mapping[str, Any], **more: Any) -> None:
    logs = folder / experiment.run_id / "logs" / tag.folder
    logs.mkdir(parents=True, exist_ok=True)
    line = {"index": step, "data": data, "create_time": datetime.now(UTC).isoformat(), **more}
    (logs / "1000.log").write_text(json.dumps(line) + "\n", encoding="utf-8")
    (logs / "_summary.json").write_text(json.dumps(summary), encoding="utf-8")
