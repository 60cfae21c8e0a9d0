"""Pipelines written in Python; they become the same ``PipelineSpec`` as a file."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from typing import Any, Self

import attrs

from taskmgr_core.errors import TaskmgrError
from taskmgr_core.specs import (
    FAILURE_PORT,
    LimitSpec,
    PipelineSpec,
    RepeatSpec,
    ResultSpec,
    RetrySpec,
    StepSpec,
    SwitchSpec,
    input_port,
    output_port,
)
from taskmgr_plugins.schemas import schema_of


class BuilderError(TaskmgrError):
    """A pipeline builder is used in a way that cannot become a pipeline."""


@attrs.frozen(eq=False)
class PortReference:
    """A value in a pipeline that is being built: give it to the inputs of steps.

    In a text it is the name of the port, as conditions have it: ``f"{faces} != []"``.

    Attributes:
        port: a pipeline input's name or the id of a port.
        builder: whose it is.
    """

    port: str
    builder: PipelineBuilder = attrs.field(repr=False)

    def __str__(self) -> str:
        return self.port


@attrs.frozen(eq=False)
class StepReference:
    """A step of a pipeline that is being built.

    What a file says of a step beside its inputs has a method each, which gives the step
    itself: ``pipeline.step("read", file=file).retry(3).timeout(20)``.

    Attributes:
        id: the step's id.
        task: the name of its task, or of the pipeline in its place.
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

    def when(self, condition: str) -> Self:
        """Run it only where a condition in CEL holds; see ``StepSpec``."""
        return self._said(when=condition)

    def map(self, port: PortReference, parallel: int = 100) -> Self:
        """Run it for each element of the list on a port; see ``StepSpec``."""
        return self._said(map=self.builder.port(port, "map"), parallel=parallel)

    def repeat(
        self,
        until: str,
        max: int,  # noqa: A002 - as in a file
        feed: Mapping[str, str] | None = None,
        on_max: str = "fail",
    ) -> Self:
        """Run it again and again until a condition holds; see ``RepeatSpec``.

        Arguments:
            until: in CEL over its own ports, as ``f"{step.output('error')} < 0.1"``.
            max: how many times at most.
            feed: the name of an input -> that of the output whose value it gets next time.
            on_max: ``fail`` or ``continue``.
        """
        fed = {
            input_port(self.id, field): output_port(self.id, output)
            for field, output in (feed or {}).items()
        }
        return self._said(repeat=RepeatSpec(until, max, fed, on_max))

    def concurrency(
        self,
        key: str | PortReference | None = None,
        max: int = 0,  # noqa: A002 - as in a file
        rate: str = "",
        name: str = "",
    ) -> Self:
        """Bound how many of its steps run at once or begin in a time, over all runs.

        Arguments:
            key: a port, or an expression in CEL over ports: what is counted apart.
            max, rate, name: see ``LimitSpec``.
        """
        if isinstance(key, PortReference):
            key = self.builder.port(key, "concurrency")
        return self._said(concurrency=LimitSpec(key, max, rate, name))

    def retry(
        self,
        count: int,
        delay: float | None = None,
        factor: float = 2.0,
        max_delay: float = 300.0,
        jitter: float = 0.0,
        on: Sequence[str] = (),
    ) -> Self:
        """Try it again when it fails; see ``RetrySpec``."""
        return self._said(retry=RetrySpec(count, delay, factor, max_delay, jitter, tuple(on)))

    def timeout(self, seconds: float) -> Self:
        """Give an attempt so many seconds."""
        return self._said(timeout=seconds)

    def on_error(self, policy: str) -> Self:
        """Say what follows when it fails: ``fail``, ``continue`` or ``default``."""
        return self._said(on_error=policy)

    def default(self, outputs: Mapping[str, Any]) -> Self:
        """Say what stands for its outputs where it gave none, by their names."""
        place = f"step {self.id!r}, default"
        return self._said(default={name: constant(outputs[name], place) for name in outputs})

    def _said(self, **keys: Any) -> Self:
        self.builder.say(self.id, **keys)
        return self


