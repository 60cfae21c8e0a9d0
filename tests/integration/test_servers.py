"""The servers that other tests run on: real, guarded, and gone with whoever started them."""

from __future__ import annotations

import io
import os
import socket
import subprocess
import sys
import textwrap
import threading
import time
from collections.abc import Callable, Mapping
from pathlib import Path
from types import MappingProxyType
from urllib.parse import urlsplit

import pytest
import redis
from minio.error import S3Error
from pymongo.errors import OperationFailure

from servers import KINDS, Server, ServerError, Share, mongodb_server, redis_server, s3_server
from servers.redis_server import connected, start_redis
from servers.site import Account

pytestmark = pytest.mark.long

pytest_plugins = ["pytester"]

ROOT = Path(__file__).parents[2]
SECONDS = 20.0


def keep_redis(url: str) -> None:
    """Store a value."""
    with redis_server.connected(url) as client:
        client.set("kept", "value")


def kept_redis(url: str) -> object:
    """The value."""
    with redis_server.connected(url) as client:
        return client.get("kept")


def keep_mongodb(url: str) -> None:
    """Store a value."""
    with mongodb_server.connected(url) as client:
        client.get_default_database().kept.insert_one({"_id": "value"})


def kept_mongodb(url: str) -> object:
    """The value."""
    with mongodb_server.connected(url) as client:
        return (client.get_default_database().kept.find_one() or {}).get("_id")


def keep_s3(url: str) -> None:
    """Store a value."""
    client = s3_server.connected(url)
    client.make_bucket("kept")
    client.put_object("kept", "kept", io.BytesIO(b"value"), 5)


def kept_s3(url: str) -> object:
    """The value."""
    with s3_server.connected(url).get_object("kept", "kept") as answer:
        return answer.read().decode()


USES: Mapping[str, tuple[Callable[[str], None], Callable[[str], object], type[Exception]]] = (
    MappingProxyType(
        {
            "redis": (keep_redis, kept_redis, redis.AuthenticationError),
            "mongodb": (keep_mongodb, kept_mongodb, OperationFailure),
            "s3": (keep_s3, kept_s3, S3Error),
        }
    )
)


def answers(url: str) -> bool:
    """Whether anybody listens at an address."""
    parts = urlsplit(url)
    with socket.socket() as client:
        client.settimeout(1)
        return client.connect_ex((parts.hostname, parts.port)) == 0


def wait_until_silent(url: str) -> None:
    """Wait until nobody listens at an address."""
    deadline = time.monotonic() + SECONDS
    while answers(url):
        assert time.monotonic() < deadline, "somebody still listens"
        time.sleep(0.02)


@pytest.mark.parametrize("kind", KINDS)
def test_server_keeps_its_data_when_killed(kind: str, request: pytest.FixtureRequest) -> None:
    """After SIGKILL and restart it has its address, its account and what was stored."""
    server: Server = request.getfixturevalue(f"own_{kind}_server")
    keep, kept, _ = USES[kind]
    keep(server.url)
    before = server.pid
    server.kill()
    assert not answers(server.url)
    with pytest.raises(ServerError, match="does not run"):
        _ = server.pid
    server.restart()
    assert server.pid != before
    assert kept(server.url) == "value"
    assert server.version


@pytest.mark.parametrize("kind", KINDS)
def test_server_refuses_a_wrong_password(kind: str, request: pytest.FixtureRequest) -> None:
    """Nobody gets in with another password, or with none, not even from this machine."""
    share: Share = request.getfixturevalue(f"{kind}_server")
    parts = urlsplit(share.url)
    password = parts.password
    assert password
    keep, _, refused = USES[kind]
    with pytest.raises(refused):
        keep(share.url.replace(password, "wrong" * 8))
    assert password not in f"{share!r} {share.server!r}"


