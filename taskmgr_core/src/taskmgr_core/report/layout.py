"""Lays out a layered graph from left to right: plain geometry, after Sugiyama's method.

K. Sugiyama, S. Tagawa, M. Toda, "Methods for Visual Understanding of
Hierarchical System Structures", IEEE Transactions on Systems, Man, and
Cybernetics 11 (1981). Columns are given; links that pass columns get a lane in
each, so that no line runs under a card.
"""

from __future__ import annotations

import itertools
from bisect import bisect_right, insort
from collections.abc import Iterable, Mapping, Sequence

import attrs

Point = tuple[float, float]

LANE_HEIGHT = 10.0
CARD_GAP = 26.0
LANE_GAP = 4.0
COLUMN_GAP = 64.0
WIDEST_GAP = 160.0
GAP_OF_A_LINK = 2.0
SWEEPS = 8


@attrs.frozen
class Node:
    """A card to place; pins are offsets in pixels from its upper edge.

    Attributes:
        id: any name, unique.
        column: from 0; a link goes to a greater column.
        width, height: in pixels.
        left, right: pin -> offset, of links that arrive and that leave.
    """

    id: str
    column: int
    width: float
    height: float
    left: Mapping[str, float] = attrs.field(factory=dict)
    right: Mapping[str, float] = attrs.field(factory=dict)


@attrs.frozen
class Link:
    """A line from a right pin of one node to a left pin of another.

    Attributes:
        control: whether it carries no value, and says only what a node depends on.
    """

    source: str
    source_pin: str
    target: str
    target_pin: str
    control: bool = False


@attrs.frozen
class Layout:
    """Where everything went, in pixels from the upper left corner.

    Attributes:
        places: node id -> its upper left corner.
        routes: for each link, in the order given, the points it passes: from
            odd to even ones it curves, from even to odd ones it is straight.
        width, height: of the whole.
    """

    places: Mapping[str, Point]
    routes: tuple[tuple[Point, ...], ...]
    width: float
    height: float


@attrs.define(eq=False)
class _Slot:
    """A card, or a lane of a link that passes a column."""

    width: float
    height: float
    lane: bool = False
    top: float = 0.0
    before: list[_Joint] = attrs.field(factory=list)
    after: list[_Joint] = attrs.field(factory=list)


@attrs.frozen(eq=False)
class _Joint:
    """How a slot is connected with one of a neighbouring column; offsets from their tops."""

    other: _Slot
    here: float
    there: float


def lay_out(nodes: Sequence[Node], links: Sequence[Link]) -> Layout:
    """Place the nodes and route the links.

    Arguments:
        nodes: in the order wanted, as far as the links leave a choice.
        links: between them.
    """
    net = _Net.of(nodes, links)
    columns = _ordered(net.columns)
    _stack(columns)
    left = _column_edges(columns)
    places = {node.id: (left[node.column], net.slots[node.id].top) for node in nodes}
    routes = tuple(net.route(link, left) for link in links)
    height = max((slot.top + slot.height for column in columns for slot in column), default=0.0)
    widest = max((slot.width for slot in columns[-1]), default=0.0) if columns else 0.0
    return Layout(places, routes, (left[-1] if left else 0.0) + widest, height)


@attrs.define
class _Net:
    """Nodes and lanes by column, connected."""

    nodes: Mapping[str, Node]
    slots: dict[str, _Slot]
    columns: list[list[_Slot]]
    lanes: dict[tuple[str, str], list[_Slot]] = attrs.field(factory=dict)

    @classmethod
    def of(cls, nodes: Sequence[Node], links: Sequence[Link]) -> _Net:
        """Connect all links, with lanes where they pass columns."""
        count = max((node.column for node in nodes), default=-1) + 1
        net = cls({node.id: node for node in nodes}, {}, [[] for _ in range(count)])
        for node in nodes:
            slot = _Slot(node.width, node.height)
            net.slots[node.id] = slot
            net.columns[node.column].append(slot)
        for link in links:
            net._connect(link)
        return net

    def route(self, link: Link, left: Sequence[float]) -> tuple[Point, ...]:
        """The points that a link passes, once everything has its place."""
        source, target = self.nodes[link.source], self.nodes[link.target]
        x, y = left[source.column] + source.width, self.slots[link.source].top
        points = [(x, y + source.right[link.source_pin])]
        passed = target.column - source.column - 1
        for step, lane in enumerate(self._lanes(link)[:passed]):
            column = source.column + 1 + step
            middle = lane.top + LANE_HEIGHT / 2
            points += [(left[column], middle), (left[column] + self._width(column), middle)]
        top = self.slots[link.target].top
        return (*points, (left[target.column], top + target.left[link.target_pin]))

    def _width(self, column: int) -> float:
        return max(slot.width for slot in self.columns[column])

    def _lanes(self, link: Link) -> list[_Slot]:
        return self.lanes.setdefault((link.source, link.source_pin), [])

    def _connect(self, link: Link) -> None:
        source, target = self.nodes[link.source], self.nodes[link.target]
        lanes = self._lanes(link)
        offset = source.right[link.source_pin]
        for step in range(target.column - source.column - 1):
            if step == len(lanes):
                lane = _Slot(0.0, LANE_HEIGHT, lane=True)
                self.columns[source.column + 1 + step].append(lane)
                before, at = (
                    (lanes[-1], LANE_HEIGHT / 2)
                    if lanes
                    else (
                        self.slots[link.source],
                        offset,
                    )
                )
                _join(before, at, lane, LANE_HEIGHT / 2)
                lanes.append(lane)
        passed = target.column - source.column - 1
        last = lanes[passed - 1] if passed else self.slots[link.source]
        at = LANE_HEIGHT / 2 if passed else offset
        _join(last, at, self.slots[link.target], target.left[link.target_pin])


