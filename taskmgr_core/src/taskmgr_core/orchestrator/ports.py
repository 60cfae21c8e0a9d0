"""The ports of one pipeline: which there are and where each value comes from."""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping, Sequence
from typing import Any

import attrs

from taskmgr_core.documents import own
from taskmgr_core.errors import nearest
from taskmgr_core.orchestrator.compatibility import Schema
from taskmgr_core.specs import (
    FieldSpec,
    Graph,
    Source,
    StepSpec,
    TaskSpec,
    TaskVersion,
    input_port,
    output_port,
)

Reference = str | Mapping[str, Any]

_PORT = re.compile(r"(input|output)_([A-Za-z0-9.]+)_(.+)\Z")
# Looking for the nearest of thousands of names takes milliseconds each time.
_MOST_SEARCHES = 20


@attrs.frozen
class PlacedStep:
    """A step of a pipeline file.

    Attributes:
        index: its number in the file, from 0.
        spec: the step as written.
        version: what it runs; None when its task is not known.
        handles_failure: whether it is the step that is run when the run fails.
        inner: the graph of the pipeline that it names; None where it names a task.
        interface: what that pipeline takes and gives.
        switched: whether a switch decides on it.
    """

    index: int
    spec: StepSpec
    version: TaskVersion | None
    handles_failure: bool = False
    inner: Graph | None = None
    interface: TaskSpec | None = None
    switched: bool = False

    @property
    def id(self) -> str:
        """The step's id."""
        return self.spec.id

    @property
    def place(self) -> str:
        """Where it stands, for messages."""
        return "on_failure" if self.handles_failure else f"steps[{self.index}]"

    def input_place(self, port: str) -> str:
        """Where one of its inputs stands."""
        return f"{self.place}.inputs.{port}"

    @property
    def mapping(self) -> Mapping[str, Reference]:
        """Its input ports as mapped in the file."""
        return self.spec.inputs

    @property
    def task(self) -> TaskSpec | None:
        """What its task, or its pipeline, declares; None when that is not known."""
        return self.version.task if self.version else self.interface

    @property
    def runs(self) -> str:
        """The name of its task or pipeline."""
        return self.spec.task or self.spec.pipeline

    @property
    def inputs(self) -> tuple[FieldSpec, ...]:
        """The inputs that its task declares."""
        return self.task.inputs if self.task else ()

    @property
    def outputs(self) -> tuple[FieldSpec, ...]:
        """The outputs that its task declares."""
        return self.task.outputs if self.task else ()

    def inner_fallbacks(self, entry: str) -> Mapping[str, Any]:
        """What its pipeline has in an entry of its result for outputs that were not given.

        Of one that may be left out as a whole the step itself has to say what stands for it.
        """
        if self.inner is None or self.spec.when is not None or self.switched:
            return {}
        return (self.inner.fallbacks or {}).get(entry, {})


def port_step(name: str) -> str | None:
    """The step id in ``input_<id>_<field>`` or ``output_<id>_<field>``; None for other names."""
    found = _PORT.match(name)
    return found[2] if found else None