def test_program_is_not_told_the_password_openly(redis_server: Share) -> None:
    """Whoever lists processes sees no password, and cannot read the file that has it."""
    command = Path(f"/proc/{redis_server.server.pid}/cmdline").read_bytes().split(b"\0")
    assert not [
        word for word in command if (urlsplit(redis_server.url).password or "").encode() in word
    ]
    settings = Path(os.fsdecode(command[1])) if len(command) > 1 else None
    if settings is not None and settings.is_file():
        assert settings.stat().st_mode & 0o077 == 0


def test_folder_has_the_same_server_again(tmp_path: Path) -> None:
    """A server that is started on a folder anew has its port, its account and its data."""
    with start_redis(tmp_path) as first:
        keep_redis(first.url)
    assert not answers(first.url)
    with start_redis(tmp_path) as second:
        assert second.url == first.url
        assert kept_redis(second.url) == "value"


def test_paused_server_answers_when_it_is_resumed(own_redis_server: Server) -> None:
    """A paused server keeps the line open and says nothing; resumed, it is as before."""
    own_redis_server.pause()
    with pytest.raises(redis.TimeoutError):
        keep_redis(own_redis_server.url)
    own_redis_server.resume()
    keep_redis(own_redis_server.url)


def test_paused_server_can_be_stopped(own_redis_server: Server) -> None:
    """A server that is paused ends in good order, at once."""
    own_redis_server.pause()
    started = time.monotonic()
    own_redis_server.stop()
    assert time.monotonic() - started < 10
    assert not answers(own_redis_server.url)


def test_server_outlives_the_thread_that_restarts_it(own_redis_server: Server) -> None:
    """A thread of a test may restart it and end; the server goes on."""
    own_redis_server.kill()
    thread = threading.Thread(target=own_redis_server.restart)
    thread.start()
    thread.join()
    time.sleep(0.2)  # the kernel would have killed it by then
    keep_redis(own_redis_server.url)


PARENT = """
    import sys, time
    from pathlib import Path
    from servers import KINDS
    with KINDS[sys.argv[1]].start(Path(sys.argv[2])) as server:
        print(server.url, flush=True)
        if sys.argv[3] == "paused":
            server.pause()
        print("ready", flush=True)
        time.sleep(60)
"""


@pytest.mark.parametrize(
    ("kind", "state"),
    [("redis", "running"), ("redis", "paused"), ("mongodb", "running"), ("s3", "running")],
)
def test_server_ends_with_a_killed_parent(tmp_path: Path, kind: str, state: str) -> None:
    """A parent that is killed leaves no server behind, whatever the server is doing."""
    parent = subprocess.Popen(
        [sys.executable, "-c", textwrap.dedent(PARENT), kind, tmp_path, state],
        stdout=subprocess.PIPE,
        text=True,
        cwd=ROOT,
    )
    with parent:
        assert parent.stdout is not None
        url = parent.stdout.readline().strip()
        assert parent.stdout.readline() == "ready\n"
        assert answers(url)
        parent.kill()
    wait_until_silent(url)


# other programs, other servers


def as_program(folder: Path, name: str, script: str) -> None:
    """Have a program in a folder."""
    path = folder / name
    path.write_text(f"#!/bin/sh\n{script}\n")
    path.chmod(0o755)


