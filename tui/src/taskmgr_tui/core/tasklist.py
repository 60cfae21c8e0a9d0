"""The tasks, and one task: versions, fields, virtualenvs, runs."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence

import attrs

from taskmgr_core.attending import tasks
from taskmgr_core.attending.tasks import TaskBook
from taskmgr_core.report.formats import counted, duration, shortened
from taskmgr_core.specs import FieldSpec, TaskVersion, Worker
from taskmgr_core.watching import LATEST_RUNS, Watcher
from taskmgr_tui.core import listing
from taskmgr_tui.core.cells import Cell, state
from taskmgr_tui.core.rates import Figures, Window, figures_of
from taskmgr_tui.core.times import NOTHING

COLUMNS = ("task", "version", "queue", "steps", "failed", "p50", "p95", "ready on", "what it does")
NUMBERS = frozenset({"steps", "failed", "p50", "p95"})
VERSION_COLUMNS = ("version", "new runs", "published", "python", "signed by", "")
ENVIRONMENT_COLUMNS = ("worker", "host", "state", "virtualenv")
DESCRIPTION_LENGTH = 60

Row = tuple[Cell, ...]
Lines = list[list[Cell]]
Workers = Sequence[tuple[Worker, bool]]


@attrs.frozen
class TaskList:
    """Every task, with how it did lately.

    Attributes:
        known: each in the version that new runs get.
        workers: each with whether it is alive.
        figures: of the tasks of which steps ended lately.
        window: what they are of.
    """

    known: Sequence[TaskVersion]
    workers: Workers
    figures: Mapping[str, Figures]
    window: Window


def look(watcher: Watcher) -> TaskList:
    """Read them: three bounded queries."""
    times, now = watcher.latest_times(), watcher.clock()
    whole = len({each.run for each in times}) < LATEST_RUNS
    window = Window.of(times, now, whole=whole)
    figures = {each.task: each for each in figures_of(times, window)}
    return TaskList(watcher.tasks(), workers(watcher), figures, window)


def workers(watcher: Watcher) -> Workers:
    """The workers that serve whoever comes, those that live first."""
    found = (each for each in watcher.workers() if not each[0].private)
    return sorted(found, key=lambda each: (not each[1], each[0].id))


def rows(found: TaskList) -> dict[str, Row]:
    """The tasks by their names."""
    ordered = sorted(found.known, key=lambda each: each.name)
    return {each.name: _row(each, found) for each in ordered}


def _row(known: TaskVersion, found: TaskList) -> Row:
    figures = found.figures.get(known.name)
    return (
        Cell(known.name),
        Cell(known.version),
        Cell(known.task.queue),
        *_figures(figures),
        _ready(known, found.workers),
        Cell(shortened(known.task.description, DESCRIPTION_LENGTH), "quiet"),
    )


def _figures(figures: Figures | None) -> Row:
    if figures is None:
        return (Cell("0"), *(Cell(NOTHING),) * 3)
    half, most = (NOTHING, NOTHING)
    if figures.seconds is not None:
        half, most = map(duration, figures.seconds[:2])
    share = Cell(f"{figures.failed / figures.count:.0%}", "bad" if figures.failed else "")
    return (Cell(str(figures.count)), share, Cell(half), Cell(most))


def _ready(known: TaskVersion, workers: Workers) -> Cell:
    """On how many of the workers that would run it its virtualenv is ready."""
    states = [environment(known, each) for each, alive in workers if alive]
    serving = [each for each in states if each in ("ready", "not built yet")]
    if not serving:
        return Cell("no worker", "odd")
    built = serving.count("ready")
    return Cell(f"{built} of {counted(len(serving), 'worker')}", "good" if built else "quiet")


def environment(known: TaskVersion, worker: Worker) -> str:
    """How a worker stands to a version of a task, in words."""
    task, release = known.task, known.release
    if f"{known.name} {known.version}" in worker.refused:
        return "cannot run here"
    if worker.tasks and known.name not in worker.tasks:
        return "not its task"
    if worker.queues and task.queue not in worker.queues:
        return "not its queue"
    if any(worker.resources.get(name, 0) < units for name, units in task.resources.items()):
        return "offers too little"
    if f"{release.distribution} {release.version}" in worker.built:
        return "ready"
    return "being prepared" if worker.preparing else "not built yet"


# one task


@attrs.frozen
class TaskView:
    """A task, and the workers.

    Attributes:
        figures: how it did lately; None where no step of it has ended.
        at: UTC seconds.
    """

    book: TaskBook
    workers: Workers
    figures: Figures | None
    window: Window
    at: float

    def version(self, wanted: str | None) -> TaskVersion:
        """The version of that name; the one that most new runs get where it is not known."""
        named = (each.known for each in self.book.versions if each.known.version == wanted)
        return next(named, self.book.current.known)


def look_at(watcher: Watcher, task: str) -> TaskView:
    """Read a task."""
    book = watcher.task(task)
    around = look_lately(watcher, task)
    return TaskView(book, workers(watcher), *around, watcher.clock())


def look_lately(watcher: Watcher, task: str) -> tuple[Figures | None, Window]:
    """How a task did lately."""
    times = [each for each in watcher.latest_times() if each.task == task]
    window = Window.of(times, watcher.clock(), whole=True)
    return next(iter(figures_of(times, window)), None), window


def headline(view: TaskView) -> list[Cell]:
    """The task in one line."""
    known = view.book.current.known
    cells = [
        Cell(f"task {view.book.name} {known.version}  ", "strong"),
        Cell(f"queue {known.task.queue}  "),
    ]
    if view.figures is None:
        return [*cells, Cell("no step of it has ended lately", "quiet")]
    count, share, half, most = _figures(view.figures)
    cells += [Cell(f"{count.text} steps  "), Cell(f"{share.text} failed  ", share.tone)]
    return [*cells, Cell(f"p50 {half.text}  p95 {most.text}")]


def version_rows(view: TaskView) -> dict[str, Row]:
    """The versions, the highest first."""
    return {each.known.version: _version_row(each, view) for each in view.book.versions}


def _version_row(each: tasks.VersionShare, view: TaskView) -> Row:
    release, signature = each.known.release, each.known.signature
    pinned = ", pinned" if each.percent and view.book.pinned else ""
    said = Cell("") if each.yanked is None else Cell(f"✗ yanked: {each.yanked}", "bad")
    return (
        Cell(release.version),
        Cell(f"{each.percent} %{pinned}", "good" if each.percent else "quiet"),
        Cell(release.published_at[:16].replace("T", " ")),
        Cell(release.python),
        Cell("nobody", "quiet") if signature is None else Cell(signature.key),
        said,
    )


def environment_rows(view: TaskView, version: str | None) -> dict[str, Row]:
    """Every worker, and how its machine stands to a version."""
    known = view.version(version)
    return {
        worker.id: (
            Cell(worker.id),
            Cell(worker.host),
            state("alive" if alive else "lost"),
            _standing(environment(known, worker)),
        )
        for worker, alive in view.workers
    }


def _standing(words: str) -> Cell:
    if words == "ready":
        return Cell(f"✓ {words}", "good")
    if words == "cannot run here":
        return Cell(f"✗ {words}", "bad")
    if words == "not built yet":
        return Cell("○ built with the first step that needs it", "waiting")
    return Cell(f"· {words}", "quiet")


def field_lines(view: TaskView, version: str | None) -> Lines:
    """What a version takes and gives: each field with its type, then its JSON Schema."""
    task = view.version(version).task
    lines: Lines = [[Cell(each)] for each in task.description.splitlines()]
    retries = counted(task.retries, "retry", "retries")
    lines += [[Cell(f"timeout {task.timeout:g} s, {task.memory_mb} MB, {retries}", "quiet")], []]
    for heading, fields in (("takes", task.inputs), ("gives", task.outputs)):
        lines.append([Cell(heading, "strong")])
        lines += [line for each in fields for line in _field(each, heading == "takes")]
        lines.append([])
    return lines


def _field(field: FieldSpec, given: bool) -> Lines:
    optional = Cell(f"  by default {json.dumps(field.default)}", "quiet")
    known = [Cell(f"  {field.name}  ", "waiting"), Cell(tasks.named(field.schema))]
    first = known if field.required or not given else [*known, optional]
    schema = json.dumps(field.schema, ensure_ascii=False, indent=2).splitlines()
    return [first, *([Cell(f"    {line}", "quiet")] for line in schema)]


def run_rows(view: TaskView) -> dict[str, Row]:
    """The latest runs with a step of it."""
    return listing.rows(listing.Listing(view.book.runs, None, view.at))
