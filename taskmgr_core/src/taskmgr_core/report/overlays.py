"""What can be drawn of a run: boxes and points, found by the schemas of the ports.

A task says with ``Annotated[Box, On("image")]`` on which of its image inputs a
box lies; nothing here knows what the boxes are around.
"""

from __future__ import annotations

import json
import math
from collections.abc import Callable, Iterator, Mapping, Sequence
from typing import Any, Literal

import attrs

from taskmgr_core.errors import TaskmgrError
from taskmgr_core.report.recorded import OpenArtifact, RecordedValues, is_artifact
from taskmgr_core.results import render_label
from taskmgr_core.specs import GraphStep, ResultSpec, RunDetail, output_port
from taskmgr_plugins.schemas import ON_KEY, TYPE_KEY, images_named

Coordinates = tuple[tuple[float, float], ...]
ValuePath = tuple[str | int, ...]
Kind = Literal["box", "points"]


@attrs.frozen
class Mark:
    """Something to draw on an image, in pixels of the upright picture.

    Attributes:
        kind: ``box`` or ``points``.
        coordinates: ``(x, y)`` of a box's upper left and lower right corner, or
            of each point.
        port: the output port that holds it.
        path: where in the port's value it stands: indexes and names.
        item: the number, from 0, of the thing it belongs to. Marks of one item
            have one colour and one label, over all ports and pictures of a run.
        result: the name of the declared result that joins its port, or empty.
        key: what the port's elements are joined on, there.
        label: what to write beside the item.
    """

    kind: Kind
    coordinates: Coordinates
    port: str
    path: ValuePath
    item: int
    result: str = ""
    key: Any = None
    label: str = ""


@attrs.frozen
class Overlay:
    """All that lies on one image.

    Attributes:
        image_digest: the image's artifact.
        image_port: the pipeline input or output port that first held it.
        marks: in the order of the steps and their outputs.
    """

    image_digest: str
    image_port: str
    marks: tuple[Mark, ...] = ()

    @property
    def labels(self) -> Mapping[int, str]:
        """The label of each item that has one."""
        return {mark.item: mark.label for mark in self.marks if mark.label}


@attrs.frozen
class _Place:
    """A mark as it stands in a port's value, before it is known what it belongs to."""

    kind: Kind
    coordinates: Coordinates
    on: str
    path: ValuePath


@attrs.frozen
class _Join:
    """A declared result that joins a port."""

    name: str
    spec: ResultSpec
    entries: Mapping[str, Mapping[str, Any]]


def find_overlays(detail: RunDetail, open_artifact: OpenArtifact) -> tuple[Overlay, ...]:
    """Everything that can be drawn of a run, by image.

    Arguments:
        detail: the run.
        open_artifact: gives the file with the content of a digest; used only for
            values too large to be recorded inline.
    """
    finder = _Finder(RecordedValues(detail, open_artifact), _joins(detail))
    for step in detail.run.graph.steps:
        for field in step.outputs:
            finder.add(step, output_port(step.id, field))
    return tuple(
        Overlay(digest, image_port, tuple(finder.marks[digest]))
        for digest, image_port in finder.images.items()
    )


@attrs.define
class _Finder:
    """Gathers marks port by port.

    Attributes:
        values: the run's values.
        joins: for each port that a declared result joins, that result.
        items: the number of each item by its identity.
        images: digest -> the port that first held the image.
        marks: digest -> the marks on the image.
    """

    values: RecordedValues
    joins: Mapping[str, _Join]
    items: dict[str, int] = attrs.field(factory=dict)
    images: dict[str, str] = attrs.field(factory=dict)
    marks: dict[str, list[Mark]] = attrs.field(factory=dict)

    def add(self, step: GraphStep, port: str) -> None:
        """Add what an output port of a step holds: its images, even with nothing on them."""
        document = self.values.document(port)
        schema = self.values.detail.run.graph.schemas.get(port, {})
        places = list(dict.fromkeys(_places(schema, document, "", ())))
        if document is None:
            return
        for on in dict.fromkeys([*images_named(schema), *(place.on for place in places)]):
            image_port, image = self.values.input_value(step.id, on)
            if is_artifact(image):
                digest = image["$artifact"]
                self.images.setdefault(digest, image_port)
                self.marks.setdefault(digest, []).extend(
                    self._mark(place, port, document) for place in places if place.on == on
                )

    def _mark(self, place: _Place, port: str, document: Any) -> Mark:
        element = document[place.path[0]] if place.path else document
        join = self.joins.get(port)
        if join is None or not isinstance(element, Mapping) or join.spec.join not in element:
            # Without a key an element of a list is an item, and so is a value that is no list.
            index = place.path[0] if place.path and isinstance(place.path[0], int) else None
            item = self._item(port, index)
            label = "" if index is None else str(index + 1)
            return Mark(place.kind, place.coordinates, port, place.path, item, label=label)
        key = element[join.spec.join]
        return Mark(
            kind=place.kind,
            coordinates=place.coordinates,
            port=port,
            path=place.path,
            item=self._item(join.name, key),
            result=join.name,
            key=key,
            label=_label(join, key),
        )

    def _item(self, *parts: Any) -> int:
        return self.items.setdefault(identity(*parts), len(self.items))


