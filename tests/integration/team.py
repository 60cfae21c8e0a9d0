"""Small runs for the tests of many machines."""

from __future__ import annotations

import time
from collections.abc import Mapping, Sequence

import attrs
import uuid_utils

from taskmgr_core.specs import Graph, GraphStep, ReadyStep, Run, Step, as_ready
from taskmgr_core.specs.resources import NO_RESOURCES
from taskmgr_core.stores.metadata import MetadataStore


def recorded_run(
    metadata: MetadataStore,
    queue: str = "default",
    task: str = "echo",
    resources: Mapping[str, int] = NO_RESOURCES,
    priority: int = 5,
) -> ReadyStep:
    """Record a run of one step that is ready now; its step, announced to nobody."""
    now = time.time()
    graph_step = GraphStep(
        id="001",
        task=task,
        version="1.0",
        queue=queue,
        priority=priority,
        timeout=60.0,
        memory_mb=512,
        retries=0,
        inputs={},
        outputs=(),
        after=(),
        resources=resources,
    )
    graph = Graph("echo", {}, (), {}, (graph_step,), {})
    run = Run(str(uuid_utils.uuid7()), "echo", "task", graph, "running", now)
    step = Step(
        run.id, "001", task, "1.0", queue, priority, "ready", ready_at=now, resources=resources
    )
    metadata.create_run(run, [step], [])
    return as_ready(step, now)


def recorded_chain(
    metadata: MetadataStore, needs: Sequence[Mapping[str, int]], *, fans_out: bool = False
) -> ReadyStep:
    """Record a run of steps of which each waits for the one before; the first, announced to nobody.

    Arguments:
        metadata: where.
        needs: the resources of each step.
        fans_out: whether all others wait for the first one alone.
    """
    now = time.time()
    ids = [f"{number + 1:03}" for number in range(len(needs))]
    steps = tuple(
        GraphStep(
            id=each,
            task="echo",
            version="1.0",
            queue="default",
            priority=5,
            timeout=60.0,
            memory_mb=512,
            retries=0,
            inputs={},
            outputs=(),
            after=tuple(ids[: min(number, 1)] if fans_out else ids[:number][-1:]),
            resources=needs[number],
        )
        for number, each in enumerate(ids)
    )
    graph = Graph("chain", {}, (), {}, steps, {})
    run = Run(str(uuid_utils.uuid7()), "chain", "pipeline", graph, "running", now)
    first = attrs.evolve(_first(run.id, steps[0]), status="ready", ready_at=now)
    metadata.create_run(run, [first, *(_first(run.id, each) for each in steps[1:])], [])
    return as_ready(first, now)


def _first(run: str, step: GraphStep) -> Step:
    return Step(
        run,
        step.id,
        step.task,
        step.version,
        step.queue,
        step.priority,
        "pending",
        resources=step.resources,
    )
