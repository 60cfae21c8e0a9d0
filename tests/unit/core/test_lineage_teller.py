"""The hook plugin of OpenLineage, with a real store and the official client writing a file."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import attrs
import pytest
from openlineage.client.client import OpenLineageClient
from openlineage.client.transport.file import FileConfig, FileTransport
from test_lineage_events import GRAPH, NOW, RUN, detail

from lineage_schemas import checked
from taskmgr_core.hooks import Hooks
from taskmgr_core.lineage_events.plugin import LineageTeller
from taskmgr_core.specs import Step
from taskmgr_core.stores.sqlite import SqliteMetadata
from taskmgr_plugins.events import RunEnded, RunStarted, StepEnded, StepStarted


@attrs.define
class Told:
    """A plugin behind hooks, and the file that it writes."""

    hooks: Hooks
    path: Path

    def end(self, *events: tuple[str, object]) -> list[Any]:
        """What is written after some hooks were told, in order."""
        for hook, event in events:
            self.hooks.tell(hook, lambda event=event: event)  # type: ignore[misc]
        self.hooks.close()
        lines = self.path.read_text().splitlines() if self.path.exists() else []
        return checked(lines)


@pytest.fixture
def told(tmp_path: Path) -> Iterator[Told]:
    """A platform with one recorded run."""
    metadata = SqliteMetadata(tmp_path / "metadata.sqlite3")
    metadata.initialize()
    found = detail()
    run = attrs.evolve(found.run, status="running", finished_at=None)
    steps = [Step(RUN, each.id, each.task, "1.0", "default", 5, "pending") for each in GRAPH.steps]
    metadata.create_run(run, steps, found.values, found.edges)
    path = tmp_path / "events"
    client = OpenLineageClient(transport=FileTransport(FileConfig(str(path), append=True)))
    hooks = Hooks(own={"openlineage": lambda: LineageTeller(metadata, "lab", client)}, group=None)
    yield Told(hooks, path)
    hooks.close()
    metadata.close()


def began(step: str, attempt: int = 1) -> tuple[str, StepStarted]:
    """An attempt begins."""
    return "taskmgr_step_started", StepStarted(RUN, step, "say", "1.0", attempt, "w", NOW)


def ended(step: str, status: Any, attempt: int = 1, **more: Any) -> tuple[str, StepEnded]:
    """An attempt has ended."""
    event = StepEnded(RUN, step, "say", "1.0", attempt, "w", status, NOW + 1, **more)
    return "taskmgr_step_ended", event


def test_step_is_one_run_whatever_its_attempts(told: Told) -> None:
    """A failed attempt is an event of a run that goes on."""
    events = told.end(
        began("002"),
        ended("002", "ready", failure="timeout", message="slow"),
        began("002", 2),
        ended("002", "succeeded", 2),
    )
    assert [each["eventType"] for each in events] == ["START", "RUNNING", "COMPLETE"]
    assert len({each["run"]["runId"] for each in events}) == 1
    assert events[1]["run"]["facets"]["errorMessage"]["message"] == "timeout: slow"


def test_run_is_told_with_what_it_was_given_and_made(told: Told) -> None:
    """From its beginning to its end."""
    events = told.end(
        ("taskmgr_run_started", RunStarted(RUN, "talk", "pipeline", NOW)),
        ("taskmgr_run_ended", RunEnded(RUN, "talk", "pipeline", "succeeded", NOW, NOW + 9)),
    )
    assert [each["eventType"] for each in events] == ["START", "COMPLETE"]
    assert [each["name"] for each in events[0]["inputs"]] == ["talk.inputs"]
    assert events[0]["inputs"] == events[1]["inputs"]
    assert [each["name"] for each in events[1]["outputs"]] == ["talk.002_say"]


def test_elements_are_told_of_with_their_step(told: Told) -> None:
    """There is no event for each element of a list."""
    assert told.end(began("002[3]"), ended("002[3]", "succeeded")) == []


def test_receiver_that_refuses_is_counted(told: Told) -> None:
    """Nothing is raised to anybody, and the state of the plugin says what was wrong."""
    told.path.mkdir()
    told.hooks.tell(*(began("002")[0], lambda: began("002")[1]))
    told.hooks.close()
    (state,) = told.hooks.states()
    assert (state.state, state.failed) == ("failing", 1)
    assert "Is a directory" in state.message
    told.path.rmdir()