def _label(join: _Join, key: Any) -> str:
    entry = join.entries.get(identity(key))
    if not join.spec.label or entry is None:
        return str(key)
    try:
        return render_label(join.spec.label, entry)
    except TaskmgrError:  # a template that can be read was checked before the run
        return str(key)


def _joins(detail: RunDetail) -> dict[str, _Join]:
    """For each port that a declared result joins, that result."""
    joins: dict[str, _Join] = {}
    for name, spec in detail.run.graph.result.items():
        if isinstance(spec, ResultSpec):
            join = _Join(name, spec, _entries(detail, name, spec.join))
            for port in spec.ports.values():
                joins.setdefault(port, join)
    return joins


def _entries(detail: RunDetail, name: str, key: str) -> dict[str, Mapping[str, Any]]:
    listed = (detail.result or {}).get(name)
    entries = listed if isinstance(listed, list | tuple) else ()
    return {
        identity(entry[key]): entry
        for entry in entries
        if isinstance(entry, Mapping) and key in entry
    }


def identity(*parts: Any) -> str:
    """The same text for the same JSON values: ``1`` and ``1.0`` are one key, ``true`` another."""
    plain = [int(each) if isinstance(each, float) and each.is_integer() else each for each in parts]
    return json.dumps(plain, sort_keys=True)


def _places(schema: Any, value: Any, on: str, path: ValuePath) -> Iterator[_Place]:
    """Walk a schema along a value; ``on`` holds for all that is inside what says it."""
    if not isinstance(schema, Mapping) or value is None:
        return
    on = schema.get(ON_KEY, on)
    read = _READERS.get(schema.get(TYPE_KEY, ""))
    if read is not None:
        kind, coordinates = read(value)
        if on and coordinates:
            yield _Place(kind, coordinates, on, path)
        return
    for combined in ("anyOf", "oneOf", "allOf"):
        for each in schema.get(combined, ()):
            yield from _places(each, value, on, path)
    for step, inner_schema, inner in _inside(schema, value):
        yield from _places(inner_schema, inner, on, (*path, step))


def _inside(schema: Mapping[str, Any], value: Any) -> Iterator[tuple[str | int, Any, Any]]:
    """The parts of an object or array, each with its schema."""
    if isinstance(value, Mapping):
        named = schema.get("properties", {})
        other = schema.get("additionalProperties")
        for name, inner in value.items():
            yield name, named.get(name, other), inner
    elif isinstance(value, list | tuple):
        first = schema.get("prefixItems", ())
        other = schema.get("items")
        for index, inner in enumerate(value):
            yield index, first[index] if index < len(first) else other, inner


def _box(value: Any) -> tuple[Kind, Coordinates]:
    sides = [value.get(name) for name in ("x", "y", "width", "height")] if _is_object(value) else []
    if not sides or not all(_is_number(side) for side in sides):
        return "box", ()
    x, y, width, height = sides
    return "box", ((float(x), float(y)), (float(x + width), float(y + height)))


def _points(value: Any) -> tuple[Kind, Coordinates]:
    rows = value if _is_array(value) else ()
    pairs = [row for row in rows if _is_array(row) and len(row) == 2 and all(map(_is_number, row))]
    return "points", tuple((float(x), float(y)) for x, y in pairs)


def _is_object(value: Any) -> bool:
    return isinstance(value, Mapping)


def _is_array(value: Any) -> bool:
    return isinstance(value, Sequence) and not isinstance(value, str | bytes)


def _is_number(value: Any) -> bool:
    if isinstance(value, bool) or not isinstance(value, int | float):
        return False
    # An int beyond the range of a float is no place on a picture either.
    return abs(value) < 1e9 and math.isfinite(value)


_READERS: Mapping[str, Callable[[Any], tuple[Kind, Coordinates]]] = {
    "Box": _box,
    "Points": _points,
}
