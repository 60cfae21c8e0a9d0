"""What a platform tells others: metrics, traces, lineage events and notifications, received."""

from __future__ import annotations

import http.server
import json
import re
import threading
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import attrs
import pytest
from command_line import CommandLine, wait_until
from opentelemetry.proto.collector.trace.v1.trace_service_pb2 import ExportTraceServiceRequest

from lineage_schemas import checked, read_events
from taskmgr_core.notifications.webhook import signature

KEY = "a secret of the test"
# A port at which nobody listens.
AWAY = "http://127.0.0.1:9"


@attrs.define
class Receiver:
    """An HTTP server that keeps what it is sent, by path."""

    url: str
    kept: list[tuple[str, dict[str, str], bytes]] = attrs.field(factory=list)

    def bodies(self, path: str) -> list[bytes]:
        """What came to a path."""
        return [body for at, _, body in self.kept if at == path]

    def spans(self) -> list[Any]:
        """Every span, with the service that it is of."""
        found = []
        for body in self.bodies("/v1/traces"):
            for resource in ExportTraceServiceRequest.FromString(body).resource_spans:
                for scope in resource.scope_spans:
                    found.extend(scope.spans)
        return found


@pytest.fixture
def receiver() -> Iterator[Receiver]:
    """The server."""

    class Handler(http.server.BaseHTTPRequestHandler):
        def do_POST(self) -> None:
            body = self.rfile.read(int(self.headers["Content-Length"]))
            found.kept.append((self.path, dict(self.headers.items()), body))
            self.send_response(200)
            self.send_header("Content-Length", "0")
            self.end_headers()

        def log_message(self, *_: object) -> None:
            pass

    server = http.server.ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    found = Receiver(f"http://127.0.0.1:{server.server_address[1]}")
    thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.02})
    thread.start()
    yield found
    server.shutdown()
    server.server_close()
    thread.join()


def metrics(taskmgr: CommandLine) -> dict[str, float]:
    """Every sample by its name and labels."""
    lines = taskmgr("metrics").out.splitlines()
    pairs = [line.rpartition(" ") for line in lines if not line.startswith("#")]
    return {name: float(value) for name, _, value in pairs}


def observed(taskmgr: CommandLine, receiver: Receiver) -> CommandLine:
    """A terminal whose taskmgr tells all that it can."""
    channel = {"type": "webhook", "url": receiver.url + "/hook", "secret": KEY, "private": True}
    rules = {"channels": {"ops": {**channel, "kinds": ["run-failed"], "names": ["fai*"]}}}
    told = {
        "TASKMGR_NOTIFICATIONS": json.dumps(rules),
        "TASKMGR_OPENLINEAGE": "on",
        "OPENLINEAGE_URL": receiver.url,
        "TASKMGR_TRACES": "on",
        "OTEL_EXPORTER_OTLP_ENDPOINT": receiver.url,
        "OTEL_BSP_SCHEDULE_DELAY": "100",
    }
    return attrs.evolve(taskmgr, settings={**taskmgr.settings, **told})


