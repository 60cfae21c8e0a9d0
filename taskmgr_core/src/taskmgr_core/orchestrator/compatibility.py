"""Whether the values of one JSON Schema fit another, decided before anything runs.

The check is structural and knows the words that annotations become: ``type``,
``properties``, ``required``, ``additionalProperties``, ``items``,
``prefixItems``, ``anyOf``, ``enum``, ``const`` and ``x-taskmgr-type``. It is
gradual: where a schema says nothing (``{}``, a bare ``list`` or ``dict``),
and for ranges, lengths and patterns, the value itself is checked when it is
there. An object with ``properties`` has those and no others, as an attrs class
has.
"""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping, Sequence
from typing import Any

import jsonschema_rs

from taskmgr_plugins.schemas import TYPE_KEY

Schema = Mapping[str, Any] | bool

_KIND_WORDS = ("type", "enum", "const", "anyOf", TYPE_KEY)
# Words whose meaning depends on one another inside one schema.
_READ_TOGETHER = (
    ("type",),
    ("enum", "const"),
    (TYPE_KEY,),
    ("required",),
    ("properties", "additionalProperties"),
    ("items", "prefixItems"),
    ("minItems", "maxItems"),
)
_REFERENCES = ("Image", "File", "Array")
_FINITE = {"boolean": (True, False), "null": (None,)}
_SHOWN_VALUES = 4


def problems_between(source: Schema, target: Schema, place: str = "") -> tuple[str, ...]:
    """Why values of the source do not fit the target.

    Arguments:
        source: the JSON Schema of what is given.
        target: the JSON Schema of what is wanted.
        place: where the value stands, put before the place inside it.

    Returns:
        One message for each misfit, as ``[].bbox.x: string does not fit number``;
        none when every value of the source has the structure of the target.
    """
    if (
        isinstance(source, Mapping) and source == target and source.keys() == {"type"}
    ):  # most are, and 1 equals true elsewhere
        return ()
    return tuple(_problems(source, target, place))


def type_name(schema: Schema) -> str:
    """A short name of a schema for people: ``Image``, ``array of FaceBox``, ``number or null``."""
    if isinstance(schema, bool):
        return "any" if schema else "nothing"
    if TYPE_KEY in schema:
        return str(schema[TYPE_KEY])
    if "anyOf" in schema:
        return " or ".join(dict.fromkeys(type_name(each) for each in alternatives(schema)))
    if "enum" in schema or "const" in schema:
        return _values_name(schema.get("enum", [schema.get("const")]))
    kind = schema.get("type", "any")
    if isinstance(kind, list):
        return " or ".join(kind)
    return {"array": _array_name, "object": _object_name}.get(kind, lambda _: str(kind))(schema)


def alternatives(schema: Schema) -> Iterator[Mapping[str, Any]]:
    """The schemas, without ``anyOf`` and lists of types, one of which a value must fit."""
    if isinstance(schema, bool):
        yield from [{}] if schema else []
    elif "anyOf" in schema:
        rest = {word: value for word, value in schema.items() if word != "anyOf"}
        for member in schema["anyOf"]:
            if member is not False:
                yield from alternatives(_merged(rest, {} if member is True else member))
    elif isinstance(schema.get("type"), list):
        for kind in schema["type"]:
            yield {**schema, "type": kind}
    elif "const" in schema:
        yield {**schema, "enum": [schema["const"]]}
    else:
        yield schema


def _merged(rest: Mapping[str, Any], member: Mapping[str, Any]) -> Mapping[str, Any]:
    """What stands beside ``anyOf`` with one of its members; left open where both say the same."""
    for words in _READ_TOGETHER:
        if any(word in rest for word in words) and any(word in member for word in words):
            return {}
    return {**rest, **member}


def says_nothing(schema: Schema) -> bool:
    """Whether a schema leaves open what its values are."""
    return schema is True or (
        isinstance(schema, Mapping) and not any(word in schema for word in _KIND_WORDS)
    )


def _problems(source: Schema, target: Schema, place: str) -> Iterator[str]:
    if target is False and source is not False:
        yield _at(place, "is not allowed")
    if target is False or says_nothing(source) or says_nothing(target):
        return
    wanted = list(alternatives(target))
    for given in alternatives(source):
        if "enum" in given:
            yield from _misfits(given["enum"], target, place)
            continue
        found = [list(_between(given, each, place)) for each in wanted]
        if all(found):
            yield from _told(given, target, wanted, found, place)


def _told(
    given: Mapping[str, Any],
    target: Schema,
    wanted: list[Mapping[str, Any]],
    found: list[list[str]],
    place: str,
) -> list[str]:
    """The problems with the one alternative that was probably meant, or with all of them."""
    meant = [
        problems
        for each, problems in zip(wanted, found, strict=True)
        if each.get("type") == given.get("type") and each.get(TYPE_KEY) == given.get(TYPE_KEY)
    ]
    return meant[0] if len(meant) == 1 else [_misfit(given, target, place)]


def _between(source: Mapping[str, Any], target: Mapping[str, Any], place: str) -> Iterator[str]:
    """The problems between two schemas that have no alternatives."""
    if says_nothing(source) or says_nothing(target):
        return
    if not _mark_fits(source, target) or not _kind_fits(source, target):
        yield _misfit(source, target, place)
    elif target.get("type") == "array" == source.get("type"):
        yield from _between_arrays(source, target, place)
    elif target.get("type") == "object" == source.get("type"):
        yield from _between_objects(source, target, place)


