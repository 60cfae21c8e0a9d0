"""What Prometheus is given, and that the dashboard and the alerts ask for nothing else."""

from __future__ import annotations

import json
import re
import time
import urllib.error
import urllib.request
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
import yaml
from prometheus_client.parser import text_string_to_metric_families

from taskmgr_core.client import Client
from taskmgr_core.errors import SettingsError, StoreError
from taskmgr_core.metering import FAMILIES
from taskmgr_core.metrics import metrics_text
from taskmgr_core.metrics.serving import serving
from taskmgr_core.specs import PluginState, Worker
from taskmgr_core.wiring import connect

MONITORING = Path(__file__).parents[3] / "docs" / "monitoring"
OTHERS = {"up"}
# Added by whoever scrapes.
TARGET = {"job", "instance"}


@pytest.fixture
def client(tmp_path: Path) -> Iterator[Client]:
    """A platform in which something has happened."""
    with connect(tmp_path) as client:
        meter = client.teller.meter
        for status in ("succeeded", "failed"):
            meter.run_ended(status)
        meter.environment_built(2.0, built=True)
        yield client


def samples(client: Client) -> dict[str, dict[tuple[tuple[str, str], ...], float]]:
    """Every sample of the metrics: name -> labels -> value."""
    body, _ = metrics_text(client)
    found: dict[str, Any] = {}
    for family in text_string_to_metric_families(body.decode()):
        for each in family.samples:
            found.setdefault(each.name, {})[tuple(sorted(each.labels.items()))] = each.value
    return found


def test_slots_and_workers_are_those_that_live(client: Client) -> None:
    """Lost workers are counted as such, and their slots are nobody's."""
    now = time.time()
    hooks = (PluginState("acme", "acme 1", "ok", dropped=3, failed=1),)
    for name, beat, running in (("a", now, ("r/1",)), ("b", now, ()), ("c", now - 60, ("r/2",))):
        client.metadata.beat(Worker(name, "host", 1, 2, ("q",), now, beat, running, hooks=hooks))
    found = samples(client)
    assert found["taskmgr_slots"] == {(): 4}
    assert found["taskmgr_slots_busy"] == {(): 1}
    assert found["taskmgr_workers"][("state", "alive"),] == 2
    assert found["taskmgr_workers"][("state", "lost"),] == 1
    assert found["taskmgr_hook_lost_calls"] == {(("plugin", "acme"),): 8}
    assert found["taskmgr_queue_workers"] == {(("queue", "q"), ("resources", "")): 2}


def test_counters_go_on_after_a_restart(client: Client, tmp_path: Path) -> None:
    """Another process on the same platform counts on from there."""
    assert samples(client)["taskmgr_runs_total"][("status", "failed"),] == 1
    with connect(tmp_path) as other:
        other.teller.meter.run_ended("failed")
        assert samples(other)["taskmgr_runs_total"][("status", "failed"),] == 2
    assert samples(client)["taskmgr_runs_total"][("status", "failed"),] == 2


def test_buckets_hold_what_is_below_their_bounds(client: Client) -> None:
    """As Prometheus wants it: each bucket counts those before it, the last one all."""
    client.teller.meter.environment_built(0.2, built=True)
    found = samples(client)
    name = "taskmgr_environment_build_seconds"
    buckets = {dict(key)["le"]: it for key, it in found[f"{name}_bucket"].items()}
    assert [buckets[each] for each in ("0.1", "0.25", "1", "2.5", "+Inf")] == [0, 1, 1, 2, 2]
    assert found[f"{name}_count"] == {(("result", "built"),): 2}
    assert found[f"{name}_sum"][("result", "built"),] == pytest.approx(2.2)


def test_format_is_the_one_that_is_asked_for(client: Client) -> None:
    """OpenMetrics for who accepts it, the older text for everybody else."""
    _, plain = metrics_text(client)
    body, kind = metrics_text(client, "application/openmetrics-text; version=1.0.0")
    assert plain.startswith("text/plain")
    assert kind.startswith("application/openmetrics-text")
    assert body.endswith(b"# EOF\n")


def queries() -> Iterator[tuple[str, str]]:
    """Every query of the dashboard and of the alerts, with its place."""
    dashboard = json.loads((MONITORING / "grafana-dashboard.json").read_text())
    for each in dashboard["templating"]["list"]:
        if each["type"] == "query":
            yield f"variable {each['name']}", each["query"]
    for panel in dashboard["panels"]:
        for target in panel["targets"]:
            yield f"panel {panel['title']}", target["expr"]
    for group in yaml.safe_load((MONITORING / "prometheus-alerts.yml").read_text())["groups"]:
        for rule in group["rules"]:
            yield f"alert {rule['alert']}", rule["expr"]


def test_dashboard_and_alerts_ask_for_what_is_exported(client: Client) -> None:
    """Each name in a query is that of a series, and each label one that this series has."""
    meter = client.teller.meter
    for family in FAMILIES:
        labels = ["x"] * len(family.labels)
        if family.bounds:
            meter.observe(family, 1.0, *labels)
        else:
            meter.add(family, *labels)
    now = time.time()
    state = PluginState("acme", "acme 1", "ok")
    client.metadata.beat(Worker("a", "host", 1, 2, ("q",), now, now, hooks=(state,)))
    exported = {
        name: {label for key in series for label, _ in key}
        for name, series in samples(client).items()
    }
    asked = set()
    for place, query in queries():
        names = re.findall(r"\b(?:taskmgr_\w+|up)\b", re.sub(r'"[^"]*"', '""', query))
        assert names, place
        assert set(names) <= exported.keys() | OTHERS, place
        asked |= set(names)
        allowed = TARGET.union(*(exported.get(each, set()) for each in names))
        used = re.findall(r"(\w+)\s*(?:=~|!~|!=|=)\s*\"", query)
        for grouped in re.findall(r"by \(([^)]*)\)", query):
            used += [each.strip() for each in grouped.split(",")]
        assert set(used) <= allowed, place
    assert len(asked) > 15


def test_metrics_are_served_and_say_when_the_store_is_away() -> None:
    """The path has them, any other has not; without the store it is 503, for which `up` is 0."""
    away = False

    def text(_: str) -> tuple[bytes, str]:
        if away:
            raise StoreError("the store is away")
        return b"taskmgr_info 1\n", "text/plain"

    with serving("127.0.0.1", 0, text) as url:
        with urllib.request.urlopen(url, timeout=5) as answer:
            assert answer.read() == b"taskmgr_info 1\n"
        with pytest.raises(urllib.error.HTTPError, match="404"):
            urllib.request.urlopen(url + "x", timeout=5)
        away = True
        with pytest.raises(urllib.error.HTTPError, match="503") as told:
            urllib.request.urlopen(url, timeout=5)
        assert told.value.read() == b"the store is away\n"
        taken = int(url.partition("127.0.0.1:")[2].partition("/")[0])
        with pytest.raises(SettingsError, match=f"--serve {taken}: .*give another port"):
            serving("127.0.0.1", taken, text).__enter__()
