"""One run: its graph with ports, its timeline, its values, why it failed."""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping, Sequence

import attrs

from taskmgr_core.report.formats import duration, short_digest, shortened, size, with_failed
from taskmgr_core.specs import (
    FINAL_RUN_STATUSES,
    Failure,
    FieldValue,
    GraphStep,
    LogLine,
    RunDetail,
    Step,
    input_port,
    output_port,
)
from taskmgr_core.watching import Watcher
from taskmgr_tui.core.cells import Cell, Tone, sign, state
from taskmgr_tui.core.times import clock, day

FIELD_COLUMNS = ("", "field", "value", "type", "size", "digest")
FIELD_NUMBERS = frozenset({"size"})
PREVIEW = 60
# What a step's time is spent on, in its order, each with how a timeline draws it.
STAGES: Sequence[tuple[str, str, Tone]] = (
    ("queue", "░", "quiet"),
    ("environment", "▒", "odd"),
    ("start", "▒", "odd"),
    ("load", "▓", "waiting"),
    ("inputs", "▓", "waiting"),
    ("compute", "█", "good"),
    ("outputs", "▓", "waiting"),
)

Lines = list[list[Cell]]


@attrs.frozen
class RunView:
    """A run, and the lines of its log that are new.

    Attributes:
        at: UTC seconds.
    """

    detail: RunDetail
    lines: Sequence[LogLine]
    at: float

    @property
    def ended(self) -> bool:
        """Whether nothing more can change."""
        return self.detail.run.status in FINAL_RUN_STATUSES


def look(watcher: Watcher, run_id: str, after: int) -> RunView:
    """Read a run, and the next page of its log.

    Arguments:
        watcher: asked.
        run_id: the run's full id.
        after: the number of the last line that is known.
    """
    detail = watcher.run(run_id)
    return RunView(detail, watcher.log(run_id, after), watcher.clock())


def headline(view: RunView) -> list[Cell]:
    """The run in one line."""
    run = view.detail.run
    done = sum(each.status == "succeeded" for each in view.detail.steps)
    ended = view.at if run.finished_at is None else run.finished_at
    return [
        Cell(f"{run.kind} {run.name}  ", "strong"),
        state(run.status),
        Cell("  cancelling" if run.cancel_requested and not view.ended else "", "odd"),
        Cell(
            f"  {done}/{len(view.detail.steps)} steps  {duration(max(ended - run.created_at, 0))}"
        ),
        Cell(f"  {day(run.created_at)}", "quiet"),
    ]


# the graph


@attrs.frozen
class Card:
    """A step of the graph, or the inputs of the run, with its ports.

    Attributes:
        depth: how many steps lie before it, on the longest way.
        ports: port id -> how it is shown.
    """

    id: str
    title: list[Cell]
    depth: int
    ports: Mapping[str, list[Cell]]


def cards(view: RunView) -> list[Card]:
    """The run's inputs, then its steps in their order, each port with its state."""
    detail = view.detail
    values = {each.port: each for each in detail.values}
    states = {each.id: each for each in detail.steps}
    inputs = {name: _port(name, "", values.get(name), "") for name in detail.run.graph.inputs}
    made = [Card("", [Cell("inputs of the run", "strong")], 0, inputs)]
    depths: dict[str, int] = {}
    for step in detail.run.graph.steps:
        depths[step.id] = 1 + max((depths[each] for each in step.after), default=0)
        ports = dict(_ports(step, states.get(step.id), values))
        made.append(Card(step.id, _title(step, states.get(step.id), view), depths[step.id], ports))
    return made


def _title(step: GraphStep, done: Step | None, view: RunView) -> list[Cell]:
    status = "pending" if done is None else done.status
    shown = state(status)
    cells = [Cell(f"{sign(status).text} {step.id} {step.task}", shown.tone)]
    cells.append(Cell(f" {step.version}", "quiet"))
    if done is not None and done.started_at is not None:
        ended = view.at if done.finished_at is None else done.finished_at
        cells.append(Cell(f"  {duration(max(ended - done.started_at, 0))}"))
    if done is not None and done.elements is not None:
        cells.append(Cell(f"  {with_failed(done.elements, 'time', done.failed.count)}"))
    if done is not None and done.tries > 1:
        cells.append(Cell(f"  attempt {done.tries}", "odd"))
    if done is not None and done.remark:
        cells.append(Cell(f"  {_remark(done)}", "waiting"))
    if step.after:
        cells.append(Cell(f"  after {' '.join(step.after)}", "quiet"))
    if done is not None and done.failure is not None:
        cells.append(Cell(f"  {shortened(done.failure.message, 80)}", "bad"))
    return cells


