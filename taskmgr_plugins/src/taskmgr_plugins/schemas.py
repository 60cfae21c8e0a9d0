"""JSON Schema (2020-12) from annotations.

Field types that JSON has no word for carry ``x-taskmgr-type`` (``Image``,
``File``, ``Array``, ``Box``, ``Points``), and so do the types that plugins announce;
a box or points that lie on an image carry ``x-taskmgr-on``, the name of that image's
input.
"""

from __future__ import annotations

import enum
import types
import typing
from collections.abc import Iterator, Mapping, Sequence
from typing import Annotated, Any, Literal, Union

import attrs

from taskmgr_plugins import installed_types
from taskmgr_plugins.errors import TaskDefinitionError
from taskmgr_plugins.fields import Array, Box, File, Image, On, Points
from taskmgr_plugins.value_types import ValueType

TYPE_KEY = "x-taskmgr-type"
ON_KEY = "x-taskmgr-on"

Schema = dict[str, Any]

_SCALARS: dict[Any, str] = {
    bool: "boolean",
    int: "integer",
    float: "number",
    str: "string",
    type(None): "null",
    None: "null",
}
_NUMBER_PAIR: Schema = {
    "type": "array",
    "items": {"type": "number"},
    "minItems": 2,
    "maxItems": 2,
}


def named_types() -> dict[str, Schema]:
    """The types that a pipeline file may name for its inputs, each with its schema."""
    return {
        "any": {},
        "string": {"type": "string"},
        "integer": {"type": "integer"},
        "number": {"type": "number"},
        "boolean": {"type": "boolean"},
        "array": {"type": "array"},
        "object": {"type": "object"},
        **{each.__name__: schema_of(each) for each in (Image, File, Array, Box, Points)},
    }


def named_type(name: str) -> Schema | None:
    """The schema of a type that a pipeline file names; None where nobody knows it.

    Plugins are asked only for what the SDK does not know, because that imports them.

    Raises:
        TaskDefinitionError: what a plugin announces under that name cannot be carried.
    """
    known = named_types()
    if name in known:
        return known[name]
    found = installed_types.installed().types.get(name)
    return None if found is None else _announced(found, name, ())


def known_types() -> list[str]:
    """Every name that ``named_type`` knows, those of plugins included."""
    return [*named_types(), *installed_types.installed().types]


def schema_of(annotation: Any, place: str = "the annotation") -> Schema:
    """The JSON Schema of values that fit an annotation.

    Arguments:
        annotation: a scalar type, ``list``, ``dict[str, ...]``, ``tuple``,
            union, ``Literal``, enum, attrs class, field type, a class that a plugin
            announces, or any of them in ``Annotated`` with ``On(...)`` or a dict of
            further schema keywords.
        place: where it stands, for the message.

    Raises:
        TaskDefinitionError: no JSON value can stand for the annotation.
    """
    return _schema(annotation, place, ())


def _schema(annotation: Any, place: str, within: tuple[type, ...]) -> Schema:
    origin = typing.get_origin(annotation)
    if origin is Annotated:
        return _annotated(annotation, place, within)
    if annotation is Any:
        return {}
    for scalar, name in _SCALARS.items():  # an annotation may be unhashable
        if annotation is scalar:
            return {"type": name}
    if origin is Literal:
        return _choice(typing.get_args(annotation), place)
    if origin in (Union, types.UnionType):
        members = typing.get_args(annotation)
        return {"anyOf": [_schema(each, place, within) for each in members]}
    if isinstance(annotation, type) and origin is None:
        return _class(annotation, place, within)
    return _container(annotation, origin, place, within)


def _annotated(annotation: Any, place: str, within: tuple[type, ...]) -> Schema:
    schema = _schema(annotation.__origin__, place, within)
    for extra in annotation.__metadata__:
        if isinstance(extra, On):
            schema = {**schema, ON_KEY: extra.image}
        elif isinstance(extra, Mapping):
            schema = {**schema, **extra}
    return schema


def _class(annotation: type, place: str, within: tuple[type, ...]) -> Schema:
    if issubclass(annotation, File):
        return _artifact(annotation.__name__)
    if annotation is Array:
        return {TYPE_KEY: "Array", "type": "object"}
    if annotation is Points:
        return {TYPE_KEY: "Points", "type": "array", "items": _NUMBER_PAIR}
    if issubclass(annotation, enum.Enum):
        return _choice([each.value for each in annotation], place)
    if annotation in (list, tuple):
        return {"type": "array"}
    if annotation is dict:
        return {"type": "object"}
    if attrs.has(annotation):
        return _object(annotation, place, within)
    found = installed_types.installed().of(annotation)
    if found is None or annotation in within:
        raise _not_allowed(annotation, place)
    return _announced(found, place, (*within, annotation))


