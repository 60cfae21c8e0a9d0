"""Pipelines as written, and the graphs that they are compiled to."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any

import attrs

SUMMARY_ENTRY = "processing_summary"
"""The entry that the result of every pipeline has beside those it declares."""
REFRESH = "refresh"
"""The cache of a step that is to compute anew: its outputs replace what is kept."""


FAILURE_PORT = "failure"
"""What the step ``on_failure`` may take: the report on the run that failed."""


@attrs.frozen
class RetrySpec:
    """When an attempt that failed is made again.

    Attributes:
        count: how many further attempts.
        delay: seconds before the first of them; None for the worker's ``retry_delay``.
        factor: what the delay is multiplied by each time.
        max_delay: seconds that no delay is longer than.
        jitter: the part of a delay, 0 to 1, by which chance shortens it.
        on: the codes of failures that are tried again; empty for those that may go
            better another time.
    """

    count: int
    delay: float | None = None
    factor: float = 2.0
    max_delay: float = 300.0
    jitter: float = 0.0
    on: tuple[str, ...] = ()


@attrs.frozen
class RepeatSpec:
    """A step that is run again and again, each time with what the time before gave.

    Attributes:
        until: a condition in CEL over the step's own ports and ``iteration``; the step is
            not run again once it holds.
        max: how many times at most.
        feed: input port -> the output port, both of the step, whose value it gets from the
            second time on; all other inputs stay as they are.
        on_max: what it comes to when the condition has not held by then: ``fail``, or
            ``continue`` with the last outputs.
    """

    until: str
    max: int
    feed: Mapping[str, str] = attrs.field(factory=dict)
    on_max: str = "fail"


@attrs.frozen
class LimitSpec:
    """How many steps run at once, or begin in a time, over all runs and workers.

    Attributes:
        key: what is counted apart: a port, or an expression in CEL over ports that gives a
            text or a number; None for all together.
        max: how many run at once; 0 for any number.
        rate: how many begin in a time, as ``10/s``; empty for any number.
        name: what is counted together where the keys are equal; empty for the step of this
            pipeline alone.
    """

    key: str | None = None
    max: int = 0
    rate: str = ""
    name: str = ""


@attrs.frozen
class StepSpec:
    """A step as written in a pipeline file.

    Attributes:
        id: letters and digits, as ``001``.
        task: the name of a published task; empty where ``pipeline`` is given.
        inputs: input port id -> a pipeline input, an output port or an input
            port (by id), or ``{"value": constant}``.
        version: an exact version; None for the current one.
        retry: when it is tried again; None for what its task declares.
        timeout: seconds for an attempt; None for what its task declares.
        on_error: what follows when it fails: ``fail`` (the run does), ``continue``
            (without its outputs) or ``default`` (with ``default`` in their place).
        default: output field -> the JSON that stands for it where the step gave none.
        when: a condition in CEL over ports; where it does not hold the step is skipped. None
            for always.
        map: a port that holds a list: the step is run for each element; empty for once.
        parallel: how many elements at the same time, when ``map``.
        pipeline: the name of a published pipeline whose steps stand in its place.
        repeat: that it is run again and again; None for once.
        concurrency: how many of its steps run at once or begin in a time, over all runs.
    """

    id: str
    task: str = ""
    inputs: Mapping[str, str | Mapping[str, Any]] = attrs.field(factory=dict)
    version: str | None = None
    retry: RetrySpec | None = None
    timeout: float | None = None
    on_error: str = "fail"
    default: Mapping[str, Any] = attrs.field(factory=dict)
    when: str | None = None
    map: str = ""
    parallel: int = 100
    pipeline: str = ""
    repeat: RepeatSpec | None = None
    concurrency: LimitSpec | None = None


@attrs.frozen
class SwitchSpec:
    """Which of several steps are run: conditions for each of them, written once.

    Attributes:
        on: an expression in CEL that gives a text.
        cases: text -> the ids of the steps that are run where it is that.
        otherwise: those that are run where it is none of them.
    """

    on: str
    cases: Mapping[str, tuple[str, ...]]
    otherwise: tuple[str, ...] = ()


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


def ports_of(entry: str | ResultSpec) -> Mapping[str, str]:
    """The ports of an entry of a result by their names in it, which of a single one is empty."""
    return {"": entry} if isinstance(entry, str) else entry.ports


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
        timeout: seconds for the whole run; None for as long as it takes.
        on_failure: a step that is run when the run fails; None for none.
        switch: which of several steps are run.
    """

    pipeline: str
    inputs: Mapping[str, str | Mapping[str, Any]]
    steps: tuple[StepSpec, ...]
    result: Mapping[str, str | ResultSpec] = attrs.field(factory=dict)
    description: str = ""
    timeout: float | None = None
    on_failure: StepSpec | None = None
    switch: tuple[SwitchSpec, ...] = ()


