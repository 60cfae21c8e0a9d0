"""The result of a run for people: the declared entries, joined, with arrays as numbers."""

from __future__ import annotations

import base64
import binascii
import math
import operator
import struct
from collections.abc import Mapping, Sequence
from types import MappingProxyType
from typing import Any

from taskmgr_core.errors import InvalidValueError, NotFoundError
from taskmgr_core.orchestrator.declared import SOURCE
from taskmgr_core.orchestrator.engine import is_replaced, rule_of
from taskmgr_core.orchestrator.labels import UNKNOWN, render_label
from taskmgr_core.specs import Graph, ResultSpec, Step, output_port, ports_of

__all__ = ["UNKNOWN", "absent", "assemble", "present", "render_label"]

# numpy's kind and bytes of an element -> the format character of ``struct``.
_FORMATS = {
    "b1": "?",
    "f2": "e",
    "f4": "f",
    "f8": "d",
    "i1": "b",
    "i2": "h",
    "i4": "i",
    "i8": "q",
    "u1": "B",
    "u2": "H",
    "u4": "I",
    "u8": "Q",
}
_MOST_NUMBERS = 10_000_000
_ORDERS = {"<": "<", ">": ">", "|": "<", "=": "="}


def assemble(
    graph: Graph,
    values: Mapping[str, Any],
    stand_ins: Mapping[str, Mapping[str, Any]] = MappingProxyType({}),
) -> dict[str, Any]:
    """The result that a pipeline declares.

    Arguments:
        graph: the compiled pipeline.
        values: output port id -> its JSON document, read from its artifact
            where it was large.
        stand_ins: what stands for ports without a value; see ``absent``.

    Returns:
        Name -> document for each entry of ``graph.result``. A joined entry is a
        list: the keys of the first port in its order, then keys that only later
        ports have. A name is absent from an element where its port lacks the key.

    Raises:
        NotFoundError: a port has no value, and nothing stands for it.
        InvalidValueError: a joined port holds no array of objects with that
            key, or the same key twice.
    """
    found: dict[str, Any] = {}
    for name, entry in graph.result.items():
        instead = stand_ins.get(name, {})
        documents = {
            key: instead[key] if port not in values and key in instead else _document(port, values)
            for key, port in ports_of(entry).items()
        }
        found[name] = _joined(entry, documents) if isinstance(entry, ResultSpec) else documents[""]
    return found


def absent(graph: Graph, steps: Sequence[Step]) -> dict[str, dict[str, Any]]:
    """What stands in a result for the outputs of steps that gave none although their run went on.

    Returns:
        Entry of the result -> name in it (empty where it is one port) -> the document that a
        step which takes that output would go on with, None where it would be skipped.
    """
    ended = {each.id: each.status for each in steps}
    made_by = {
        output_port(step.id, field): step
        for step in graph.steps
        if ended.get(step.id) in ("skipped", "failed")
        for field in step.outputs
    }
    fallbacks = _own_defaults(graph) if graph.fallbacks is None else graph.fallbacks
    return {
        name: {
            key: fallbacks.get(name, {}).get(key)
            if is_replaced(rule_of(made_by[port]), ended[made_by[port].id])
            else None
            for key, port in ports_of(entry).items()
            if port in made_by
        }
        for name, entry in graph.result.items()
    }


def _own_defaults(graph: Graph) -> dict[str, dict[str, Any]]:
    """What the steps themselves say, for a run that does not keep ``Graph.fallbacks``."""
    defaults = {
        output_port(step.id, field): [] if step.map else document
        for step in graph.steps
        for field, document in step.default.items()
    }
    return {
        name: {key: defaults[port] for key, port in ports_of(entry).items() if port in defaults}
        for name, entry in graph.result.items()
    }


def present(document: Any) -> Any:
    """A document as JSON for people: inline arrays become nested lists of numbers.

    Numbers are exact: a float32 is printed as the double that equals it. NaN and
    the infinities, which JSON has not, are the strings that protobuf's JSON has.
    References to artifacts, and arrays of other than numbers, stay as they are.
    """
    if isinstance(document, Mapping):
        inline = document.get("$array")
        if len(document) == 1 and isinstance(inline, Mapping):
            return _decoded(inline, document)
        return {key: present(each) for key, each in document.items()}
    if isinstance(document, list | tuple):
        return [present(each) for each in document]
    return document


def _document(port: str, values: Mapping[str, Any]) -> Any:
    if port not in values:
        raise NotFoundError.named("value of port", port, values)
    return values[port]


def _joined(entry: ResultSpec, documents: Mapping[str, Any]) -> list[dict[str, Any]]:
    found: dict[tuple[bool, Any], dict[str, Any]] = {}
    for name, port in entry.ports.items():
        elements = documents[name]
        if elements is None:  # of a step that was left out
            continue
        if not isinstance(elements, list):
            raise InvalidValueError(f"{port} cannot be joined on {entry.join!r}: it is no array")
        for index, element in enumerate(elements):
            key = _key(element, entry.join, f"{port}[{index}]")
            # JSON tells true from 1, a Python dict does not.
            joined = found.setdefault((isinstance(key, bool), key), {entry.join: key})
            if name in joined:
                raise InvalidValueError(f"{port}[{index}]: {entry.join} {key!r} is there already")
            rest = {each: value for each, value in element.items() if each != entry.join}
            joined[name] = {**rest, SOURCE: port}
    return list(found.values())


def _key(element: Any, join: str, place: str) -> Any:
    if not isinstance(element, Mapping) or join not in element:
        raise InvalidValueError(f"{place} cannot be joined: it is no object with {join!r}")
    key = element[join]
    if not isinstance(key, str | int | float):
        raise InvalidValueError(f"{place}.{join}: {key!r} is no key; allowed are texts and numbers")
    return key


def _decoded(inline: Mapping[str, Any], document: Any) -> Any:
    """The numbers of an inline array; the document itself where it is none."""
    try:
        order, kind = inline["dtype"][0], inline["dtype"][1:]
        shape = _checked_shape(inline["shape"])
        content = base64.b64decode(inline["base64"], validate=True)
        format_ = f"{_ORDERS[order]}{math.prod(shape)}{_FORMATS[kind]}"
        numbers = [_number(each) for each in struct.unpack(format_, content)]
    except (KeyError, IndexError, TypeError, ValueError, struct.error, binascii.Error):
        return document
    return _nested(numbers, shape)


def _checked_shape(shape: Any) -> list[int]:
    checked = [operator.index(each) for each in shape]
    # Without this an array of no bytes could ask for any number of empty lists.
    if math.prod(each for each in checked if each) > _MOST_NUMBERS or min(checked, default=0) < 0:
        raise ValueError(f"the shape {checked} is not printed")
    return checked


def _number(value: Any) -> Any:
    if isinstance(value, float) and not math.isfinite(value):
        return "NaN" if math.isnan(value) else "Infinity" if value > 0 else "-Infinity"
    return value


def _nested(numbers: list[Any], shape: list[int]) -> Any:
    """Numbers in C order as lists inside one another."""
    if not shape:
        return numbers[0]
    if 0 in shape:
        first, *rest = shape
        return [_nested([], rest) for _ in range(first)]
    for length in reversed(shape[1:]):
        numbers = [numbers[start : start + length] for start in range(0, len(numbers), length)]
    return numbers
