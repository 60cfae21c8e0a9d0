"""What the graph of a run shows: a card for the inputs, each step and the result, and the lines."""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping, Sequence

import attrs

from taskmgr_core.report import svg
from taskmgr_core.report.formats import duration, shortened, with_failed
from taskmgr_core.report.graph_notes import notes_of
from taskmgr_core.report.layout import Link, Node
from taskmgr_core.specs import (
    Graph,
    GraphStep,
    ResultSpec,
    Source,
    Step,
    group_of,
    input_port,
    output_port,
)

_HEADER = 46.0
_SMALL_HEADER = 30.0
_ROW = 20.0
_FOOT = 8.0
NOTE_HEIGHT = 15.0
# How far below the upper edge of a card the lines arrive that carry no value.
_CONTROL_OFFSET = 15.0
_NARROWEST, _WIDEST = 170.0, 320.0
# Pixels for a character, by the widest of the usual system fonts.
TITLE_ADVANCE, PORT_ADVANCE, SMALL_ADVANCE = 8.4, 6.7, 6.7
INPUTS, RESULT = "inputs", "result"
# The pin of a step that lines of control come from and go to; all others of it are ports.
CONTROL = "control"


@attrs.frozen
class Port:
    """A port on a card.

    Attributes:
        id: the port's, or any id that is unique on its side of the card.
        name: what is written.
        title: what is said in full.
        wired: False for an input that is a constant.
    """

    id: str
    name: str
    title: str
    wired: bool = True


@attrs.frozen
class Group:
    """The steps of a pipeline that stand in the place of a step.

    Attributes:
        id: the id of that step.
        name: of the pipeline.
    """

    id: str
    name: str


@attrs.frozen
class Card:
    """What a card says; sizes are in pixels.

    Attributes:
        id: as the layout knows it.
        column: from 0, left to right.
        title, subtitle: its two lines; a card without status has one.
        status: of the step, or empty.
        time: at the end of the second line.
        notes: when and how often the step is run, a line for each.
        left, right: the ports on either side.
        width: the same for all cards of a column.
    """

    id: str
    column: int
    title: str
    subtitle: str = ""
    status: str = ""
    time: str = ""
    left: tuple[Port, ...] = ()
    right: tuple[Port, ...] = ()
    width: float = _NARROWEST
    notes: tuple[str, ...] = ()

    @property
    def header(self) -> float:
        """The height above the ports."""
        return (_HEADER if self.status else _SMALL_HEADER) + NOTE_HEIGHT * len(self.notes)

    @property
    def height(self) -> float:
        """Header, ports and foot."""
        return self.header + _ROW * max(len(self.left), len(self.right)) + _FOOT

    @property
    def natural_width(self) -> float:
        """As wide as its texts, within bounds."""
        head = svg.columns(shortened(self.title, 60)) * TITLE_ADVANCE + (38 if self.status else 24)
        small = (svg.columns(self.subtitle) + svg.columns(self.time)) * SMALL_ADVANCE + 62
        notes = max(map(svg.columns, self.notes), default=0) * SMALL_ADVANCE + 43
        rows = [name_columns(left) + name_columns(right) for left, right in self.rows()]
        ports = max(rows, default=0) * PORT_ADVANCE + 44
        return max(_NARROWEST, min(_WIDEST, max(head, small if self.status else 0, notes, ports)))

    def rows(self) -> Iterator[tuple[str, str]]:
        """The names of the ports that stand side by side."""
        for index in range(max(len(self.left), len(self.right))):
            left = self.left[index].name if index < len(self.left) else ""
            right = self.right[index].name if index < len(self.right) else ""
            yield left, right

    def node(self) -> Node:
        """The card as the layout knows it."""
        control = {CONTROL: _CONTROL_OFFSET} if self.status else {}
        return Node(
            self.id,
            self.column,
            self.width,
            self.height,
            {port.id: self.pin(index) for index, port in enumerate(self.left)} | control,
            {port.id: self.pin(index) for index, port in enumerate(self.right)} | control,
        )

    def pin(self, index: int) -> float:
        """How far below the card's upper edge the port of that row is."""
        return self.header + _ROW * (index + 0.5)


def cards_of(graph: Graph, states: Mapping[str, Step], result: bool) -> dict[str, Card]:
    """By the id that the layout uses: pipeline inputs, steps, the result."""
    depths = _depths(graph)
    cards = {}
    if graph.inputs:
        ports = tuple(Port(name, name, f"pipeline input {name}") for name in graph.inputs)
        cards[INPUTS] = Card(INPUTS, 0, "Inputs", right=ports)
    for step in graph.steps:
        card = _step_card(step, states.get(step.id), depths[step.id])
        cards[card.id] = card
    if result and graph.result:
        last = max(depths.values(), default=0) + 1
        cards[RESULT] = Card(RESULT, last, "Result", left=tuple(_result_ports(graph)))
    return {card.id: card for card in _aligned(list(cards.values()))}


