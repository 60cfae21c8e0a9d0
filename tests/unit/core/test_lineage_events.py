"""Events of OpenLineage, which meet the schemas of the specification."""

from __future__ import annotations

import uuid
from collections.abc import Callable
from typing import Any

import attrs
import pytest
from openlineage.client.event_v2 import RunEvent
from openlineage.client.serde import Serde

from lineage_schemas import checked, faults
from taskmgr_core.documents import canonical, digest_of
from taskmgr_core.lineage_events.datasets import field_of
from taskmgr_core.lineage_events.events import step_run_id
from taskmgr_core.lineage_events.export import as_lines, exported
from taskmgr_core.specs import (
    Edge,
    Failure,
    FieldValue,
    Graph,
    GraphStep,
    Run,
    RunDetail,
    RunStatus,
    Source,
    Step,
    condition_port,
    input_port,
    output_port,
)
from taskmgr_plugins.schemas import schema_of

RUN = "01a21732-74f1-77fe-9218-f4a8dc613165"
NOW = 1_800_000_000.0
TEXT = {"type": "string"}


def step(step_id: str, task: str, **inputs: Source) -> GraphStep:
    """A step with one output."""
    when = "text != ''" if step_id == "002" else ""
    return GraphStep(
        step_id, task, "1.0", "default", 5, 60.0, 512, 0, inputs, ("said",), (), when=when
    )


GRAPH = Graph(
    name="talk",
    inputs={"text": TEXT, "tone": TEXT},
    optional=(),
    schemas={
        "text": TEXT,
        "tone": TEXT,
        **{output_port(each, "said"): TEXT for each in ("001", "002")},
        **{input_port("001", each): TEXT for each in ("text",)},
        **{input_port("002", each): TEXT for each in ("said", "tone", "mark")},
    },
    steps=(
        step("001", "clean", text=Source("text")),
        step(
            "002",
            "say",
            said=Source(output_port("001", "said")),
            tone=Source("tone"),
            mark=Source(constant="!"),
        ),
    ),
    result={"said": output_port("002", "said")},
)
EDGES = (
    Edge("text", "input_001_text"),
    Edge("input_001_text", "output_001_said"),
    Edge("output_001_said", "input_002_said"),
    Edge("tone", "input_002_tone"),
    Edge("text", condition_port("002")),
    *(Edge(f"input_002_{each}", "output_002_said") for each in ("said", "tone", "mark")),
)


def value(port: str, document: Any) -> FieldValue:
    """A recorded value."""
    content = canonical(document)
    return FieldValue(port, digest_of(content), len(content), "string", "", document)


def detail(status: RunStatus = "succeeded", failure: Failure | None = None) -> RunDetail:
    """A run whose second step ended so."""
    run = Run(RUN, "talk", "pipeline", GRAPH, status, NOW, NOW + 9, failure=failure)
    times = {"started_at": NOW + 1, "finished_at": NOW + 2, "attempt": 1}
    first = Step(RUN, "001", "clean", "1.0", "default", 5, "succeeded", **times)  # type: ignore[arg-type]
    ended = "succeeded" if status == "succeeded" else status
    second = attrs.evolve(
        first, id="002", task="say", started_at=NOW + 3, finished_at=NOW + 4, status=ended,
        failure=failure,
    )  # fmt: skip
    values = [value("text", "hi"), value("tone", "loud"), value("output_001_said", "hi")]
    if status == "succeeded":
        values.append(value("output_002_said", "HI!"))
    return RunDetail(run, (first, second), tuple(values), EDGES, None)


def lines(of: RunDetail) -> list[Any]:
    """The events of a run as they are written, each found to meet the specification."""
    return checked(as_lines(exported(of, "lab")).splitlines())


def of_job(events: list[Any], name: str, kind: str) -> Any:
    """The one event of a job of a kind."""
    (found,) = (e for e in events if (e["job"]["name"], e["eventType"]) == (name, kind))
    return found


def fields(dataset: Any) -> dict[str, set[tuple[str, str]]]:
    """The lineage of the fields of a dataset: field -> datasets and fields."""
    lineage = dataset["facets"]["columnLineage"]["fields"]
    return {
        name: {(each["name"], each["field"]) for each in of_it["inputFields"]}
        for name, of_it in lineage.items()
    }


def test_run_and_its_steps_begin_and_end_in_order() -> None:
    """Each once; the steps' parent is the run."""
    events = lines(detail())
    assert [(each["eventType"], each["job"]["name"]) for each in events] == [
        ("START", "talk"),
        ("START", "talk.001_clean"),
        ("COMPLETE", "talk.001_clean"),
        ("START", "talk.002_say"),
        ("COMPLETE", "talk.002_say"),
        ("COMPLETE", "talk"),
    ]
    assert {each["job"]["namespace"] for each in events} == {"lab"}
    for each in events[1:5]:
        parent = each["run"]["facets"]["parent"]
        assert (parent["run"]["runId"], parent["job"]["name"]) == (RUN, "talk")
        assert uuid.UUID(each["run"]["runId"]).version == 5
    assert events[1]["run"]["runId"] == events[2]["run"]["runId"] == step_run_id(RUN, "001")
    assert events[1]["run"]["runId"] != events[3]["run"]["runId"]


