"""The pictures of a run, with their marks, as parts of a page."""

from __future__ import annotations

import base64
import io
from collections.abc import Iterator, Mapping, Sequence
from typing import Any

import attrs
from PIL import Image

from taskmgr_core.errors import TaskmgrError
from taskmgr_core.report.drawing import draw
from taskmgr_core.report.formats import counted, shortened
from taskmgr_core.report.overlays import Overlay
from taskmgr_core.report.recorded import RecordedValues, is_artifact

LONGEST_SIDE = 1600
_FINE_SIDE = 1200
_PICTURES = 12
_LABELS_SAID = 12
_JPEG_QUALITY = 88
# A photograph as PNG is several times as large; a diagram as JPEG is smeared.
_PNG_MAY_BE_LARGER = 1.4
_LOSSY = ("image/jpeg", "image/webp")


@attrs.frozen
class Picture:
    """A picture on the page.

    Attributes:
        port: the pipeline input or output port that holds it.
        name: the file's name for users.
        digest: its artifact.
        said: what is on it, for those who do not see it.
        marks: how much is drawn on it, in words; empty for nothing.
        source: a ``data:`` URI; empty where there is a problem.
        width, height: of what is embedded, in pixels.
        problem: why it is not shown.
    """

    port: str
    name: str
    digest: str
    said: str
    marks: str
    source: str = ""
    width: int = 0
    height: int = 0
    problem: str = ""


@attrs.frozen
class Pictures:
    """The pictures shown, and how many more there are."""

    shown: tuple[Picture, ...]
    more: int


def pictures_of(values: RecordedValues, overlays: Sequence[Overlay]) -> Pictures:
    """Draw and embed the pictures of a run.

    Arguments:
        values: the run's.
        overlays: what is drawn; pictures without marks come after those with.
    """
    every = [*overlays, *_plain(values, {overlay.image_digest for overlay in overlays})]
    shown = tuple(_picture(values, overlay) for overlay in every[:_PICTURES])
    return Pictures(shown, len(every) - len(shown))


def _plain(values: RecordedValues, drawn: set[str]) -> Iterator[Overlay]:
    """Pictures that are the value of a port and that nothing lies on."""
    seen = set(drawn)
    for value in values.detail.values:
        document = value.document
        if value.source or not is_artifact(document) or document["$artifact"] in seen:
            continue
        if value.type == "Image" or str(document.get("media_type")).startswith("image/"):
            seen.add(document["$artifact"])
            yield Overlay(document["$artifact"], value.port)


def _picture(values: RecordedValues, overlay: Overlay) -> Picture:
    document = _reference(values, overlay)
    name = shortened(str(document.get("name") or overlay.image_port), 80)
    marks = _marks(overlay)
    picture = Picture(
        overlay.image_port, name, overlay.image_digest, _said(name, overlay, marks), marks
    )
    try:
        path = values.open_artifact(overlay.image_digest)
        drawn = draw(path, overlay, LONGEST_SIDE, _FINE_SIDE if overlay.marks else 1)
    except (TaskmgrError, OSError) as error:
        return attrs.evolve(picture, problem=str(error))
    lossy = document.get("media_type") in _LOSSY
    return attrs.evolve(
        picture, source=data_uri(drawn, lossy), width=drawn.width, height=drawn.height
    )


def _reference(values: RecordedValues, overlay: Overlay) -> Mapping[str, Any]:
    """What is recorded of the picture's file."""
    value = values.origin(overlay.image_port)
    found = value.document if value is not None else None
    return found if isinstance(found, Mapping) else {}


def data_uri(picture: Image.Image, lossy: bool) -> str:
    """A picture as a ``data:`` URI.

    Arguments:
        picture: RGB.
        lossy: whether it was a photograph's format already; otherwise PNG is
            taken unless it is much larger.
    """
    jpeg = _encoded(picture, "JPEG", quality=_JPEG_QUALITY, subsampling=0, optimize=True)
    kind, content = "jpeg", jpeg
    if not lossy:
        png = _encoded(picture, "PNG")
        if len(png) <= len(jpeg) * _PNG_MAY_BE_LARGER:
            kind, content = "png", png
    return f"data:image/{kind};base64,{base64.b64encode(content).decode()}"


def _encoded(picture: Image.Image, kind: str, **options: Any) -> bytes:
    buffer = io.BytesIO()
    picture.save(buffer, kind, **options)
    return buffer.getvalue()


def _marks(overlay: Overlay) -> str:
    """``17 boxes, 85 points``."""
    boxes = sum(mark.kind == "box" for mark in overlay.marks)
    points = sum(len(mark.coordinates) for mark in overlay.marks if mark.kind == "points")
    parts = [counted(boxes, "box", "boxes")] if boxes else []
    return ", ".join([*parts, counted(points, "point")] if points else parts)


def _said(name: str, overlay: Overlay, marks: str) -> str:
    if not marks:
        return f"The picture {name}"
    labels = [shortened(label, 60) for label in overlay.labels.values()]
    listed = "; ".join(labels[:_LABELS_SAID])
    more = f"; and {len(labels) - _LABELS_SAID} more" if len(labels) > _LABELS_SAID else ""
    return f"The picture {name} with {marks}" + (f": {listed}{more}" if listed else "")