def _remark(done: Step) -> str:
    if done.origin:
        return f"{done.remark} from {done.origin}"
    return f"cached from {done.cached_from}" if done.cached_from else done.remark


def _ports(
    step: GraphStep, done: Step | None, values: Mapping[str, FieldValue]
) -> Iterator[tuple[str, list[Cell]]]:
    status = "pending" if done is None else done.status
    for field, source in step.inputs.items():
        port = input_port(step.id, field)
        value = values.get(port) or values.get(source.port)
        if source.port:
            yield port, _port(f"→ {field}", f"from {source.port}", value, status)
        else:
            constant = shortened(json.dumps(source.constant), 60)
            yield port, [Cell(f"✓ → {field}  ", "good"), Cell(f"is {constant}", "quiet")]
    for field in step.outputs:
        port = output_port(step.id, field)
        yield port, _port(f"← {field}", "", values.get(port), status)


def _port(name: str, origin: str, value: FieldValue | None, status: str) -> list[Cell]:
    """A port: a sign for whether it has a value, its name, then where from or what it is."""
    if value is None:
        never = status in ("failed", "skipped", "cancelled") and name.startswith("←")
        shown = Cell(f"✗ {name}", "bad") if never else Cell(f"· {name}", "quiet")
        return [shown, Cell(f"  {origin}" if origin else "  no value", "quiet")]
    shown = Cell(f"✓ {name}  ", "good")
    return [shown, Cell(origin, "quiet") if origin else Cell(preview(value, 60))]


# the timeline


def timeline(view: RunView, width: int) -> Lines:
    """A line for each step: what its time went to, from the run's beginning to its end.

    Arguments:
        view: the run.
        width: how many characters a line may have.
    """
    run, steps = view.detail.run, view.detail.steps
    end = view.at if run.finished_at is None else run.finished_at
    span = max(end - run.created_at, 0.001)
    names = [f"{each.id} {each.task}" for each in steps]
    left = min(max(map(len, names), default=0), 28)
    room = max(width - left - 14, 10)
    scale = f"{'':{left}}   0{duration(span):>{room - 1}}"
    lines: Lines = [[Cell(scale, "quiet")]]
    for name, step in zip(names, steps, strict=True):
        bar = _bar(step, run.created_at, span, room, view.at)
        took = _took(step)
        lines.append(
            [
                Cell(f"{sign(step.status).text} ", state(step.status).tone),
                Cell(f"{name[:left]:{left}} "),
                *bar,
                Cell(f" {took}", "quiet"),
            ]
        )
        for number, failure in enumerate(step.failures, start=1):
            told = f"{'':{left}}   attempt {number}: {failure.code}: {failure.message}"
            lines.append([Cell(shortened_line(told, width), "bad")])
    lines += [[], _legend()]
    return lines


def _took(step: Step) -> str:
    if step.started_at is None or step.finished_at is None:
        return ""
    return duration(step.finished_at - step.started_at)


def _bar(step: Step, began: float, span: float, room: int, now: float) -> list[Cell]:
    """The part of a step, always as wide as there is room."""
    first = step.ready_at if step.ready_at is not None else step.started_at
    if first is None:
        return [Cell(" " * room)]
    last = step.finished_at if step.finished_at is not None else now
    start = _place(first - began, span, room)
    end = max(_place(last - began, span, room), start + 1)
    if step.started_at is None:
        return [Cell(" " * start), Cell("░" * (end - start), "quiet"), Cell(" " * (room - end))]
    if step.finished_at is None or step.status not in ("succeeded", "failed"):
        waited = max(_place(step.started_at - began, span, room), start)
        tone = state(step.status).tone
        shown = [Cell("░" * (waited - start), "quiet"), Cell("█" * max(end - waited, 1), tone)]
    else:
        shown = _stages(step, end - start)
    used = start + sum(len(each.text) for each in shown)
    return [Cell(" " * start), *shown, Cell(" " * max(room - used, 0))]


def _stages(step: Step, width: int) -> list[Cell]:
    """A bar of that width, divided as the step's time was; what is too short is left out."""
    parts = [(step.seconds.get(name, 0.0), mark, tone) for name, mark, tone in STAGES]
    total = sum(seconds for seconds, _, _ in parts)
    if total <= 0:
        return [Cell("█" * width, state(step.status).tone)]
    shown, passed, used = [], 0.0, 0
    for seconds, mark, tone in parts:
        passed += seconds
        upto = round(passed / total * width)
        worn: Tone = "bad" if mark == "█" and step.status == "failed" else tone
        shown.append(Cell(mark * (upto - used), worn))
        used = upto
    return [each for each in shown if each.text]


