"""Pipelines as written, and the graphs that they are compiled to."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import attrs

SUMMARY_ENTRY = "processing_summary"
"""The entry that the result of every pipeline has beside those it declares."""


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
        queue, priority, timeout, memory_mb, retries, resources: as the task declares them.
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
    resources: Mapping[str, int] = attrs.field(factory=dict)


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
