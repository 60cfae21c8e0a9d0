"""The clients over HTTP against a real server: the same methods, the same errors."""

from __future__ import annotations

import asyncio
import inspect
import threading
from collections.abc import Iterator
from pathlib import Path

import pytest
from rest_server import CONTENT, Served
from test_rest_api import png
from test_rest_streams import finish, write

from taskmgr_core.api.problems import KINDS
from taskmgr_core.client import Client, RunTimeoutError
from taskmgr_core.documents import digest_of
from taskmgr_core.errors import ConflictError, NotFoundError, SettingsError
from taskmgr_core.remote import AsyncRemoteClient, RemoteClient, RemoteError, failures
from taskmgr_core.remote.failures import RefusedError

Runs = tuple[Path, dict[str, str]]


@pytest.fixture
def remote(rest: Served) -> Iterator[RemoteClient]:
    """A client of the server."""
    with RemoteClient(rest.url) as client:
        yield client


def test_methods_have_the_names_of_the_local_client(remote: RemoteClient) -> None:
    """A program moves from one to the other; what needs files of the machine is not there."""
    shared = {"submit", "run", "wait", "runs", "detail", "cancel", "retry", "logs", "trace",
              "tasks", "pipelines", "workers", "close"}  # fmt: skip
    for each in (RemoteClient, AsyncRemoteClient):
        missing = {name for name in shared if not hasattr(each, name)} - {"pipelines"}
        assert not missing
    for name in shared:
        assert hasattr(Client, name)
    local = inspect.signature(Client.submit).parameters
    assert list(inspect.signature(RemoteClient.submit).parameters)[2:] == list(local)[2:4]


def test_client_to_be_awaited_has_the_same_methods() -> None:
    """A program that waits and one with a loop of its own ask for the same things alike."""
    for name, method in inspect.getmembers(RemoteClient, inspect.isfunction):
        if not name.startswith("_"):
            told = inspect.signature(getattr(AsyncRemoteClient, name)).parameters
            assert set(inspect.signature(method).parameters) - {"follow"} == set(told), name


def test_operators_methods_change_what_is_there(remote: RemoteClient, tmp_path: Path) -> None:
    """A file of a schedule is sent with it; what is refused is the error of this machine."""
    path = tmp_path / "a.png"
    path.write_bytes(png(4, 4))
    made = remote.add_schedule("looks", "look", "0 5 * * *", {"image": path}, since="2026-01-01")
    assert made.inputs["image"]["$artifact"] == digest_of(png(4, 4))
    with pytest.raises(ConflictError, match="there is a schedule 'looks' already"):
        remote.add_schedule("looks", "look", "0 5 * * *", {"image": path})
    with pytest.raises(RefusedError, match="'noon' is no cron expression"):
        remote.add_schedule("other", "look", "noon", {"image": path})
    with pytest.raises(RefusedError, match="1970 to 2199"):
        remote.add_schedule("other", "look", "0 5 * * *", {"image": path}, since="9999-01-01")
    for name in ("a/b", ".", "-x"):
        with pytest.raises(RefusedError, match="is no name for a schedule"):
            remote.add_schedule(name, "look", "0 5 * * *", {"image": path})
    with pytest.raises(RefusedError, match="/catch_up: 'sometimes' is not allowed; "):
        remote.add_schedule("other", "look", "0 5 * * *", {}, catch_up="sometimes")  # type: ignore[arg-type]
    assert remote.pause_schedule("looks").paused
    assert {each.name: each.paused for each in remote.schedules()}["looks"]
    assert remote.firings("looks") == []
    remote.remove_schedule("looks")
    with pytest.raises(NotFoundError, match="no schedule 'looks'"):
        remote.remove_schedule("looks")
    assert remote.set_limit("queue:default", 3, "10/s").rate == "10/s"
    assert [(each.name, each.max) for each in remote.limits()] == [("queue:default", 3)]
    remote.remove_limit("queue:default")
    with pytest.raises(RefusedError, match="give a max, a rate, or both"):
        remote.set_limit("queue:default")
    with pytest.raises(NotFoundError, match="no queue 'defualt'"):
        remote.set_limit("queue:defualt", 1)
    with pytest.raises(RefusedError, match="percent 101: allowed is 1 to 100"):
        remote.roll_out("write", "1.0", 101)
    with pytest.raises(ConflictError, match="no-accounts"):
        remote.tokens()


