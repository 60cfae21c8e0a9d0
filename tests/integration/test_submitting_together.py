"""Runs that are submitted at the same time: one look-up, one record, an answer of its own each."""

from __future__ import annotations

import asyncio
import contextlib
import json
import threading
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from http.client import HTTPConnection, HTTPException
from pathlib import Path
from typing import Any

import attrs
import pytest
from opentelemetry import trace
from opentelemetry.sdk.trace import TracerProvider
from opentelemetry.sdk.trace.export import SimpleSpanProcessor
from opentelemetry.sdk.trace.export.in_memory_span_exporter import InMemorySpanExporter
from rest_server import furnish, served

from taskmgr_core.accounts.interface import LOCAL
from taskmgr_core.api.bodies import fitted
from taskmgr_core.api.idempotency import Key
from taskmgr_core.api.models.runs import Submission
from taskmgr_core.api.problems import RequestError
from taskmgr_core.api.together import LIGHT_BYTES, MOST_TOGETHER, Submit, Together, is_light
from taskmgr_core.client import Client
from taskmgr_core.errors import NotFoundError
from taskmgr_core.inputs import InvalidInputsError
from taskmgr_core.orchestrator.routing import share_of
from taskmgr_core.overrides import Overrides, TaskOverride
from taskmgr_core.settings import load
from taskmgr_core.specs import Run
from taskmgr_core.submitting import Wanted
from taskmgr_core.telemetry.tracer import OpenTelemetryTracer
from taskmgr_core.wiring import Platform


