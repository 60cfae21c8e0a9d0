"""The client of the REST API that waits for its answers."""

from __future__ import annotations

import contextlib
import json
import time
from collections.abc import Iterator, Mapping
from pathlib import Path
from types import TracebackType
from typing import TYPE_CHECKING, Any, Self, TypeVar

import uuid_utils

from taskmgr_core.api.models.catalog import PipelineName, PipelineView, TaskView
from taskmgr_core.api.models.lineage import DigestLineage, RunLineage
from taskmgr_core.api.models.platform import QueueList, WorkerView
from taskmgr_core.api.models.runs import LogLineView, RunDetailView, RunPage, RunView
from taskmgr_core.client import TRACE_PAGE, RunTimeoutError
from taskmgr_core.remote import requests
from taskmgr_core.remote.administering import Administering
from taskmgr_core.remote.failures import PASSING, RemoteError, failure
from taskmgr_core.remote.receiving import Receiving
from taskmgr_core.remote.requests import LONGEST_WAIT_SECONDS, Asked, LogEvents, checked_url
from taskmgr_core.specs import FINAL_RUN_STATUSES

if TYPE_CHECKING:
    import httpx

T = TypeVar("T")
SECONDS = 30.0
TRIES = 4
FIRST_PAUSE_SECONDS = 0.2


