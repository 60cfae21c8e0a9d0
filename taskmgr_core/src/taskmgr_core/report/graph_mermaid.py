"""The graph of a pipeline or run as a Mermaid flowchart."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence

from taskmgr_core.report import theme
from taskmgr_core.report.formats import printable, shortened
from taskmgr_core.report.graph_cards import INPUTS, RESULT, Card, cards_of, grouped, links_of
from taskmgr_core.report.layout import Link
from taskmgr_core.specs import Graph, Step

_LINE = "<br/>"
_NAME_LENGTH = 60
# What has a meaning of its own inside a label, with or without quotes around it.
_ENTITIES = {"#": "#35;", '"': "#quot;", "<": "#lt;", ">": "#gt;", "&": "#amp;", "`": "#96;"}


def graph_mermaid(graph: Graph, steps: Iterable[Step] = ()) -> str:
    """Write a compiled pipeline as a Mermaid flowchart, with the state of a run if there is one.

    Arguments:
        graph: the pipeline.
        steps: the steps of a run of it.
    """
    states = {step.id: step for step in steps}
    cards = cards_of(graph, states, result=True)
    links = links_of(graph, cards)
    return "\n".join(
        (
            "flowchart LR",
            *_nodes(graph, cards, bool(states)),
            *_edges(cards, links),
            *(_classes(cards.values()) if states else ()),
            "",
        )
    )


def _nodes(graph: Graph, cards: Mapping[str, Card], stated: bool) -> Iterator[str]:
    depth = 0
    for groups, card in grouped(graph, cards):
        if card is None and len(groups) > depth:
            name = _escaped(f"{groups[-1].id} · {groups[-1].name}")
            yield f'  subgraph {_identifier(f"group {groups[-1].id}")}["{name}"]'
        elif card is None:
            yield "  end"
        else:
            text = _LINE.join(_escaped(line) for line in _label(card, stated))
            shape = f'(["{text}"])' if card.id in (INPUTS, RESULT) else f'["{text}"]'
            yield f"  {_identifier(card.id)}{shape}"
        depth = len(groups)


def _label(card: Card, stated: bool) -> Iterator[str]:
    if card.id in (INPUTS, RESULT):
        yield card.title
        yield from (port.name for port in (*card.left, *card.right))
        return
    mark = f"{theme.STATUS_MARKS.get(card.status, '?')} " if stated else ""
    yield f"{mark}{card.title}"
    yield " · ".join(filter(None, (card.subtitle, card.time)))
    yield from card.notes
    yield from (port.name for port in card.left if not port.wired)


def _edges(cards: Mapping[str, Card], links: Sequence[Link]) -> Iterator[str]:
    """One arrow between two cards, however many ports it maps: more of them hide one another."""
    mapped: dict[tuple[str, str, bool], list[str]] = {}
    for link in links:
        source = _name(cards[link.source], link.source_pin)
        target = source if link.control else _name(cards[link.target], link.target_pin)
        text = source if source == target else f"{source} → {target}"
        mapped.setdefault((link.source, link.target, link.control), []).append(_escaped(text))
    for (source, target, control), texts in mapped.items():
        label = _LINE.join(texts)
        line = f'-. "{label}" .->' if control else f'-- "{label}" -->'
        yield f"  {_identifier(source)} {line} {_identifier(target)}"


def _name(card: Card, pin: str) -> str:
    """What is written of a port; a line of control from no port is that of a failure."""
    names = (port.name for port in (*card.left, *card.right) if port.id == pin)
    return next(names, "on failure")


def _classes(cards: Iterable[Card]) -> Iterator[str]:
    by_status: dict[str, list[str]] = {}
    for card in cards:
        if card.status:
            by_status.setdefault(card.status, []).append(_identifier(card.id))
    for status, nodes in by_status.items():
        dashes = ",stroke-dasharray:5 3" if status in ("pending", "skipped", "cancelled") else ""
        colour = theme.light(status)
        yield f"  classDef {status} stroke:{colour},stroke-width:2px,color:{colour}{dashes}"
        yield f"  class {','.join(nodes)} {status}"


def _identifier(card: str) -> str:
    """Ids that are words of Mermaid's own, such as ``end``, break a chart."""
    return f"n_{''.join(each if each.isascii() and each.isalnum() else '_' for each in card)}"


def _escaped(text: str) -> str:
    return "".join(_ENTITIES.get(each, each) for each in shortened(printable(text), _NAME_LENGTH))