def _announced(found: ValueType, place: str, within: tuple[type, ...]) -> Schema:
    carried = _schema(found.carried, place, within)
    return {**carried, **found.schema, TYPE_KEY: found.name}


def _choice(allowed: Sequence[Any], place: str) -> Schema:
    for each in allowed:
        if not isinstance(each, str | int | float | None) or isinstance(each, enum.Enum):
            raise TaskDefinitionError(
                f"{place}: {each!r} is not a JSON value; the members of an enum or a Literal "
                "must be str, int, float, bool or None"
            )
    return {"enum": list(allowed)}


def _object(annotation: type, place: str, within: tuple[type, ...]) -> Schema:
    if annotation in within:
        raise TaskDefinitionError(
            f"{place}: {annotation.__name__} contains itself; a field's type must be finite"
        )
    properties, required = {}, []
    for field in class_fields(annotation):
        inner = f"{place}.{field.name}"
        properties[field.name] = _schema(field.type, inner, (*within, annotation))
        if field.default is attrs.NOTHING:
            required.append(field.name)
    schema: Schema = {"title": annotation.__name__, "type": "object", "properties": properties}
    if required:
        schema["required"] = required
    return {TYPE_KEY: "Box", **schema} if annotation is Box else schema


def _container(annotation: Any, origin: Any, place: str, within: tuple[type, ...]) -> Schema:
    arguments = typing.get_args(annotation)
    if not arguments and origin in (list, tuple, Sequence):  # typing.List and the like, bare
        return {"type": "array"}
    if not arguments and origin in (dict, Mapping):
        return {"type": "object"}
    if origin is tuple and arguments[-1:] != (...,):
        return {
            "type": "array",
            "prefixItems": [_schema(each, place, within) for each in arguments],
            "minItems": len(arguments),
            "maxItems": len(arguments),
        }
    if isinstance(origin, type) and issubclass(origin, Mapping):
        if arguments[0] is not str:
            raise TaskDefinitionError(f"{place}: the keys of a dict must be str, as in JSON")
        return {"type": "object", "additionalProperties": _schema(arguments[1], place, within)}
    if isinstance(origin, type) and issubclass(origin, Sequence):
        return {"type": "array", "items": _schema(arguments[0], f"{place}[]", within)}
    raise _not_allowed(annotation, place)


def class_fields(annotation: type) -> tuple[attrs.Attribute[Any], ...]:
    """The fields of an attrs class, annotations given as strings resolved.

    Raises:
        TaskDefinitionError: an annotation names something that is not there.
    """
    try:
        return tuple(attrs.fields(attrs.resolve_types(annotation, include_extras=True)))
    except NameError as error:
        raise TaskDefinitionError(
            f"the annotations of {annotation.__name__} cannot be read: {error}"
        ) from error


def _artifact(name: str) -> Schema:
    return {
        TYPE_KEY: name,
        "type": "object",
        "properties": {"$artifact": {"type": "string"}},
        "required": ["$artifact"],
    }


def _not_allowed(annotation: Any, place: str) -> TaskDefinitionError:
    shown = getattr(annotation, "__name__", None) or str(annotation)
    return TaskDefinitionError(
        f"{place}: {shown} cannot be passed between tasks; allowed are bool, int, float, str, "
        "None, list, tuple, dict[str, ...], Literal, unions, enums, attrs classes, Image, File, "
        f"Array, Box and Points{_further()}"
    )


def _further() -> str:
    """What plugins announce, and which of them cannot say."""
    found = installed_types.installed()
    names = f", and of plugins {', '.join(sorted(found.types))}" if found.types else ""
    return names + "".join(f"; {each}" for each in found.faults)


def images_named(schema: Any) -> Iterator[str]:
    """The names of all images that something inside a schema says to lie on."""
    if isinstance(schema, dict):
        if ON_KEY in schema:
            yield str(schema[ON_KEY])
        for each in schema.values():
            yield from images_named(each)
    elif isinstance(schema, list):
        for each in schema:
            yield from images_named(each)
