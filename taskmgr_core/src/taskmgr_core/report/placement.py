"""Where labels go beside the boxes they name: plain geometry."""

from __future__ import annotations

from collections.abc import Iterator, Sequence

import attrs

# What it costs a label to lie on another label, to lie on somebody else's box,
# to lie on its own box, and to stand one label's height away: each by the share
# of the label that does.
_ON_LABEL = 12.0
_ON_OTHER_BOX = 6.0
_ON_OWN_BOX = 2.0
_AWAY = 0.35
_ROUNDS = 3
_STEPS_AWAY = 4


@attrs.frozen
class Rectangle:
    """A rectangle by its edges, in pixels; right and bottom are outside."""

    left: float
    top: float
    right: float
    bottom: float

    @property
    def width(self) -> float:
        """From left to right."""
        return self.right - self.left

    @property
    def height(self) -> float:
        """From top to bottom."""
        return self.bottom - self.top

    @property
    def area(self) -> float:
        """In square pixels."""
        return self.width * self.height

    def shared(self, other: Rectangle) -> float:
        """The area that lies in both."""
        width = min(self.right, other.right) - max(self.left, other.left)
        height = min(self.bottom, other.bottom) - max(self.top, other.top)
        return width * height if width > 0 and height > 0 else 0.0

    def joined(self, other: Rectangle) -> Rectangle:
        """The smallest rectangle around both."""
        return Rectangle(
            min(self.left, other.left),
            min(self.top, other.top),
            max(self.right, other.right),
            max(self.bottom, other.bottom),
        )

    def within(self, canvas: Rectangle) -> Rectangle:
        """Moved, not cut, so that it lies inside as far as it fits."""
        left = max(canvas.left, min(self.left, canvas.right - self.width))
        top = max(canvas.top, min(self.top, canvas.bottom - self.height))
        return Rectangle(left, top, left + self.width, top + self.height)


@attrs.frozen
class Label:
    """A label to place: the rectangle it names, and its own size in pixels."""

    anchor: Rectangle
    width: float
    height: float


def place(labels: Sequence[Label], canvas: Rectangle) -> tuple[Rectangle, ...]:
    """Find a place for each label: near its anchor, inside the canvas, clear of the others.

    Each label takes the cheapest of some thirty places; then each may move
    again, seeing where the others went.

    Arguments:
        labels: what to place.
        canvas: the picture.
    """
    placed: list[Rectangle | None] = [None] * len(labels)
    for _ in range(_ROUNDS):
        for index, label in enumerate(labels):
            others = [each for at, each in enumerate(placed) if each is not None and at != index]
            anchors = [each.anchor for at, each in enumerate(labels) if at != index]
            candidates = [
                (_cost(where, label, others, anchors) + away * _AWAY, order, where)
                for order, (where, away) in enumerate(_candidates(label, canvas))
            ]
            placed[index] = min(candidates, key=lambda each: (round(each[0], 6), each[1]))[2]
    return tuple(each for each in placed if each is not None)


def collisions(places: Sequence[Rectangle]) -> float:
    """The area in which labels lie on each other."""
    return sum(
        first.shared(second) for index, first in enumerate(places) for second in places[index + 1 :]
    )


def _cost(
    where: Rectangle, label: Label, others: Sequence[Rectangle], anchors: Sequence[Rectangle]
) -> float:
    area = where.area or 1.0
    return (
        _ON_LABEL * sum(map(where.shared, others))
        + _ON_OTHER_BOX * sum(map(where.shared, anchors))
        + _ON_OWN_BOX * where.shared(label.anchor)
    ) / area


def _candidates(label: Label, canvas: Rectangle) -> Iterator[tuple[Rectangle, float]]:
    """Places in order of preference, each with how many heights it is from the anchor."""
    anchor, width, height = label.anchor, label.width, label.height
    middle = (anchor.left + anchor.right - width) / 2
    columns = (anchor.left, middle, anchor.right - width)
    for away in range(_STEPS_AWAY):
        rows = (anchor.top - height * (1 + away), anchor.bottom + height * away)
        for row, top in enumerate(rows):
            for left in columns:
                # Below is as good as above, but above comes first for the eye.
                yield _at(left, top, label, canvas), away + 0.1 * row
    for left in (anchor.right, anchor.left - width):
        for top in (anchor.top, anchor.bottom - height):
            yield _at(left, top, label, canvas), 0.3
    for top in (anchor.top, anchor.bottom - height):
        yield _at(anchor.left, top, label, canvas), 0.2


def _at(left: float, top: float, label: Label, canvas: Rectangle) -> Rectangle:
    return Rectangle(left, top, left + label.width, top + label.height).within(canvas)