def test_fields_are_made_from_fields() -> None:
    """Of a step from those it was given, of the run from its inputs; a constant is from nowhere."""
    events = lines(detail())
    (made,) = of_job(events, "talk.002_say", "COMPLETE")["outputs"]
    assert fields(made) == {"said": {("talk.001_clean", "said"), ("talk.inputs", "tone")}}
    (result,) = of_job(events, "talk", "COMPLETE")["outputs"]
    assert fields(result) == {
        "said": {("talk.001_clean", "said"), ("talk.inputs", "text"), ("talk.inputs", "tone")}
    }


def test_condition_is_an_indirect_origin_of_all_fields() -> None:
    """As the specification has it, in the lineage of the whole dataset."""
    (made,) = of_job(lines(detail()), "talk.002_say", "COMPLETE")["outputs"]
    (found,) = made["facets"]["columnLineage"]["dataset"]
    assert (found["name"], found["field"]) == ("talk.inputs", "text")
    assert found["transformations"] == [{"type": "INDIRECT", "subtype": "CONDITIONAL"}]


@pytest.mark.parametrize(("status", "kind"), [("failed", "FAIL"), ("cancelled", "ABORT")])
def test_run_that_did_not_succeed_says_why(status: RunStatus, kind: str) -> None:
    """With the message and the traceback, and without outputs."""
    events = lines(detail(status, Failure("task-error", "it broke", "Traceback ...")))
    for name in ("talk.002_say", "talk"):
        event = of_job(events, name, kind)
        assert event["outputs"] == []
        error = event["run"]["facets"]["errorMessage"]
        assert (error["message"], error["stackTrace"]) == ("task-error: it broke", "Traceback ...")


def test_what_was_never_begun_is_not_told() -> None:
    """Neither its beginning nor its end."""
    found = detail("failed")
    never = attrs.evolve(found.steps[1], status="skipped", started_at=None)
    events = lines(attrs.evolve(found, steps=(found.steps[0], never)))
    assert not [each for each in events if each["job"]["name"] == "talk.002_say"]


def test_equal_values_are_equal_versions_of_a_dataset() -> None:
    """So a receiver sees that two runs were given the same."""
    other = attrs.evolve(detail(), run=attrs.evolve(detail().run, id=str(uuid.uuid4())))
    versions = [
        each["inputs"][0]["facets"]["version"]["datasetVersion"]
        for each in (lines(detail())[0], lines(other)[0])
    ]
    assert versions[0] == versions[1]
    changed = attrs.evolve(detail(), values=(value("text", "ho"), *detail().values[1:]))
    assert lines(changed)[0]["inputs"][0]["facets"]["version"]["datasetVersion"] != versions[0]


@attrs.frozen
class Point:
    """Where something is."""

    x: int
    y: int


@attrs.frozen
class Face:
    """A face."""

    corners: list[Point]
    name: str


def test_fields_of_objects_are_fields_in_fields() -> None:
    """Through lists, with their types and places."""
    found = Serde.to_dict(field_of("faces", schema_of(list[Face])))
    assert (found["name"], found["type"]) == ("faces", "array of Face")
    assert [each["name"] for each in found["fields"]] == ["corners", "name"]
    corners = found["fields"][0]
    assert [(each["name"], each["type"]) for each in corners["fields"]] == [
        ("x", "integer"),
        ("y", "integer"),
    ]


def test_events_are_those_of_the_official_client() -> None:
    """Its own classes, which refuse a time or an id that is none."""
    assert {type(each) for each in exported(detail(), "lab")} == {RunEvent}


def _without_an_id(event: Any) -> None:
    event["run"]["runId"] = "the first"


def _without_a_producer(event: Any) -> None:
    del event["job"]["facets"]["jobType"]["_producer"]


def _of_another_schema(event: Any) -> None:
    event["inputs"][0]["facets"]["schema"]["_schemaURL"] = "https://example.com/schema.json"


def _with_a_name_of_our_own(event: Any) -> None:
    event["run"]["facets"]["taskmgr"] = {"_producer": "urn:x:y", "_schemaURL": "urn:x:z"}


def _with_a_number_for_a_time(event: Any) -> None:
    event["eventTime"] = 1_800_000_000


def _with_an_unknown_kind_of_transformation(event: Any) -> None:
    fields = event["outputs"][0]["facets"]["columnLineage"]["fields"]
    fields["said"]["inputFields"][0]["transformations"][0]["type"] = "SIDEWAYS"


@pytest.mark.parametrize(
    ("breaks", "place"),
    [
        (_without_an_id, "run/runId"),
        (_without_a_producer, "job/facets/jobType"),
        (_of_another_schema, "inputs/0/facets/schema/_schemaURL"),
        (_with_a_name_of_our_own, "run/facets"),
        (_with_a_number_for_a_time, "eventTime"),
        (_with_an_unknown_kind_of_transformation, "outputs/0/facets/columnLineage/fields/said/"),
    ],
)
def test_event_that_breaks_the_specification_is_found(
    breaks: Callable[[Any], None], place: str
) -> None:
    """What the tests of events compare with refuses each, and says where."""
    event = lines(detail())[-1]
    breaks(event)
    (fault,) = faults(event)
    assert fault.startswith(place)
