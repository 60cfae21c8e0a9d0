"""Draws an overlay on its picture."""

from __future__ import annotations

import math
from collections.abc import Mapping
from pathlib import Path

import attrs
from PIL import Image, ImageDraw, ImageFont

from taskmgr_core.report.lettering import Lettering
from taskmgr_core.report.overlays import Mark, Overlay
from taskmgr_core.report.placement import Label, Rectangle, collisions, place
from taskmgr_core.report.theme import item_colour, rgb, text_colour
from taskmgr_core.report.upright import SMALLEST, open_upright

_SMALLEST_FONT = 11
_LABELS = 300
_CASING = (0, 0, 0, 150)


def draw(
    path: Path, overlay: Overlay, longest: int | None = None, shortest: int = SMALLEST
) -> Image.Image:
    """The picture, upright, with all marks and labels on it.

    Arguments:
        path: an image file that Pillow reads, of any mode and bit depth.
        overlay: what to draw, in pixels of the upright picture.
        longest: the longest side of what is returned, in pixels; by default the
            picture's own.
        shortest: a picture whose longest side is shorter is enlarged, so that
            there is room for labels.

    Returns:
        An RGB picture; what is transparent is white.

    Raises:
        InvalidValueError: the file is no picture that can be decoded.
    """
    picture, original = open_upright(path, longest, shortest)
    scale = (picture.width / original[0], picture.height / original[1])
    _Drawing(picture, scale).draw(overlay)
    return picture


def write_png(path: Path, overlay: Overlay, target: Path, longest: int | None = None) -> Path:
    """Draw, and write the picture as a PNG file; arguments as for ``draw``."""
    draw(path, overlay, longest).save(target, "PNG")
    return target


@attrs.define
class _Drawing:
    """Draws marks on a picture, which it changes.

    Attributes:
        picture: RGB.
        scale: pixels of this picture for one of the file's, across and down.
    """

    picture: Image.Image
    scale: tuple[float, float]
    _pen: ImageDraw.ImageDraw = attrs.field(init=False)

    @_pen.default
    def _new_pen(self) -> ImageDraw.ImageDraw:
        return ImageDraw.Draw(self.picture, "RGBA")  # blends translucent colours

    @property
    def _middle_side(self) -> float:
        return math.sqrt(self.picture.width * self.picture.height)

    @property
    def _canvas(self) -> Rectangle:
        return Rectangle(0, 0, self.picture.width, self.picture.height)

    def draw(self, overlay: Overlay) -> None:
        """Boxes, then points, then labels, so that none hides what is finer."""
        frames = {index: self._frame(mark) for index, mark in enumerate(overlay.marks)}
        for index, mark in enumerate(overlay.marks):
            if mark.kind == "box":
                self._box(frames[index], item_colour(mark.item))
        for index, mark in enumerate(overlay.marks):
            if mark.kind == "points":
                self._points(mark, frames[index])
        self._labels(overlay, self._anchors(overlay, frames))

    def _at(self, point: tuple[float, float]) -> tuple[float, float]:
        """A point on this picture; what is far outside is brought to just outside."""
        x, y = point[0] * self.scale[0], point[1] * self.scale[1]
        edge = 64.0
        return (
            max(-edge, min(x, self.picture.width + edge)),
            max(-edge, min(y, self.picture.height + edge)),
        )

    def _frame(self, mark: Mark) -> Rectangle:
        """The smallest rectangle around a mark, on this picture."""
        across, down = zip(*map(self._at, mark.coordinates), strict=True)
        return Rectangle(min(across), min(down), max(across), max(down))

    def _anchors(self, overlay: Overlay, frames: dict[int, Rectangle]) -> dict[int, Rectangle]:
        """For each item its first box, or all its points."""
        anchors: dict[int, Rectangle] = {}
        boxed: set[int] = set()
        for index, mark in enumerate(overlay.marks):
            if mark.item not in anchors or (mark.kind == "box" and mark.item not in boxed):
                anchors[mark.item] = frames[index]
            elif mark.item not in boxed:
                anchors[mark.item] = anchors[mark.item].joined(frames[index])
            if mark.kind == "box":
                boxed.add(mark.item)
        return anchors

    def _box(self, frame: Rectangle, colour: str) -> None:
        left, top = round(frame.left), round(frame.top)
        right, bottom = max(left, round(frame.right) - 1), max(top, round(frame.bottom) - 1)
        width = self._line_width(frame)
        self._pen.rectangle(
            (left - 1, top - 1, right + 1, bottom + 1), outline=_CASING, width=width + 2
        )
        self._pen.rectangle((left, top, right, bottom), outline=rgb(colour), width=width)

    def _line_width(self, frame: Rectangle) -> int:
        """Thicker on larger pictures, thinner around small things."""
        by_picture = self._middle_side / 330
        by_frame = min(frame.width, frame.height) / 10
        return max(1, round(min(max(by_picture, 2), by_frame)))

    def _points(self, mark: Mark, frame: Rectangle) -> None:
        by_frame = math.hypot(frame.width, frame.height) / 38 if len(mark.coordinates) > 1 else 99
        radius = max(1.2, min(self._middle_side / 300, by_frame))
        inner, outer = _disc(radius), _disc(radius + max(0.8, radius * 0.35))
        colour, shade = rgb(item_colour(mark.item)), _CASING[:3]
        for point in mark.coordinates:
            x, y = self._at(point)
            for disc, fill in ((outer, shade), (inner, colour)):
                self.picture.paste(fill, _centred(disc, x, y), disc)

    def _labels(self, overlay: Overlay, anchors: dict[int, Rectangle]) -> None:
        """Fewer pixels for each label where they would lie on each other."""
        labels = overlay.labels
        if not labels or len(labels) > _LABELS:
            return
        chosen = _Tags({}, (), 0.0)
        size = max(_SMALLEST_FONT, round(self._middle_side / 64))
        while size >= _SMALLEST_FONT:
            chosen = self._tags(labels, anchors, size)
            if not chosen.collisions:
                break
            size = min(round(size * 0.85), size - 1)
        for item, where in zip(labels, chosen.places, strict=True):
            self._leader(anchors[item], where, item_colour(item))
        for item, where in zip(labels, chosen.places, strict=True):
            chosen.tags[item].draw(self._pen, where, item_colour(item))

    def _tags(self, labels: Mapping[int, str], anchors: dict[int, Rectangle], size: int) -> _Tags:
        lettering = Lettering(size)
        tags = {
            item: _Tag.of(text, lettering, self.picture.width * 0.9)
            for item, text in labels.items()
        }
        wanted = [Label(anchors[item], tag.width, tag.height) for item, tag in tags.items()]
        places = place(wanted, self._canvas)
        return _Tags(tags, places, collisions(places))

    def _leader(self, anchor: Rectangle, tag: Rectangle, colour: str) -> None:
        """A line from a label to what it names, where they do not touch."""
        gap = max(anchor.top - tag.bottom, tag.top - anchor.bottom)
        if gap < 2:
            return
        x = (max(anchor.left, tag.left) + min(anchor.right, tag.right)) / 2
        ends = (tag.bottom, anchor.top) if tag.bottom <= anchor.top else (anchor.bottom, tag.top)
        width = max(1, round(self._middle_side / 500))
        self._pen.line((x, ends[0], x, ends[1]), fill=_CASING, width=width + 2)
        self._pen.line((x, ends[0], x, ends[1]), fill=rgb(colour), width=width)


