"""The client of the REST API for programs that run a loop of their own."""

from __future__ import annotations

import asyncio
import contextlib
import time
from collections.abc import AsyncIterator, Mapping
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
from taskmgr_core.remote.async_administering import AsyncAdministering
from taskmgr_core.remote.client import (
    FIRST_PAUSE_SECONDS,
    SECONDS,
    TRIES,
    away,
    form_of,
    headers_of,
)
from taskmgr_core.remote.failures import PASSING, RemoteError, failure
from taskmgr_core.remote.receiving import Receiving
from taskmgr_core.remote.requests import LONGEST_WAIT_SECONDS, Asked, LogEvents, checked_url
from taskmgr_core.specs import FINAL_RUN_STATUSES

if TYPE_CHECKING:
    import httpx

T = TypeVar("T")


class AsyncRemoteClient(AsyncAdministering):
    """``RemoteClient`` without its waiting: the same methods, to be awaited.

    Arguments:
        url, token, workspace, seconds: as for ``RemoteClient``.
    """

    def __init__(
        self, url: str, token: str = "", workspace: str | None = None, seconds: float = SECONDS
    ) -> None:
        import httpx  # slow to import, and who uses no server needs none of it

        self.url = checked_url(url)
        self._http = httpx.AsyncClient(
            base_url=f"{self.url}/v1", headers=headers_of(token, workspace), timeout=seconds
        )

    async def __aenter__(self) -> Self:
        return self

    async def __aexit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        await self.close()

    async def close(self) -> None:
        """Let go of the connections."""
        await self._http.aclose()

    async def submit(self, name: str, inputs: Mapping[str, Any], version: str | None = None) -> str:
        """Submit a run once; its id."""
        return await self.ask(requests.submit(name, inputs, version, str(uuid_utils.uuid7())))

    async def run(
        self,
        name: str,
        inputs: Mapping[str, Any],
        *,
        version: str | None = None,
        timeout: float | None = None,  # noqa: ASYNC109 - as of the other clients
    ) -> RunDetailView:
        """Submit, wait, and give everything that is recorded of the run."""
        return await self.wait(await self.submit(name, inputs, version), timeout)

    async def wait(
        self,
        run_id: str,
        timeout: float | None = None,  # noqa: ASYNC109 - as of the other clients
    ) -> RunDetailView:
        """Wait for a run to end.

        Raises:
            RunTimeoutError: it did not end in time.
        """
        ends = None if timeout is None else time.monotonic() + timeout
        while True:
            left = LONGEST_WAIT_SECONDS if ends is None else ends - time.monotonic()
            wait = max(min(left, LONGEST_WAIT_SECONDS), 0.0)
            found = await self.ask(requests.detail(run_id, wait))
            if found.status in FINAL_RUN_STATUSES:
                return found
            if ends is not None and time.monotonic() >= ends:
                raise RunTimeoutError(f"run {run_id} has not ended within {timeout:g} s")

    async def runs(
        self,
        status: str | None = None,
        name: str | None = None,
        limit: int = 50,
        cursor: str | None = None,
    ) -> RunPage:
        """Runs, newest first."""
        return await self.ask(requests.runs(status, name, limit, cursor))

    async def detail(self, run_id: str) -> RunDetailView:
        """Everything that is recorded of a run."""
        return await self.ask(requests.detail(run_id))

    async def cancel(self, run_id: str) -> RunView:
        """Ask for a run to be cancelled."""
        return await self.ask(requests.cancel(run_id))

    async def retry(self, run_id: str, first: str | None = None) -> str:
        """Do a run again from where it failed; the new run's id."""
        return await self.ask(requests.retry(run_id, first))

    async def logs(self, run_id: str) -> AsyncIterator[LogLineView]:
        """The lines of a run's log until it ends; where it has, all of them."""
        events = LogEvents()
        path = requests.events_path(run_id)
        async with self._http.stream("GET", path) as answer:
            if answer.status_code != 200:
                raise failure(self.url, answer.status_code, await answer.aread())
            async for text in answer.aiter_lines():
                if (found := events.line(text)) is not None:
                    yield found

    async def lineage(self, run_id: str) -> RunLineage:
        """Which value of a run was made from which."""
        return await self.ask(requests.lineage(run_id))

    async def trace(
        self, digest: str, limit: int = TRACE_PAGE, cursor: str | None = None
    ) -> DigestLineage:
        """What the value or file of a digest came from and led to, over all runs."""
        return await self.ask(requests.trace(digest, limit, cursor))

    async def tasks(self) -> list[TaskView]:
        """Every published task in the version that new runs get."""
        return list((await self.ask(requests.tasks())).tasks)

    async def task(self, name: str, version: str | None = None) -> TaskView:
        """A task."""
        return await self.ask(requests.task(name, version))

    async def pipelines(self) -> list[PipelineName]:
        """Every published pipeline."""
        return list((await self.ask(requests.pipelines())).pipelines)

    async def pipeline(self, name: str) -> PipelineView:
        """A pipeline as new runs get it."""
        return await self.ask(requests.pipeline(name))

    async def queues(self) -> QueueList:
        """What waits where."""
        return await self.ask(requests.queues())

    async def read(self, digest: str) -> bytes:
        """The content of a file that a run was given or has made."""
        answer = await self._send(Asked("GET", requests.artifact_path(digest), bytes))
        if answer.status_code != 200:
            raise failure(self.url, answer.status_code, answer.content)
        return answer.content

    async def save(self, digest: str, path: Path) -> None:
        """Write a file that a run was given or has made, a part at a time.

        Arguments:
            digest: its digest.
            path: where to; a file there is replaced once the new one is whole.
        """
        import httpx

        receiving = Receiving(digest, path)
        try:
            async with self._http.stream("GET", requests.artifact_path(digest)) as answer:
                if answer.status_code != 200:
                    raise failure(self.url, answer.status_code, await answer.aread())
                with receiving.opened() as write:
                    async for part in answer.aiter_bytes():
                        write(part)
        except httpx.TransportError as error:
            raise away(self.url, error) from error

    async def workers(self) -> list[WorkerView]:
        """Every worker that has not said that it stopped."""
        return list((await self.ask(requests.workers())).workers)

    async def ask(self, asked: Asked[T]) -> T:
        """Send a request, again where that does no harm, and read its answer.

        Raises:
            TaskmgrError: what the server refuses, as the same would be refused here.
            RemoteError: the server is away, or in trouble.
        """
        for turn in range(1, TRIES + 1):
            last = turn == TRIES or not asked.repeatable
            try:
                answer = await self._send(asked)
            except RemoteError:
                if last:
                    raise
            else:
                if answer.is_success:
                    return asked.read(answer.json())
                if last or answer.status_code not in PASSING:
                    raise failure(self.url, answer.status_code, answer.content)
            await asyncio.sleep(FIRST_PAUSE_SECONDS * 2**turn)
        raise AssertionError("the last try ends it")

    async def _send(self, asked: Asked[T]) -> httpx.Response:
        import httpx

        with contextlib.ExitStack() as stack:
            files = form_of(asked, stack)
            try:
                return await self._http.request(
                    asked.method,
                    asked.path,
                    params=asked.params,
                    json=None if files else asked.body,
                    headers=asked.headers,
                    files=files or None,
                )
            except httpx.TransportError as error:
                raise away(self.url, error) from error
