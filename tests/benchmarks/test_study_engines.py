"""The benchmark of studies on both engines: when each phase began, what counts as alike, what its tables say."""

from pathlib import Path
from typing import Any

import pytest

from benchmarks.study_engines import StageClock, alike, overhead, phases, studies, studies_table


def test_marks_are_noted_when_a_log_first_has_them(tmp_path: Path) -> None:
    log = tmp_path / "deep/down/one.log"
    log.parent.mkdir(parents=True)
    clock = StageClock(tmp_path)
    log.write_text("Running stage 'prepare':\n")
    clock.look(1.0)
    log.write_text("Running stage 'prepare':\nRunning stage 'train':\n")
    clock.look(2.0)
    assert clock.experiments() == []
    done = "train: 1,527 texts on cpu, 2 threads, bf16\nRunning stage 'eval':\neval: 89.7% of 427 test texts right (83.7% to 95.5%)\n"
    log.write_text(log.read_text() + done)
    clock.look(3.0)
    clock.look(4.0)
    assert clock.experiments() == [{"prepare": 1.0, "train": 2.0, "training": 3.0, "eval": 3.0, "evaluated": 3.0}]


def test_the_phases_of_a_study_add_up_to_its_time() -> None:
    first = {"prepare": 5.0, "split": 6.0, "train": 8.0, "training": 12.0, "eval": 100.0, "evaluated": 110.0}
    second = {"train": 115.0, "training": 120.0, "eval": 200.0, "evaluated": 209.0}
    one, two = phases([first, second], 1.0, 215.0)
    assert one == {"before": 4.0, "prepare": 1.0, "split": 2.0, "train start": 4.0, "training": 88.0, "eval": 10.0}
    assert two == {"before": 5.0, "train start": 5.0, "training": 80.0, "eval": 9.0, "after": 6.0}
    assert sum(one.values()) + sum(two.values()) == 214.0
    assert overhead(two) == pytest.approx(25 / 80)


def result(engine: str, models: dict[str, str], seconds: float = 10.0) -> dict[str, Any]:
    long = next(study.name for study in studies([engine], 2) if len(study.plan["arms"]) == 1)
    steps = [{"before": 5.0, "training": 80.0, "eval": 11.0}, {"before": 5.0, "training": 80.0, "after": 3.0}]
    return {"study": long, "engine": engine, "jobs": 1, "threads": 2, "seconds": seconds, "models": models, "report": {}, "phases": steps}


def test_engines_are_alike_where_all_digests_are() -> None:
    same, other = {"baseline": "a"}, {"baseline": "b"}
    assert list(alike([result("queue", same), result("ray", same)]).values()) == ["yes"]
    assert list(alike([result("queue", same), result("ray", other)]).values()) == ["no"]
    assert list(alike([result("queue", same)]).values()) == ["–"]
    table = studies_table([result("queue", same), result("ray", same, 12.4)]).splitlines()
    assert table[3] == "| two trainings of three minutes | ray | 1 | 2 | 12 | yes |"
    assert table[5] == "| phase (seconds) | queue: first | second | ray: first | second |"
    assert table[-1] == "| beside training | 20 % | 10 % | 20 % | 10 % |"


def test_short_experiments_run_on_the_queue_and_with_one_and_two_workers_of_ray() -> None:
    assert [(study.engine, study.jobs, study.threads) for study in studies(["queue", "ray"], 4)] == [
        ("queue", 1, 1),
        ("ray", 1, 1),
        ("ray", 2, 1),
        ("queue", 1, 4),
        ("ray", 1, 4),
    ]
    assert {study.engine for study in studies(["queue"], 2)} == {"queue"}
