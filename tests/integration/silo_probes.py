"""What is asked of a workspace, for every public method: once with what another one has."""

from __future__ import annotations

import json
import time
from collections.abc import Callable, Mapping
from pathlib import Path

import attrs

from taskmgr_core.client import Client
from taskmgr_core.documents import canonical, digest_of
from taskmgr_core.errors import TaskmgrError
from taskmgr_core.orchestrator.engine import decide
from taskmgr_core.specs import (
    Edge,
    FieldSpec,
    FieldValue,
    LogLine,
    Orders,
    Outcome,
    PipelineSpec,
    Release,
    Route,
    StepSpec,
    StoredFile,
    TaskSpec,
    TaskVersion,
    Worker,
)
from taskmgr_core.specs.schedules import Schedule
from taskmgr_core.stores.metadata import RunFilter
from taskmgr_core.stores.requests import Answered

TEXT = "a text that one workspace has"
KEEP, NOW = 1e6, time.time()
CONTENT = b"bytes that one workspace has"
PIPELINE = {
    "pipeline": "again",
    "inputs": {"text": "string"},
    "steps": [{"id": "001", "task": "echo", "inputs": {"input_001_text": "text"}}],
    "result": {"said": "output_001_said"},
}


@attrs.frozen
class Made:
    """What was made in a workspace.

    Attributes:
        run: the id of a run with one ready step.
        other: the id of one that has ended.
        value: the digest of its input.
        file: the digest of an artifact.
        cursor: of a trace that has a second page.
        pipeline: a file with a pipeline of its task.
    """

    run: str
    other: str
    value: str
    file: str
    cursor: str
    pipeline: Path


def task_version(wheel: StoredFile) -> TaskVersion:
    """A published version of a task."""
    field = FieldSpec("text", {"type": "string"})
    release = Release(
        distribution="taskmgr-echo",
        version="1.0",
        wheel=wheel,
        lock=wheel,
        sdk=wheel,
        models=(),
        python="3.11",
        platform="linux-x86_64",
        published_at="2026-11-22T10:00:00+00:00",
    )
    return TaskVersion(TaskSpec("echo", (field,), (attrs.evolve(field, name="said"),)), release)


def made_in(client: Client, folder: Path) -> Made:
    """Make one of everything in a workspace."""
    metadata = client.metadata
    wheel = client.artifacts.put_bytes(CONTENT, "echo.whl")
    metadata.add_versions([task_version(wheel)])
    metadata.put_route(Route("echo", yanked={"0.9": "it was slow"}))
    step = StepSpec("001", "echo", {"input_001_text": "text"})
    metadata.put_pipeline(PipelineSpec("greeting", {"text": "string"}, (step,)))
    now = time.time()
    metadata.schedules.add(Schedule("daily", "echo", "0 0 * * *", "UTC", {}, "skip", now))
    metadata.beat(Worker("w1", "here", 1, 1, (), started_at=now, heartbeat=now, private=True))
    metadata.order("w1", Orders(ping="p"))
    run = client.submit("echo", {"text": TEXT})
    other = client.submit("echo", {"text": TEXT})
    claim = metadata.claim_step(other, "001", "w1", now)
    assert claim is not None
    port, made = "output_001_said", (wheel.digest,)
    said = FieldValue(port, digest_of(b"{}"), 2, "object", "001", {}, artifacts=made)
    edges = (Edge("text", "input_001_text"),)
    metadata.finish(claim, Outcome("succeeded", (said,), edges, {"compute": 1}), decide, now)
    metadata.requests.begin(Answered("key", "print", run, now), KEEP)
    metadata.append_log([LogLine(0, run, "001", 1, now, "stdout", TEXT)])
    value = digest_of(canonical(TEXT))
    page = client.trace(value, limit=1).led_to
    path = folder / "again.json"
    path.write_text(json.dumps(PIPELINE))
    return Made(run, other, value, wheel.digest, str(page.next), path)


Probe = Callable[[Client, Made], object]