@attrs.frozen
class Source:
    """Where the value of an input port comes from.

    Attributes:
        port: a pipeline input's name or an output port id; empty for a constant.
        constant: the JSON value, when ``port`` is empty.
        fallback: the JSON value where the port never gets one, alone in a tuple;
            empty where there is none.
    """

    port: str = ""
    constant: Any = None
    fallback: tuple[Any, ...] = ()


@attrs.frozen
class Feed:
    """A step that is run for what another one yields, while that still does.

    Attributes:
        step: its id.
        task: what it runs.
        most: how many items may wait for it until the other one is held up.
    """

    step: str
    task: str
    most: int


@attrs.frozen
class GraphStep:
    """A step of a compiled pipeline.

    Attributes:
        id: the step's id.
        task: the task's name.
        version: the exact version it runs.
        queue, priority, timeout, memory_mb, retries, resources: as the task declares them.
        inputs: field name -> where its value comes from; fields left to their
            default are absent.
        outputs: the names of the output fields.
        after: the ids of the steps whose outputs it takes.
        bears: those of them that may end without outputs, as it has a value in their place.
        retry, on_error, default: as in ``StepSpec``.
        handles_failure: whether it is run when the run fails, and only then.
        when: the condition; empty for always.
        reads: the names in it -> where their values come from.
        texts: the expressions in it that have to give a text: what its switches look at.
        map, parallel: as in ``StepSpec``; the port as it is led back to its source.
        map_of: what the step that makes that list has itself, ``map`` or ``repeat``; empty for
            neither.
        repeat: as in ``StepSpec``.
        borne: what follows for the run when it fails, where the step in whose place its
            pipeline stands says so; empty for ``on_error``.
        feeds: the steps that are run for each entry of its only output as it comes.
        whole: whether anybody but them takes that output.
        cache: as the task declares it; ``refresh`` to compute anew what is kept.
        max_concurrent, rate: as the task declares them.
        limit: its own, with the name filled in; None for none.
        key_reads: the names in the key of that -> where their values come from.
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
    resources: Mapping[str, int] = attrs.field(factory=dict)
    bears: tuple[str, ...] = ()
    retry: RetrySpec | None = None
    on_error: str = "fail"
    default: Mapping[str, Any] = attrs.field(factory=dict)
    handles_failure: bool = False
    when: str = ""
    reads: Mapping[str, Source] = attrs.field(factory=dict)
    map: str = ""
    parallel: int = 100
    repeat: RepeatSpec | None = None
    borne: str = ""
    feeds: tuple[Feed, ...] = ()
    whole: bool = True
    cache: str = ""
    max_concurrent: int = 0
    rate: str = ""
    limit: LimitSpec | None = None
    key_reads: Mapping[str, Source] = attrs.field(factory=dict)
    texts: tuple[str, ...] = ()
    map_of: str = ""

    @property
    def entries(self) -> str:
        """What the entries of the list belong to that it is run for: the list, as a rule.

        Where that is made of elements or iterations, these have the list's name already, and
        the k-th entry need not be the k-th of them: ``map:002``, which no input can be named.
        """
        return f"map:{self.id}" if self.map_of else self.map

    @property
    def sources(self) -> frozenset[str]:
        """The ports and pipeline inputs whose values an attempt needs."""
        every = (*self.inputs.values(), *self.reads.values(), *self.key_reads.values())
        return frozenset(each.port for each in every if each.port)


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
        timeout: seconds for the whole run; None for as long as it takes.
        groups: the id of a step whose place other steps have taken -> the pipeline that they
            are of; theirs begin with that id and a dot.
        fallbacks: entry of the result -> name in it (empty where it is one port) -> the JSON
            that stands there for an output that its step did not give; None in a run that was
            submitted before that was kept.
    """

    name: str
    inputs: Mapping[str, Mapping[str, Any]]
    optional: tuple[str, ...]
    schemas: Mapping[str, Mapping[str, Any]]
    steps: tuple[GraphStep, ...]
    result: Mapping[str, str | ResultSpec]
    timeout: float | None = None
    groups: Mapping[str, str] = attrs.field(factory=dict)
    fallbacks: Mapping[str, Mapping[str, Any]] | None = None

    def step(self, step_id: str) -> GraphStep:
        """The step of that id.

        Raises:
            KeyError: there is none.
        """
        for each in self.steps:
            if each.id == step_id:
                return each
        raise KeyError(step_id)


