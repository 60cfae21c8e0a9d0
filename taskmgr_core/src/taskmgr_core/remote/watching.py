"""What a screen that is kept open asks, over the REST API."""

from __future__ import annotations

import contextlib
import re
import tempfile
import threading
import time
from collections.abc import Collection, Iterator, Mapping
from pathlib import Path
from typing import Any, Literal, TypeVar

from taskmgr_core.attending.tasks import Submitted, TaskBook
from taskmgr_core.errors import Problem
from taskmgr_core.health import ServiceHealth
from taskmgr_core.inputs import InvalidInputsError, is_file
from taskmgr_core.monitoring import Picture
from taskmgr_core.orchestrator.validation import Validator
from taskmgr_core.remote import looks
from taskmgr_core.remote.client import RemoteClient
from taskmgr_core.remote.failures import RefusedError
from taskmgr_core.specs import (
    FINAL_RUN_STATUSES,
    LogLine,
    RunDetail,
    RunStatus,
    RunSummary,
    StepTimes,
    TaskVersion,
    Worker,
)
from taskmgr_core.stores.digests import hexadecimal
from taskmgr_core.stores.searching import Found
from taskmgr_core.tracing import Page, Trace
from taskmgr_core.watching import LatestTimes
from taskmgr_plugins.schemas import TYPE_KEY

T = TypeVar("T")
# How often a run that is looked at is asked for whether it has changed.
LOOK_SECONDS = 1.0
_INDEX = re.compile(r"/(\d+)(?=/|\Z)")