def test_run_is_told_of_by_all_processes_that_took_part(
    alone: CommandLine, receiver: Receiver, tmp_path: Path
) -> None:
    """One trace of two processes, events of run and steps, a signed notification, counters."""
    here = observed(alone, receiver)
    before = metrics(alone)
    with here.worker(log=tmp_path / "worker.log"):
        done = here.json("run", "measured", "text=to be")["run_id"]
        failed = here.json("run", "fail", "text=x", code=1)["run_id"]
        wait_until(lambda: len(receiver.bodies("/hook")) == 1, "the notification")
        wait_until(lambda: len(told_of(receiver, done)) == 6, "the events of lineage")
        wait_until(lambda: len(of_trace(receiver, done)) >= 3, "the spans")
        wait_until(lambda: counted(alone, "fail", "failed") == 1, "the beat with the counters")

    ((headers, body),) = [(head, body) for path, head, body in receiver.kept if path == "/hook"]
    assert json.loads(body)["run"] == failed
    stamp = int(headers["webhook-timestamp"])
    assert headers["webhook-signature"] == signature(KEY, body, headers["webhook-id"], stamp)

    spans = {each.name: each for each in of_trace(receiver, done)}
    submitted = spans["submit measured"]
    for name in ("step 001 words", "step 002 lengths"):
        assert spans[name].parent_span_id == submitted.span_id
    assert {"compute", "queue"} <= {
        each.name for each in receiver.spans() if each.trace_id == submitted.trace_id
    }

    assert here("lineage", done, "--openlineage", "events").out == "6 events in events\n"
    written = read_events(tmp_path / "events")
    assert sorted(map(essence, told_of(receiver, done))) == sorted(map(essence, written))

    after = metrics(alone)
    assert after['taskmgr_steps_total{status="succeeded",task="words"}'] == 1 + before.get(
        'taskmgr_steps_total{status="succeeded",task="words"}', 0
    )
    assert after['taskmgr_attempt_failures_total{code="task-error",task="fail"}'] == 1
    assert after['taskmgr_step_seconds_count{task="lengths"}'] == 1


def counted(taskmgr: CommandLine, task: str, status: str) -> float:
    """How many steps of a task have ended so."""
    return metrics(taskmgr).get(f'taskmgr_steps_total{{status="{status}",task="{task}"}}', 0)


def told_of(receiver: Receiver, run: str) -> list[Any]:
    """The events of lineage of a run and of its steps."""
    events = checked(body.decode() for body in receiver.bodies("/api/v1/lineage"))
    return [each for each in events if run in (each["run"]["runId"], parent_of(each))]


def parent_of(event: Any) -> str:
    """The id of the parent's run."""
    return str(event["run"]["facets"].get("parent", {}).get("run", {}).get("runId", ""))


def essence(event: Any) -> str:
    """What an event says, but for its times, and what the client adds of itself."""
    for name in ("nominalTime", "tags"):
        event["run"]["facets"].pop(name, None)
    event["job"]["facets"].pop("tags", None)
    return json.dumps({**event, "eventTime": ""}, sort_keys=True)


def of_trace(receiver: Receiver, run: str) -> list[Any]:
    """The spans that are of a run."""

    def is_of(span: Any) -> bool:
        return any(
            e.key == "taskmgr.run.id" and e.value.string_value == run for e in span.attributes
        )

    return [each for each in receiver.spans() if is_of(each)]


def test_receivers_that_are_away_hold_up_and_fail_nothing(
    taskmgr: CommandLine, receiver: Receiver
) -> None:
    """The run ends as it would without them; what waits at the end waits for a limited time."""
    away = observed(taskmgr, attrs.evolve(receiver, url=AWAY))
    away = attrs.evolve(away, settings={**away.settings, "TASKMGR_HOOK_SECONDS": "0.3"})
    assert away.json("run", "words", "text=to be")["status"] == "succeeded"


def test_channels_are_tried_out(taskmgr: CommandLine, receiver: Receiver) -> None:
    """Whatever they want to hear of; who does not take it is named with its reason, code 1."""
    here = observed(taskmgr, receiver)
    assert here("notifications", "test").out == "ops: taken\n"
    assert json.loads(receiver.bodies("/hook")[0])["kind"] == "channel-test"
    said = observed(taskmgr, attrs.evolve(receiver, url=AWAY))("notifications", "test", code=1)
    assert re.match(r"ops: 127\.0\.0\.1 cannot be reached: .*refused", said.out)
    assert here.json("notifications", "list") == {
        "channels": [
            {"name": "ops", "type": "webhook", "kinds": ["run-failed"], "names": ["fai*"]}
        ],
        "slow_runs": [],
    }
    assert "channel 'opps'" in here("notifications", "test", "opps", code=2).err
    shown = here("config", "--json").out
    assert "ops (webhook)" in shown
    assert KEY not in shown
    assert "/hook" not in shown
