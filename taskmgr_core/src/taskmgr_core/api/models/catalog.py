"""Tasks, their versions and pipelines as the REST API says them."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Any, Literal

import attrs

from taskmgr_core import documents
from taskmgr_core.orchestrator.compatibility import type_name
from taskmgr_core.specs import (
    FieldSpec,
    Graph,
    GraphStep,
    PipelineSpec,
    Release,
    TaskVersion,
    input_port,
    output_port,
)


@attrs.frozen
class FieldView:
    """An input or output of a task."""

    name: str
    type: str
    required: bool
    default: Any
    schema: Mapping[str, Any]

    @classmethod
    def of(cls, field: FieldSpec) -> FieldView:
        """As it is declared."""
        return cls(field.name, type_name(field.schema), field.required, field.default, field.schema)


@attrs.frozen
class ModelView:
    """Weights that a task declares."""

    name: str
    sha256: str
    licence: str
    source: str
    version: str = ""


@attrs.frozen
class ReleaseView:
    """What a version was published as."""

    distribution: str
    version: str
    wheel: str
    wheel_digest: str
    wheel_size: int
    lock_digest: str
    python: str
    platform: str
    published_at: str

    @classmethod
    def of(cls, release: Release) -> ReleaseView:
        """As it is recorded."""
        return cls(
            release.distribution,
            release.version,
            release.wheel.name,
            release.wheel.digest,
            release.wheel.size,
            release.lock.digest,
            release.python,
            release.platform,
            release.published_at,
        )


@attrs.frozen
class TaskView:
    """A task: what it takes, what it gives, what it asks for."""

    kind: Literal["task"]
    name: str
    version: str
    versions: tuple[str, ...]
    description: str
    inputs: tuple[FieldView, ...]
    outputs: tuple[FieldView, ...]
    queue: str
    timeout: float
    priority: int
    memory_mb: int
    retries: int
    resources: Mapping[str, int]
    network: bool
    max_batch_size: int
    max_batch_wait_ms: float
    cache: str | None
    max_concurrent: int | None
    rate: str | None
    load_timeout: float
    models: tuple[ModelView, ...]
    release: ReleaseView

    @classmethod
    def of(cls, version: TaskVersion, versions: Iterable[TaskVersion] = ()) -> TaskView:
        """A version of it, and which others there are."""
        task = version.task
        return cls(
            kind="task",
            name=task.name,
            version=version.version,
            versions=tuple(each.version for each in versions) or (version.version,),
            description=task.description,
            inputs=tuple(map(FieldView.of, task.inputs)),
            outputs=tuple(map(FieldView.of, task.outputs)),
            queue=task.queue,
            timeout=task.timeout,
            priority=task.priority,
            memory_mb=task.memory_mb,
            retries=task.retries,
            resources=dict(task.resources),
            network=task.network,
            max_batch_size=task.max_batch_size,
            max_batch_wait_ms=task.max_batch_wait_ms,
            cache=task.cache or None,
            max_concurrent=task.max_concurrent or None,
            rate=task.rate or None,
            load_timeout=task.load_timeout,
            models=tuple(
                ModelView(each.name, each.sha256, each.licence, each.source, each.version)
                for each in task.models
            ),
            release=ReleaseView.of(version.release),
        )


@attrs.frozen
class TaskList:
    """Every task in the version that new runs get."""

    tasks: tuple[TaskView, ...]


@attrs.frozen
class VersionView:
    """A version of a task; ``yanked`` says why new runs never get it."""

    version: str
    published_at: str
    python: str
    yanked: str | None


@attrs.frozen
class VersionList:
    """The versions of a task."""

    task: str
    versions: tuple[VersionView, ...]


@attrs.frozen
class PipelineInputView:
    """An input of a pipeline."""

    name: str
    type: str
    required: bool


@attrs.frozen
class PipelineStepView:
    """A step of a pipeline: which port takes its value from where."""

    id: str
    task: str
    version: str
    queue: str
    resources: Mapping[str, int]
    after: tuple[str, ...]
    inputs: Mapping[str, Any]
    outputs: tuple[str, ...]

    @classmethod
    def of(cls, step: GraphStep) -> PipelineStepView:
        """As it is compiled."""
        return cls(
            step.id,
            step.task,
            step.version,
            step.queue,
            dict(step.resources),
            tuple(step.after),
            {
                input_port(step.id, field): source.port or {"value": source.constant}
                for field, source in step.inputs.items()
            },
            tuple(output_port(step.id, field) for field in step.outputs),
        )


@attrs.frozen
class PipelineView:
    """A pipeline: inputs, steps, which port takes its value from where, the result."""

    kind: Literal["pipeline"]
    name: str
    description: str
    inputs: tuple[PipelineInputView, ...]
    steps: tuple[PipelineStepView, ...]
    result: Mapping[str, Any]

    @classmethod
    def of(cls, graph: Graph, description: str) -> PipelineView:
        """As it is compiled for most runs."""
        return cls(
            "pipeline",
            graph.name,
            description,
            tuple(
                PipelineInputView(name, type_name(schema), name not in graph.optional)
                for name, schema in graph.inputs.items()
            ),
            tuple(map(PipelineStepView.of, graph.steps)),
            documents.unstructure(graph.result),
        )


@attrs.frozen
class PipelineName:
    """A pipeline in a list."""

    name: str
    description: str
    tasks: tuple[str, ...]

    @classmethod
    def of(cls, spec: PipelineSpec) -> PipelineName:
        """As it was written."""
        tasks = dict.fromkeys(each.task for each in spec.steps)
        return cls(spec.pipeline, spec.description, tuple(tasks))


@attrs.frozen
class PipelineList:
    """Every pipeline."""

    pipelines: tuple[PipelineName, ...]
