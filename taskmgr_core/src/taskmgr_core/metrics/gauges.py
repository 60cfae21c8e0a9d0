"""What is so at one moment: queues, workers, slots and runs."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from typing import TypeAlias

from prometheus_client.metrics_core import GaugeMetricFamily
from prometheus_client.metrics_core import Metric as Metric

from taskmgr_core.monitoring import Picture
from taskmgr_core.specs import Worker

Samples: TypeAlias = Iterable[tuple[Sequence[str], float]]
_QUEUE = ("queue", "resources")


def gauge(name: str, text: str, labels: Sequence[str], samples: Samples) -> Metric:
    """A gauge with its samples."""
    made = GaugeMetricFamily(name, text, labels=list(labels))
    for values, value in samples:
        made.add_metric(list(values), value)
    return made


def gauges_of(picture: Picture) -> Iterator[Metric]:
    """Every gauge of a picture of the platform."""
    yield from _queues(picture)
    yield from _workers(picture)
    yield gauge(
        "taskmgr_runs_running",
        "Runs that have not ended; counted up to 10,000.",
        (),
        [((), picture.overview.running)],
    )


def _queues(picture: Picture) -> Iterator[Metric]:
    lines = picture.lines
    waiting = [((each.queue, each.needs), each.waiting) for each in lines]
    yield gauge(
        "taskmgr_queue_ready_steps",
        "Steps that are due and that no worker has claimed; counted up to 10,000.",
        _QUEUE,
        [(key, it.ready if it else 0) for key, it in waiting],
    )
    yield gauge(
        "taskmgr_queue_delayed_steps",
        "Steps that wait for the moment of their next attempt.",
        _QUEUE,
        [(key, it.delayed if it else 0) for key, it in waiting],
    )
    yield gauge(
        "taskmgr_queue_oldest_seconds",
        "Seconds since when the step that waits longest has been due; 0 where none is.",
        _QUEUE,
        [
            (key, max(picture.at - it.oldest, 0.0) if it and it.oldest is not None else 0.0)
            for key, it in waiting
        ],
    )
    yield gauge(
        "taskmgr_queue_messages",
        "Messages that lie at the broker; absent where there is none.",
        _QUEUE,
        [((each.queue, each.needs), each.depth) for each in lines if each.depth is not None],
    )
    yield gauge(
        "taskmgr_queue_workers",
        "Living workers that serve the queue.",
        _QUEUE,
        [((each.queue, each.needs), each.workers) for each in lines],
    )
    yield gauge(
        "taskmgr_broker_up",
        "Whether the broker answers; 1 where there is none.",
        (),
        [((), 0 if picture.problem else 1)],
    )


def _workers(picture: Picture) -> Iterator[Metric]:
    served = [(each, alive) for each, alive in picture.workers if not each.private]
    living = [each for each, alive in served if alive]
    states = dict.fromkeys(("alive", "draining", "preparing", "lost"), 0)
    for each, alive in served:
        states[_state(each, alive=alive)] += 1
    yield gauge(
        "taskmgr_workers",
        "Workers, by how they are; one that is lost is listed for an hour.",
        ("state",),
        [((name,), number) for name, number in states.items()],
    )
    yield gauge(
        "taskmgr_slots", "Slots of living workers.", (), [((), sum(each.slots for each in living))]
    )
    yield gauge(
        "taskmgr_slots_busy",
        "Slots of living workers in which a step runs.",
        (),
        [((), sum(len(each.running) for each in living))],
    )
    dropped: dict[str, int] = {}
    for plugin in (plugin for each in living for plugin in each.hooks):
        dropped[plugin.name] = dropped.get(plugin.name, 0) + plugin.dropped + plugin.failed
    yield gauge(
        "taskmgr_hook_lost_calls",
        "Calls of hook plugins that living workers dropped, or that failed.",
        ("plugin",),
        [((name,), number) for name, number in sorted(dropped.items())],
    )


def _state(worker: Worker, *, alive: bool) -> str:
    if not alive:
        return "lost"
    if worker.draining:
        return "draining"
    return "preparing" if worker.preparing else "alive"
