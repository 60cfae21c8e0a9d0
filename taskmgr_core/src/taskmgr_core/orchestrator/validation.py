"""Checks JSON values against their schemas and says where they do not fit."""

from __future__ import annotations

import functools
import json
from collections.abc import Iterator, Mapping, Sequence
from itertools import islice
from typing import Any

import jsonschema_rs

from taskmgr_core.documents import canonical
from taskmgr_core.errors import InvalidValueError, Problem, nearest
from taskmgr_core.orchestrator.compatibility import type_name
from taskmgr_plugins.converter import non_finite
from taskmgr_plugins.schemas import TYPE_KEY

MOST_PROBLEMS = 20

# Stands for the value in the library's messages, which would print all of it.
_MASK = "\0"
_SHOWN_LENGTH = 60
_TYPES = ("string", "number", "integer", "boolean", "array", "object", "null")
_ARRAY_KEYS = {"dtype", "shape", "base64"}


class Validator:
    """Checks documents against schemas; keeps the compiled schemas. Threads may share one.

    Arguments:
        capacity: how many compiled schemas are kept.
    """

    def __init__(self, capacity: int = 512) -> None:
        self._compiled = functools.lru_cache(capacity)(_compile)
        # By place in memory, with the schema, which so is no other one of the same place.
        self._latest: dict[int, tuple[Mapping[str, Any], jsonschema_rs.Validator]] = {}
        self._capacity = capacity

    def validate(self, document: Any, schema: Mapping[str, Any], place: str) -> tuple[Problem, ...]:
        """What is wrong with a document.

        Arguments:
            document: a JSON value.
            schema: a JSON Schema of the 2020-12 draft, which nobody changes.
            place: the document's name, put before the places inside it.

        Returns:
            At most ``MOST_PROBLEMS``, each with a place as in
            ``faces_array[2].bbox.x``; none when it fits.
        """
        try:
            numbers = [
                Problem(inner, f"{number} is not a finite number, as JSON needs it")
                for inner, number in islice(non_finite(document, place), MOST_PROBLEMS)
            ]
            compiled = self._compiled_for(schema)
            if not numbers and compiled.is_valid(document):
                return ()
            found = compiled.iter_errors(document)
            told = list(islice(_problems(found, schema, place), MOST_PROBLEMS))
        except jsonschema_rs.ValidationError as error:
            return (Problem(place, f"its schema cannot be used: {_schema_fault(error)}"),)
        except RecursionError:
            return (Problem(place, "it is nested too deeply"),)
        except ValueError as error:
            return (Problem(place, f"{_shown(document)} is not a JSON value: {error}"),)
        places = {each.place for each in numbers}
        return (*numbers, *(each for each in told if each.place not in places))[:MOST_PROBLEMS]

    def check_schema(self, schema: Mapping[str, Any], place: str) -> tuple[Problem, ...]:
        """What is wrong with a JSON Schema that a user wrote."""
        try:
            self._compiled_for(schema)
        except jsonschema_rs.ValidationError as error:
            inner = place + _path(error.instance_path)
            return (Problem(inner, f"no JSON Schema: {_schema_fault(error)}"),)
        except (ValueError, TypeError, RecursionError) as error:
            return (Problem(place, f"no JSON Schema: {error}"),)
        return ()

    def _compiled_for(self, schema: Mapping[str, Any]) -> jsonschema_rs.Validator:
        """The very schema is asked for again and again: to write it out takes longer than all."""
        known = self._latest.get(id(schema))
        if known is not None:
            return known[1]
        compiled = self._compiled(canonical(schema).decode())
        if len(self._latest) >= self._capacity:
            self._latest.clear()
        self._latest[id(schema)] = schema, compiled
        return compiled


def _compile(schema: str) -> jsonschema_rs.Validator:
    return jsonschema_rs.validator_for(
        schema, mask=_MASK, keywords={TYPE_KEY: _FieldType}, offline=True
    )


