"""Forms made from JSON Schemas: what a task or pipeline takes, as fields of a page."""

from __future__ import annotations

import json
from collections.abc import Iterable, Mapping
from typing import Any, Literal

import attrs

from taskmgr_core.orchestrator.compatibility import type_name
from taskmgr_core.specs import FieldSpec, Graph
from taskmgr_plugins.schemas import TYPE_KEY

FieldKind = Literal["picture", "file", "number", "integer", "boolean", "choice", "text", "json"]
_PLAIN: Mapping[str, FieldKind] = {
    "number": "number",
    "integer": "integer",
    "boolean": "boolean",
    "string": "text",
}


@attrs.frozen
class FormField:
    """A field of a form.

    Attributes:
        name: the input's.
        kind: how it is filled in.
        type: the type of its values, for users.
        required: whether it has to be filled in.
        default: its value where it is not, as text; empty for none.
        choices: what may be chosen, each as JSON.
        help: what its schema says of it.
        least, most: bounds of a number; None for none.
    """

    name: str
    kind: FieldKind
    type: str
    required: bool
    default: str = ""
    choices: tuple[str, ...] = ()
    help: str = ""
    least: float | None = None
    most: float | None = None


def fields_of_task(inputs: Iterable[FieldSpec]) -> tuple[FormField, ...]:
    """The fields of a task's form."""
    return tuple(
        _field(each.name, each.schema, required=each.required, default=each.default)
        for each in inputs
    )


def fields_of_graph(graph: Graph) -> tuple[FormField, ...]:
    """The fields of a pipeline's form."""
    return tuple(
        _field(name, schema, required=name not in graph.optional, default=schema.get("default"))
        for name, schema in graph.inputs.items()
    )


def _field(name: str, schema: Mapping[str, Any], *, required: bool, default: Any) -> FormField:
    choices = tuple(json.dumps(each, ensure_ascii=False) for each in schema.get("enum", ()))
    kind = "choice" if choices else _kind(schema)
    return FormField(
        name=name,
        kind=kind,
        type=type_name(schema),
        required=required,
        default=_shown(default, kind),
        choices=choices,
        help=str(schema.get("description", "")),
        least=schema.get("minimum"),
        most=schema.get("maximum"),
    )


def _kind(schema: Mapping[str, Any]) -> FieldKind:
    named = schema.get(TYPE_KEY)
    if named == "Image":
        return "picture"
    if named in ("File", "Array"):
        return "file" if named == "File" else "json"
    found = schema.get("type")
    return _PLAIN.get(found, "json") if isinstance(found, str) else "json"


def _shown(default: Any, kind: FieldKind) -> str:
    if default is None:
        return ""
    return default if kind == "text" else json.dumps(default, ensure_ascii=False)