def test_program_of_the_machine_is_preferred(
    tmp_path: Path, own_redis_server: Server, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A redis-server on the PATH is used instead of what came as a wheel."""
    real = Path(f"/proc/{own_redis_server.pid}/exe").readlink()
    as_program(tmp_path, "redis-server", f'echo "called with $1"; exec {real} "$@"')
    monkeypatch.setenv("PATH", f"{tmp_path}{os.pathsep}{os.environ['PATH']}")
    with start_redis(tmp_path / "data"):
        log = (tmp_path / "data" / "server.log").read_text()
    assert "called with " in log


def test_server_that_does_not_start_says_why(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The error of a server that ends at once has the last lines of its log."""
    as_program(tmp_path, "redis-server", "echo the disk is made of cheese; exit 3")
    monkeypatch.setenv("PATH", f"{tmp_path}{os.pathsep}{os.environ['PATH']}")
    with pytest.raises(ServerError, match=r"Redis ended while it started.*server\.log:\s+the disk"):
        start_redis(tmp_path / "data")


SUITE = """
    import pytest
    from servers import ServerError

    def test_share(redis_server):
        print("url", redis_server.url, redis_server.name)
        from servers.redis_server import connected
        with connected(redis_server.url) as client:
            client.set(redis_server.name + "key", 1)

    def test_server(redis_server):
        for action in ("restart", "kill", "pause"):
            with pytest.raises(ServerError, match="TASKMGR_TEST_REDIS_URL .* it is not ours"):
                getattr(redis_server.server, action)()
        redis_server.server.stop()
"""


@pytest.fixture
def suite(pytester: pytest.Pytester, monkeypatch: pytest.MonkeyPatch) -> pytest.Pytester:
    """Tests of somebody who uses the fixtures."""
    pytester.makepyfile(SUITE)
    monkeypatch.setenv("PYTHONPATH", f"{ROOT}{os.pathsep}{ROOT / 'tests'}")
    monkeypatch.delenv("CI", raising=False)
    return pytester


def outcome(suite: pytest.Pytester) -> pytest.RunResult:
    """Run them in a process of their own."""
    return suite.runpytest_subprocess("-p", "server_fixtures", "-p", "no:cacheprovider", "-rs")


def test_given_server_is_used_and_left_alone(
    suite: pytest.Pytester, redis_server: Share, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Tests use the server of the variable, remove their keys only, and cannot kill it."""
    with connected(redis_server.url) as client:
        client.set("mine", "kept")
        monkeypatch.setenv("TASKMGR_TEST_REDIS_URL", redis_server.url)
        outcome(suite).assert_outcomes(passed=2)
        assert client.keys() == ["mine"]


def test_given_server_that_is_away_fails_the_tests(
    suite: pytest.Pytester, monkeypatch: pytest.MonkeyPatch
) -> None:
    """An address at which nobody answers is an error that names it, not a skip."""
    monkeypatch.setenv("TASKMGR_TEST_REDIS_URL", "redis://:secret@127.0.0.1:1/0")
    result = outcome(suite)
    result.assert_outcomes(errors=2)
    result.stdout.fnmatch_lines(["*the Redis of TASKMGR_TEST_REDIS_URL at '127.0.0.1' does not*"])


@pytest.mark.parametrize("ci", [False, True])
def test_absent_server_is_told(
    suite: pytest.Pytester, monkeypatch: pytest.MonkeyPatch, ci: bool
) -> None:
    """Where no server can be had, tests are skipped in one line, and fail where CI is set."""
    suite.makeconftest("import servers.redis_server as it\nit.in_package = lambda *_: None")
    monkeypatch.setenv("PATH", "")
    if ci:
        monkeypatch.setenv("CI", "true")
    result = outcome(suite)
    if ci:
        result.assert_outcomes(errors=2)
    else:
        result.assert_outcomes(skipped=2)
        result.stdout.fnmatch_lines(["2 tests were NOT RUN: there is no Redis here: *"])


def test_fixtures_load_nothing_before_a_server_is_asked_for() -> None:
    """Where the clients of the servers are not installed, other tests still run."""
    code = "import sys, server_fixtures; print({'redis', 'pymongo', 'minio'} & set(sys.modules))"
    said = subprocess.run(
        [sys.executable, "-c", code], cwd=ROOT / "tests", capture_output=True, text=True, check=True
    )
    assert said.stdout == "set()\n"


def test_account_of_a_folder_is_private(tmp_path: Path) -> None:
    """An account is made once for a folder, and nobody else can read it."""
    made = Account.of(tmp_path)
    assert Account.of(tmp_path) == made
    assert (tmp_path / "account.json").stat().st_mode & 0o077 == 0
    assert made.password not in repr(made)