class Ports:
    """Looks up and resolves the ports of a pipeline.

    Arguments:
        inputs: pipeline input -> its schema, None where that is not known.
        steps: the steps; their ids differ.
        may_have_inputs, may_have_steps: whether there may be further pipeline inputs or
            steps, which cannot be read: what would be theirs is then not missing.

    Attributes:
        alias_cycles: the circles of input ports found while resolving.
    """

    def __init__(
        self,
        inputs: Mapping[str, Schema | None],
        steps: Sequence[PlacedStep],
        *,
        may_have_inputs: bool = False,
        may_have_steps: bool = False,
    ) -> None:
        self._may_have_inputs = may_have_inputs
        self._may_have_steps = may_have_steps
        self.alias_cycles: list[tuple[str, ...]] = []
        self._pipeline_inputs = inputs
        self._steps = {step.id: step for step in steps}
        self._inputs: dict[str, FieldSpec] = {}
        self._outputs: dict[str, Schema] = {}
        self._references: dict[str, Reference] = {}
        self._resolved: dict[str, Source | None] = {}
        self._by_field: dict[str, str] = {}
        self._joined: dict[str, str] = {}
        self._searches = 0
        for step in steps:
            self._add(step)

    def _add(self, step: PlacedStep) -> None:
        self._references.update(step.mapping)
        for name, entry in step.inner.result.items() if step.inner else ():
            if not isinstance(entry, str):
                self._joined[output_port(step.id, name)] = entry.join
        for field in step.inputs:
            self._inputs[input_port(step.id, field.name)] = field
        for field in step.outputs:
            port = output_port(step.id, field.name)
            schema = {"type": "array", "items": field.schema} if step.spec.map else field.schema
            self._outputs[port] = schema
            self._by_field.setdefault(field.name, port)

    @property
    def outputs(self) -> Iterable[str]:
        """Every output port."""
        return self._outputs

    def schemas(self) -> dict[str, Any]:
        """The schema of every pipeline input and port."""
        inputs = {port: field.schema for port, field in self._inputs.items()}
        return {**self._pipeline_inputs, **inputs, **self._outputs}

    def schema(self, port: str) -> Schema | None:
        """The schema of a pipeline input or output port; None where it is not known."""
        return self._outputs.get(port, self._pipeline_inputs.get(port))

    def producer(self, port: str) -> str | None:
        """The step whose output a port is; None for a pipeline input and a constant."""
        return None if port in self._pipeline_inputs else port_step(port)

    def default_of(self, port: str) -> tuple[Any, ...]:
        """What stands for an output port where its step gave none, alone in a tuple."""
        step = self._steps.get(self.producer(port) or "")
        if step is None:
            return ()
        field = port.removeprefix(output_port(step.id, ""))
        if field in step.spec.default:
            # A default of a step that is run for each element is that of an element.
            return ([],) if step.spec.map else (own(step.spec.default[field]),)
        return tuple(own(each) for each in step.inner_fallbacks(field).values())

    def has_step(self, step_id: str) -> bool:
        """Whether it is one of the steps."""
        return step_id in self._steps

    def source(self, port: str) -> Source | None:
        """Where the value of an input port comes from, through any number of input ports.

        Returns:
            None where that cannot be said: a reference is missing or wrong.
        """
        trail: dict[str, None] = {}
        while port not in self._resolved:
            if port in trail:
                self.alias_cycles.append((*list(trail)[list(trail).index(port) :], port))
                found = None
                break
            trail[port] = None
            reference = self._references.get(port)
            if isinstance(reference, str) and self._is_input_port(reference):
                port = reference
                continue
            found = self._default(port) if reference is None else self._direct(reference)
            break
        else:
            found = self._resolved[port]
        self._resolved.update(dict.fromkeys(trail, found))
        return found

    def named(self, name: str) -> Source | None:
        """Where the value comes from that a name stands for; None where it is none of a port."""
        return self.source(name) if self._is_input_port(name) else self._direct(name)

    def problem_of(self, reference: Reference) -> str | None:
        """Why a mapping value is none of those that are allowed; None when it is one."""
        if isinstance(reference, str):
            known = self._is_source(reference) or self._is_input_port(reference)
            return None if known else f"there is no {reference!r}; {self._hint(reference)}"
        wrong = [name for name in reference if name != "value"]
        if wrong:
            return f'{wrong[0]!r} is not allowed; a constant is written {{"value": ...}}'
        return None if "value" in reference else 'a constant is written {"value": ...}'

    def find_output(self, port: str) -> Schema | str | None:
        """The schema of an output port, or why there is no such port.

        Returns:
            None for a port of a step whose task is not known.
        """
        if port in self._outputs:
            return self._outputs[port]
        if self._may_be(port, "output_"):
            return None
        if port in self._pipeline_inputs or self._is_input_port(port):
            return f"{port!r} is an input; a result is made of output ports"
        return f"there is no output {port!r}; {self._hint(port)}"

    def _is_source(self, name: str) -> bool:
        return (
            name in self._pipeline_inputs
            or name in self._outputs
            or self._may_be(name, "output_")
            or (self._may_have_inputs and port_step(name) is None)
        )

    def _is_input_port(self, name: str) -> bool:
        return name in self._inputs or name in self._references or self._may_be(name, "input_")

    def _may_be(self, port: str, prefix: str) -> bool:
        """Whether it may be a port of a step of which not all is known."""
        step_id = port_step(port)
        if step_id is None or not port.startswith(prefix):
            return False
        step = self._steps.get(step_id)
        return self._may_have_steps if step is None else step.task is None

    def _direct(self, reference: Reference) -> Source | None:
        if isinstance(reference, str):
            return Source(port=reference) if self._is_source(reference) else None
        return Source(constant=own(reference["value"])) if "value" in reference else None

    def _default(self, port: str) -> Source | None:
        """An input port that is named by another one and left to its default has that."""
        field = self._inputs.get(port)
        return None if field is None or field.required else Source(constant=field.default)

    def _hint(self, name: str) -> str:
        if name in self._joined:
            return (
                f"it is joined on {self._joined[name]!r} only when a result is read; have the "
                "pipeline give the port that you need as an entry of its own"
            )
        if name in self._by_field:
            return f"did you mean {self._by_field[name]!r}?"
        step_id = port_step(name)
        if step_id in self._steps:
            step = self._steps[step_id]
            inputs = [input_port(step.id, each.name) for each in step.inputs]
            outputs = [output_port(step.id, each.name) for each in step.outputs]
            return nearest(name, outputs if name.startswith("output_") else [*inputs, *outputs])
        self._searches += 1
        if self._searches > _MOST_SEARCHES:
            return "allowed are pipeline inputs and the ports of the steps"
        if step_id is not None:
            return f"there is no step {step_id!r}, {nearest(step_id, self._steps)}"
        return nearest(name, [*self._pipeline_inputs, *self._outputs, *self._inputs])
