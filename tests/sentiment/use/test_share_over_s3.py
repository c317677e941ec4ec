"""Share and receive over a stand-in for S3, with the commands of docs/scale.md. Long: `make test-remotes` makes the environments that it needs."""

import os
import re
import subprocess
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from tests.sentiment.use.test_share import Clone, colleague, made, mine  # noqa: F401 (fixtures)

SERVER = os.environ.get("MOTO_SERVER", "")

pytestmark = [pytest.mark.long, pytest.mark.skipif(not SERVER, reason="needs moto's server: run `make test-remotes`")]


@pytest.fixture
def s3(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> Iterator[str]:
    """A server with the bucket "team"; its address."""
    monkeypatch.setenv("AWS_ACCESS_KEY_ID", "a")
    monkeypatch.setenv("AWS_SECRET_ACCESS_KEY", "b")
    log = (tmp_path / "server.log").open("w+")
    server = subprocess.Popen([SERVER, "-H", "127.0.0.1", "-p", "0"], stdout=log, stderr=subprocess.STDOUT)
    try:
        address = listening(server, tmp_path / "server.log")
        client(address).create_bucket(Bucket="team")
        yield address
    finally:
        server.terminate()
        server.wait(30)
        log.close()


def listening(server: "subprocess.Popen[bytes]", log: Path) -> str:
    """Wait for the line in which the server says where it listens."""
    for _ in range(300):
        if found := re.search(r"Running on (http://127\.0\.0\.1:\d+)", log.read_text(encoding="utf-8")):
            return found[1]
        assert server.poll() is None, log.read_text(encoding="utf-8")
        time.sleep(0.2)
    pytest.fail(f"the server does not listen: {log.read_text(encoding='utf-8')}")


def client(address: str) -> Any:
    import botocore.session  # in the environment of dvc-s3 alone

    return botocore.session.get_session().create_client("s3", endpoint_url=address, region_name="us-east-1")


def add_storage(clone: Clone, address: str) -> None:
    clone.run("dvc", "remote", "add", "-d", "storage", "s3://team/sentiment")
    clone.run("dvc", "remote", "modify", "storage", "endpointurl", address)


def stored(address: str) -> list[str]:
    return [entry["Key"] for entry in client(address).list_objects_v2(Bucket="team").get("Contents", [])]


def test_an_experiment_travels_over_s3(mine: Clone, s3: str) -> None:  # noqa: F811
    add_storage(mine, s3)
    assert "early is on origin, its 3 files" in mine.sentiment("share", "early")
    assert len(stored(s3)) == 3
    theirs = colleague(mine)
    add_storage(theirs, s3)
    assert "with all of its 3 files" in theirs.sentiment("receive", "early", "--apply")
    assert (theirs.root / "models/classifier/weights").read_text() == "lr: 2\n"
    assert theirs.run("dvc", "status").stdout.strip().endswith("up to date.")


def test_what_the_bucket_lost_is_noticed_and_sent_again(mine: Clone, s3: str) -> None:  # noqa: F811
    add_storage(mine, s3)
    mine.sentiment("share", "early")
    client(s3).delete_object(Bucket="team", Key=next(key for key in stored(s3) if not key.endswith(".dir")))
    theirs = colleague(mine)
    add_storage(theirs, s3)
    assert "models/classifier is not whole in the storage 'storage'" in theirs.refused("receive", "early")
    mine.sentiment("share", "early")
    assert "with all of its 3 files" in theirs.sentiment("receive", "early")


def test_a_bucket_that_is_not_there_is_one_line_and_nothing_goes_to_git(mine: Clone, s3: str) -> None:  # noqa: F811
    mine.run("dvc", "remote", "add", "-d", "storage", "s3://nobody/sentiment")
    mine.run("dvc", "remote", "modify", "storage", "endpointurl", s3)
    assert "the storage" in mine.refused("share", "early")
    assert mine.run("git", "ls-remote", "origin", "refs/exps/*").stdout == ""
