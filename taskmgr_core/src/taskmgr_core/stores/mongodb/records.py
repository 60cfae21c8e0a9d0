"""Run documents: what is in one, and how the models come out of it. Pure.

A run is one document: its graph, the state of its steps, the values of its ports
and its edges. What belongs together changes together, by one conditional update,
so that no transaction over several documents is needed::

    _id, short, name, kind, status, created_at, finished_at, cancel_requested, failure
    graph           the compiled graph, as JSON text
    order, after    the steps in order; step -> the steps it waits for
    plan.<step>     the step of the graph, as JSON text
    rules.<step>    what the engine has to know of it beyond ``after``; of plain ones nothing
    state.<step>    task, version, queue, priority, resources, status, attempt, worker, ...
                    (a dot in the id of a step is written %2E where it is the name of a field)
    values.<port>   the recorded value
    edges           [source, target] pairs
    digests         of all values and of the files inside them, each with its role
    uses            the versions of tasks that its steps run
    running         {worker, step} of the steps that are held
    look_at         when somebody has to look after the run; absent when nobody has to
    time_limit      the seconds that it has; absent where that is as long as it takes
    deadline        when they are over; absent once it has ended or was told so
    expired_at      when it was told so; absent before
    retry_of        the run that it does again in part
    traceparent     the span that its steps belong to; absent where nobody traces it
    held_back       the steps that a limit holds back; see ``waiting``
    whole           that what follows on a failure is decided on all of it; see ``following``
    revision        grows with each change
    expires_at      when the server forgets it

Graph, plan and values are JSON texts: a schema has keys such as ``$ref``, and a
damaged one must not keep the rest from being read.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Mapping
from functools import partial
from types import MappingProxyType
from typing import Any

import attrs

from taskmgr_core import documents
from taskmgr_core.errors import DamagedRecordError
from taskmgr_core.json_text import writer
from taskmgr_core.orchestrator.engine import PLAIN, MapState, Rule, RunState, is_fatal
from taskmgr_core.specs import (
    Edge,
    Failure,
    FieldValue,
    Graph,
    GraphStep,
    NewRun,
    ReadyStep,
    Run,
    RunSummary,
    Step,
    StepTimes,
)
from taskmgr_core.specs.resources import as_text, from_text
from taskmgr_core.stores.metadata import Role, deadline_of, first_look, roles_of
from taskmgr_core.stores.mongodb.database import Document
from taskmgr_core.stores.plans import Plan
from taskmgr_core.stores.records import (
    SUBMIT_AGAIN,
    expiry,
    needs_from,
    remembered,
    rule_from,
    stored,
    stored_json,
)

SHORT = 8
_written = writer(ensure_ascii=False)

# What a claim and a decision need; the graph, the edges and the digests stay where they are.
WORKING = {"graph": 0, "edges": 0, "digests": 0, "uses": 0}
# What a list shows.
LISTED = {"graph": 0, "edges": 0, "digests": 0, "uses": 0, "plan": 0, "values": 0}
# What rates are made from.
TIMES = {
    "order": 1,
    "times": {
        "$map": {
            "input": {"$objectToArray": "$state"},
            "as": "each",
            "in": {
                "step": "$$each.k",
                **{
                    field: f"$$each.v.{field}"
                    for field in (
                        "task",
                        "queue",
                        "status",
                        "ready_at",
                        "started_at",
                        "finished_at",
                    )
                },
            },
        }
    },
}

# Not of the state: what names the step, and what is counted when somebody looks.
_ELSEWHERE = ("run", "id", "failed")
_STEP_FIELDS = tuple(field.name for field in attrs.fields(Step) if field.name not in _ELSEWHERE)
_TEXTS = ("seconds", "failure", "failures", "resources")


def new_run(new: NewRun, plan: Plan) -> Document:
    """The document of a new run, and of the plan that its graph has."""
    run, steps, values, edges = new.run, new.steps, new.values, new.edges
    graph_steps = {each.id: each for each in run.graph.steps}
    document: Document = {
        "_id": run.id,
        "short": run.id[-SHORT:],
        "name": run.name,
        "kind": run.kind,
        "status": run.status,
        "created_at": run.created_at,
        "finished_at": None,
        "cancel_requested": False,
        "failure": None,
        "graph": plan.text,
        "order": [each.id for each in steps],
        "after": {field_of(each.id): list(graph_steps[each.id].after) for each in steps},
        "plan": {field_of(each.id): plan.steps[each.id].text for each in steps},
        "state": {field_of(each.id): _new_state(each) for each in steps},
        "values": {field_of(each.port): value_record(each) for each in values},
        "edges": [[edge.source, edge.target] for edge in edges],
        "digests": sorted(digests_of(values)),
        "uses": uses_of((each.task, each.version) for each in steps),
        "revision": 0,
        "rules": {field_of(step): each.rule for step, each in plan.steps.items() if each.rule},
        "retry_of": run.retry_of,
        "running": [
            {"step": each.id, "worker": each.worker} for each in steps if each.status == "running"
        ],
    }
    if run.traceparent:
        document["traceparent"] = run.traceparent
    if (deadline := deadline_of(run)) is not None:
        document |= {"deadline": deadline, "time_limit": run.graph.timeout}
    look = earliest_look(document)
    # A run with nothing ready was left by a crash: it is looked after like one that waits.
    document["look_at"] = first_look(run.created_at) if look is None else look
    return document


def run_from(document: Document) -> Run:
    """The run of a document.

    Raises:
        DamagedRecordError: its graph is damaged.
    """
    what = f"the stored graph of run {document['_id']}"
    return Run(
        id=document["_id"],
        name=document["name"],
        kind=document["kind"],
        graph=remembered(document["graph"], Graph, what, SUBMIT_AGAIN),
        status=document["status"],
        created_at=document["created_at"],
        finished_at=document["finished_at"],
        cancel_requested=document["cancel_requested"],
        failure=told_failure(document["failure"], f"the stored run {document['_id']}"),
        retry_of=document.get("retry_of", ""),
        traceparent=document.get("traceparent", ""),
    )


def summary_from(document: Document) -> RunSummary:
    """The run as lists show it."""
    counts: dict[str, int] = {}
    for state in document["state"].values():
        counts[state["status"]] = counts.get(state["status"], 0) + 1
    return RunSummary(
        id=document["_id"],
        name=document["name"],
        kind=document["kind"],
        status=document["status"],
        created_at=document["created_at"],
        finished_at=document["finished_at"],
        cancel_requested=document["cancel_requested"],
        failure=told_failure(document["failure"], f"the stored run {document['_id']}"),
        steps=counts,
    )


def step_from(document: Document, step_id: str) -> Step:
    """A step as it is recorded.

    Raises:
        DamagedRecordError: it is damaged.
    """
    state = state_of(document, step_id)
    what = step_name(document, step_id)
    # What came later than the record has its default.
    plain = {name: state[name] for name in _STEP_FIELDS if name not in _TEXTS and name in state}
    return Step(
        run=document["_id"],
        id=step_id,
        seconds=stored(state["seconds"], dict[str, float], what, SUBMIT_AGAIN),
        failure=failure_from(state["failure"], what),
        failures=remembered(state["failures"], tuple[Failure, ...], what, SUBMIT_AGAIN),
        resources=needs_from(state.get("resources", ""), what),
        **plain,
    )


def times_from(document: Document) -> Iterator[StepTimes]:
    """When each step of a run became ready, began and ended, from what ``TIMES`` selects."""
    times = {each["step"]: each for each in document["times"]}
    for step_id in document["order"]:
        step = times[field_of(step_id)]
        began, ended = step["started_at"], step["finished_at"]
        yield StepTimes(
            run=document["_id"],
            task=step["task"],
            queue=step["queue"],
            status=step["status"],
            ready_at=step["ready_at"],
            finished_at=ended,
            seconds=None if began is None or ended is None else ended - began,
        )


def graph_step_from(document: Document, step_id: str) -> GraphStep:
    """What a step runs.

    Raises:
        DamagedRecordError: it is damaged.
    """
    what = step_name(document, step_id)
    return remembered(document["plan"][field_of(step_id)], GraphStep, what, SUBMIT_AGAIN)


def check(document: Document) -> Iterator[DamagedRecordError]:
    """Everything of a whole run document that cannot be read."""
    readings: list[Callable[[], object]] = [
        partial(run_from, document),
        partial(failure_from, document["failure"], f"the stored run {document['_id']}"),
    ]
    for step in document["order"]:
        readings += [partial(step_from, document, step), partial(graph_step_from, document, step)]
    records = document["values"].values()
    readings += [partial(value_from, document["_id"], each) for each in records]
    for read in readings:
        try:
            read()
        except DamagedRecordError as error:
            yield error


def field_of(name: str) -> str:
    """A port or a step as the name of a field, which has neither dots nor dollars."""
    return name.replace("%", "%25").replace(".", "%2E").replace("$", "%24").replace("\0", "%00")


def step_of(field: str) -> str:
    """The step whose id is the name of a field."""
    return field.replace("%2E", ".")


def state_of(document: Document, step_id: str) -> Document:
    """The recorded state of a step."""
    state: Document = document["state"][field_of(step_id)]
    return state


def in_state(step_id: str, name: str) -> str:
    """Where something of the state of a step stands, for queries and updates."""
    return f"state.{field_of(step_id)}.{name}"


def with_status(document: Document, *statuses: str) -> list[str]:
    """The ids of the steps that have one of some statuses."""
    states = document["state"].items()
    return [step_of(field) for field, state in states if state["status"] in statuses]


def step_name(document: Document, step_id: str) -> str:
    """What a step is called in a message."""
    return f"the stored step {step_id} of run {document['_id']}"


def engine_state(
    document: Document, maps: Mapping[str, MapState] = MappingProxyType({})
) -> RunState:
    """What the engine needs to know of a run.

    Arguments:
        document: the run.
        maps: how far each step is that is run for each element of a list.
    """
    return RunState(
        after={step_of(field): tuple(each) for field, each in document["after"].items()},
        steps={step: state_of(document, step)["status"] for step in document["order"]},
        status=document["status"],
        cancel_requested=document["cancel_requested"],
        rules={step: rule_in(document, step) for step in map(step_of, document.get("rules", {}))},
        expired="expired_at" in document,
        maps=maps,
    )


def rule_in(document: Document, step_id: str) -> Rule:
    """The rule of a step; one that cannot be read is the strictest, so that it holds up nothing."""
    try:
        text = document.get("rules", {}).get(field_of(step_id), "")
        return rule_from(text, step_name(document, step_id))
    except DamagedRecordError:
        return PLAIN


def ready_step(document: Document, step_id: str) -> ReadyStep:
    """A step as a queue has to know it."""
    state = state_of(document, step_id)
    return ReadyStep(
        document["_id"],
        step_id,
        state["task"],
        state["queue"],
        state["priority"],
        state["ready_at"],
        from_text(state.get("resources", "")),
    )


def ready_steps(document: Document) -> list[str]:
    """The ids of the steps that are ready, whether or not they are due."""
    return with_status(document, "ready")


def earliest_look(document: Document) -> float | None:
    """When somebody has to look after a step of the run; None when nobody has to."""
    # A step that is run for each element is looked after, too, lest nobody begins the next.
    looks = [
        state["look_at"]
        for state in document["state"].values()
        if state["status"] in ("ready", "mapping", "looping")
    ]
    return min((look for look in looks if look is not None), default=None)


# values


def value_record(value: FieldValue) -> Document:
    """A value as a run document holds it."""
    return {
        "port": value.port,
        "digest": value.digest,
        "size": value.size,
        "type": value.type,
        "producer": value.producer,
        "source": value.source,
        "document": None if value.source else _json(value.document),
        "artifacts": list(value.artifacts),
    }


def value_from(run_id: str, record: Mapping[str, Any]) -> FieldValue:
    """A value of a run document.

    Raises:
        DamagedRecordError: it is damaged.
    """
    what = f"the stored value of {record['port']} in run {run_id}"
    text = record["document"]
    return FieldValue(
        port=record["port"],
        digest=record["digest"],
        size=record["size"],
        type=record["type"],
        producer=record["producer"],
        source=record["source"],
        document=None if text is None else stored_json(text, what, SUBMIT_AGAIN),
        artifacts=tuple(record["artifacts"]),
    )


def values_from(document: Document, ports: Iterable[str] | None = None) -> list[FieldValue]:
    """The values of a run document, of these ports when given."""
    records = document["values"]
    keys = records if ports is None else [field_of(port) for port in ports]
    return [value_from(document["_id"], records[key]) for key in keys if key in records]


def value_changes(values: Iterable[FieldValue]) -> Document:
    """The fields that record values."""
    return {f"values.{field_of(each.port)}": value_record(each) for each in values}


def value_projection(ports: Iterable[str]) -> Document:
    """What to ask for to get the values of these ports."""
    return {f"values.{field_of(port)}": 1 for port in ports} or {"_id": 1}


def digests_of(values: Iterable[FieldValue]) -> set[str]:
    """All digests that values are found by, each with its role."""
    return {role_key(role, digest) for each in values for digest, role in roles_of(each).items()}


def role_key(role: Role, digest: str) -> str:
    """A digest in a role, as a run document lists it."""
    return f"{role} {digest}"


def uses_of(versions: Iterable[tuple[str, str]]) -> list[str]:
    """Versions of tasks, as a run document lists them."""
    return sorted({f"{task} {version}" for task, version in versions})


def edges_from(document: Document) -> list[Edge]:
    """The edges of a run document."""
    return [Edge(source, target) for source, target in document["edges"]]


# failures


def failure_from(text: str | None, what: str) -> Failure | None:
    """A stored failure.

    Raises:
        DamagedRecordError: it is damaged.
    """
    return None if text is None else stored(text, Failure, what, SUBMIT_AGAIN)


def told_failure(text: str | None, what: str) -> Failure | None:
    """A failure as it can be told: when it is damaged, that it is."""
    try:
        return failure_from(text, what)
    except DamagedRecordError as error:
        return damaged(error)


def damaged(error: DamagedRecordError) -> Failure:
    """The failure of a step whose record is damaged."""
    return Failure("damaged-record", str(error))


def run_failure(document: Document) -> str | None:
    """Why a run failed, as JSON text: its time was over, or why a step failed it first."""
    if "expired_at" in document:
        return documents.dumps(expiry(document["time_limit"]))
    failed = [
        (state["finished_at"] or 0.0, step_of(field))
        for field, state in document["state"].items()
        if is_fatal(rule_in(document, step_of(field)), state["status"])
    ]
    if not failed:
        return None
    step = min(failed)[1]
    state = state_of(document, step)
    failure = told_failure(state["failure"], step_name(document, step))
    if failure is None:
        return None
    message = f"step {step} ({state['task']} {state['version']}): {failure.message}"
    return documents.dumps(Failure(failure.code, message))


def _new_state(step: Step) -> Document:
    state = {name: getattr(step, name) for name in _STEP_FIELDS if name not in _TEXTS}
    state |= {"seconds": "{}", "failure": None, "failures": "[]"}
    state["resources"] = as_text(step.resources)
    waits = step.status == "ready" and step.ready_at is not None
    state["look_at"] = first_look(step.ready_at or 0.0) if waits else None
    state["seconds"] = documents.dumps(step.seconds)
    return state


def _json(document: object) -> str:
    return _written(document)
