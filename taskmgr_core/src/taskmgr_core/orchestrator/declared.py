"""The declared result of a pipeline, checked against the ports that it names."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from typing import Any

from taskmgr_core.errors import InvalidValueError, Problem, nearest
from taskmgr_core.orchestrator.compatibility import Schema, alternatives, says_nothing, type_name
from taskmgr_core.orchestrator.labels import Placeholder, parse_label
from taskmgr_core.specs import ResultSpec

SOURCE = "source"

# The schema of an output port, or why there is no such port; None where its task is unknown.
FindOutput = Callable[[str], Schema | str | None]

_SAMPLES: Mapping[str, Any] = {"number": 0.5, "integer": 1, "string": "a", "boolean": True}


def problems_of_result(
    result: Mapping[str, str | ResultSpec], find: FindOutput
) -> Iterator[Problem]:
    """Everything that is wrong with a declared result.

    Arguments:
        result: as in ``PipelineSpec``.
        find: gives the schema of an output port, or says why there is none.
    """
    for name, entry in result.items():
        place = f"result.{name}"
        if isinstance(entry, ResultSpec):
            yield from _joined(entry, place, find)
        elif isinstance(found := find(entry), str):
            yield Problem(place, found)


def _joined(entry: ResultSpec, place: str, find: FindOutput) -> Iterator[Problem]:
    if not entry.ports:
        yield Problem(f"{place}.ports", "there are none; name the output ports that are joined")
    if not entry.join:
        yield Problem(f"{place}.join", "it is empty; name the property that is the elements' key")
    elements: dict[str, Schema | None] = {}
    for name, port in entry.ports.items():
        found = find(port)
        elements[name] = None if isinstance(found, str) else found
        inner = f"{place}.ports.{name}"
        if name == entry.join:
            yield Problem(inner, f"{name!r} is the key of each entry; take another name")
        if isinstance(found, str):
            yield Problem(inner, found)
        elif found is not None:
            for message in _problems_of_elements(found, entry.join):
                yield Problem(inner, f"{port} cannot be joined on {entry.join!r}: {message}")
            elements[name] = _only_item(found)
    for message in _problems_of_label(entry, elements):
        yield Problem(f"{place}.label", message)


def _problems_of_elements(schema: Schema, key: str) -> Iterator[str]:
    """Why a port is no array of objects with that key; what its schema leaves open may be."""
    for each in alternatives(schema):
        if says_nothing(each):
            continue
        if each.get("type") != "array":
            yield f"it is {type_name(each)}, not an array of objects"
            continue
        for item in alternatives(each.get("items", True)):
            yield from _problems_of_item(item, key)


def _problems_of_item(item: Mapping[str, Any], key: str) -> Iterator[str]:
    if says_nothing(item):
        return
    properties = item.get("properties", {})
    if item.get("type") != "object":
        yield f"its elements are {type_name(item)}, not objects"
    elif properties and key not in properties:
        yield f"its elements have no {key!r}; {nearest(key, properties)}"
    elif key in properties and any(
        each.get("type") in ("array", "object", "null") for each in alternatives(properties[key])
    ):
        yield f"a key must be a string or a number, not {type_name(properties[key])}"
    elif SOURCE in properties and key != SOURCE:
        yield f"its elements have a {SOURCE!r} of their own, where an entry has the port's id"


def _only_item(schema: Schema) -> Schema | None:
    found = list(alternatives(schema))
    return found[0].get("items", True) if len(found) == 1 else None


def _problems_of_label(entry: ResultSpec, elements: Mapping[str, Schema | None]) -> Iterator[str]:
    try:
        parts = parse_label(entry.label)
    except InvalidValueError as error:
        yield str(error)
        return
    for part in parts:
        if isinstance(part, Placeholder):
            yield from _problems_of_placeholder(part, entry, elements)


def _problems_of_placeholder(
    placeholder: Placeholder, entry: ResultSpec, elements: Mapping[str, Schema | None]
) -> Iterator[str]:
    first, *rest = placeholder.path
    if first == entry.join:
        if rest:
            yield f"{placeholder}: {first!r} is the key, it has nothing inside"
    elif first not in elements:
        yield f"{placeholder}: an entry has no {first!r}; {nearest(first, [entry.join, *elements])}"
    elif rest != [SOURCE]:
        yield from _problems_of_path(placeholder, elements[first], rest, entry.join)


def _problems_of_path(
    placeholder: Placeholder, schema: Schema | None, path: list[str], join: str
) -> Iterator[str]:
    """Follow a path through properties as far as the schema tells."""
    for depth, name in enumerate(path):
        properties = _properties(schema)
        if properties is None:
            return
        if depth == 0 and name == join:
            yield f"{placeholder}: the key stands beside {placeholder.path[0]}; write {{{join}}}"
            return
        if name not in properties:
            properties = {each: properties[each] for each in properties if each != join}
            within = ".".join(placeholder.path[: depth + 1])
            yield f"{placeholder}: {within} has no {name!r}; {nearest(name, properties)}"
            return
        schema = properties[name]
    kind = schema.get("type") if isinstance(schema, Mapping) else None
    if isinstance(kind, str) and kind in _SAMPLES:
        try:
            format(_SAMPLES[kind], placeholder.format)
        except ValueError as error:
            yield f"{placeholder}: {type_name(schema or {})} cannot be formatted so ({error})"


def _properties(schema: Schema | None) -> Mapping[str, Schema] | None:
    """The properties of an object; none for other values; None where that is left open."""
    if schema is None or says_nothing(schema) or isinstance(schema, bool):
        return None
    if "anyOf" in schema or isinstance(schema.get("type"), list):
        return None
    found: Mapping[str, Schema] = schema.get("properties", {})
    return None if schema.get("type") == "object" and not found else found
