"""Pipelines written in Python; they become the same ``PipelineSpec`` as a file."""

from __future__ import annotations

import json
from collections.abc import Mapping
from typing import Any

import attrs

from taskmgr_core.errors import TaskmgrError
from taskmgr_core.specs import PipelineSpec, ResultSpec, StepSpec, input_port, output_port
from taskmgr_plugins.schemas import schema_of


class BuilderError(TaskmgrError):
    """A pipeline builder is used in a way that cannot become a pipeline."""


@attrs.frozen(eq=False)
class PortReference:
    """A value in a pipeline that is being built: give it to the inputs of steps.

    Attributes:
        port: a pipeline input's name or the id of a port.
        builder: whose it is.
    """

    port: str
    builder: PipelineBuilder = attrs.field(repr=False)


@attrs.frozen(eq=False)
class StepReference:
    """A step of a pipeline that is being built.

    Attributes:
        id: the step's id.
        task: the name of its task.
        builder: whose it is.
    """

    id: str
    task: str
    builder: PipelineBuilder = attrs.field(repr=False)

    def output(self, field: str) -> PortReference:
        """The value of one of its outputs."""
        return PortReference(output_port(self.id, field), self.builder)

    def input(self, field: str) -> PortReference:
        """Whatever one of its inputs gets."""
        return PortReference(input_port(self.id, field), self.builder)


class PipelineBuilder:
    """Builds a pipeline step by step.

    Whether the tasks are there and the types fit is checked when the pipeline
    is compiled, as for a file.

    Arguments:
        name: the pipeline's name.
        description: one line.
    """

    def __init__(self, name: str, *, description: str = "") -> None:
        self._name = name
        self._description = description
        self._inputs: dict[str, str | Mapping[str, Any]] = {}
        self._steps: dict[str, StepSpec] = {}
        self._result: dict[str, str | ResultSpec] = {}

    def input(self, name: str, type: Any = "any") -> PortReference:  # noqa: A002 - as in a file
        """Declare an input of the pipeline.

        Arguments:
            name: its name.
            type: a type name (``Image``, ``string``, ...), a JSON Schema or a
                Python annotation.

        Raises:
            BuilderError: there is an input of that name.
            TaskDefinitionError: the annotation cannot be passed between tasks.
        """
        if name in self._inputs:
            raise BuilderError(f"the pipeline {self._name!r} has an input {name!r} already")
        given = isinstance(type, str | Mapping)
        self._inputs[name] = type if given else schema_of(type, f"the input {name}")
        return PortReference(name, self)

    def step(
        self,
        task: str,
        /,
        *,
        id: str | None = None,  # noqa: A002 - as in a file
        version: str | None = None,
        inputs: Mapping[str, Any] | None = None,
        **more: Any,
    ) -> StepReference:
        """Add a step.

        Arguments:
            task: the name of a published task.
            id: letters and digits; by default the next of ``001``, ``002``, ...
            version: an exact version; by default the current one.
            inputs: field name -> value, for fields named ``id``, ``version`` or ``inputs``.
            more: the other fields: what ``input``, ``output`` and ``result`` of
                this builder gave, or a constant that JSON can hold.

        Raises:
            BuilderError: the id is taken, a field is given twice, or a value cannot be mapped.
        """
        step_id = self._next_id() if id is None else id
        if step_id in self._steps:
            raise BuilderError(
                f"the id {step_id!r} is taken by the step {self._steps[step_id].task!r}"
            )
        fields = dict(inputs or {})
        for name in fields.keys() & more.keys():
            raise BuilderError(f"step {step_id!r}: the input {name!r} is given twice")
        mapping = {
            input_port(step_id, name): self._reference(value, f"step {step_id!r}, input {name!r}")
            for name, value in {**fields, **more}.items()
        }
        self._steps[step_id] = StepSpec(step_id, task, mapping, version)
        return StepReference(step_id, task, self)

    def result(
        self,
        name: str,
        port: PortReference | None = None,
        *,
        ports: Mapping[str, PortReference] | None = None,
        join: str = "",
        label: str = "",
    ) -> None:
        """Declare an entry of the result: one output port, or ports joined on a key.

        Arguments:
            name: the entry's name.
            port: the output that it is.
            ports: name in each element -> an output that holds an array of objects.
            join: the property that is the key of the objects.
            label: see ``ResultSpec``.

        Raises:
            BuilderError: it is neither, or both, or the name is taken.
        """
        place = f"result {name!r}"
        if name in self._result:
            raise BuilderError(f"the pipeline {self._name!r} has a {place} already")
        if port is not None and not (ports or join or label):
            self._result[name] = self._port(port, place)
        elif port is None and ports and join:
            found = {each: self._port(given, place) for each, given in ports.items()}
            self._result[name] = ResultSpec(ports=found, join=join, label=label)
        else:
            raise BuilderError(
                f"{place}: give one output, or ports={{...}} and join=... for a joined list"
            )

    def build(self) -> PipelineSpec:
        """The pipeline as it is now."""
        return PipelineSpec(
            pipeline=self._name,
            inputs=dict(self._inputs),
            steps=tuple(self._steps.values()),
            result=dict(self._result),
            description=self._description,
        )

    def _next_id(self) -> str:
        number = len(self._steps) + 1
        while f"{number:03}" in self._steps:
            number += 1
        return f"{number:03}"

    def _reference(self, value: Any, place: str) -> str | Mapping[str, Any]:
        if isinstance(value, PortReference | StepReference):
            return self._port(value, place)
        try:
            constant = json.loads(json.dumps(value, allow_nan=False))
        except (TypeError, ValueError) as error:
            raise BuilderError(
                f"{place}: {value!r} is neither an input or output of this pipeline nor a "
                f"constant that JSON can hold ({error})"
            ) from error
        return {"value": constant}

    def _port(self, value: Any, place: str) -> str:
        if isinstance(value, StepReference):
            raise BuilderError(
                f"{place}: the step {value.id!r} ({value.task}) has outputs of its own; "
                f"name one, as .output('...')"
            )
        if not isinstance(value, PortReference):
            raise BuilderError(f"{place}: {value!r} is no output; give step.output('...')")
        if value.builder is not self:
            raise BuilderError(f"{place}: {value.port!r} belongs to another pipeline builder")
        return value.port