class RemoteWatcher:
    """Implements ``Watcher`` over the REST API. Safe to use from many threads.

    Nobody tells it of changes: a screen asks as often as it does without being told, and of a
    run a small question first. Files are fetched once, into a folder that goes with it.

    Arguments:
        client: what asks the server.
        working: the folder that the paths among inputs start from.
    """

    def __init__(self, client: RemoteClient, working: Path) -> None:
        self._client = client
        self._working = working
        self._validator = Validator()
        self._latest = LatestTimes()
        self._files = tempfile.TemporaryDirectory(prefix="taskmgr-files-")
        self._ahead = 0.0
        self._woken = threading.Condition()
        self._wakes = 0
        self._marks: dict[str, RunSummary] = {}
        self._last_lines: dict[str, int] = {}

    def close(self) -> None:
        """Remove the files that were fetched."""
        self.wake()
        self._files.cleanup()

    def clock(self) -> float:
        """UTC seconds, as the server's clock has them: ages are of what is recorded there."""
        return time.time() + self._ahead

    def services(self) -> list[ServiceHealth]:
        """How the services of the server's platform are."""
        return list(self._client.ask(looks.services()).services)

    # changes

    def changes(self, run_id: str | None = None) -> int:  # noqa: ARG002 - as of the other
        """How often somebody was woken; of other changes nobody is told."""
        return self._wakes

    def wait(self, seen: int, timeout: float, run_id: str | None = None) -> int:
        """Wait for so many seconds, or until the run is seen to have changed."""
        ends = time.monotonic() + timeout
        while (left := ends - time.monotonic()) > 0:
            with self._woken:
                if self._woken.wait_for(lambda: self._wakes > seen, min(left, LOOK_SECONDS)):
                    return self._wakes
            if run_id is not None and self._has_changed(run_id):
                return seen + 1
        return seen

    def wake(self) -> None:
        """End every wait."""
        with self._woken:
            self._wakes += 1
            self._woken.notify_all()

    def _has_changed(self, run_id: str) -> bool:
        known = self._marks.get(run_id)
        if known is not None and known.status in FINAL_RUN_STATUSES:
            return False
        mark = self._client.ask(looks.mark(run_id, self._last_lines.get(run_id, 0)))
        self._marks[run_id] = mark.run
        return mark.further or (known is not None and known != mark.run)

    # looking

    def picture(self) -> Picture:
        """Workers, queues and counts as they are now."""
        begun = time.time()
        found = self._client.ask(looks.picture()).picture
        self._ahead = found.at - (begun + time.time()) / 2
        return found

    def latest_times(self) -> list[StepTimes]:
        """When the steps of the newest runs became ready, began and ended."""

        def read(_: int, known: Collection[str]) -> tuple[StepTimes, ...]:
            return self._client.ask(looks.times(known)).steps

        return self._latest.look(read)

    def runs(
        self,
        *,
        status: RunStatus | None = None,
        name: str | None = None,
        before: str | None = None,
        limit: int = 50,
    ) -> list[RunSummary]:
        """A page of runs, newest first."""
        return list(self._client.ask(looks.runs(status, name, before, limit)).runs)

    def with_input(
        self,
        text: str,
        *,
        status: RunStatus | None = None,
        name: str | None = None,
        before: str | None = None,
        limit: int = 50,
    ) -> Found:
        """A page of runs with a text in an input."""
        found = self._client.ask(looks.with_input(text, status, name, before, limit))
        return Found(found.runs, found.next)

    def run(self, run_id: str) -> RunDetail:
        """Everything that is recorded of a run but its log."""
        return self._client.ask(looks.run(run_id))

    def log(self, run_id: str, after: int = 0) -> list[LogLine]:
        """The next lines of a run's log."""
        lines = list(self._client.ask(looks.log(run_id, after)).lines)
        self._last_lines[run_id] = lines[-1].number if lines else after
        return lines

    def file(self, digest: str) -> Path:
        """The file with the content of a digest, fetched once."""
        path = Path(self._files.name) / hexadecimal(digest)
        if not path.exists():
            self._client.save(digest, path)
        return path

    def workers(self) -> list[tuple[Worker, bool]]:
        """Every worker that has not said that it stopped, with whether it is alive."""
        found = self._client.ask(looks.workers()).workers
        return [(each.worker, each.alive) for each in found]

    def tasks(self) -> list[TaskVersion]:
        """Every published task in the version that new runs get."""
        return list(self._client.ask(looks.tasks()).versions)

    def task(self, name: str) -> TaskBook:
        """A task: its versions and who gets them, its latest runs."""
        return self._client.ask(looks.task(name))

    def version(self, task: str, version: str | None = None) -> TaskVersion:
        """A version of a task; the one that new runs get when None."""
        return self._client.ask(looks.version(task, version))

    def names(self) -> list[str]:
        """What runs can be of: every published pipeline and task."""
        pipelines = [each.name for each in self._client.pipelines()]
        return [*pipelines, *(each.name for each in self.tasks())]

    def trace(self, digest: str) -> Trace:
        """What a value came from and led to, over all runs."""
        return self._client.ask(looks.trace(digest))

    def trace_further(self, cursor: str) -> Page:
        """The next page of a trace."""
        return self._client.ask(looks.trace_further(cursor))

    @property
    def working(self) -> Path:
        """The folder that the paths among inputs start from."""
        return self._working

    def faults(self, schema: Mapping[str, Any], value: Any, name: str) -> tuple[Problem, ...]:
        """What is wrong with a value for a field; no server is asked."""
        return self._validator.validate(value, schema, name)

    # doing

    def cancel(self, run_id: str) -> RunSummary:
        """Ask for a run to be cancelled."""
        self._client.cancel(run_id)
        return self._client.ask(looks.mark(run_id, 0)).run

    def again(self, run_id: str) -> str:
        """Submit a new run of the same with the inputs of a run; its id."""
        return self._client.again(run_id)

    def submit(self, task: str, version: str, inputs: Mapping[str, Any]) -> Submitted:
        """Begin a run of one version of a task; files of this machine are sent."""
        fields = {each.name: each.schema for each in self.version(task, version).task.inputs}
        with _said_as_inputs(task):
            given = {
                name: self._sent(fields.get(name, {}), value, name)
                for name, value in inputs.items()
            }
            run_id = self._client.submit(task, given, version)
        return Submitted(run_id, not self._client.ask(looks.served(run_id)).served)

    def tell(self, worker: str, how: Literal["drain", "now"]) -> None:
        """Tell a worker to leave."""
        self._client.tell_worker(worker, how)

    def _sent(self, schema: Mapping[str, Any], value: Any, name: str) -> Any:
        kind = schema.get(TYPE_KEY)
        if not isinstance(value, str) or not (
            kind in ("Image", "File", "Array") or is_file(schema)
        ):
            return value
        if value.startswith("sha256:"):
            return {"$artifact": value}
        path = self._working / Path(value).expanduser()
        if not path.is_file():
            raise RefusedError("", (Problem(f"/inputs/{name}", f"the file {value} is not there"),))
        return path


@contextlib.contextmanager
def _said_as_inputs(task: str) -> Iterator[None]:
    """What a server refuses of inputs, with the places that it has on this machine."""
    try:
        yield
    except RefusedError as error:
        if not error.problems:
            raise
        problems = [Problem(_place(each.place), each.message) for each in error.problems]
        raise InvalidInputsError(task, tuple(problems)) from error


def _place(pointer: str) -> str:
    """``/inputs/faces/2/box`` as ``faces[2].box``."""
    return _INDEX.sub(r"[\1]", pointer.removeprefix("/inputs/")).replace("/", ".")
