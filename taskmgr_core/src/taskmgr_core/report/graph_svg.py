"""The graph of a run as SVG: steps as cards, ports as pins, the mapping as lines."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence

from taskmgr_core.report import svg
from taskmgr_core.report.formats import counted
from taskmgr_core.report.graph_cards import (
    CONTROL,
    NOTE_HEIGHT,
    PORT_ADVANCE,
    RESULT,
    SMALL_ADVANCE,
    TITLE_ADVANCE,
    Card,
    Port,
    cards_of,
    links_of,
    name_columns,
)
from taskmgr_core.report.layout import Layout, Link, Point, lay_out
from taskmgr_core.specs import Graph, Step

_MARGIN = 6.0
_PAGE = 1160.0
_SHRINK = 0.72


def graph_svg(
    graph: Graph, steps: Iterable[Step] = (), *, result: bool = True, standalone: bool = True
) -> str:
    """Draw a compiled pipeline, with the state of a run where there is one.

    Arguments:
        graph: the pipeline.
        steps: the steps of a run of it; without them every step is pending.
        result: whether the declared result has a column of its own.
        standalone: for a file of its own; otherwise for a place inside a page
            that has the colours of ``theme.variables``.
    """
    cards = cards_of(graph, {step.id: step for step in steps}, result)
    links = links_of(graph, cards)
    layout = lay_out([card.node() for card in cards.values()], links)
    content = "".join(
        (
            svg.element("g", *_wires(links, layout), class_="wires"),
            *(_card(card, layout.places[card.id]) for card in cards.values()),
        )
    )
    width, height = layout.width + 2 * _MARGIN, layout.height + 2 * _MARGIN
    name = f"Graph of {graph.name}: {counted(len(graph.steps), 'step')}"
    return svg.document(
        svg.element("g", content, transform=f"translate({_MARGIN:g} {_MARGIN:g})"),
        name,
        _STYLE,
        standalone,
        viewBox=f"0 0 {width:g} {height:g}",
        width=width,
        height=height,
        style=None if standalone else _within_page(width),
    )


def _within_page(width: float) -> str:
    """A drawing little wider than a page shrinks to fit it; a larger one is scrolled."""
    least = width * _SHRINK if width * _SHRINK < _PAGE else width
    return f"width:100%;max-width:{width:.0f}px;min-width:{least:.0f}px;height:auto"


def _wires(links: Sequence[Link], layout: Layout) -> Iterator[str]:
    for link, route in zip(links, layout.routes, strict=True):
        said = svg.title(
            f"{_end(link.source, link.source_pin)} → {_end(link.target, link.target_pin)}"
        )
        classes = "wire control" if link.control else "wire"
        yield svg.element("path", said, d=_path(route), class_=classes)


def _end(card: str, pin: str) -> str:
    """What a line joins: a port, or a step as a whole."""
    return card if pin == CONTROL else "result" if card == RESULT else pin


def _path(route: Sequence[Point]) -> str:
    """Curves between columns, straight lines past them."""
    (x, y), *rest = route
    parts = [f"M{x:.1f} {y:.1f}"]
    for index, (to_x, to_y) in enumerate(rest):
        if index % 2 == 0:
            bend = (to_x - x) / 2
            parts.append(
                f"C{x + bend:.1f} {y:.1f} {to_x - bend:.1f} {to_y:.1f} {to_x:.1f} {to_y:.1f}"
            )
        else:
            parts.append(f"H{to_x:.1f}")
        x, y = to_x, to_y
    return "".join(parts)


def _card(card: Card, place: Point) -> str:
    width = card.width
    said = ", ".join(filter(None, (card.title, card.subtitle, card.status, card.time, *card.notes)))
    return svg.element(
        "g",
        svg.title(said),
        svg.element("rect", width=width, height=card.height, rx=8.0, class_="card"),
        *(_status_header(card, width) if card.status else _plain_header(card)),
        svg.element("path", d=f"M0 {card.header - 5:g}H{width:g}", class_="rule"),
        *_ports(card),
        transform=f"translate({place[0]:.1f} {place[1]:.1f})",
        class_=f"node {card.status}".rstrip(),
    )


def _plain_header(card: Card) -> Iterator[str]:
    yield svg.element("text", svg.text(card.title), x=12.0, y=17.0, class_="muted head")


def _status_header(card: Card, width: float) -> Iterator[str]:
    yield svg.sign(card.status, 11, 8, 13)
    name = svg.fitted(card.title, width - 38, TITLE_ADVANCE)
    yield svg.element("text", svg.text(name), x=30.0, y=19.0, class_="head")
    time = svg.fitted(card.time, width / 2, SMALL_ADVANCE)
    room = width - 42 - svg.columns(time) * SMALL_ADVANCE - 8
    small = svg.fitted(card.subtitle, room, SMALL_ADVANCE)
    yield svg.element("text", svg.text(small), x=30.0, y=35.0, class_="muted small")
    if time:
        classes = f"small end {card.status}"
        yield svg.element("text", svg.text(time), x=width - 12, y=35.0, class_=classes)
    for index, note in enumerate(card.notes, start=1):
        line = svg.fitted(note, width - 42, SMALL_ADVANCE)
        y = 35.0 + NOTE_HEIGHT * index
        yield svg.element("text", svg.text(line), x=30.0, y=y, class_="muted small")


def _ports(card: Card) -> Iterator[str]:
    rooms = [_rooms(left, right, card.width - 36) for left, right in card.rows()]
    for index, port in enumerate(card.left):
        yield _port(port, 0.0, card.pin(index), rooms[index][0], "")
    for index, port in enumerate(card.right):
        yield _port(port, card.width, card.pin(index), rooms[index][1], "end")


def _port(port: Port, x: float, y: float, room: float, end: str) -> str:
    name = svg.fitted(port.name, room, PORT_ADVANCE)
    inside = -10.0 if end else 10.0
    return svg.element(
        "g",
        svg.title(port.title),
        svg.element("circle", cx=x, cy=y, r=3.5, class_="pin") if port.wired else "",
        svg.element("text", svg.text(name), x=x + inside, y=y + 4, class_=f"port {end}".rstrip()),
    )


def _rooms(left: str, right: str, room: float) -> tuple[float, float]:
    """Share the width of a row: half each where both are long, else what the other leaves."""
    wanted_left, wanted_right = (
        name_columns(left) * PORT_ADVANCE,
        name_columns(right) * PORT_ADVANCE,
    )
    if wanted_left + wanted_right <= room:
        return room, room
    half = room / 2
    if wanted_left < half:
        return wanted_left + 1, room - wanted_left
    if wanted_right < half:
        return room - wanted_right, wanted_right + 1
    return half, half


_STYLE = (
    ".drawing .card{fill:var(--card);stroke:var(--line);stroke-width:1.25}"
    ".drawing .node.failed>.card{stroke:var(--failed);stroke-width:2}"
    ".drawing .node.running>.card{stroke:var(--running);stroke-width:2}"
    ".drawing .node.skipped>.card,.drawing .node.cancelled>.card,.drawing .node.pending>.card"
    "{stroke-dasharray:5 3}"
    ".drawing .rule{stroke:var(--line);fill:none}"
    ".drawing .head{font-size:13px;font-weight:600}"
    ".drawing .small{font-size:11px;font-variant-numeric:tabular-nums}"
    ".drawing .small.failed{fill:var(--failed);font-weight:600}"
    ".drawing .port{font:11px ui-monospace,SFMono-Regular,Menlo,Consolas,monospace}"
    ".drawing .pin{fill:var(--card);stroke:var(--wire);stroke-width:1.5}"
    ".drawing .wire{fill:none;stroke:var(--wire);stroke-width:1.5}"
    ".drawing .control{stroke-dasharray:4 3}"
    ".drawing .wire:hover{stroke:var(--accent);stroke-width:3}"
)