def grouped(
    graph: Graph, cards: Mapping[str, Card]
) -> Iterator[tuple[tuple[Group, ...], Card | None]]:
    """The cards in their order, each with the pipelines that it stands in, outermost first.

    Before the first card of a pipeline stands one without a card, and so does one behind the
    last, with the pipelines around it.
    """
    inside: tuple[Group, ...] = ()
    owners = {_step_id(step.id): step.id for step in graph.steps}
    for card in cards.values():
        around = _groups_around(graph, owners.get(card.id, ""))
        while inside != around[: len(inside)]:
            inside = inside[:-1]
            yield inside, None
        while inside != around:
            inside = around[: len(inside) + 1]
            yield inside, None
        yield inside, card
    while inside:
        inside = inside[:-1]
        yield inside, None


def _groups_around(graph: Graph, step: str) -> tuple[Group, ...]:
    found: list[Group] = []
    while (step := group_of(step)) in graph.groups:
        found.insert(0, Group(step, graph.groups[step]))
    return tuple(found)


def _aligned(cards: Sequence[Card]) -> Iterator[Card]:
    """The columns counted from 0, their cards of one width."""
    first = min((card.column for card in cards), default=0)
    for card in cards:
        width = max(each.natural_width for each in cards if each.column == card.column)
        yield attrs.evolve(card, column=card.column - first, width=width)


def _step_id(step: str) -> str:
    return f"step {step}"


def _depths(graph: Graph) -> dict[str, int]:
    """The column of each step: one more than the last it waits for."""
    depths: dict[str, int] = {}
    for step in sorted(graph.steps, key=lambda each: each.handles_failure):
        earlier = list(depths) if step.handles_failure else step.after
        depths[step.id] = 1 + max((depths.get(each, 0) for each in earlier), default=0)
    return depths


def _step_card(step: GraphStep, state: Step | None, column: int) -> Card:
    status = state.status if state else "pending"
    return Card(
        id=_step_id(step.id),
        column=column,
        title=step.task,
        subtitle=f"{step.id} · {step.version}",
        status=status,
        time=_time(step, state),
        notes=tuple(notes_of(step, state)),
        left=tuple(_input(step.id, name, source) for name, source in step.inputs.items()),
        right=tuple(
            Port(output_port(step.id, name), name, output_port(step.id, name))
            for name in step.outputs
        ),
    )


def _time(step: GraphStep, state: Step | None) -> str:
    """How long it took; what became of it where it did not succeed."""
    if state is None:
        return ""
    words: list[str] = [] if state.status == "succeeded" else [state.status]
    if step.repeat is not None and state.elements is not None:
        words.append(with_failed(state.elements, "iteration", state.failed.count))
    words += [state.remark] if state.remark else []
    if state.started_at is not None and state.finished_at is not None:
        words.append(duration(state.finished_at - state.started_at))
    return " · ".join(words)


def _input(step: str, field: str, source: Source) -> Port:
    port = input_port(step, field)
    if source.port:
        return Port(port, field, port)
    constant = json.dumps(source.constant, ensure_ascii=False)
    return Port(port, f"{field} = {shortened(constant, 24)}", f"{port} = {constant}", wired=False)


def _result_ports(graph: Graph) -> Iterator[Port]:
    for name, declared in graph.result.items():
        if isinstance(declared, ResultSpec):
            for inner, port in declared.ports.items():
                title = f"{name}: {inner}, joined on {declared.join}: {port}"
                yield Port(json.dumps([name, inner]), f"{name}.{inner}", title)
        else:
            yield Port(json.dumps([name]), name, f"{name}: {declared}")


def links_of(graph: Graph, cards: Mapping[str, Card]) -> list[Link]:
    """Every line, where both of its ends have a card: first those that carry a value."""
    owners = {port.id: card.id for card in cards.values() for port in card.right}
    wanted = [
        (source.port, _step_id(step.id), input_port(step.id, field))
        for step in graph.steps
        for field, source in step.inputs.items()
    ]
    if RESULT in cards:
        wanted += [(port, RESULT, pin) for port, pin in _result_sources(graph)]
    carried = {(port, target) for port, target, _ in wanted}
    links = [
        *(Link(owners[port], port, target, pin) for port, target, pin in wanted if port in owners),
        *(
            Link(owners[port], port, target, CONTROL, control=True)
            for port, target in _conditions(graph)
            if port in owners and (port, target) not in carried
        ),
        *_failure_links(graph),
    ]
    return [each for each in links if cards[each.source].column < cards[each.target].column]


def _conditions(graph: Graph) -> Iterator[tuple[str, str]]:
    """The ports that conditions read, each with the card of the step that is run or not."""
    for step in graph.steps:
        for port in dict.fromkeys(source.port for source in step.reads.values() if source.port):
            yield port, _step_id(step.id)


def _failure_links(graph: Graph) -> Iterator[Link]:
    """From the steps that nothing waits for to what is run when the run has failed."""
    awaited = {earlier for step in graph.steps for earlier in step.after}
    for handler in (each for each in graph.steps if each.handles_failure):
        for step in graph.steps:
            if step.id not in awaited and not step.handles_failure:
                ends = (_step_id(step.id), CONTROL, _step_id(handler.id), CONTROL)
                yield Link(*ends, control=True)


def _result_sources(graph: Graph) -> Iterator[tuple[str, str]]:
    for name, declared in graph.result.items():
        if isinstance(declared, ResultSpec):
            for inner, port in declared.ports.items():
                yield port, json.dumps([name, inner])
        else:
            yield declared, json.dumps([name])


def name_columns(name: str) -> int:
    """How wide a name is shown, in characters."""
    return svg.columns(shortened(name, 60))
