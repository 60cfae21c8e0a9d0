"""Pipelines as classes that name their tasks; fields are connected by their names.

They become the same graph as a file or a ``PipelineBuilder``, and are checked the same.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from typing import Any, Protocol

import attrs

from taskmgr_core.builder import BuilderError, PipelineBuilder, PortReference, StepReference
from taskmgr_core.errors import RunnerError
from taskmgr_core.orchestrator.assembling import Versions
from taskmgr_core.specs import PipelineSpec, RunDetail, TaskSpec

Ports = Mapping[str, PortReference]


class Runs(Protocol):
    """What runs pipelines; a ``Client`` is one."""

    @property
    def metadata(self) -> Any:
        """Where tasks are looked up."""

    def run(self, what: PipelineSpec, inputs: Mapping[str, Any]) -> RunDetail:
        """Run a pipeline to its end."""


@attrs.define
class _Wiring:
    """What has been connected so far: the values by name, and what came last."""

    builder: PipelineBuilder
    versions: Versions
    known: dict[str, PortReference] = attrs.field(factory=dict)
    last: Ports = attrs.field(factory=dict)

    def add(self, name: str, configure: Callable[[StepReference], None]) -> Ports:
        """Add a step of a task; its outputs by name."""
        task = self._task(name)
        step = self.builder.step(name, inputs=dict(self._inputs(task)))
        configure(step)
        return {each.name: step.output(each.name) for each in task.outputs}

    def _inputs(self, task: TaskSpec) -> Iterator[tuple[str, PortReference]]:
        unknown = [each for each in task.inputs if each.required and each.name not in self.known]
        for field in task.inputs:
            if field.name in self.known:
                yield field.name, self.known[field.name]
            elif unknown == [field] and len(self.last) == 1:
                yield field.name, next(iter(self.last.values()))
            elif field.required:
                # Nobody gives it: whoever runs the pipeline does.
                self.known[field.name] = self.builder.input(field.name, field.schema)
                yield field.name, self.known[field.name]

    def _task(self, name: str) -> TaskSpec:
        if callable(self.versions):
            return self.versions(name, None).task
        return self.versions[name].task


class SimplePipeline(Protocol):
    """A sequential or a parallel pipeline."""

    def get_tasks(self) -> Sequence[str | SimplePipeline]:
        """The names of its tasks, or pipelines of their own."""

    def connect(self, wiring: Any) -> Ports:
        """Add its steps; what comes out, by the name of its entry in the result."""

    def results(self, result: Mapping[str, Any]) -> Any:
        """What becomes of the entries of the result."""


class SequentialPipeline:
    """Tasks one after the other.

    An input of a task gets the value of the same name that came last: of an earlier task, or of
    the pipeline. One that nobody gives gets the only output of the task before, and otherwise
    becomes an input of the pipeline. The result is what the last task gives.
    """

    name: str = ""
    description: str = ""

    def get_tasks(self) -> Sequence[str | SimplePipeline]:
        """The names of the tasks in their order; a pipeline may stand in the place of one."""
        raise NotImplementedError

    def configure(self, step: StepReference) -> None:
        """Say more of a step than its task: ``when``, ``retry``, ``repeat`` and all else.

        Arguments:
            step: as it was just added; ``step.task`` is the name of its task.
        """

    def build(self, versions: Versions) -> PipelineSpec:
        """The pipeline as a file would have it; see ``build``."""
        return build(self, self.name, self.description, versions)

    def run(self, client: Runs, inputs: Mapping[str, Any]) -> Any:
        """Run it, and give its result; see ``run``."""
        return run(self, self.build(client.metadata.version), client, inputs)

    def connect(self, wiring: _Wiring) -> Ports:
        """Add its steps, one after the other."""
        for each in _tasks_of(self):
            if isinstance(each, str):
                wiring.last = wiring.add(each, self.configure)
                wiring.known.update(wiring.last)
            else:
                wiring.last = each.connect(wiring)
        return wiring.last

    def results(self, result: Mapping[str, Any]) -> Any:
        """The outputs of the last task by name; what a pipeline in its place makes of them."""
        last = _tasks_of(self)[-1]
        return dict(result) if isinstance(last, str) else last.results(result)


class ParallelPipeline:
    """Tasks side by side on the same values, which are connected as in a ``SequentialPipeline``.

    The result has an entry for each output, called ``<task>_<output>``.
    """

    name: str = ""
    description: str = ""

    def get_tasks(self) -> Sequence[str | SimplePipeline]:
        """The names of the tasks, each once."""
        raise NotImplementedError

    def process_parallel_results(self, results: Mapping[str, Mapping[str, Any]]) -> Any:
        """Make one result of those of the tasks, in the process that runs the pipeline.

        What is to be recorded, with its lineage, belongs into a task behind the pipeline.

        Arguments:
            results: task -> output -> value.
        """
        return results

    def configure(self, step: StepReference) -> None:
        """Say more of a step than its task: ``when``, ``retry``, ``repeat`` and all else.

        Arguments:
            step: as it was just added; ``step.task`` is the name of its task.
        """

    def build(self, versions: Versions) -> PipelineSpec:
        """The pipeline as a file would have it; see ``build``."""
        return build(self, self.name, self.description, versions)

    def run(self, client: Runs, inputs: Mapping[str, Any]) -> Any:
        """Run it, and give its processed result; see ``run``."""
        return run(self, self.build(client.metadata.version), client, inputs)

    def connect(self, wiring: _Wiring) -> Ports:
        """Add its steps; none of them sees what another gives."""
        found: dict[str, PortReference] = {}
        given: dict[str, PortReference] = {}
        for task in self._names():
            outputs = wiring.add(task, self.configure)
            given.update(outputs)
            found.update({_entry(task, field): port for field, port in outputs.items()})
        wiring.known.update(given)
        wiring.last = given
        return found

    def results(self, result: Mapping[str, Any]) -> Any:
        """What ``process_parallel_results`` makes of the results."""
        names = self._names()
        by_task: dict[str, dict[str, Any]] = {task: {} for task in names}
        for entry, value in result.items():
            # Of two tasks one of which begins like the other, the longer name is meant.
            task = max((each for each in names if entry.startswith(_entry(each, ""))), key=len)
            by_task[task][entry.removeprefix(_entry(task, ""))] = value
        return self.process_parallel_results(by_task)

    def _names(self) -> list[str]:
        names = [each for each in _tasks_of(self) if isinstance(each, str)]
        if len(names) < len(_tasks_of(self)) or len(set(names)) < len(names):
            raise BuilderError(
                f"{type(self).__name__}: get_tasks has to name tasks, each once; a pipeline in the "
                f"place of one is for a SequentialPipeline, or use PipelineBuilder"
            )
        return names


def build(
    pipeline: SimplePipeline, name: str, description: str, versions: Versions
) -> PipelineSpec:
    """The pipeline as a file would have it.

    Arguments:
        pipeline: what names the tasks.
        name: of the pipeline; that of the class where it is empty.
        description: one line.
        versions: the published tasks, as ``client.metadata.version``.

    Raises:
        BuilderError: it names no tasks.
        NotFoundError: a task is not published.
    """
    name = name or type(pipeline).__name__
    builder = PipelineBuilder(name, description=description)
    for entry, port in pipeline.connect(_Wiring(builder, versions)).items():
        builder.result(entry, port)
    return builder.build()


def run(
    pipeline: SimplePipeline, spec: PipelineSpec, client: Runs, inputs: Mapping[str, Any]
) -> Any:
    """Run a pipeline and give what it makes of the result.

    Raises:
        RunnerError: the run failed, or was cancelled.
    """
    detail = client.run(spec, inputs)
    if detail.result is None:
        failure = detail.run.failure
        reason = f": {failure.message}" if failure else f" {detail.problem}".rstrip()
        code = failure.code if failure else detail.run.status
        raise RunnerError(f"run {detail.run.id} {detail.run.status}{reason}", code)
    return pipeline.results({entry: detail.result[entry] for entry in spec.result})


def _tasks_of(pipeline: SimplePipeline) -> Sequence[str | SimplePipeline]:
    tasks = pipeline.get_tasks()
    if isinstance(tasks, str) or not tasks:
        raise BuilderError(
            f"{type(pipeline).__name__}: get_tasks gives {tasks!r}, and has to give a list of the "
            f"names of tasks"
        )
    return tasks


def _entry(task: str, field: str) -> str:
    return f"{task}_{field}"