def refreshed(graph: Graph, wanted: Callable[[str], bool] = lambda _: True) -> Graph:
    """A graph whose steps take nothing from the cache; what they make replaces what is there.

    Arguments:
        graph: as it was compiled.
        wanted: whether that holds for the step of an id; the others stay as they are.
    """
    steps = tuple(
        attrs.evolve(each, cache=REFRESH) if each.cache and wanted(each.id) else each
        for each in graph.steps
    )
    return attrs.evolve(graph, steps=steps)


def input_port(step_id: str, field: str) -> str:
    """The id of an input port: ``input_001_image``."""
    return f"input_{step_id}_{field}"


def element_port(port: str, index: int) -> str:
    """What belongs to one element of a list: ``output_001_faces_array[3]``."""
    return f"{port}[{index}]"


def is_element(port: str) -> bool:
    """Whether a port is that of one element."""
    return port.endswith("]")


def element_step(step: GraphStep, index: int) -> GraphStep:
    """What is run for one element of a step that is run for each."""

    def of_element(sources: Mapping[str, Source]) -> dict[str, Source]:
        own = Source(element_port(step.entries, index))
        return {name: own if each.port == step.map else each for name, each in sources.items()}

    inputs, keys = of_element(step.inputs), of_element(step.key_reads)
    return attrs.evolve(step, inputs=inputs, key_reads=keys, when="", reads={}, map="", map_of="")


def iteration_step(step: GraphStep, index: int, last: int | None) -> GraphStep:
    """What is run one more time for a step that is run again and again.

    Arguments:
        step: the step.
        index: how many times it was run before.
        last: the last of those times that gave outputs; None for none.
    """
    plain = attrs.evolve(step, when="", reads={})
    if step.repeat is None or index == 0:
        return plain
    fed: dict[str, Source] = {}
    for target, source in step.repeat.feed.items():
        field, output = port_field(step.id, target), port_field(step.id, source)
        if step.on_error == "default" and last != index - 1:
            fed[field] = Source(constant=step.default[output])
        elif last is not None:
            fed[field] = Source(element_port(source, last))
    return attrs.evolve(plain, inputs={**step.inputs, **fed})


def port_field(step_id: str, port: str) -> str:
    """The field in the id of a port of a step."""
    return port.split("_", 1)[-1].removeprefix(f"{step_id}_")


def until_port(step_id: str) -> str:
    """Where it is recorded whether a step need not be run again: ``until_001``."""
    return f"until_{step_id}"


def inner_step(outer: str, inner: str) -> str:
    """The id of a step of a pipeline that stands in the place of a step: ``002.001``."""
    return f"{outer}.{inner}"


def group_of(step_id: str) -> str:
    """The step in whose place a step stands: ``002`` of ``002.001``; empty for none."""
    return step_id.rpartition(".")[0]


def condition_port(step_id: str) -> str:
    """Where it is recorded whether the condition of a step held: ``when_001``."""
    return f"when_{step_id}"


def output_port(step_id: str, field: str) -> str:
    """The id of an output port: ``output_001_faces_array``."""
    return f"output_{step_id}_{field}"
