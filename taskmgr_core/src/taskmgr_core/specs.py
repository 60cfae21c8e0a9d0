"""The models of everything the platform stores and passes on: frozen, plain, JSON-able."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, Literal

import attrs

StepStatus = Literal["pending", "ready", "running", "succeeded", "failed", "skipped", "cancelled"]
RunStatus = Literal["running", "succeeded", "failed", "cancelled"]

FINAL_STEP_STATUSES: frozenset[StepStatus] = frozenset(
    {"succeeded", "failed", "skipped", "cancelled"}
)
FINAL_RUN_STATUSES: frozenset[RunStatus] = frozenset({"succeeded", "failed", "cancelled"})
RUN_STATUSES: tuple[RunStatus, ...] = ("running", "succeeded", "failed", "cancelled")


# --- tasks -----------------------------------------------------------------------------------


@attrs.frozen
class FieldSpec:
    """An input or output of a task.

    Attributes:
        name: the field's name.
        schema: the JSON Schema of its values.
        required: whether an input must be given.
        default: the value of an input that is not given.
    """

    name: str
    schema: Mapping[str, Any]
    required: bool = True
    default: Any = None


@attrs.frozen
class ModelSpec:
    """Declared weights: ``sha256`` is 64 hexadecimal digits."""

    name: str
    sha256: str
    licence: str
    source: str


@attrs.frozen
class TaskSpec:
    """What a task declares; see ``taskmgr_plugins.tasks.Options``.

    Attributes:
        timeout: seconds for one attempt.
        priority: 0 to 9, higher first.
        memory_mb: megabytes of resident memory for one attempt.
        retries: further attempts after one that failed.
    """

    name: str
    inputs: tuple[FieldSpec, ...]
    outputs: tuple[FieldSpec, ...]
    description: str = ""
    queue: str = "default"
    timeout: float = 60.0
    priority: int = 5
    memory_mb: int = 2048
    retries: int = 0
    models: tuple[ModelSpec, ...] = ()

    def input(self, name: str) -> FieldSpec | None:
        """The input of that name, if there is one."""
        return next((each for each in self.inputs if each.name == name), None)

    def output(self, name: str) -> FieldSpec | None:
        """The output of that name, if there is one."""
        return next((each for each in self.outputs if each.name == name), None)


@attrs.frozen
class StoredFile:
    """A file in the artifact store: its name for users, its digest and size in bytes."""

    name: str
    digest: str
    size: int


@attrs.frozen
class Release:
    """One version of a plugin, as published: all that an environment is built from.

    Attributes:
        distribution: the plugin's distribution name, normalised.
        version: its PEP 440 version.
        wheel: the plugin's wheel.
        lock: pinned, hashed requirements of everything else.
        sdk: the wheel of ``taskmgr-plugins``.
        models: the weights of its tasks.
        python: the Python it was locked for, as ``3.11``.
        platform: the platform it was locked for, as ``linux-x86_64``.
        published_at: UTC, ISO 8601.
    """

    distribution: str
    version: str
    wheel: StoredFile
    lock: StoredFile
    sdk: StoredFile
    models: tuple[StoredFile, ...]
    python: str
    platform: str
    published_at: str


@attrs.frozen
class TaskVersion:
    """One published version of a task."""

    task: TaskSpec
    release: Release

    @property
    def name(self) -> str:
        """The task's name."""
        return self.task.name

    @property
    def version(self) -> str:
        """The version of the release that holds it."""
        return self.release.version


# --- pipelines -------------------------------------------------------------------------------


@attrs.frozen
class StepSpec:
    """A step as written in a pipeline file.

    Attributes:
        id: letters and digits, as ``001``.
        task: the name of a published task.
        inputs: input port id -> a pipeline input, an output port or an input
            port (by id), or ``{"value": constant}``.
        version: an exact version; None for the current one.
    """

    id: str
    task: str
    inputs: Mapping[str, str | Mapping[str, Any]] = attrs.field(factory=dict)
    version: str | None = None


@attrs.frozen
class ResultSpec:
    """One entry of a pipeline's declared result: ports joined on a key.

    The result is a list with one entry for each key, in the order of the first
    port; an entry holds the key and, under each name, the element of that port
    with ``source`` (the port id) in place of the key.

    Attributes:
        ports: name in an entry -> output port id; each port holds an array of objects.
        join: the property of the elements that is their key.
        label: a template such as ``{detection.confidence:.0%}``, for pictures and reports.
    """

    ports: Mapping[str, str]
    join: str
    label: str = ""


