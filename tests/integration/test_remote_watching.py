"""What the dashboard asks over HTTP is what it asks here, with a real server."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import attrs
import pytest
from rest_server import CONTENT, Served
from test_rest_api import png
from test_rest_streams import finish, write

from taskmgr_core.documents import digest_of
from taskmgr_core.errors import ArtifactError, ConflictError, InvalidValueError, NotFoundError
from taskmgr_core.inputs import InvalidInputsError
from taskmgr_core.remote import RemoteClient, RemoteError, looks
from taskmgr_core.remote.receiving import Receiving
from taskmgr_core.remote.watching import RemoteWatcher
from taskmgr_core.specs import Worker
from taskmgr_core.watching import LocalWatcher, Watcher

pytestmark = pytest.mark.long

Runs = tuple[Path, dict[str, str]]
Look = Callable[[Watcher, dict[str, str]], Any]
LOOKS: dict[str, Look] = {
    "picture": lambda watcher, _: attrs.evolve(watcher.picture(), at=0.0),
    "latest times": lambda watcher, _: watcher.latest_times(),
    "latest times, known": lambda watcher, _: (watcher.latest_times(), watcher.latest_times()),
    "runs": lambda watcher, _: watcher.runs(limit=3),
    "failed runs": lambda watcher, _: watcher.runs(status="failed", name="noop"),
    "older runs": lambda watcher, runs: watcher.runs(before=runs["waiting"]),
    "runs with an input": lambda watcher, _: list(watcher.with_input("5").runs),
    "a run that succeeded": lambda watcher, runs: watcher.run(runs["succeeded"]),
    "a run that failed": lambda watcher, runs: watcher.run(runs["failed"]),
    "a run that waits": lambda watcher, runs: watcher.run(runs["waiting"]),
    "its log": lambda watcher, runs: watcher.log(runs["succeeded"]),
    "the end of its log": lambda watcher, runs: watcher.log(runs["succeeded"], 28),
    "workers": lambda watcher, _: watcher.workers(),
    "tasks": lambda watcher, _: watcher.tasks(),
    "a task": lambda watcher, _: watcher.task("write"),
    "a version": lambda watcher, _: watcher.version("write", "1.0"),
    "the version of now": lambda watcher, _: watcher.version("look"),
    "names": lambda watcher, _: watcher.names(),
    "lineage": lambda watcher, _: watcher.trace(digest_of(CONTENT)),
    "a file": lambda watcher, _: watcher.file(digest_of(CONTENT)).read_bytes(),
    "faults": lambda watcher, _: watcher.faults({"type": "integer"}, "x", "number"),
}


@pytest.fixture(scope="module")
def there(rest: Served) -> Iterator[RemoteWatcher]:
    """Looks over HTTP."""
    with RemoteClient(rest.url) as client:
        watcher = RemoteWatcher(client, Path("/"))
        yield watcher
        watcher.close()


@pytest.mark.parametrize("look", LOOKS)
def test_look_over_http_finds_what_is_found_here(
    rest: Served, there: RemoteWatcher, rest_home: Runs, look: str
) -> None:
    """The same models, field by field; of a picture all but its moment."""
    with rest.client() as client:
        here = LOOKS[look](LocalWatcher(client, list), rest_home[1])
    assert LOOKS[look](there, rest_home[1]) == here


def test_what_is_not_there_is_said_as_here(there: RemoteWatcher) -> None:
    """So the screen says it, and asks no more."""
    with pytest.raises(NotFoundError, match="no run 'nobody'"):
        there.run("nobody")
    with pytest.raises(NotFoundError, match="did you mean 'write'"):
        there.task("wirte")
    with pytest.raises(InvalidValueError, match="is no cursor of a lineage"):
        there.trace_further("x")


def test_file_that_is_another_is_not_taken(there: RemoteWatcher, tmp_path: Path) -> None:
    """What has not its digest, or has no digest for a name, leaves nothing on this machine."""
    with pytest.raises(ArtifactError, match="is no digest"):
        there.file("sha256:../../secret")
    with (
        pytest.raises(RemoteError, match="it is damaged there, or on the way"),
        Receiving(digest_of(CONTENT), tmp_path / "file").opened() as write,
    ):
        write(CONTENT[1:])
    assert list(tmp_path.iterdir()) == []


def test_times_of_runs_that_ended_are_sent_once(rest: Served, there: RemoteWatcher) -> None:
    """A look once a second reads and sends what is new."""
    known = {each.run for each in there.latest_times()}
    with RemoteClient(rest.url) as client:
        told = client.ask(looks.times(known)).steps
    ended = {each.run for each in there.latest_times() if each.status in ("succeeded", "failed")}
    assert ended
    assert not ended & {each.run for each in told}


def test_task_is_tried_and_its_run_done_again(
    rest: Served, there: RemoteWatcher, tmp_path: Path
) -> None:
    """Files of this machine are sent; what does not fit is told beside its field."""
    path = tmp_path / "a.png"
    path.write_bytes(png(8, 8))
    begun = there.submit("look", "1.0", {"image": str(path)})
    assert begun.waits is False
    assert there.run(begun.run).values[0].digest == digest_of(png(8, 8))
    again = there.again(begun.run)
    assert there.run(again).values[0].digest == digest_of(png(8, 8))
    with pytest.raises(InvalidInputsError) as refused:
        there.submit("noop", "1.0", {"number": "x"})
    assert [each.place for each in refused.value.problems] == ["number"]
    with pytest.raises(InvalidInputsError, match="image: the file absent is not there"):
        there.submit("look", "1.0", {"image": "absent"})
    for each in (begun.run, again):
        assert there.cancel(each).status == "cancelled"


def test_worker_is_told_to_leave(rest: Served, there: RemoteWatcher) -> None:
    """As an operator; one that serves a program alone is not."""
    now = time.time() + 3600
    with rest.client() as client:
        for worker in (
            Worker("leaver", "host", 2, 1, ("other",), now, now),
            Worker("own", "host", 3, 1, (), now, now, private=True),
        ):
            client.metadata.beat(worker)
        try:
            there.tell("leaver", "drain")
            assert client.metadata.orders("leaver").leave == "drain"
            with pytest.raises(ConflictError, match="of one program alone"):
                there.tell("own", "now")
        finally:
            for name in ("leaver", "own"):
                client.metadata.remove_worker(name)


def test_wait_ends_when_the_run_has_changed(rest: Served, there: RemoteWatcher) -> None:
    """By a line of its log, by its end, or because the screen is left."""
    with rest.client() as client:
        run_id = client.submit("nothing", {"number": 9})
        there.log(run_id)
        seen = there.changes(run_id)
        write(client, run_id, 1)
        assert there.wait(seen, 20, run_id) > seen
        assert len(there.log(run_id)) == 1
        finish(client, run_id)
        assert there.wait(seen, 20, run_id) > seen
    later = threading.Timer(0.05, there.wake)
    later.start()
    begun = time.monotonic()
    assert there.wait(there.changes(), 20) > seen
    assert time.monotonic() - begun < 10
    later.join()
