"""The pictures of a run with what was found on them, as half blocks: two pixels a character."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING

import attrs

from taskmgr_core.errors import TaskmgrError
from taskmgr_core.specs import FieldValue, RunDetail
from taskmgr_core.watching import Watcher
from taskmgr_tui.core.graphics import Pixels

# Decoding and drawing take a while to import, and most who look at runs see no picture.
if TYPE_CHECKING:
    from taskmgr_core.report.overlays import Mark, Overlay

MOST = 4
# What is sent to a terminal that may be far away.
LONGEST = 1600

Colour = tuple[int, int, int]


@attrs.frozen
class Drawn:
    """A picture.

    Attributes:
        name: of the port that first held it.
        rows: for each character the colours of its upper and its lower half.
        legend: what was found, each with the colour that it is drawn in.
        problem: why it could not be drawn; empty where it was.
    """

    name: str
    rows: Sequence[Sequence[tuple[Colour, Colour]]] = ()
    legend: Sequence[tuple[str, str]] = ()
    problem: str = ""


def draw_all(watcher: Watcher, detail: RunDetail, columns: int, lines: int) -> list[Drawn]:
    """Draw the pictures of a run; it reads files, and decodes them.

    Arguments:
        watcher: gives the files.
        detail: the run.
        columns, lines: how many characters a picture may have.
    """
    return [_drawn(watcher, each, columns, lines) for each in _overlays(watcher, detail)]


def whole(watcher: Watcher, detail: RunDetail) -> list[tuple[str, Pixels]]:
    """The same pictures in full, with boxes and labels, each under its name.

    Raises:
        TaskmgrError: one is absent, damaged, or cannot be decoded.
    """
    from taskmgr_core.report.drawing import draw

    found = []
    for each in _overlays(watcher, detail):
        picture = draw(watcher.file(each.image_digest), each, LONGEST)
        found.append((each.image_port, Pixels(picture.width, picture.height, picture.tobytes())))
    return found


def _overlays(watcher: Watcher, detail: RunDetail) -> list[Overlay]:
    from taskmgr_core.report.overlays import Overlay, find_overlays

    found = {each.image_digest: each for each in find_overlays(detail, watcher.file)}
    for value in detail.values:
        if _is_picture(value) and value.digest not in found:
            found[value.digest] = Overlay(value.digest, value.port)
    return [*found.values()][:MOST]


def _is_picture(value: FieldValue) -> bool:
    document = value.document
    return (
        isinstance(document, dict)
        and "$artifact" in document
        and str(document.get("media_type")).startswith("image/")
    )


def _drawn(watcher: Watcher, overlay: Overlay, columns: int, lines: int) -> Drawn:
    from taskmgr_core.report.drawing import draw
    from taskmgr_core.report.theme import item_colour

    marks = _large_marks(overlay)
    try:
        path = watcher.file(overlay.image_digest)
        small = draw(path, attrs.evolve(overlay, marks=()), 64, 1)
        scale = min(columns / small.width, 2 * lines / small.height)
        longest = max(int(max(small.size) * scale), 2)
        picture = draw(path, attrs.evolve(overlay, marks=marks), longest, longest)
    except (TaskmgrError, OSError) as error:
        return Drawn(overlay.image_port, problem=str(error))
    legend = [(label, item_colour(item)) for item, label in overlay.labels.items()]
    return Drawn(overlay.image_port, half_blocks(picture.tobytes(), picture.width), legend)


def _large_marks(overlay: Overlay) -> tuple[Mark, ...]:
    """What can be told apart in so few pixels: boxes, and points where there is no box.

    Letters would hide what is so small: they stand above the picture.
    """
    boxed = {each.item for each in overlay.marks if each.kind == "box"}
    return tuple(
        attrs.evolve(each, label="")
        for each in overlay.marks
        if each.kind == "box" or each.item not in boxed
    )


def half_blocks(pixels: bytes, width: int) -> list[list[tuple[Colour, Colour]]]:
    """Two rows of pixels for each row of characters; the last one may have an empty half.

    Arguments:
        pixels: three bytes for each, row by row.
        width: how many there are in a row.
    """
    line = 3 * width
    rows = [pixels[at : at + line] for at in range(0, len(pixels), line)]
    pairs = zip(rows[::2], [*rows[1::2], bytes(line)], strict=False)
    return [[(_at(upper, x), _at(lower, x)) for x in range(width)] for upper, lower in pairs]


def _at(row: bytes, x: int) -> Colour:
    red, green, blue = row[3 * x : 3 * x + 3]
    return red, green, blue