@attrs.frozen
class PipelineSpec:
    """A pipeline as written: a graph of steps with explicit mapping between ports.

    Attributes:
        pipeline: its name.
        inputs: name -> a type name (``Image``, ``string``, ...) or a JSON Schema.
        steps: the steps, in any order.
        result: name -> an output port id, or ports joined on a key; when empty,
            the result is every output that no other step takes.
        description: one line.
    """

    pipeline: str
    inputs: Mapping[str, str | Mapping[str, Any]]
    steps: tuple[StepSpec, ...]
    result: Mapping[str, str | ResultSpec] = attrs.field(factory=dict)
    description: str = ""


# --- the compiled graph ----------------------------------------------------------------------


@attrs.frozen
class Source:
    """Where the value of an input port comes from.

    Attributes:
        port: a pipeline input's name or an output port id; empty for a constant.
        constant: the JSON value, when ``port`` is empty.
    """

    port: str = ""
    constant: Any = None


@attrs.frozen
class GraphStep:
    """A step of a compiled pipeline.

    Attributes:
        id: the step's id.
        task: the task's name.
        version: the exact version it runs.
        queue, priority, timeout, memory_mb, retries: as the task declares them.
        inputs: field name -> where its value comes from; fields left to their
            default are absent.
        outputs: the names of the output fields.
        after: the ids of the steps whose outputs it takes.
    """

    id: str
    task: str
    version: str
    queue: str
    priority: int
    timeout: float
    memory_mb: int
    retries: int
    inputs: Mapping[str, Source]
    outputs: tuple[str, ...]
    after: tuple[str, ...]


@attrs.frozen
class Graph:
    """A compiled, checked pipeline: what a run keeps and the engine works on.

    Attributes:
        name: the pipeline's name, or the task's for a run of one task.
        inputs: name -> JSON Schema of each pipeline input.
        optional: the inputs that need not be given.
        schemas: port id -> JSON Schema of every port, pipeline inputs included.
        steps: in topological order.
        result: as in ``PipelineSpec``, never empty.
    """

    name: str
    inputs: Mapping[str, Mapping[str, Any]]
    optional: tuple[str, ...]
    schemas: Mapping[str, Mapping[str, Any]]
    steps: tuple[GraphStep, ...]
    result: Mapping[str, str | ResultSpec]

    def step(self, step_id: str) -> GraphStep:
        """The step of that id.

        Raises:
            KeyError: there is none.
        """
        for each in self.steps:
            if each.id == step_id:
                return each
        raise KeyError(step_id)


def input_port(step_id: str, field: str) -> str:
    """The id of an input port: ``input_001_image``."""
    return f"input_{step_id}_{field}"


def output_port(step_id: str, field: str) -> str:
    """The id of an output port: ``output_001_faces_array``."""
    return f"output_{step_id}_{field}"


# --- runs ------------------------------------------------------------------------------------


@attrs.frozen
class FieldValue:
    """The recorded value of one port of one run.

    Attributes:
        port: a pipeline input's name or a port id.
        digest: sha256 of the canonical JSON; of the file itself for a value
            that is one artifact.
        size: bytes of the JSON, or of the file.
        type: ``Image``, ``array``, ``string``, ...
        producer: the step that made it; empty for a pipeline input.
        document: the JSON value; None where ``source`` has it.
        source: the port whose value this one is; empty where it is its own.
        artifacts: digests of all files inside the value.
    """

    port: str
    digest: str
    size: int
    type: str
    producer: str
    document: Any
    source: str = ""
    artifacts: tuple[str, ...] = ()


@attrs.frozen
class Edge:
    """A lineage edge of one run: ``target`` was made from ``source`` (port ids)."""

    source: str
    target: str


@attrs.frozen
class Failure:
    """Why a step or run failed.

    Attributes:
        code: as in ``RunnerError``; also ``quarantined``.
        message: what happened and what to do.
        traceback: the task's own, or empty.
        details: further facts.
    """

    code: str
    message: str
    traceback: str = ""
    details: Mapping[str, str] = attrs.field(factory=dict)


