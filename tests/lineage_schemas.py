"""The events of OpenLineage as JSON Schemas, and whether what was told meets them.

The schemas are made from the classes of the official client, which its project generates from the
files of the specification: they change with the client, and cannot differ from it. They are
stricter than those files: a name that the specification does not know is refused.
"""

from __future__ import annotations

import enum
import functools
import importlib
import json
import pkgutil
import types
import typing
from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path
from typing import Any, Union

import attrs
import jsonschema_rs
from openlineage.client import generated
from openlineage.client.generated import base

# What the classes check by their own code, or only say in their docstrings.
_FORMATS = {
    "eventTime": "date-time",
    "nominalStartTime": "date-time",
    "nominalEndTime": "date-time",
    "runId": "uuid",
    "producer": "uri",
    "schemaURL": "uri",
    "_producer": "uri",
    "_schemaURL": "uri",
}
_ALLOWED = {("Transformation", "type"): ["DIRECT", "INDIRECT"]}
_PLAIN: Mapping[Any, Mapping[str, Any]] = {
    str: {"type": "string"},
    int: {"type": "integer"},
    float: {"type": "number"},
    bool: {"type": "boolean"},
    Any: {},
}
# The kinds of facets, and how the names of their classes end.
_KINDS = {
    base.RunFacet: "RunFacet",
    base.JobFacet: "JobFacet",
    base.DatasetFacet: "DatasetFacet",
    base.InputDatasetFacet: "InputDatasetFacet",
    base.OutputDatasetFacet: "OutputDatasetFacet",
}
# Facets whose key the specification does not form from the name of the class.
_KEYS = {"processingEngine": "processing_engine"}
END = frozenset({"COMPLETE", "FAIL", "ABORT"})


def schema_of_events() -> dict[str, Any]:
    """The schema of one event of a run."""
    definitions: dict[str, Any] = {}
    top = _of_class(base.RunEvent, definitions)
    return {"$schema": "https://json-schema.org/draft/2020-12/schema", **top, "$defs": definitions}


def _of_class(kind: Any, definitions: dict[str, Any]) -> dict[str, Any]:
    """A reference to the schema of a class, which is made where it is not there yet."""
    name = f"{kind.__module__.rpartition('.')[2]}.{kind.__name__}"
    if name not in definitions:
        definitions[name] = {}
        attrs.resolve_types(kind)
        fields = attrs.fields(kind)
        found = {each.name: _of_field(kind, each, definitions) for each in fields}
        told = {"producer", "schemaURL", "_producer", "_schemaURL"}  # the client fills them in
        definitions[name] = {
            "type": "object",
            "properties": found,
            "additionalProperties": False,
            "required": [e.name for e in fields if e.default is attrs.NOTHING or e.name in told],
        }
    return {"$ref": f"#/$defs/{name}"}


def _of_field(kind: Any, field: Any, definitions: dict[str, Any]) -> dict[str, Any]:
    found = _of_type(field.type, definitions)
    if field.name in _FORMATS:
        found = {**found, "format": _FORMATS[field.name]}
    if field.name in ("schemaURL", "_schemaURL"):
        found["const"] = kind._get_schema()
    if (kind.__name__, field.name) in _ALLOWED:
        found["enum"] = _ALLOWED[kind.__name__, field.name]
    return found


def _of_type(hint: Any, definitions: dict[str, Any]) -> dict[str, Any]:
    """The schema of a type; null is nowhere allowed, as in the specification."""
    origin, arguments = typing.get_origin(hint), typing.get_args(hint)
    if origin in (Union, types.UnionType):
        kinds = [each for each in arguments if each is not type(None)]
        found = [_of_type(each, definitions) for each in kinds]
        return found[0] if len(found) == 1 else {"anyOf": found}
    if origin is list:
        return {"type": "array", "items": _of_type(arguments[0], definitions)}
    if origin is dict and arguments[1] in _KINDS:
        return _of_facets(arguments[1], definitions)
    if origin is dict:
        return {"type": "object", "additionalProperties": _of_type(arguments[1], definitions)}
    if origin is typing.Literal:
        return {"enum": list(arguments)}
    if hint in _PLAIN:
        return dict(_PLAIN[hint])
    if isinstance(hint, type) and issubclass(hint, enum.Enum):
        return {"enum": [each.value for each in hint]}
    return _of_class(hint, definitions)


def _of_facets(kind: type, definitions: dict[str, Any]) -> dict[str, Any]:
    return {
        "type": "object",
        "properties": {
            key: _of_class(of_it, definitions) for key, of_it in _facets()[kind].items()
        },
        "additionalProperties": False,
    }


@functools.cache
def _facets() -> Mapping[type, Mapping[str, Any]]:
    """Kind of facet -> key -> class, of all that the client knows."""
    found: dict[type, dict[str, Any]] = {kind: {} for kind in _KINDS}
    for module in pkgutil.iter_modules(generated.__path__):
        classes = vars(importlib.import_module(f"{generated.__name__}.{module.name}")).values()
        for each in classes:
            kind = next(iter(each.__bases__), None) if isinstance(each, type) else None
            if kind in _KINDS and each not in _KINDS:
                key = each.__name__.removesuffix(_KINDS[kind])
                key = key[0].lower() + key[1:]
                found[kind][_KEYS.get(key, key)] = each
    # Its class is named after the whole of it.
    found[base.DatasetFacet]["version"] = found[base.DatasetFacet].pop("datasetVersion")
    return found


@functools.cache
def _validator() -> Any:
    return jsonschema_rs.validator_for(
        schema_of_events(), validate_formats=True, ignore_unknown_formats=False
    )


def faults(event: Any) -> list[str]:
    """What is wrong with an event, each with its place."""
    return [
        f"{'/'.join(map(str, each.instance_path))}: {each.message}"
        for each in _validator().iter_errors(event)
    ]


def checked(lines: Iterable[str]) -> list[Any]:
    """Events as they were written, each after it was found to meet the specification."""
    events = [json.loads(line) for line in lines]
    for event in events:
        assert faults(event) == [], event
    return events


def read_events(path: Path) -> list[Any]:
    """The events of a file, checked."""
    return checked(path.read_text().splitlines())


def assert_whole(events: Sequence[Any]) -> None:
    """Each run begins once, before all else of it, and ends once, after all else of it."""
    runs: dict[str, list[str]] = {}
    for each in sorted(events, key=lambda event: str(event["eventTime"])):
        runs.setdefault(each["run"]["runId"], []).append(each["eventType"])
    for run, kinds in runs.items():
        assert kinds[0] == "START", (run, kinds)
        assert kinds.count("START") == 1, (run, kinds)
        assert kinds[-1] in END, (run, kinds)
        assert sum(each in END for each in kinds) == 1, (run, kinds)
