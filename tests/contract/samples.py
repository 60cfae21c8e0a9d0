"""Small runs, task versions and values for the contract tests."""

from collections.abc import Collection, Mapping
from typing import Any

import attrs

from taskmgr_core.documents import canonical, digest_of
from taskmgr_core.orchestrator.engine import decide
from taskmgr_core.specs import (
    Claim,
    Edge,
    FieldSpec,
    FieldValue,
    Graph,
    GraphStep,
    Outcome,
    PipelineSpec,
    ReadyStep,
    Release,
    Run,
    Source,
    Step,
    StepSpec,
    StoredFile,
    TaskSpec,
    TaskVersion,
    Worker,
    input_port,
    output_port,
)
from taskmgr_core.specs.resources import NO_RESOURCES
from taskmgr_core.stores.metadata import MetadataStore
from taskmgr_core.stores.progress import Progress

# Where the tests' time begins; they say themselves what time it is.
NOW = 1_800_000_000.0


def silent(metadata: MetadataStore, since: float) -> dict[str, float]:
    """The workers that have not beaten since then, as one who watches them would say."""
    beats = dict.fromkeys(metadata.holders(), 0.0)
    beats.update({each.id: each.heartbeat for each in metadata.workers()})
    return {worker: beat for worker, beat in beats.items() if beat < since}


def run_id(number: int) -> str:
    """Sortable ids, all different in their last eight characters."""
    return f"0197{number:04x}-0000-7000-8000-0000{number:08x}"


def graph_step(
    step_id: str = "001",
    after: Collection[str] = (),
    *,
    queue: str = "default",
    priority: int = 5,
    task: str = "echo",
    resources: Mapping[str, int] = NO_RESOURCES,
) -> GraphStep:
    """A step that takes the text of the steps before it, or the run's ``text``."""
    ports = [output_port(each, "said") for each in after] or ["text"]
    return GraphStep(
        id=step_id,
        task=task,
        version="1.0",
        queue=queue,
        priority=priority,
        timeout=60.0,
        memory_mb=512,
        retries=0,
        inputs={f"text_{number}": Source(port) for number, port in enumerate(ports)},
        outputs=("said",),
        after=tuple(after),
        resources=dict(resources),
    )


def graph(*steps: GraphStep, name: str = "sample") -> Graph:
    """A compiled pipeline of these steps."""
    text = {"type": "string"}
    schemas = {"text": text}
    for step in steps:
        schemas |= {input_port(step.id, field): text for field in step.inputs}
        schemas |= {output_port(step.id, field): text for field in step.outputs}
    return Graph(
        name=name,
        inputs={"text": text},
        optional=(),
        schemas=schemas,
        steps=steps,
        result={"said": output_port(steps[-1].id, "said")},
    )


def value(port: str, document: Any, producer: str = "", **more: Any) -> FieldValue:
    """A recorded value."""
    content = canonical(document)
    return FieldValue(port, digest_of(content), len(content), "string", producer, document, **more)


def alias(port: str, of: FieldValue) -> FieldValue:
    """The same value on another port."""
    return attrs.evolve(of, port=port, source=of.port)


def created(
    metadata: MetadataStore,
    *steps: GraphStep,
    number: int = 1,
    name: str = "sample",
    now: float = NOW,
    values: Collection[FieldValue] = (),
) -> Run:
    """Record a run; its steps without sources are ready since ``now``."""
    used = steps or (graph_step(),)
    run = Run(run_id(number), name, "pipeline", graph(*used, name=name), "running", now)
    metadata.create_run(run, [first_step(run, each, now) for each in used], [*values])
    return run


def first_step(run: Run, step: GraphStep, now: float) -> Step:
    """A step as a new run has it."""
    return Step(
        run=run.id,
        id=step.id,
        task=step.task,
        version=step.version,
        queue=step.queue,
        priority=step.priority,
        status="pending" if step.after else "ready",
        ready_at=None if step.after else now,
        resources=step.resources,
    )


def claimed(metadata: MetadataStore, worker: str = "w1", now: float = NOW) -> Claim:
    """Claim what is due; there must be something."""
    claim = metadata.claim(worker, (), now)
    assert claim is not None, "nothing is due"
    return claim


def success(claim: Claim, said: Any = "done") -> Outcome:
    """A step that worked: its inputs repeated, one output, the edges between them."""
    step = claim.graph_step
    inputs = [
        alias(input_port(step.id, field), claim.values[source.port])
        for field, source in step.inputs.items()
        if source.port in claim.values
    ]
    output = value(output_port(step.id, "said"), said, step.id)
    edges = [Edge(each.source, each.port) for each in inputs]
    edges += [Edge(each.port, output.port) for each in inputs]
    return Outcome("succeeded", (*inputs, output), tuple(edges), {"compute": 0.5})


def finished(
    metadata: MetadataStore, claim: Claim, outcome: Outcome | None = None, now: float = NOW
) -> Progress:
    """Record an outcome, by default a success."""
    return metadata.finish(claim, outcome or success(claim), decide, now)


def beaten(metadata: MetadataStore, worker: str, now: float = NOW) -> Worker:
    """Record a beat."""
    living = Worker(worker, "host", 1, 2, (), NOW, now)
    metadata.beat(living)
    return living


def ready(run: str, step: str = "001", queue: str = "default") -> ReadyStep:
    """A step as a queue has to know it."""
    return ReadyStep(run, step, "echo", queue, 5, NOW)


def status_of(metadata: MetadataStore, run: Run) -> dict[str, str]:
    """The status of the run, under ``run``, and of each step."""
    steps: dict[str, str] = {each.id: each.status for each in metadata.steps(run.id)}
    return steps | {"run": metadata.run(run.id).status}


def digest(letter: str) -> str:
    """A digest that is easily told from others."""
    return digest_of(letter.encode())


def task_version(
    task: str = "echo",
    version: str = "1.0",
    distribution: str = "taskmgr-echo",
    *,
    wheel: str = "wheel",
    lock: str = "lock",
    model: str = "model",
    sdk: str = "sdk",
) -> TaskVersion:
    """A published version of a task."""
    field = FieldSpec("text", {"type": "string"})
    release = Release(
        distribution=distribution,
        version=version,
        wheel=StoredFile("echo.whl", digest(wheel), 10),
        lock=StoredFile("requirements.txt", digest(lock), 20),
        sdk=StoredFile("sdk.whl", digest(sdk), 30),
        models=(StoredFile("weights.onnx", digest(model), 40),),
        python="3.11",
        platform="linux-x86_64",
        published_at="2026-11-22T10:00:00+00:00",
    )
    return TaskVersion(TaskSpec(task, (field,), (attrs.evolve(field, name="said"),)), release)


def pipeline_spec(name: str = "greeting", description: str = "") -> PipelineSpec:
    """A pipeline of one step."""
    step = StepSpec("001", "echo", {"input_001_text": "text"})
    return PipelineSpec(name, {"text": "string"}, (step,), description=description)
