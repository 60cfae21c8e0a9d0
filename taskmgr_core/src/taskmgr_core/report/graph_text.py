"""The graph of a pipeline or run as lines of text: each port, and where its value comes from."""

from __future__ import annotations

from collections.abc import Iterable, Iterator

import attrs

from taskmgr_core.report.formats import printable, shortened
from taskmgr_core.report.graph_cards import INPUTS, RESULT, Card, cards_of, grouped, links_of
from taskmgr_core.report.theme import STATUS_MARKS
from taskmgr_core.specs import Graph, Step, input_port

_CONSTANT_LENGTH = 60
_INDENT = "    "


@attrs.frozen
class Line:
    """A line of text.

    Attributes:
        text: what is written.
        status: of the step that begins here, or empty; it is in the text as well.
    """

    text: str
    status: str = ""


def graph_lines(graph: Graph, steps: Iterable[Step] = ()) -> Iterator[Line]:
    """Write a compiled pipeline, with the state of a run where there is one.

    Arguments:
        graph: the pipeline.
        steps: the steps of a run of it.
    """
    states = {step.id: step for step in steps}
    cards = cards_of(graph, states, result=True)
    sources = {(each.target, each.target_pin): each.source_pin for each in links_of(graph, cards)}
    sources |= {
        (f"step {step.id}", input_port(step.id, field)): source.port
        for step in graph.steps
        for field, source in step.inputs.items()
        if source.port
    }
    after = {f"step {step.id}": step.after for step in graph.steps}
    yield Line(printable(graph.name))
    depth = 0
    for groups, card in grouped(graph, cards):
        if card is None and len(groups) > depth:
            yield Line("")
            yield Line(f"{_INDENT * depth}{groups[-1].id}  {printable(groups[-1].name)}")
        depth = len(groups)
        if card is not None:
            yield Line("")
            lines = (*_head(card, after.get(card.id, ()), bool(states)), *_ports(card, sources))
            for line in lines:
                yield attrs.evolve(line, text=f"{_INDENT * depth}{line.text}")


def _head(card: Card, after: tuple[str, ...], stated: bool) -> Iterator[Line]:
    if card.id in (INPUTS, RESULT):
        yield Line(card.title.lower())
        return
    parts = [f"{card.subtitle.replace(' · ', f' {printable(card.title)} ')}"]
    if after:
        parts.append(f"after {', '.join(after)}")
    if stated:
        # The time of a step that did not succeed begins with its status.
        passed = card.time.removeprefix(card.status).removeprefix(" · ")
        parts.append(f"{STATUS_MARKS.get(card.status, '?')} {card.status} {passed}".rstrip())
    yield Line("  ".join(parts), card.status if stated else "")
    yield from (Line(f"  {printable(note)}") for note in card.notes)


def _ports(card: Card, sources: dict[tuple[str, str], str]) -> Iterator[Line]:
    given = [(_shown(card, port.id, port.name), port) for port in card.left]
    width = max((len(name) for name, _ in given), default=0)
    for name, port in given:
        source = sources.get((card.id, port.id))
        if source is not None:
            yield Line(f"  {name:{width}} <- {printable(source)}")
        else:
            said = port.title.partition(" = ")[2]
            yield Line(f"  {name:{width}} =  {shortened(said, _CONSTANT_LENGTH)}".rstrip(" ="))
    for port in card.right:
        yield Line(f"  {_shown(card, port.id, port.name)}")


def _shown(card: Card, port: str, name: str) -> str:
    """The id of a port; an entry of the result has a name only, and no id that people know."""
    return printable(name if card.id == RESULT else port)