@attrs.frozen
class Step:
    """The state of one step of one run.

    Attributes:
        attempt: how many attempts have been claimed.
        lost: how many of them ended with their worker.
        worker: who holds, or held, the last attempt.
        not_before: UTC seconds before which a ready step is not due.
        ready_at, started_at, finished_at: UTC seconds since 1970, or None.
        seconds: stage -> seconds: queue, environment, start, load, inputs,
            compute, outputs, total.
        failure: why it failed.
        failures: why earlier attempts failed.
    """

    run: str
    id: str
    task: str
    version: str
    queue: str
    priority: int
    status: StepStatus
    attempt: int = 0
    lost: int = 0
    worker: str = ""
    not_before: float = 0.0
    ready_at: float | None = None
    started_at: float | None = None
    finished_at: float | None = None
    seconds: Mapping[str, float] = attrs.field(factory=dict)
    failure: Failure | None = None
    failures: tuple[Failure, ...] = ()


@attrs.frozen
class Run:
    """One execution of a pipeline or of a single task.

    Attributes:
        id: UUIDv7, sortable by time.
        name: the pipeline's or task's name.
        kind: which of the two.
        graph: the compiled graph, with exact versions.
        created_at, finished_at: UTC seconds since 1970.
        cancel_requested: whether somebody asked to cancel it.
    """

    id: str
    name: str
    kind: Literal["pipeline", "task"]
    graph: Graph
    status: RunStatus
    created_at: float
    finished_at: float | None = None
    cancel_requested: bool = False
    failure: Failure | None = None


@attrs.frozen
class RunSummary:
    """A run as lists show it, without its graph.

    Attributes:
        steps: status -> how many of its steps have it.
        others: as in ``Run``.
    """

    id: str
    name: str
    kind: Literal["pipeline", "task"]
    status: RunStatus
    created_at: float
    finished_at: float | None
    cancel_requested: bool
    failure: Failure | None
    steps: Mapping[str, int]


@attrs.frozen
class Hold:
    """A step that the store says a worker holds."""

    run: str
    step: str
    attempt: int
    cancel_requested: bool


@attrs.frozen
class Claim:
    """A worker's hold on one attempt of a step: the fencing token.

    Attributes:
        step: the step as claimed; its ``attempt`` and ``worker`` are the token.
        graph_step: what to run.
        values: source port id -> its recorded value, for every input that is no constant.
    """

    step: Step
    graph_step: GraphStep
    values: Mapping[str, FieldValue]


@attrs.frozen
class Outcome:
    """What came of an attempt.

    Attributes:
        status: succeeded, failed, cancelled, or ready (to be tried again).
        values: the values of its ports.
        edges: what they were made from.
        seconds: stage -> seconds.
        failure: why it failed.
        not_before: when ``ready``, the UTC seconds before which it is not due.
    """

    status: Literal["succeeded", "failed", "cancelled", "ready"]
    values: tuple[FieldValue, ...] = ()
    edges: tuple[Edge, ...] = ()
    seconds: Mapping[str, float] = attrs.field(factory=dict)
    failure: Failure | None = None
    not_before: float = 0.0


@attrs.frozen
class Worker:
    """A worker process as the store knows it.

    Attributes:
        queues: the queues it serves; empty for all.
        heartbeat: UTC seconds of its last beat.
        running: ``run/step`` of what it runs now.
    """

    id: str
    host: str
    pid: int
    slots: int
    queues: tuple[str, ...]
    started_at: float
    heartbeat: float
    running: tuple[str, ...] = ()


@attrs.frozen
class LogLine:
    """A line that a task wrote.

    Attributes:
        number: its place in the run's log, growing.
        time: UTC seconds since 1970.
        stream: ``stdout``, ``stderr`` or ``taskmgr`` (said by the platform).
    """

    number: int
    run: str
    step: str
    attempt: int
    time: float
    stream: str
    text: str


@attrs.frozen
class RunDetail:
    """A run with all that is recorded of it: what commands, reports and screens show.

    Attributes:
        steps: in the graph's order.
        values: the value of every port.
        edges: the lineage edges.
        result: the assembled result, as declared by the pipeline; None while it runs
            or when it failed.
    """

    run: Run
    steps: tuple[Step, ...]
    values: tuple[FieldValue, ...]
    edges: tuple[Edge, ...]
    result: Mapping[str, Any] | None