@attrs.frozen
class _Tag:
    """A label as written on its filled rectangle; sizes in pixels."""

    text: str
    font: ImageFont.FreeTypeFont
    width: float
    height: float
    padding: float

    @classmethod
    def of(cls, label: str, lettering: Lettering, room: float) -> _Tag:
        """A tag no wider than the room there is."""
        padding = max(2.0, lettering.size * 0.28)
        text, font = lettering.fit(label, room - 2 * padding)
        width = math.ceil(font.getlength(text) + 2 * padding)
        return cls(text, font, width, math.ceil(lettering.size * 1.3), padding)

    def draw(self, pen: ImageDraw.ImageDraw, where: Rectangle, colour: str) -> None:
        """Write it."""
        left, top = round(where.left), round(where.top)
        right, bottom = left + round(self.width) - 1, top + round(self.height) - 1
        pen.rectangle((left, top, right, bottom), fill=rgb(colour))
        middle = (top + bottom + 1) / 2
        fill = rgb(text_colour(colour))
        pen.text((left + self.padding, middle), self.text, fill=fill, font=self.font, anchor="lm")


@attrs.frozen
class _Tags:
    """A layout of all labels, and how much they lie on each other."""

    tags: dict[int, _Tag]
    places: tuple[Rectangle, ...]
    collisions: float


def _disc(radius: float) -> Image.Image:
    """A filled circle with smooth edges, as a mask."""
    fine = 8
    side = math.ceil(radius) * 2 + 1
    mask = Image.new("L", (side * fine, side * fine))
    middle, reach = side * fine / 2, radius * fine
    box = (middle - reach, middle - reach, middle + reach, middle + reach)
    ImageDraw.Draw(mask).ellipse(box, fill=255)
    return mask.resize((side, side), Image.Resampling.BOX)


def _centred(mask: Image.Image, x: float, y: float) -> tuple[int, int]:
    return math.floor(x) - mask.width // 2, math.floor(y) - mask.height // 2
