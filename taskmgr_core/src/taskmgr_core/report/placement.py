"""Where labels go beside the boxes they name: plain geometry."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence

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


@attrs.frozen
class _Choice:
    """The places where a label may go, what each costs by itself, and the area of them all."""

    places: tuple[tuple[Rectangle, float], ...]
    reach: Rectangle

    @classmethod
    def of(cls, label: Label, canvas: Rectangle, others: Iterable[Rectangle]) -> _Choice:
        """The places around a label's anchor; ``others`` are the other anchors."""
        candidates = list(_candidates(label, canvas))
        reach = candidates[0][0]
        for where, _ in candidates:
            reach = reach.joined(where)
        near = [other for other in others if reach.shared(other)]
        costs = (_cost(where, label.anchor, near) + away * _AWAY for where, away in candidates)
        return cls(
            tuple(zip((where for where, _ in candidates), costs, strict=True)),
            reach,
        )

    def best(self, labels: Iterable[Rectangle]) -> Rectangle:
        """The cheapest place, the first of equals, where the other labels are these."""
        near = [label for label in labels if self.reach.shared(label)]
        area = self.places[0][0].area or 1.0
        return min(
            self.places,
            key=lambda each: round(each[1] + _ON_LABEL * _covered(each[0], near) / area, 6),
        )[0]


def place(labels: Sequence[Label], canvas: Rectangle) -> tuple[Rectangle, ...]:
    """Find a place for each label: near its anchor, inside the canvas, clear of the others.

    Each label takes the cheapest of some thirty places; then each may move
    again, seeing where the others went.

    Arguments:
        labels: what to place.
        canvas: the picture.
    """
    choices = [
        _Choice.of(label, canvas, (other.anchor for other in labels if other is not label))
        for label in labels
    ]
    placed: dict[int, Rectangle] = {}
    for _ in range(_ROUNDS):
        for index, choice in enumerate(choices):
            placed[index] = choice.best(where for at, where in placed.items() if at != index)
    return tuple(placed[index] for index in range(len(labels)))


def collisions(places: Sequence[Rectangle]) -> float:
    """The area in which labels lie on each other."""
    return sum(
        first.shared(second) for index, first in enumerate(places) for second in places[index + 1 :]
    )


def _cost(where: Rectangle, anchor: Rectangle, others: Iterable[Rectangle]) -> float:
    """What a place costs before there are other labels."""
    covered = _ON_OTHER_BOX * _covered(where, others) + _ON_OWN_BOX * where.shared(anchor)
    return covered / (where.area or 1.0)


def _covered(where: Rectangle, others: Iterable[Rectangle]) -> float:
    return sum(map(where.shared, others))


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
