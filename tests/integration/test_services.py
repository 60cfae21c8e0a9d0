"""``make services``: the three servers for a person or a script."""

from __future__ import annotations

import os
import shlex
import signal
import subprocess
import sys
from collections.abc import Iterator, Mapping
from pathlib import Path

import psutil
import pytest
from minio.error import S3Error

from servers import KINDS, mongodb_server, redis_server, s3_server
from servers.services import SETTINGS

pytestmark = pytest.mark.long

ROOT = Path(__file__).parents[2]
SECONDS = 100


def services(*words: str | Path) -> subprocess.CompletedProcess[str]:
    """Run the command to its end."""
    return subprocess.run(
        [sys.executable, "-m", "servers", *words],
        cwd=ROOT,
        capture_output=True,
        text=True,
        timeout=SECONDS,
        check=False,
    )


def addresses(lines: str) -> Mapping[str, str]:
    """The addresses that a shell would have, by kind of server."""
    shell = subprocess.run(
        ["bash", "-c", f"{lines}\nenv"], env={}, capture_output=True, text=True, check=True
    )
    variables = dict(line.split("=", 1) for line in shell.stdout.splitlines())
    return {kind: variables[setting] for setting, kind in SETTINGS.items()}


def use(urls: Mapping[str, str]) -> int:
    """Use each of them; how many times they have been used."""
    with redis_server.connected(urls["redis"]) as client:
        count = int(client.incr("count"))
    with mongodb_server.connected(urls["mongodb"]) as mongodb:
        records = mongodb.get_default_database().records
        records.insert_one({"number": count})
        assert records.count_documents({}) == count
    s3 = s3_server.connected(urls["s3"])
    try:
        s3.make_bucket("bucket")
    except S3Error:
        assert count > 1
    return count


@pytest.fixture
def folder(tmp_path: Path) -> Iterator[Path]:
    """A folder whose services are stopped in the end."""
    yield tmp_path / "services"
    services("--stop", "--folder", tmp_path / "services")


def test_services_go_on_in_the_background(folder: Path) -> None:
    """Started once, told again, and with their data after a kill and after a stop."""
    started = services("--detach", "--folder", folder)
    assert started.returncode == 0, started.stderr
    urls = addresses(started.stdout)
    assert use(urls) == 1
    assert services("--detach", "--folder", folder).stdout == started.stdout
    assert (folder / "services.env").stat().st_mode & 0o077 == 0
    assert [path for path in folder.glob("*.log") if "export" in path.read_text()] == []

    process = psutil.Process(int((folder / "services.pid").read_text()))
    children = process.children()
    assert len(children) == len(KINDS)
    process.kill()
    psutil.wait_procs(children, timeout=20)
    assert use(addresses(services("--detach", "--folder", folder).stdout)) == 2

    assert services("--stop", "--folder", folder).stderr == "services: stopped\n"
    assert services("--stop", "--folder", folder).stderr.startswith("services: no servers run in")
    assert not (folder / "services.env").exists()


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])
def test_services_end_with_a_signal(tmp_path: Path, number: signal.Signals) -> None:
    """In the foreground Ctrl-C and SIGTERM stop all three, and nothing of them stays."""
    process = subprocess.Popen(
        [sys.executable, "-m", "servers"],
        cwd=ROOT,
        env={**os.environ, "TMPDIR": str(tmp_path)},
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
    )
    with process:
        assert process.stderr is not None
        assert process.stdout is not None
        assert process.stderr.readline() == "services: ready; Ctrl-C stops them\n"
        children = psutil.Process(process.pid).children()
        process.send_signal(number)
        lines = process.stdout.read().splitlines()
        assert process.wait(SECONDS) == 0
    assert [shlex.split(line)[1].partition("=")[0] for line in lines] == list(SETTINGS)
    assert len(children) == len(KINDS)
    assert not [child for child in children if child.is_running()]
    assert list(tmp_path.iterdir()) == []


def test_folder_has_one_set_of_services(folder: Path) -> None:
    """A second process that would run them is refused with the first one's id."""
    services("--detach", "--folder", folder)
    second = services("--folder", folder)
    number = (folder / "services.pid").read_text()
    assert second.returncode == 1
    assert second.stderr.startswith(f"services: error: process {number} runs the servers of ")


def test_server_that_is_lost_ends_the_services(tmp_path: Path) -> None:
    """When one of them is killed, the others are stopped and the command says which."""
    process = subprocess.Popen(
        [sys.executable, "-m", "servers", "--folder", tmp_path],
        cwd=ROOT,
        stdout=subprocess.DEVNULL,
        stderr=subprocess.PIPE,
        text=True,
    )
    with process:
        assert process.stderr is not None
        process.stderr.readline()
        children = psutil.Process(process.pid).children()
        next(each for each in children if "valkey" in each.name() or "redis" in each.name()).kill()
        assert process.stderr.read().startswith("services: error: Redis does not run")
        assert process.wait(SECONDS) == 1
    assert not [child for child in children if child.is_running()]


def test_command_says_what_it_needs() -> None:
    """Without a folder nothing can be found again."""
    said = services("--stop")
    assert said.returncode == 2
    assert "--detach and --stop need a --folder" in said.stderr
