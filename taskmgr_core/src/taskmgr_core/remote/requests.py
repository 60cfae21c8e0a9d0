"""What is asked of a server and what its answers mean: shared by the two clients, pure."""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any, Generic, TypeVar
from urllib.parse import quote, urlsplit

import attrs

from taskmgr_core.api.models.catalog import PipelineList, PipelineView, TaskList, TaskView
from taskmgr_core.api.models.lineage import DigestLineage, RunLineage
from taskmgr_core.api.models.platform import QueueList, WorkerList
from taskmgr_core.api.models.runs import LogLineView, LogPage, RunDetailView, RunPage, RunView
from taskmgr_core.documents import InvalidDocumentError, structure, without_unknown
from taskmgr_core.errors import SettingsError
from taskmgr_plugins.fields import File, Image

T = TypeVar("T")
LONGEST_WAIT_SECONDS = 20.0
WORKSPACE_HEADER = "Taskmgr-Workspace"
_ANSWER = "the server's answer"


@attrs.frozen
class Part:
    """A file of a form: its input, its name, its content or where that lies."""

    field: str
    name: str
    source: Path | bytes


@attrs.frozen
class Asked(Generic[T]):
    """A request.

    Attributes:
        method: of HTTP.
        path: under the server's ``/v1``.
        read: makes the answer of its JSON.
        params: the query.
        body: its JSON; None for none.
        parts: files; with them the body is a part of a form.
        headers: further headers.
        repeatable: whether asking again does no harm.
    """

    method: str
    path: str
    read: Callable[[Any], T]
    params: Mapping[str, str] = attrs.field(factory=dict)
    body: Any = None
    parts: tuple[Part, ...] = ()
    headers: Mapping[str, str] = attrs.field(factory=dict)
    repeatable: bool = True


def checked_url(url: str) -> str:
    """The address of a server, without a slash at its end.

    Raises:
        SettingsError: it is no address of the web, or has a user or a password.
    """
    parts = urlsplit(url)
    if parts.scheme not in ("http", "https") or not parts.hostname or "@" in parts.netloc:
        raise SettingsError(
            "TASKMGR_URL: allowed is the address of a server of the REST API without user and "
            "password, as https://taskmgr.example; the token is TASKMGR_TOKEN's"
        )
    return url.rstrip("/").removesuffix("/v1")


def submit(name: str, inputs: Mapping[str, Any], version: str | None, key: str) -> Asked[str]:
    """Submit a run; with its key it may be sent again.

    Arguments:
        name: of a pipeline or task.
        inputs: name -> a JSON value, or a file: a path, bytes, ``File`` or ``Image``.
        version: of a task.
        key: the idempotency key.
    """
    given, parts = parts_of(inputs)
    body = {
        "name": name,
        "inputs": given,
        **({} if version is None else {"version": version}),
    }
    headers = {"Idempotency-Key": key}
    return Asked("POST", "/runs", run_id_in, body=body, parts=parts, headers=headers)


def retry(run: str, step: str | None) -> Asked[str]:
    """Do a run again; not repeatable, because each time is a new run."""
    body = {} if step is None else {"step": step}
    return Asked("POST", f"/runs/{named(run)}/retry", run_id_in, body=body, repeatable=False)


def runs(status: str | None, name: str | None, limit: int, cursor: str | None) -> Asked[RunPage]:
    """A page of runs."""
    told = {"status": status, "name": name, "limit": str(limit), "cursor": cursor}
    params = {key: value for key, value in told.items() if value is not None}
    return Asked("GET", "/runs", reading(RunPage), params)


def detail(run: str, wait: float = 0.0) -> Asked[RunDetailView]:
    """Everything of a run, at once or when it has ended."""
    params = {"wait": f"{wait:g}"} if wait > 0 else {}
    return Asked("GET", f"/runs/{named(run)}", reading(RunDetailView), params)


def cancel(run: str) -> Asked[RunView]:
    """Cancel a run."""
    return Asked("POST", f"/runs/{named(run)}/cancel", reading(RunView))


