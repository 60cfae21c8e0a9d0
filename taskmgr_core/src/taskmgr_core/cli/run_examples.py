"""Example commands made from schemas: what a user could type."""

from __future__ import annotations

import json
import shlex
from collections.abc import Mapping
from typing import Any

from taskmgr_core.orchestrator.compatibility import alternatives
from taskmgr_plugins.schemas import TYPE_KEY

_BY_TYPE = {"Image": "photo.jpg", "File": "file.bin", "Array": "array.npy"}
_BY_KIND = {
    "string": "text",
    "integer": "1",
    "number": "0.5",
    "boolean": "true",
    "array": "[]",
    "object": "{}",
    "null": "null",
}


def run_example(name: str, inputs: Mapping[str, Mapping[str, Any]]) -> str:
    """A command that runs a task or pipeline with made-up inputs."""
    words = [f"{field}={_value(schema)}" for field, schema in inputs.items()]
    return shlex.join(["taskmgr", "run", name, *words])


def _value(schema: Mapping[str, Any]) -> str:
    for each in alternatives(schema):
        if each.get(TYPE_KEY) in _BY_TYPE:
            return _BY_TYPE[each[TYPE_KEY]]
        if "enum" in each:
            first = each["enum"][0]
            return first if isinstance(first, str) else json.dumps(first)
        return _BY_KIND.get(each.get("type", ""), "value")
    return "value"