def _mark_fits(source: Mapping[str, Any], target: Mapping[str, Any]) -> bool:
    """An image is a file; a reference to something large is no plain object."""
    given, wanted = source.get(TYPE_KEY), target.get(TYPE_KEY)
    if wanted is None:
        return given not in _REFERENCES and "$artifact" not in source.get("properties", {})
    return given == wanted or (given, wanted) == ("Image", "File")


def _kind_fits(source: Mapping[str, Any], target: Mapping[str, Any]) -> bool:
    given = source.get("type")
    if "enum" in target:
        values = _FINITE.get(str(given))
        return values is not None and all(
            any(value is each for each in target["enum"]) for value in values
        )
    wanted = target.get("type", given)
    return given in (None, wanted) or (given, wanted) == ("integer", "number")


def _misfits(values: list[Any], target: Schema, place: str) -> Iterator[str]:
    """The listed values that are none of the target's."""
    try:
        validator = jsonschema_rs.validator_for(_plain(target), offline=True)
    except ValueError:  # no schema; the value itself will be refused with a message that says so
        return
    for value in values:
        if not validator.is_valid(value):
            yield _at(place, f"{_shown(value)} does not fit {type_name(target)}")


def _between_arrays(
    source: Mapping[str, Any], target: Mapping[str, Any], place: str
) -> Iterator[str]:
    if not any(word in source for word in ("items", "prefixItems", "minItems", "maxItems")):
        return
    if not _length_fits(source, target):
        yield _misfit(source, target, place)
        return
    longest = max(len(each.get("prefixItems", ())) for each in (source, target))
    most = source.get("maxItems")
    for index in range(longest if most is None else min(longest, most)):
        yield from _problems(_item(source, index), _item(target, index), f"{place}[{index}]")
    if most is None or most > longest:
        yield from _problems(source.get("items", True), target.get("items", True), f"{place}[]")


def _length_fits(source: Mapping[str, Any], target: Mapping[str, Any]) -> bool:
    """Whether the source is as long as a target of fixed length."""
    fixed = target.get("minItems")
    if fixed is None or fixed != target.get("maxItems"):
        return True
    return bool(source.get("minItems") == fixed == source.get("maxItems"))


def _item(schema: Mapping[str, Any], index: int) -> Schema:
    prefix = schema.get("prefixItems", ())
    item: Schema = prefix[index] if index < len(prefix) else schema.get("items", True)
    return item


def _between_objects(
    source: Mapping[str, Any], target: Mapping[str, Any], place: str
) -> Iterator[str]:
    given: Mapping[str, Schema] = source.get("properties", {})
    further: Schema = source.get("additionalProperties", not given)
    wanted: Mapping[str, Schema] = target.get("properties", {})
    others: Schema = target.get("additionalProperties", True)
    if not given and further is True:
        return
    for name in target.get("required", ()):
        if name not in source.get("required", ()):
            missing = "is not always there" if name in given else "is missing"
            yield _at(_inside(place, name), f"{missing}, and it is required")
    for name, schema in given.items():
        yield from _problems(schema, wanted.get(name, others), _inside(place, name))
    if further is not False:
        for name in wanted.keys() - given.keys():
            yield from _problems(further, wanted[name], _inside(place, name))
        yield from _problems(further, others, _inside(place, "*"))


def _plain(schema: Schema) -> Any:
    return schema if isinstance(schema, bool) else dict(schema)


def _inside(place: str, name: str) -> str:
    return f"{place}.{name}" if place else name


def misfit_of(
    port: str, source: Schema, target: Schema, problems: Sequence[str], most: int = 1
) -> str:
    """Why what comes from a port does not fit, with what is wrong inside of it.

    Arguments:
        port: where it comes from.
        source: the schema of what comes from there.
        target: the schema that is wanted.
        problems: between the two, at least one.
        most: how many of them are told.
    """
    given, wanted = type_name(source), type_name(target)
    inside = "" if problems[0] == f"{given} does not fit {wanted}" else ": "
    detail = "; ".join(problems[:most]) if inside else ""
    return f"{port} ({given}) does not fit {wanted}{inside}{detail}"


def _misfit(source: Schema, target: Schema, place: str) -> str:
    return _at(place, f"{type_name(source)} does not fit {type_name(target)}")


def _at(place: str, message: str) -> str:
    return f"{place}: {message}" if place else message


def _shown(value: Any) -> str:
    shown = json.dumps(value, ensure_ascii=False, default=str)
    return shown if len(shown) <= 40 else shown[:37] + "..."


def _values_name(values: list[Any]) -> str:
    shown = ", ".join(_shown(each) for each in values[:_SHOWN_VALUES])
    more = ", ..." if len(values) > _SHOWN_VALUES else ""
    return f"one of {shown}{more}" if len(values) > 1 else shown


def _array_name(schema: Mapping[str, Any]) -> str:
    prefix = schema.get("prefixItems")
    if prefix:
        return "array of (" + ", ".join(type_name(each) for each in prefix) + ")"
    if says_nothing(schema.get("items", True)):
        return "array"
    inner = type_name(schema["items"])
    return f"array of ({inner})" if " or " in inner or ", " in inner else f"array of {inner}"


def _object_name(schema: Mapping[str, Any]) -> str:
    if "title" in schema:
        return str(schema["title"])
    further = schema.get("additionalProperties", True)
    return "object" if isinstance(further, bool) else f"object of {type_name(further)}"