class PipelineBuilder:
    """Builds a pipeline step by step.

    Whether the tasks are there and the types fit is checked when the pipeline
    is compiled, as for a file.

    Arguments:
        name: the pipeline's name.
        description: one line.
        timeout: seconds for the whole run; None for as long as it takes.
    """

    def __init__(self, name: str, *, description: str = "", timeout: float | None = None) -> None:
        self._name = name
        self._description = description
        self._timeout = timeout
        self._switches: list[SwitchSpec] = []
        self._handler: StepSpec | None = None
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
        step_id = self._free(id)
        mapping = self._mapping(step_id, inputs, more)
        self._steps[step_id] = StepSpec(step_id, task, mapping, version)
        return StepReference(step_id, task, self)

    def subpipeline(
        self,
        pipeline: str,
        /,
        *,
        id: str | None = None,  # noqa: A002 - as in a file
        inputs: Mapping[str, Any] | None = None,
        **more: Any,
    ) -> StepReference:
        """Add a step in whose place the steps of a published pipeline stand.

        Arguments:
            pipeline: its name; the entries of its result are the outputs of the step.
            id, inputs, more: as for ``step``, with the inputs of the pipeline.

        Raises:
            BuilderError: as ``step``.
        """
        step_id = self._free(id)
        mapping = self._mapping(step_id, inputs, more)
        self._steps[step_id] = StepSpec(step_id, inputs=mapping, pipeline=pipeline)
        return StepReference(step_id, pipeline, self)

    def switch(
        self,
        on: str,
        cases: Mapping[str, Sequence[StepReference]],
        otherwise: Sequence[StepReference] = (),
    ) -> None:
        """Run one of several steps only; see ``SwitchSpec``."""
        named = {text: tuple(each.id for each in steps) for text, steps in cases.items()}
        self._switches.append(SwitchSpec(on, named, tuple(each.id for each in otherwise)))

    @property
    def failure(self) -> PortReference:
        """The report on the run that failed, for the step ``on_failure``."""
        return PortReference(FAILURE_PORT, self)

    def on_failure(
        self,
        task: str,
        /,
        *,
        id: str | None = None,  # noqa: A002 - as in a file
        version: str | None = None,
        inputs: Mapping[str, Any] | None = None,
        **more: Any,
    ) -> StepReference:
        """Say what is run when the run fails; arguments and errors are those of ``step``."""
        if self._handler is not None:
            raise BuilderError(f"the pipeline {self._name!r} has a step on_failure already")
        step_id = self._free(id)
        mapping = self._mapping(step_id, inputs, more)
        self._handler = StepSpec(step_id, task, mapping, version)
        return StepReference(step_id, task, self)

    def say(self, step: str, **keys: Any) -> None:
        """Say more of a step.

        Arguments:
            step: its id.
            keys: as ``StepSpec`` has them.
        """
        if self._handler is not None and self._handler.id == step:
            self._handler = attrs.evolve(self._handler, **keys)
        else:
            self._steps[step] = attrs.evolve(self._steps[step], **keys)

    def _free(self, wanted: str | None) -> str:
        """The id that is wanted, or the next one."""
        step_id = self._next_id() if wanted is None else wanted
        taken = self._steps.get(step_id)
        if taken is None and self._handler is not None and self._handler.id == step_id:
            taken = self._handler
        if taken is not None:
            name = taken.task or taken.pipeline
            raise BuilderError(f"the id {step_id!r} is taken by the step {name!r}")
        return step_id

    def _mapping(
        self, step_id: str, inputs: Mapping[str, Any] | None, more: Mapping[str, Any]
    ) -> dict[str, str | Mapping[str, Any]]:
        fields = dict(inputs or {})
        for name in fields.keys() & more.keys():
            raise BuilderError(f"step {step_id!r}: the input {name!r} is given twice")
        return {
            input_port(step_id, name): self._reference(value, f"step {step_id!r}, input {name!r}")
            for name, value in {**fields, **more}.items()
        }

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
            self._result[name] = self.port(port, place)
        elif port is None and ports and join:
            found = {each: self.port(given, place) for each, given in ports.items()}
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
            timeout=self._timeout,
            on_failure=self._handler,
            switch=tuple(self._switches),
        )

    def _next_id(self) -> str:
        number = len(self._steps) + 1
        while f"{number:03}" in self._steps:
            number += 1
        return f"{number:03}"

    def _reference(self, value: Any, place: str) -> str | Mapping[str, Any]:
        if isinstance(value, PortReference | StepReference):
            return self.port(value, place)
        return {"value": constant(value, place)}

    def port(self, value: Any, place: str) -> str:
        """The id of a port of this pipeline.

        Arguments:
            value: what ``input`` or ``output`` gave.
            place: where it is used, for messages.

        Raises:
            BuilderError: it is something else, or another builder's.
        """
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


def constant(value: Any, place: str) -> Any:
    """A constant as JSON has it.

    Raises:
        BuilderError: JSON cannot hold it.
    """
    try:
        return json.loads(json.dumps(value, allow_nan=False))
    except (TypeError, ValueError) as error:
        raise BuilderError(
            f"{place}: {value!r} is neither an input or output of this pipeline nor a "
            f"constant that JSON can hold ({error})"
        ) from error