def _join(left: _Slot, left_offset: float, right: _Slot, right_offset: float) -> None:
    left.after.append(_Joint(right, left_offset, right_offset))
    right.before.append(_Joint(left, right_offset, left_offset))


# --- the order within columns ----------------------------------------------------------------


def _ordered(columns: list[list[_Slot]]) -> list[list[_Slot]]:
    """The order with the fewest crossings that some sweeps find."""
    best, fewest = [list(column) for column in columns], _crossings(columns)
    for sweep in range(SWEEPS):
        if not fewest:
            break
        forward = sweep % 2 == 0
        for index in range(1, len(columns)) if forward else range(len(columns) - 2, -1, -1):
            _sort(columns[index], columns[index - 1 if forward else index + 1], forward)
        crossings = _crossings(columns)
        if crossings < fewest:
            best, fewest = [list(column) for column in columns], crossings
    return best


def _sort(column: list[_Slot], beside: list[_Slot], forward: bool) -> None:
    """Order a column by the mean position of what its slots are connected with."""
    position = {slot: index for index, slot in enumerate(beside)}

    def mean(slot: _Slot, own: int) -> float:
        joints = slot.before if forward else slot.after
        if not joints:
            return own * len(beside) / len(column)
        return sum(
            position[joint.other] + joint.there / joint.other.height for joint in joints
        ) / len(joints)

    means = {slot: mean(slot, own) for own, slot in enumerate(column)}
    column.sort(key=lambda slot: means[slot])


def _crossings(columns: Sequence[Sequence[_Slot]]) -> int:
    """How many pairs of lines between neighbouring columns cross."""
    total = 0
    for left, right in itertools.pairwise(columns):
        position = {slot: index for index, slot in enumerate(right)}
        ends = [
            position[joint.other] + joint.there / joint.other.height
            for slot in left
            for joint in sorted(slot.after, key=lambda each: each.here)
        ]
        seen: list[float] = []
        for end in ends:
            total += len(seen) - bisect_right(seen, end)
            insort(seen, end)
    return total


# --- coordinates -----------------------------------------------------------------------------


def _stack(columns: Sequence[Sequence[_Slot]]) -> None:
    """Give every slot its top, as level with its neighbours as the order allows."""
    for column in columns:
        _settle(column, [0.0] * len(column))
    for sweep in range(SWEEPS):
        forward = sweep % 2 == 0
        for column in columns if forward else reversed(columns):
            _settle(column, [_wish(slot, forward, sweep == SWEEPS - 1) for slot in column])
    highest = min((slot.top for column in columns for slot in column), default=0.0)
    for column in columns:
        for slot in column:
            slot.top -= highest


def _wish(slot: _Slot, forward: bool, both: bool) -> float:
    """The top at which a slot's lines would be level."""
    joints = slot.before if forward else slot.after
    joints = [*slot.before, *slot.after] if both or not joints else joints
    if not joints:
        return slot.top
    return sum(joint.other.top + joint.there - joint.here for joint in joints) / len(joints)


def _settle(column: Sequence[_Slot], wishes: Sequence[float]) -> None:
    """Set the tops nearest to what is wished (least squares) without overlaps.

    By pooling adjacent violators: slots that would overlap move as one block.
    """
    offsets = _offsets(column)
    blocks: list[tuple[float, int]] = []  # mean, count
    for wish, offset in zip(wishes, offsets, strict=True):
        mean, count = wish - offset, 1
        while blocks and blocks[-1][0] > mean:
            before, others = blocks.pop()
            mean, count = (mean * count + before * others) / (count + others), count + others
        blocks.append((mean, count))
    bases = [mean for mean, count in blocks for _ in range(count)]
    for slot, base, offset in zip(column, bases, offsets, strict=True):
        slot.top = base + offset


def _offsets(column: Iterable[_Slot]) -> list[float]:
    """The tops of slots stacked without room to spare."""
    offsets: list[float] = []
    before: _Slot | None = None
    for slot in column:
        if before is None:
            offsets.append(0.0)
        else:
            gap = LANE_GAP if before.lane and slot.lane else CARD_GAP
            offsets.append(offsets[-1] + before.height + gap)
        before = slot
    return offsets


def _column_edges(columns: Sequence[Sequence[_Slot]]) -> list[float]:
    """The left edge of each column."""
    edges: list[float] = []
    x = 0.0
    for column in columns:
        edges.append(x)
        lines = sum(len(slot.after) for slot in column)
        gap = min(WIDEST_GAP, COLUMN_GAP + GAP_OF_A_LINK * lines)
        x += max((slot.width for slot in column), default=0.0) + gap
    return edges
