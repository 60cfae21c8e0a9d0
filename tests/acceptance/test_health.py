"""`taskmgr health`: each service, what is wrong, what to do; and never for ever."""

from __future__ import annotations

import contextlib
import json
import os
import socket
import subprocess
import threading
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from command_line import CommandLine

from forked_program import INSTALLED
from servers import Share

SECRET = "S3cr3t-Pa55"  # noqa: S105 - looked for in what is told


def asked(taskmgr: CommandLine, settings: dict[str, str], *words: str) -> tuple[int, Any, str]:
    """Exit code, JSON and everything that was written, with further settings."""
    done = subprocess.run(
        [INSTALLED, "health", "--json", *words],
        cwd=taskmgr.folder,
        env={**taskmgr.environment, **settings},
        capture_output=True,
        text=True,
        timeout=60,
        check=False,
    )
    return done.returncode, json.loads(done.stdout), done.stdout + done.stderr


def by_service(answer: Any) -> dict[str, Any]:
    """The services of an answer by what they are for."""
    return {each["service"]: each for each in answer["services"]}


@pytest.mark.embedded("it is the embedded platform")
def test_embedded_platform_is_healthy_without_workers(empty: CommandLine) -> None:
    """On a new home all is well: SQLite with its version, a folder, no broker, no workers."""
    answer = empty.json("health")
    assert answer["healthy"] is True
    found = by_service(answer)
    assert [each["state"] for each in answer["services"]] == ["ok"] * 4
    assert (found["metadata"]["kind"], found["broker"]["kind"]) == ("SQLite", "embedded")
    assert found["metadata"]["version"].startswith("3.")
    assert found["metadata"]["latency_ms"] >= 0
    assert found["workers"]["message"] == "0 alive, 0 slots"
    assert "SQLite" in empty("health").out


def test_container_asks_for_a_worker_of_its_own(empty: CommandLine) -> None:
    """With --here no worker of this machine is a fault, with one all is well."""
    empty("health", "--here", code=1)
    with empty.worker():
        empty("health", "--here")


@pytest.mark.embedded("the SQLite file is damaged")
def test_damaged_database_is_a_fault(empty: CommandLine) -> None:
    """The exit code is 1, and the other services are told of all the same."""
    empty("health")
    (empty.home / "metadata.sqlite3").write_bytes(b"no database" * 1000)
    (empty.home / "metadata.sqlite3-wal").unlink(missing_ok=True)  # it would mend the file
    found = by_service(empty.json("health", code=1))
    assert found["metadata"]["state"] == "fault"
    assert found["artifacts"]["state"] == "ok"


@pytest.fixture
def servers(mongodb_server: Share, redis_server: Share, s3_server: Share) -> dict[str, str]:
    """The settings of a team's three servers."""
    return {
        "TASKMGR_METADATA_URL": mongodb_server.url,
        "TASKMGR_BROKER_URL": redis_server.url,
        "TASKMGR_ARTIFACTS_URL": s3_server.url,
    }


def test_servers_are_told_with_version_and_latency(
    empty: CommandLine, servers: dict[str, str]
) -> None:
    """Before init, what is missing and how to make it; then each version; no password."""
    code, answer, text = asked(empty, servers)
    found = by_service(answer)
    assert code == 1
    assert found["artifacts"]["advice"] == found["metadata"]["advice"] == "run: taskmgr init"
    subprocess.run(
        [INSTALLED, "init", empty.folder],
        env={**empty.environment, **servers},
        check=True,
        capture_output=True,
    )
    _, answer, after = asked(empty, servers)
    found = by_service(answer)
    for service, kind in (("metadata", "MongoDB"), ("artifacts", "S3"), ("broker", "Redis")):
        assert (found[service]["kind"], found[service]["state"]) == (kind, "ok")
        assert found[service]["version"]
        assert 0 < found[service]["latency_ms"] < 5000
    assert (found["workers"]["state"], found["workers"]["advice"]) == (
        "fault",
        "start one: taskmgr worker start",
    )
    for url in servers.values():
        account = url.partition("://")[2].rpartition("@")[0]
        assert account not in text + after
        assert account.partition(":")[2] not in text + after


@contextlib.contextmanager
def silent_server() -> Iterator[int]:
    """A port that takes connections and never says anything."""
    with socket.create_server(("127.0.0.1", 0)) as listening:
        kept: list[socket.socket] = []

        def accept() -> None:
            with contextlib.suppress(OSError):
                while True:
                    kept.append(listening.accept()[0])

        threading.Thread(target=accept, daemon=True).start()
        yield listening.getsockname()[1]
        listening.shutdown(socket.SHUT_RDWR)
        for each in kept:
            each.close()


def test_silent_services_are_given_up_in_time(empty: CommandLine) -> None:
    """Three servers that take connections and say nothing cost the time of one."""
    with silent_server() as port:
        place = f"x:{SECRET}@127.0.0.1:{port}"
        settings = {
            "TASKMGR_METADATA_URL": f"mongodb://{place}/taskmgr",
            "TASKMGR_BROKER_URL": f"redis://{place}/0",
            "TASKMGR_ARTIFACTS_URL": f"s3+http://{place}/bucket",
        }
        started = time.monotonic()
        code, answer, text = asked(empty, settings, "--timeout", "2")
        assert time.monotonic() - started < 15
    assert code == 1
    assert [each["state"] for each in answer["services"]] == ["fault"] * 4
    assert by_service(answer)["artifacts"]["message"] == "no answer within 2 s"
    assert SECRET not in text


@pytest.mark.embedded("it names its servers by the variables that addresses override")
def test_refused_connections_are_told_with_what_to_do(empty: CommandLine, tmp_path: Path) -> None:
    """Nobody listens: each service says so, and the doctor stops there."""
    with socket.create_server(("127.0.0.1", 0)) as listening:
        port = listening.getsockname()[1]
    settings = {
        "MONGODB_HOST": "127.0.0.1",
        "MONGODB_PORT": str(port),
        "MONGODB_USER": "ada",
        "MONGODB_PASSWORD": SECRET,
        "REDIS_HOST": "127.0.0.1",
        "REDIS_PORT": str(port),
        "REDIS_PASSWORD": SECRET,
        "MINIO_ENDPOINT": f"127.0.0.1:{port}",
        "MINIO_ACCESS_KEY": "key",
        "MINIO_SECRET_KEY": SECRET,
    }
    code, answer, text = asked(empty, settings)
    assert code == 1
    assert all(each["state"] == "fault" and each["message"] for each in answer["services"])
    assert SECRET not in text
    done = subprocess.run(
        [INSTALLED, "doctor", "--json"],
        env={**os.environ, **empty.environment, **settings},
        capture_output=True,
        text=True,
        timeout=60,
        check=False,
    )
    faults = [
        each["check"] for each in json.loads(done.stdout)["findings"] if each["state"] == "fault"
    ]
    assert done.returncode == 1
    assert faults == ["metadata", "artifacts", "broker", "workers"]
    assert SECRET not in done.stdout + done.stderr