# Every public method of the client. What changes something comes behind what looks.
CLIENT: Mapping[str, Probe] = {
    "tasks": lambda client, _: client.tasks(),
    "pipelines": lambda client, _: client.pipelines(),
    "rollouts": lambda client, _: client.rollouts.versions("echo"),
    "graph": lambda client, _: client.graph("greeting"),
    "runs": lambda client, _: client.runs(RunFilter()),
    "detail": lambda client, made: client.detail(made.run),
    "logs": lambda client, made: list(client.logs(made.run)),
    "trace": lambda client, made: client.trace(made.value),
    "trace_further": lambda client, made: client.trace_further(made.cursor),
    "workers": lambda client, _: client.workers(),
    "wait": lambda client, made: client.wait(made.run, timeout=0),
    "publish_pipeline": lambda client, made: client.publish_pipeline(made.pipeline),
    "submit": lambda client, _: len(client.submit("greeting", {"text": TEXT})),
    "retry": lambda client, made: client.retry(made.run),
    "cancel": lambda client, made: client.cancel(made.run),
}
# Those that would build a virtualenv, with what they do first instead; and what asks no store.
ELSEWHERE = {
    "publish": "it builds; what it records is looked for by `tasks`",
    "run": "it is `submit` and `wait`",
    "batch": "it is `submit` and `wait`",
    "submit_together": "it is `submit`, of several",
    "alive": "it compares two moments",
    "unserved": "it is `workers` and a graph that was given",
    "close": "it answers nothing",
}

METADATA: Mapping[str, Probe] = {
    "schedules": lambda client, _: client.metadata.schedules.listing(),
    "requests": lambda client, _: client.metadata.requests.begin(
        Answered("key", "print", "a run of its own", NOW), KEEP
    ),
    "version": lambda client, _: client.metadata.version("echo"),
    "latest_versions": lambda client, _: client.metadata.latest_versions(),
    "all_versions": lambda client, _: client.metadata.all_versions(),
    "versions": lambda client, _: client.metadata.versions("echo"),
    "versions_of": lambda client, _: client.metadata.versions_of("taskmgr-echo"),
    "distributions": lambda client, _: client.metadata.distributions(),
    "queues": lambda client, _: client.metadata.queues(),
    "route": lambda client, _: client.metadata.route("echo"),
    "pipeline": lambda client, _: client.metadata.pipeline("greeting"),
    "pipelines": lambda client, _: client.metadata.pipelines(),
    "run": lambda client, made: client.metadata.run(made.run),
    "summary": lambda client, made: client.metadata.summary(made.run[-8:]),
    "runs": lambda client, _: client.metadata.runs(RunFilter()),
    "runs_with_input": lambda client, _: client.metadata.runs_with_input(RunFilter(), ""),
    "status": lambda client, made: client.metadata.status(made.run),
    "steps": lambda client, made: client.metadata.steps(made.run),
    "values": lambda client, made: client.metadata.values(made.run),
    "edges": lambda client, made: client.metadata.edges(made.other),
    "digest": lambda client, made: client.metadata.digest(made.value[:20]),
    "next_runs": lambda client, made: client.metadata.next_runs(
        [made.value], ["given value"], None, older=True
    ),
    "runs_using": lambda client, _: client.metadata.runs_using(
        [("echo", "1.0")], None, older=True, limit=9
    ),
    "mentioned": lambda client, _: sorted(client.metadata.mentioned()),
    "log": lambda client, made: client.metadata.log(made.run),
    "workers": lambda client, _: client.metadata.workers(),
    "orders": lambda client, _: client.metadata.orders("w1"),
    "overview": lambda client, _: client.metadata.overview(0.0).running,
    "waiting": lambda client, _: client.metadata.waiting(time.time()),
    "latest_times": lambda client, _: client.metadata.latest_times(9),
    "take_unclaimed": lambda client, _: client.metadata.take_unclaimed(
        time.time() + 99, lambda _: time.time() + 999
    ),
    "request_cancel": lambda client, made: client.metadata.request_cancel(
        made.run, decide, time.time()
    ),
}

ARTIFACTS: Mapping[str, Probe] = {
    "exists": lambda client, made: client.artifacts.exists(made.file),
    "digests": lambda client, _: sorted(client.artifacts.digests()),
    "local_path": lambda client, made: client.artifacts.local_path(made.file).read_bytes(),
    "read": lambda client, made: client.artifacts.read(made.file),
}


def answer(probe: Probe, client: Client, made: Made) -> str:
    """What a workspace answers, an error as well."""
    try:
        return repr(probe(client, made))
    except TaskmgrError as error:
        return f"{type(error).__name__}: {error}"