def _place(seconds: float, span: float, room: int) -> int:
    return min(max(int(seconds / span * room), 0), room - 1)


def _legend() -> list[Cell]:
    return [
        Cell("░ waits  ", "quiet"),
        Cell("▒ virtualenv, process  ", "odd"),
        Cell("▓ model, values  ", "waiting"),
        Cell("█ computes", "good"),
    ]


def shortened_line(text: str, width: int) -> str:
    """The beginning of a text, on one line, its spaces kept."""
    line = text.replace("\n", " ")
    return line if len(line) <= width else f"{line[: width - 1]}…"


# values


def field_rows(view: RunView) -> dict[str, tuple[Cell, ...]]:
    """Every recorded value but those that only repeat another port's; what was given first."""
    own = [each for each in view.detail.values if not each.source]
    return {
        value.port: (
            Cell("→" if not value.producer else "←", "quiet"),
            Cell(value.port),
            Cell(preview(value, PREVIEW)),
            Cell(value.type, "quiet"),
            Cell(size(value.size)),
            Cell(short_digest(value.digest), "quiet"),
        )
        for value in sorted(own, key=lambda each: (each.producer, each.port))
    }


def preview(value: FieldValue, limit: int) -> str:
    """A value on one line: a file by its kind, name and size."""
    document = value.document
    if value.source:
        return f"= {value.source}"
    if isinstance(document, Mapping) and "$artifact" in document:
        facts = [document.get("media_type"), document.get("name"), size(value.size)]
        return " ".join(str(each) for each in facts if each)
    return shortened(json.dumps(document, ensure_ascii=False), limit)


def whole(value: FieldValue) -> str:
    """A value in full, as JSON that is indented."""
    return json.dumps(value.document, ensure_ascii=False, indent=2)


# failure and log


def failure_text(view: RunView) -> Lines:
    """Why the run failed: of each failed step the last failure, what it was given, earlier ones."""
    lines: Lines = []
    for step in view.detail.steps:
        where = f"{step.id} {step.task} {step.version}"
        if step.failure is not None:
            lines += _failure(f"{where}, attempt {step.attempt}", step.failure)
            lines += [[Cell("what it was given", "strong")], *_given(view.detail, step.id), []]
        for number, each in enumerate(step.failures, start=1):
            if each != step.failure:
                lines += _failure(f"{where}, attempt {number}", each)
    if not lines and view.detail.run.failure is not None:
        lines += _failure("the run", view.detail.run.failure)
    if view.detail.problem:
        lines += [[Cell(view.detail.problem, "bad")]]
    return lines or [[Cell("nothing has failed", "quiet")]]


def suspect(view: RunView) -> str | None:
    """The first value that a failed step was given: where one begins to look for a bad one."""
    have = {each.port for each in view.detail.values}
    for step in view.detail.steps:
        if step.failure is not None:
            for source in view.detail.run.graph.step(step.id).inputs.values():
                if source.port in have:
                    return source.port
    return None


def _failure(where: str, failure: Failure) -> Lines:
    told = [] if failure.message in failure.traceback else failure.message.splitlines()
    return [
        [Cell(f"✗ {where}: ", "strong"), Cell(failure.code, "bad")],
        *([Cell(line)] for line in [*told, *failure.traceback.splitlines()]),
        [],
    ]


def _given(detail: RunDetail, step_id: str) -> Lines:
    """The values of a step's inputs, each with where it came from."""
    values = {each.port: each for each in detail.values}
    lines: Lines = []
    for field, source in detail.run.graph.step(step_id).inputs.items():
        value = values.get(source.port)
        while value is not None and value.source:
            value = values.get(value.source)
        shown = json.dumps(source.constant) if value is None else preview(value, 120)
        origin = f"  from {source.port}" if source.port else "  written in the pipeline"
        lines.append([Cell(f"  {field} = "), Cell(shown, "busy"), Cell(origin, "quiet")])
    return lines


def log_line(line: LogLine) -> list[Cell]:
    """A line of the log: when, which step, and what it wrote."""
    tone: Tone = {"stderr": "busy", "taskmgr": "waiting"}.get(line.stream, "")  # type: ignore[assignment]
    mark = {"stderr": "!", "taskmgr": "*"}.get(line.stream, " ")
    return [Cell(f"{clock(line.time)} {line.step} {mark} ", "quiet"), Cell(line.text, tone)]