class RemoteClient(Administering):
    """Submits, waits and looks up over HTTP, with the methods of ``Client``.

    What it gives are the documents of the REST API. A request that may be repeated is sent
    again for a while where the server is away; a submit may, because it has a key.

    Arguments:
        url: of the server.
        token: what it asks for; empty for a server without accounts.
        workspace: the one to enter; None for the token's own.
        seconds: how long one answer may take.

    Raises:
        SettingsError: the URL cannot be used.
    """

    def __init__(
        self, url: str, token: str = "", workspace: str | None = None, seconds: float = SECONDS
    ) -> None:
        import httpx  # slow to import, and who uses no server needs none of it

        self.url = checked_url(url)
        self._http = httpx.Client(
            base_url=f"{self.url}/v1", headers=headers_of(token, workspace), timeout=seconds
        )

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        self.close()

    def close(self) -> None:
        """Let go of the connections."""
        self._http.close()

    def submit(self, name: str, inputs: Mapping[str, Any], version: str | None = None) -> str:
        """Submit a run once, however often it has to be sent; its id.

        Arguments:
            name: of a published pipeline or task.
            inputs: name -> a JSON value, or a file: a ``Path``, bytes, ``File`` or ``Image``.
            version: of a task; the one that new runs get when None.
        """
        return self.ask(requests.submit(name, inputs, version, str(uuid_utils.uuid7())))

    def run(
        self,
        name: str,
        inputs: Mapping[str, Any],
        *,
        version: str | None = None,
        timeout: float | None = None,
    ) -> RunDetailView:
        """Submit, wait, and give everything that is recorded of the run.

        Raises:
            RunTimeoutError: it did not end in time.
        """
        return self.wait(self.submit(name, inputs, version), timeout)

    def wait(self, run_id: str, timeout: float | None = None) -> RunDetailView:
        """Wait for a run to end.

        Raises:
            RunTimeoutError: it did not end in time.
        """
        ends = None if timeout is None else time.monotonic() + timeout
        while True:
            left = LONGEST_WAIT_SECONDS if ends is None else ends - time.monotonic()
            found = self.ask(requests.detail(run_id, max(min(left, LONGEST_WAIT_SECONDS), 0.0)))
            if found.status in FINAL_RUN_STATUSES:
                return found
            if ends is not None and time.monotonic() >= ends:
                raise RunTimeoutError(f"run {run_id} has not ended within {timeout:g} s")

    def runs(
        self,
        status: str | None = None,
        name: str | None = None,
        limit: int = 50,
        cursor: str | None = None,
    ) -> RunPage:
        """Runs, newest first; the page's ``next`` is the cursor of the older ones."""
        return self.ask(requests.runs(status, name, limit, cursor))

    def detail(self, run_id: str) -> RunDetailView:
        """Everything that is recorded of a run."""
        return self.ask(requests.detail(run_id))

    def cancel(self, run_id: str) -> RunView:
        """Ask for a run to be cancelled."""
        return self.ask(requests.cancel(run_id))

    def retry(self, run_id: str, first: str | None = None) -> str:
        """Do a run again from where it failed; the new run's id."""
        return self.ask(requests.retry(run_id, first))

    def logs(self, run_id: str, *, follow: bool = False) -> Iterator[LogLineView]:
        """The lines of a run's log; with ``follow`` until it ends."""
        if follow:
            yield from self._followed(run_id)
            return
        after: int | None = 0
        while after is not None:
            page = self.ask(requests.log(run_id, after))
            yield from page.lines
            after = page.next

    def lineage(self, run_id: str) -> RunLineage:
        """Which value of a run was made from which."""
        return self.ask(requests.lineage(run_id))

    def trace(
        self, digest: str, limit: int = TRACE_PAGE, cursor: str | None = None
    ) -> DigestLineage:
        """What the value or file of a digest came from and led to, over all runs."""
        return self.ask(requests.trace(digest, limit, cursor))

    def tasks(self) -> list[TaskView]:
        """Every published task in the version that new runs get."""
        return list(self.ask(requests.tasks()).tasks)

    def task(self, name: str, version: str | None = None) -> TaskView:
        """A task."""
        return self.ask(requests.task(name, version))

    def pipelines(self) -> list[PipelineName]:
        """Every published pipeline."""
        return list(self.ask(requests.pipelines()).pipelines)

    def pipeline(self, name: str) -> PipelineView:
        """A pipeline as new runs get it."""
        return self.ask(requests.pipeline(name))

    def workers(self) -> list[WorkerView]:
        """Every worker that has not said that it stopped."""
        return list(self.ask(requests.workers()).workers)

    def queues(self) -> QueueList:
        """What waits where."""
        return self.ask(requests.queues())

    def read(self, digest: str) -> bytes:
        """The content of a file that a run was given or has made."""
        answer = self._sent("GET", requests.artifact_path(digest), {}, None, {})
        if answer.status_code != 200:
            raise failure(self.url, answer.status_code, answer.content)
        return answer.content

    def save(self, digest: str, path: Path) -> None:
        """Write a file that a run was given or has made, a part at a time.

        Arguments:
            digest: its digest.
            path: where to; a file there is replaced once the new one is whole.

        Raises:
            RemoteError: the server is away, or gives something else.
        """
        import httpx

        receiving = Receiving(digest, path)
        try:
            with (
                self._http.stream("GET", requests.artifact_path(digest)) as answer,
                receiving.opened() as write,
            ):
                if answer.status_code != 200:
                    raise failure(self.url, answer.status_code, answer.read())
                for part in answer.iter_bytes():
                    write(part)
        except httpx.TransportError as error:
            raise away(self.url, error) from error

    def _followed(self, run_id: str) -> Iterator[LogLineView]:
        import httpx

        events, tries = LogEvents(), 0
        while not events.ended:
            told = {"Last-Event-ID": str(events.last)}
            with contextlib.suppress(httpx.TransportError):
                path = requests.events_path(run_id)
                with self._http.stream("GET", path, headers=told) as answer:
                    if answer.status_code != 200:
                        raise failure(self.url, answer.status_code, answer.read())
                    for text in answer.iter_lines():
                        if (found := events.line(text)) is not None:
                            tries = 0
                            yield found
            tries += not events.ended
            if tries >= TRIES:
                raise RemoteError(f"the server {self.url} has ended the stream again and again")

    def ask(self, asked: Asked[T]) -> T:
        """Send a request, again where that does no harm, and read its answer.

        Raises:
            TaskmgrError: what the server refuses, as the same would be refused here.
            RemoteError: the server is away, or in trouble.
        """
        for turn in range(1, TRIES + 1):
            last = turn == TRIES or not asked.repeatable
            try:
                answer = self._send(asked)
            except RemoteError:
                if last:
                    raise
            else:
                if answer.is_success:
                    return asked.read(answer.json())
                if last or answer.status_code not in PASSING:
                    raise failure(self.url, answer.status_code, answer.content)
            time.sleep(FIRST_PAUSE_SECONDS * 2**turn)
        raise AssertionError("the last try ends it")

    def _send(self, asked: Asked[T]) -> httpx.Response:
        with contextlib.ExitStack() as stack:
            files = form_of(asked, stack)
            body = None if files else asked.body
            return self._sent(
                asked.method, asked.path, asked.params, body, asked.headers, files or None
            )

    def _sent(
        self,
        method: str,
        path: str,
        params: Mapping[str, str],
        body: Any,
        headers: Mapping[str, str],
        files: Any = None,
    ) -> httpx.Response:
        import httpx

        try:
            return self._http.request(
                method, path, params=params, json=body, headers=headers, files=files
            )
        except httpx.TransportError as error:
            raise away(self.url, error) from error


def headers_of(token: str, workspace: str | None) -> dict[str, str]:
    """What each request has."""
    told = {"Authorization": f"Bearer {token}"} if token else {}
    return told if workspace is None else {**told, requests.WORKSPACE_HEADER: workspace}


def form_of(asked: Asked[Any], stack: contextlib.ExitStack) -> list[tuple[str, Any]]:
    """The parts of a form; none where the request has no files.

    Arguments:
        asked: the request.
        stack: closes the files.
    """
    if not asked.parts:
        return []
    parts: list[tuple[str, Any]] = [("request", (None, json.dumps(asked.body), "application/json"))]
    for each in asked.parts:
        source = each.source
        content = source if isinstance(source, bytes) else stack.enter_context(source.open("rb"))
        parts.append((each.field, (each.name, content, "application/octet-stream")))
    return parts


def away(url: str, error: Exception) -> RemoteError:
    """The server does not answer."""
    said = str(error) or type(error).__name__
    return RemoteError(f"the server {url} does not answer ({said}); check TASKMGR_URL, start it")
