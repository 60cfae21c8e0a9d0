"""The graph of a pipeline or run in DOT, the language of Graphviz."""

from __future__ import annotations

import html
from collections.abc import Iterable, Iterator, Mapping, Sequence

from taskmgr_core.report import theme
from taskmgr_core.report.formats import printable, shortened
from taskmgr_core.report.graph_cards import Card, Port, cards_of, grouped, links_of
from taskmgr_core.report.layout import Link
from taskmgr_core.specs import Graph, Step

_NAME_LENGTH = 60
_CONTROL_PORT = "c"


def graph_dot(graph: Graph, steps: Iterable[Step] = ()) -> str:
    """Write a compiled pipeline in DOT, with the state of a run where there is one.

    Arguments:
        graph: the pipeline.
        steps: the steps of a run of it.
    """
    states = {step.id: step for step in steps}
    cards = cards_of(graph, states, result=True)
    links = links_of(graph, cards)
    return "\n".join(
        (
            f"digraph {_quoted(graph.name)} {{",
            "  rankdir=LR;",
            '  node [shape=plain, fontname="Helvetica", fontsize=11];',
            f'  edge [color="{theme.light("wire")}", arrowsize=0.7];',
            *_nodes(graph, cards, bool(states)),
            *_edges(cards, links),
            "}",
            "",
        )
    )


def _nodes(graph: Graph, cards: Mapping[str, Card], stated: bool) -> Iterator[str]:
    depth = 0
    for groups, card in grouped(graph, cards):
        if card is None and len(groups) > depth:
            name = _quoted(f"{groups[-1].id} · {groups[-1].name}")
            yield f"  subgraph {_quoted(f'cluster {groups[-1].id}')} {{"
            yield f'  label={name}; fontname="Helvetica"; color="{theme.light("line")}";'
        elif card is None:
            yield "  }"
        else:
            yield f"  {_quoted(card.id)} [label=<{_table(card, stated)}>];"
        depth = len(groups)


def _table(card: Card, stated: bool) -> str:
    colour = theme.light(card.status if stated and card.status else "line")
    return (
        f'<TABLE BORDER="2" CELLBORDER="0" CELLSPACING="0" CELLPADDING="3" COLOR="{colour}"'
        f"{_style(card, stated)}>{''.join(_head(card, stated))}{''.join(_rows(card))}</TABLE>"
    )


def _style(card: Card, stated: bool) -> str:
    dashed = stated and card.status in ("pending", "skipped", "cancelled")
    return ' STYLE="DASHED"' if dashed else ""


def _head(card: Card, stated: bool) -> Iterator[str]:
    mark = f"{theme.STATUS_MARKS.get(card.status, '?')} " if stated and card.status else ""
    colour = theme.light(card.status if mark else "ink")
    yield (
        f'<TR><TD COLSPAN="2" ALIGN="LEFT" PORT="{_CONTROL_PORT}"><FONT COLOR="{colour}"><B>'
        f"{_text(mark + card.title)}</B></FONT></TD></TR>"
    )
    for small in filter(None, (" · ".join(filter(None, (card.subtitle, card.time))), *card.notes)):
        yield (
            f'<TR><TD COLSPAN="2" ALIGN="LEFT"><FONT POINT-SIZE="9" COLOR="'
            f'{theme.light("muted")}">{_text(small)}</FONT></TD></TR>'
        )


def _rows(card: Card) -> Iterator[str]:
    for index in range(max(len(card.left), len(card.right))):
        left = _cell(card.left, index, "i", "LEFT")
        right = _cell(card.right, index, "o", "RIGHT")
        yield f"<TR>{left}{right}</TR>"


def _cell(ports: Sequence[Port], index: int, side: str, align: str) -> str:
    name = _text(ports[index].name) if index < len(ports) else " "
    return f'<TD PORT="{side}{index}" ALIGN="{align}">{name}</TD>'


def _edges(cards: Mapping[str, Card], links: Iterable[Link]) -> Iterator[str]:
    for link in links:
        source, target = cards[link.source], cards[link.target]
        begin = _place(source.right, link.source_pin, "o")
        end = _place(target.left, link.target_pin, "i")
        dashed = " [style=dashed]" if link.control else ""
        yield f"  {_quoted(source.id)}:{begin}:e -> {_quoted(target.id)}:{end}:w{dashed};"


def _place(ports: Sequence[Port], pin: str, side: str) -> str:
    """The cell of a port, or of the head where a line carries no value."""
    cells = (f"{side}{index}" for index, port in enumerate(ports) if port.id == pin)
    return next(cells, _CONTROL_PORT)


def _quoted(text: str) -> str:
    """Inside quotes DOT escapes the quote alone, but a backslash at the end would do so too."""
    escaped = printable(text).replace("\\", "\\\\").replace('"', '\\"')
    return f'"{escaped}"'


def _text(text: str) -> str:
    return html.escape(shortened(printable(text), _NAME_LENGTH))