class _FieldType:
    """The keyword ``x-taskmgr-type``: what ``type`` and ``properties`` cannot say."""

    def __init__(self, _: dict[str, Any], value: Any, __: list[str | int]) -> None:
        self._value = value

    def validate(self, instance: Any) -> None:
        if self._value != "Array" or not isinstance(instance, dict):
            return
        inline = instance.get("$array")
        if isinstance(inline, dict) and set(inline) == _ARRAY_KEYS:
            return
        if not isinstance(instance.get("$artifact"), str):
            raise InvalidValueError(
                f'{_shown(instance)} is no Array; allowed are {{"$artifact": digest}} '
                'and {"$array": {"dtype", "shape", "base64"}}'
            )


def _problems(
    errors: Iterator[jsonschema_rs.ValidationError], schema: Any, place: str
) -> Iterator[Problem]:
    for error in errors:
        kind = error.kind
        if isinstance(kind, jsonschema_rs.ValidationErrorKind.AnyOf):
            meant = _meant(kind.context, error.instance_path)
            if meant:
                yield from _problems(iter(meant), schema, place)
                continue
        yield Problem(place + _path(error.instance_path), _message(error, schema))


def _meant(
    branches: Sequence[Sequence[jsonschema_rs.ValidationError]], path: list[str | int]
) -> Sequence[jsonschema_rs.ValidationError]:
    """The errors of the alternative that was meant: the only one of the value's own kind."""
    candidates = [
        errors
        for errors in branches
        if not any(
            each.instance_path == path and each.kind.name in ("type", "enum", "const")
            for each in errors
        )
    ]
    return candidates[0] if len(candidates) == 1 else ()


def _message(error: jsonschema_rs.ValidationError, schema: Any) -> str:
    kinds = jsonschema_rs.ValidationErrorKind
    kind, shown = error.kind, _shown(error.instance)
    if isinstance(kind, kinds.Required):
        return f"the required {kind.property!r} is missing"
    if isinstance(kind, kinds.AdditionalProperties):
        known = _schema_of(error, schema).get("properties", {})
        faults = (f"{name!r} is not allowed, {nearest(name, known)}" for name in kind.unexpected)
        return "; ".join(faults)
    if isinstance(kind, kinds.Enum | kinds.Constant):
        return f"{shown} is not {type_name(_schema_of(error, schema))}"
    if isinstance(kind, kinds.Type | kinds.AnyOf):
        return f"{shown} does not fit {type_name(_schema_of(error, schema))}"
    if isinstance(kind, kinds.FalseSchema):
        return f"{shown} is not allowed"
    return error.message.replace(_MASK, shown)


def _schema_fault(error: jsonschema_rs.ValidationError) -> str:
    """What is wrong with a schema, said by the schema of schemas."""
    if error.instance_path[-1:] == ["type"]:
        return f"{_shown(error.instance)} is no type; {nearest(str(error.instance), _TYPES)}"
    return error.message.replace(_MASK, _shown(error.instance))


def _schema_of(error: jsonschema_rs.ValidationError, schema: Any) -> Any:
    """The part of the schema that the value did not fit."""
    for step in error.schema_path[:-1]:
        try:
            schema = schema[step]
        except (KeyError, IndexError, TypeError):  # behind a $ref
            kind = error.kind
            return {"type": kind.value} if kind.name == "type" else {}
    return schema


def _path(path: Sequence[str | int]) -> str:
    return "".join(f"[{each}]" if isinstance(each, int) else f".{each}" for each in path)


def _shown(value: Any) -> str:
    try:
        shown = json.dumps(value, ensure_ascii=False, default=repr)
    except (ValueError, TypeError, RecursionError):
        shown = type(value).__name__
    shown = shown.encode(errors="backslashreplace").decode()
    return shown if len(shown) <= _SHOWN_LENGTH else shown[: _SHOWN_LENGTH - 3] + "..."