def log(run: str, after: int) -> Asked[LogPage]:
    """A page of a log."""
    return Asked("GET", f"/runs/{named(run)}/logs", reading(LogPage), {"after": str(after)})


def lineage(run: str) -> Asked[RunLineage]:
    """Which value of a run was made from which."""
    return Asked("GET", f"/runs/{named(run)}/lineage", reading(RunLineage))


def trace(digest: str, limit: int, cursor: str | None) -> Asked[DigestLineage]:
    """What a digest came from and led to."""
    params = {"limit": str(limit), **({} if cursor is None else {"cursor": cursor})}
    return Asked("GET", f"/lineage/{named(digest)}", reading(DigestLineage), params)


def tasks() -> Asked[TaskList]:
    """Every task."""
    return Asked("GET", "/tasks", reading(TaskList))


def task(name: str, version: str | None) -> Asked[TaskView]:
    """A task."""
    params = {} if version is None else {"version": version}
    return Asked("GET", f"/tasks/{named(name)}", reading(TaskView), params)


def pipelines() -> Asked[PipelineList]:
    """Every pipeline."""
    return Asked("GET", "/pipelines", reading(PipelineList))


def pipeline(name: str) -> Asked[PipelineView]:
    """A pipeline."""
    return Asked("GET", f"/pipelines/{named(name)}", reading(PipelineView))


def workers() -> Asked[WorkerList]:
    """Every worker."""
    return Asked("GET", "/workers", reading(WorkerList))


def queues() -> Asked[QueueList]:
    """What waits where."""
    return Asked("GET", "/queues", reading(QueueList))


def artifact_path(digest: str) -> str:
    """Where an artifact is."""
    return f"/artifacts/{named(digest)}"


def events_path(run: str) -> str:
    """Where the events of a run are."""
    return f"/runs/{named(run)}/events"


@attrs.define
class LogEvents:
    """Lines of a log out of the lines of a stream of events.

    Attributes:
        last: the number of the last line that was received.
        ended: whether the run has.
    """

    last: int = 0
    ended: bool = False
    _event: str = ""
    _data: str = ""

    def line(self, text: str) -> LogLineView | None:
        """Take a line of the stream; the line of the log that it completes, if any."""
        name, _, value = text.partition(":")
        if name == "event":
            self._event = value.strip()
        elif name == "data":
            self._data = value.strip()
        elif not text:
            event, data, self._event, self._data = self._event, self._data, "", ""
            self.ended = self.ended or event == "end"
            if event == "log":
                found: LogLineView = reading(LogLineView)(json.loads(data))
                self.last = found.number
                return found
        return None


def reading(model: type[T]) -> Callable[[Any], T]:
    """What reads a model; what a later server says beyond it is left out."""

    def read(document: Any) -> T:
        try:
            return structure(document, model, _ANSWER)
        except InvalidDocumentError:
            return structure(without_unknown(document, model), model, _ANSWER)

    return read


def run_id_in(document: Any) -> str:
    """The id of a run that was submitted."""
    return str(document["run_id"])


def named(text: str) -> str:
    """A name as a part of a path."""
    return quote(text, safe=":")


def parts_of(inputs: Mapping[str, Any]) -> tuple[dict[str, Any], tuple[Part, ...]]:
    """The inputs that are JSON, and the files among them."""
    parts = tuple(part for name, value in inputs.items() for part in _parts(name, value))
    files = {each.field for each in parts}
    return {name: value for name, value in inputs.items() if name not in files}, parts


def _parts(field: str, value: Any) -> list[Part]:
    if isinstance(value, list | tuple) and value and all(map(_is_file, value)):
        return [part for each in value for part in _parts(field, each)]
    if isinstance(value, Path):
        return [Part(field, value.name, value)]
    if isinstance(value, bytes):
        return [Part(field, field, value)]
    if isinstance(value, File | Image):
        source = value.read_bytes() if value.in_memory else value.path
        return [Part(field, value.name or field, source)]
    return []


def _is_file(value: Any) -> bool:
    return isinstance(value, Path | bytes | File)
