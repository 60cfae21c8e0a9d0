"""The workers: what they use, what they run, what they serve."""

from __future__ import annotations

from collections.abc import Sequence

from taskmgr_core.report.formats import counted, size
from taskmgr_core.specs import Worker, WorkerLoad
from taskmgr_tui.core.cells import Cell, slots, state
from taskmgr_tui.core.overview import running_now, worker_state
from taskmgr_tui.core.times import NOTHING, ago

COLUMNS = ("worker", "state", "slots", "memory", "cores", "beat", "queues", "runs now")
NUMBERS = frozenset({"memory", "cores", "beat"})
MOST_NAMES = 12
# From here on a machine has little left for anything else.
FULL_SHARE = 0.9

Row = tuple[Cell, ...]
Lines = list[list[Cell]]


def rows(found: Sequence[tuple[Worker, bool]], now: float) -> dict[str, Row]:
    """The workers by their ids.

    Arguments:
        found: each with whether it is alive.
        now: UTC seconds.
    """
    return {
        worker.id: (
            Cell(worker.id),
            state(worker_state(worker, alive=alive)),
            slots(len(worker.running), worker.slots),
            *_load(worker.load),
            Cell(ago(worker.heartbeat, now), "" if alive else "bad"),
            Cell(", ".join(worker.queues) or "all"),
            Cell(running_now(worker)),
        )
        for worker, alive in found
    }


def _load(load: WorkerLoad | None) -> Row:
    if load is None:
        return (Cell(NOTHING), Cell(NOTHING))
    memory = load.memory_bytes > FULL_SHARE * load.machine_bytes
    busy = load.processor > FULL_SHARE * load.cores
    return (
        Cell(size(load.memory_bytes), "bad" if memory else ""),
        Cell(f"{load.processor:.1f}/{load.cores}", "busy" if busy else ""),
    )


def details(worker: Worker, now: float) -> Lines:
    """All that is known of one worker, beyond what stands in its row."""
    limits = "" if worker.autoscale is None else " of {}-{}".format(*worker.autoscale)
    lines = [
        _fact("process", f"{worker.pid} on {worker.host}, for {ago(worker.started_at, now)}"),
        _fact("slots", f"{worker.slots}{limits}"),
        _fact("machine", _machine(worker.load)),
        _fact("tasks", ", ".join(worker.tasks) or "all that come"),
        _fact("offers", ", ".join(f"{name}={n}" for name, n in worker.resources.items())),
        _fact("virtualenvs", _names(worker.built)),
        _fact("log", worker.log or "its own terminal alone"),
    ]
    if worker.refused:
        lines.append(_fact("cannot run", _names(worker.refused), "bad"))
    lines += [
        _fact("hook plugin", f"{each.name} {each.state}: {each.message}", "bad")
        for each in worker.hooks
        if not each.is_well
    ]
    return lines


def _machine(load: WorkerLoad | None) -> str:
    if load is None:
        return "not measured yet"
    return f"{counted(load.cores, 'core')}, {size(load.machine_bytes)} of memory"


def _names(names: Sequence[str]) -> str:
    more = len(names) - MOST_NAMES
    return ", ".join(names[:MOST_NAMES]) + (f" and {more} more" if more > 0 else "")


def _fact(name: str, text: str, tone: str = "") -> list[Cell]:
    return [Cell(f"{name:12}", "quiet"), Cell(text or "nothing", "bad" if tone else "")]