@pytest.fixture(scope="module")
def home(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A home with a task and a pipeline of it."""
    folder = tmp_path_factory.mktemp("together")
    furnish(folder)
    return folder


@pytest.fixture
def client(home: Path) -> Iterator[Client]:
    """A client of that home."""
    with Platform(load({}, home, home)).client(paths=False) as opened:
        yield opened


@pytest.fixture
def groups(monkeypatch: pytest.MonkeyPatch) -> list[int]:
    """How many runs each call of a client has submitted, from now on."""
    found: list[int] = []
    submit = Client.submit_together

    def counted(client: Client, wanted: Sequence[Wanted]) -> list[str | Exception]:
        found.append(len(wanted))
        return submit(client, wanted)

    monkeypatch.setattr(Client, "submit_together", counted)
    return found


def wanted(number: Any = 1, what: str = "nothing", **more: Any) -> Wanted:
    """A run that somebody asks for."""
    return Wanted(what, {"number": number}, **more)


def id_only(_: str) -> None:
    """What a request does that only wants the id."""


def asked(number: Any = 1, key: str | None = None, note: Callable[[str], None] = id_only) -> Submit:
    """What a request wants."""
    told = Key.of(LOCAL, key, Submission("nothing", {"number": number}), {}) if key else None
    return Submit(wanted(number), told, note)


def all_of(client: Client, submits: Sequence[Submit]) -> list[Any]:
    """What comes of requests that come at the same time."""

    async def ask() -> list[Any]:
        together = Together()
        waiting = (together.submit("default", lambda: client, each) for each in submits)
        return await asyncio.gather(*waiting, return_exceptions=True)

    return asyncio.run(ask())


def test_each_run_is_refused_by_itself(client: Client) -> None:
    """What was wrong is told in its place, as if it were alone; all others are recorded."""
    told = client.submit_together(
        [wanted(1), wanted("one"), wanted(2, "noop"), wanted(3, "nowhere"), wanted(4, version="1")]
    )
    assert [type(each) for each in told] == [str, InvalidInputsError, str, NotFoundError, str]
    with pytest.raises(InvalidInputsError) as alone:
        client.submit("nothing", {"number": "one"})
    assert str(told[1]) == str(alone.value)
    runs = [client.metadata.run(each) for each in told if isinstance(each, str)]
    assert [(each.name, each.kind) for each in runs] == [
        ("nothing", "pipeline"),
        ("noop", "task"),
        ("nothing", "pipeline"),
    ]
    numbers = [client.metadata.values(each.id)[0].document for each in runs]
    assert numbers == [1, 2, 4]


def test_what_they_share_is_looked_up_once(client: Client, monkeypatch: pytest.MonkeyPatch) -> None:
    """Pipeline, version and route are asked for once, however many runs want them."""
    looks: list[str] = []
    store = type(client.metadata)
    for name in ("pipeline", "version", "route"):
        method = getattr(store, name)

        def counted(*given: Any, name: str = name, method: Any = method) -> Any:
            looks.append(name)
            return method(*given)

        monkeypatch.setattr(store, name, counted)
    told = client.submit_together([wanted(each) for each in range(20)])
    assert len(set(told)) == 20
    assert sorted(looks) == ["pipeline", "route", "version"]


def test_version_that_is_rolled_out_is_each_runs_own(tmp_path: Path) -> None:
    """Those get it whose share it is, as they would alone."""
    furnish(tmp_path)
    with Platform(load({}, tmp_path, tmp_path)).client() as client:
        (first,) = client.metadata.versions("noop")
        release = attrs.evolve(first.release, version="2.0")
        client.metadata.add_versions([attrs.evolve(first, release=release)])
        client.rollouts.roll_out("noop", "1.0", 100)
        client.rollouts.roll_out("noop", "2.0", 50)
        runs = [wanted() for _ in range(40)]
        told = client.submit_together(runs)
        assert told == [each.run_id for each in runs]
        got = {each: client.metadata.steps(each)[0].version for each in map(str, told)}
        assert got == {each: "2.0" if share_of(each) < 50 else "1.0" for each in got}
        assert set(got.values()) == {"1.0", "2.0"}


def test_what_operators_say_holds_for_all(client: Client) -> None:
    """Each goes to the queue that is said for its task."""
    client.overrides = Overrides({"noop": TaskOverride(queue="slow")})
    for each in client.submit_together([wanted(), wanted(), wanted(2, "noop")]):
        assert client.metadata.steps(str(each))[0].queue == "slow"


def test_spans_are_children_of_who_asked(client: Client) -> None:
    """Not of one another; the run keeps its own, and one that was refused says why."""
    exporter, provider = InMemorySpanExporter(), TracerProvider(shutdown_on_exit=False)
    provider.add_span_processor(SimpleSpanProcessor(exporter))
    client.tracer = OpenTelemetryTracer(provider, lambda _: "", {})
    sampled = trace.TraceFlags(trace.TraceFlags.SAMPLED)
    parents = [
        trace.NonRecordingSpan(trace.SpanContext(7, each, is_remote=False, trace_flags=sampled))
        for each in (1, 2)
    ]
    with trace.use_span(parents[0]):
        first = wanted()
    with trace.use_span(parents[1]):
        second = wanted("two")
    told = client.submit_together([first, second, wanted(3)])
    spans = {
        dict(each.attributes or {})["taskmgr.run.id"]: each
        for each in exporter.get_finished_spans()
    }
    own = [spans[each.run_id].parent for each in (first, second)]
    assert [each and each.span_id for each in own] == [1, 2]
    assert spans[str(told[2])].parent is None
    assert [each.name for each in spans[second.run_id].events] == ["exception"]
    context = spans[first.run_id].context
    assert context is not None
    run: Run = client.metadata.run(first.run_id)
    assert run.traceparent.split("-")[1:3] == [f"{7:032x}", f"{context.span_id:016x}"]


def test_requests_that_come_meanwhile_are_submitted_together(
    client: Client, groups: list[int]
) -> None:
    """The first waits for nobody; those behind it share a record, so many at most."""
    noted: list[str] = []
    told = all_of(client, [asked(each, note=noted.append) for each in range(MOST_TOGETHER + 11)])
    assert sorted(groups) == [11, MOST_TOGETHER]
    assert sorted(noted) == sorted(run for run, _ in told)
    assert {again for _, again in told} == {False}
    documents = [client.metadata.values(run)[0].document for run, _ in told]
    assert documents == list(range(MOST_TOGETHER + 11))


def test_each_request_has_its_own_answer(client: Client) -> None:
    """A wrong one is refused, and of two with one key the other is told the same run."""
    client.submit("nothing", {"number": 1})
    noted: list[str] = []
    first, wrong, again, other, reused = all_of(
        client,
        [
            asked(1, "order", noted.append),
            asked("one", "wrong", noted.append),
            asked(1, "order", noted.append),
            asked(2, None, noted.append),
            asked(3, "order", noted.append),
        ],
    )
    assert first[1] is False
    assert again == (first[0], True)
    assert isinstance(wrong, InvalidInputsError)
    assert isinstance(reused, RequestError)
    assert noted == [first[0], other[0]]
    # What was refused has let go of its key, and what was not is there.
    (right,) = all_of(client, [asked(1, "wrong")])
    assert right[1] is False
    assert all_of(client, [asked(1, "order"), asked(1, "wrong")]) == [
        (first[0], True),
        (right[0], True),
    ]


def test_whoever_has_gone_is_not_submitted_for(client: Client, groups: list[int]) -> None:
    """Nor are the answers of others mixed up by that."""

    async def ask() -> list[Any]:
        together = Together()
        tasks = [
            asyncio.create_task(together.submit("default", lambda: client, asked(each)))
            for each in range(3)
        ]
        await asyncio.sleep(0)  # all wait, nothing has begun
        tasks[1].cancel()
        return await asyncio.gather(*tasks, return_exceptions=True)

    first, gone, last = asyncio.run(ask())
    assert isinstance(gone, asyncio.CancelledError)
    assert groups == [2]
    assert [client.metadata.values(run)[0].document for run, _ in (first, last)] == [0, 2]


def test_client_that_cannot_be_had_is_told_to_all(client: Client) -> None:
    """And those who come later are answered."""

    async def ask() -> list[Any]:
        def nowhere() -> Client:
            raise NotFoundError("no workspace 'blue'")

        together = Together()
        refused = (together.submit("blue", nowhere, asked(each)) for each in range(2))
        told = await asyncio.gather(*refused, return_exceptions=True)
        return [*told, await together.submit("blue", lambda: client, asked())]

    *refused, later = asyncio.run(ask())
    assert [str(each) for each in refused] == ["no workspace 'blue'"] * 2
    assert client.metadata.status(later[0]) == "running"


def test_run_that_was_accepted_is_there_after_a_kill(home: Path) -> None:
    """Whatever was under way when the server was killed: none is lost, none is there in part."""
    accepted: list[str] = []
    body = json.dumps({"name": "nothing", "inputs": {"number": 1}})
    many = threading.Event()

    def submit(host: str, port: int) -> None:
        connection = HTTPConnection(host, port, timeout=10)
        with contextlib.closing(connection), contextlib.suppress(OSError, HTTPException):
            while True:
                told = {"Content-Type": "application/json"}
                connection.request("POST", "/v1/runs", body, told)
                answer = connection.getresponse()
                assert answer.status == 201
                accepted.append(json.loads(answer.read())["run_id"])
                if len(accepted) >= 60:
                    many.set()

    with served(home, "--no-accounts") as answering, ThreadPoolExecutor(12) as threads:
        waiting = [threads.submit(submit, *answering.address) for _ in range(12)]
        assert many.wait(20)
        answering.process.kill()
        for each in waiting:
            each.result(20)
    assert len(set(accepted)) == len(accepted) >= 60
    with Platform(load({}, home, home)).client() as found:
        for run in accepted:
            assert [each.status for each in found.metadata.steps(run)] == ["ready"]
            assert [each.document for each in found.metadata.values(run)] == [1]


def test_what_may_take_long_is_submitted_alone() -> None:
    """A body that is long, or names a stored file, holds up no others."""
    small = json.dumps({"name": "nothing", "inputs": {"number": 1}}).encode()
    stored = json.dumps({"name": "look", "inputs": {"image": {"$artifact": "sha256:00"}}}).encode()
    assert fitted(small, Submission).name == "nothing"
    assert is_light(small)
    assert not is_light(stored)
    assert is_light(b" " * LIGHT_BYTES)
    assert not is_light(b" " * (LIGHT_BYTES + 1))