def test_run_is_submitted_waited_for_and_told(rest: Served, remote: RemoteClient) -> None:
    """What a worker makes of it meanwhile is in the answer."""
    run_id = remote.submit("nothing", {"number": 12})
    with rest.client() as local:
        write(local, run_id, 3)
        later = threading.Timer(0.2, finish, (local, run_id))
        later.start()
        lines = [each.text for each in remote.logs(run_id, follow=True)]
        later.join()
    found = remote.wait(run_id, 5)
    assert found.result is not None
    assert (found.status, found.inputs, found.result) == (
        "succeeded",
        {"number": 12},
        {"output_001_result": 1, "processing_summary": found.result["processing_summary"]},
    )
    assert lines == ["line 0", "line 1", "line 2"]
    assert [each.text for each in remote.logs(run_id)] == lines
    assert remote.lineage(run_id).run_id == run_id
    with pytest.raises(ConflictError, match="name the step"):
        remote.retry(run_id)


def test_files_are_uploaded_and_read_again(remote: RemoteClient, tmp_path: Path) -> None:
    """A path, bytes and a picture are all taken as files."""
    path = tmp_path / "a.png"
    path.write_bytes(png(9, 9))
    run_id = remote.submit("look", {"image": path})
    assert remote.detail(run_id).inputs["image"]["name"] == "a.png"
    assert remote.read(digest_of(png(9, 9))) == png(9, 9)
    remote.submit("look", {"image": png(7, 7)})
    assert remote.read(digest_of(CONTENT)) == CONTENT
    remote.save(digest_of(CONTENT), path)
    assert path.read_bytes() == CONTENT
    with pytest.raises(NotFoundError):
        remote.save(digest_of(b"absent"), path)
    assert path.read_bytes() == CONTENT


def test_lists_are_those_of_the_server(remote: RemoteClient, rest_home: Runs) -> None:
    """Tasks, pipelines, workers, queues and pages of runs."""
    assert {each.name for each in remote.tasks()} == {"noop", "look", "write"}
    assert remote.task("write").outputs[0].name == "file"
    assert [each.name for each in remote.pipelines()] == ["nothing"]
    assert remote.pipeline("nothing").steps[0].task == "noop"
    assert [each.id for each in remote.workers()] == ["w1"]
    assert remote.queues().queues[0].queue == "default"
    first = remote.runs(limit=1)
    assert first.runs[0].run_id != remote.runs(limit=1, cursor=first.next).runs[0].run_id
    failed = remote.runs(status="failed", name="noop").runs
    assert rest_home[1]["failed"] in {each.run_id for each in failed}
    assert remote.trace(digest_of(CONTENT)).made_from


def test_refusals_are_the_errors_of_the_local_client(remote: RemoteClient) -> None:
    """With every fault and its place."""
    with pytest.raises(NotFoundError, match="no run 'nobody'"):
        remote.detail("nobody")
    with pytest.raises(RefusedError, match='/inputs/number: "x" does not fit integer'):
        remote.submit("nothing", {"number": "x"})
    with pytest.raises(RunTimeoutError):
        remote.run("nothing", {"number": 1}, timeout=0.1)


def test_server_that_is_away_is_said_with_its_address(monkeypatch: pytest.MonkeyPatch) -> None:
    """After a few tries; the address has no password in it, because none is allowed."""
    monkeypatch.setattr("taskmgr_core.remote.client.FIRST_PAUSE_SECONDS", 0.001)
    with (
        RemoteClient("http://127.0.0.1:9") as remote,
        pytest.raises(RemoteError, match="not answer"),
    ):
        remote.tasks()
    with pytest.raises(SettingsError, match="TASKMGR_TOKEN"):
        RemoteClient("http://user:word@localhost")


def test_every_kind_of_problem_becomes_an_error() -> None:
    """What the table of failures leaves out is trouble of the server, or comes again."""
    others = {"too-many-requests", "method-not-allowed", "not-acceptable", "misdirected",
              "slow-request", "timeout", "busy"}  # fmt: skip
    server = {name for name, kind in KINDS.items() if kind.status >= 500}
    assert set(KINDS) - server - others == set(failures.KINDS)


def test_asynchronous_client_does_the_same(rest: Served, tmp_path: Path) -> None:
    """Many runs at once in one loop."""

    async def submitted() -> list[str]:
        async with AsyncRemoteClient(rest.url) as remote:
            found = await asyncio.gather(
                *(remote.submit("nothing", {"number": n}) for n in range(20))
            )
            await remote.cancel(found[0])
            ended = await remote.wait(found[0], 5)
            assert ended.status == "cancelled"
            assert [each async for each in remote.logs(found[0])] == []
            again = await remote.retry(found[0])
            await remote.save(digest_of(CONTENT), tmp_path / "file")
            assert (tmp_path / "file").read_bytes() == await remote.read(digest_of(CONTENT))
            assert [each.name for each in await remote.schedules()] == ["nightly"]
            assert (await remote.pin("write")).pinned
            assert not (await remote.let_go("write")).pinned
            assert (await remote.detail(again)).retry_of == found[0]
            return found

    assert len(set(asyncio.run(submitted()))) == 20
