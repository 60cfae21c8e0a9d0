"""Writes ``docs/reference/rest-api.md`` from the OpenAPI file.

``.venv/bin/python scripts/rest_reference.py > docs/reference/rest-api.md`` renews it;
a test demands that the page is what this prints.
"""

from __future__ import annotations

import sys
from collections.abc import Iterator, Mapping
from typing import Any

from taskmgr_core.api.access import OF_PLATFORM, PERMISSION, PUBLIC
from taskmgr_core.api.application import routes
from taskmgr_core.api.openapi import openapi_document, operations
from taskmgr_core.api.problems import KINDS, TYPE

INTRODUCTION = """# REST API

What `taskmgr api serve` answers. This page is written from the OpenAPI 3.1 file, which
`taskmgr api schema` prints and a server has at `/v1/openapi.json`, by `scripts/rest_reference.py`;
a test keeps it current. [Use the REST API](../how-to/use-the-rest-api.md) shows how.

Documents are those that the commands print with `--json`. Times are ISO 8601 in UTC, durations
seconds, sizes bytes. What is unknown in a body or a query is refused; what is unknown in an answer
is to be ignored: later versions say more. A request shows its token in the header
`Authorization: Bearer ...`, and may enter a workspace with `Taskmgr-Workspace: NAME`.
"""
PROBLEMS = f"""## Problems

An error is a problem document, `application/problem+json` as in RFC 9457: `type`, `title`, `status`
and `detail`, and under `errors` each thing that is wrong, with a `pointer` (RFC 6901) into the body
or a `parameter`. `instance` is an id that the server's log has beside what went wrong. The type is
`{TYPE}` and one of these:

| type | status | title |
| --- | --- | --- |
"""


def rest_page() -> str:
    """The page."""
    document = openapi_document(routes())
    needed = _permissions()
    parts = [INTRODUCTION, "| request | permission | |", "| --- | --- | --- |"]
    parts += [
        f"| [`{method.upper()} {path}`](#{_anchor(method, path)}) | {needed[method, path]} | "
        f"{operation['summary']} |"
        for method, path, operation in _operations(document)
    ]
    for method, path, operation in _operations(document):
        parts += ["", *_operation(method, path, operation, needed[method, path])]
    parts += ["", PROBLEMS.rstrip()]
    parts += [f"| `{name}` | {kind.status} | {kind.title} |" for name, kind in KINDS.items()]
    parts += ["", "## Documents", *_models(document["components"]["schemas"])]
    return "\n".join(parts) + "\n"


def _permissions() -> Mapping[tuple[str, str], str]:
    from litestar import Litestar

    application = Litestar([routes()], openapi_config=None, logging_config=None)
    return {
        (method, path): _permission(each.opt[PERMISSION], of_platform=each.opt[OF_PLATFORM])
        for path, method, each in operations(application)
    }


def _permission(needed: str, *, of_platform: bool) -> str:
    told = "none" if needed == PUBLIC else str(needed)
    return f"{told} of every workspace" if of_platform else told


def _operations(document: Mapping[str, Any]) -> Iterator[tuple[str, str, Any]]:
    for path, item in document["paths"].items():
        for method, operation in item.items():
            yield method, path, operation


def _anchor(method: str, path: str) -> str:
    text = "".join(each for each in f"{method} {path}" if each.isalnum() or each in " -_")
    return text.lower().replace(" ", "-")


def _operation(method: str, path: str, operation: Any, permission: str) -> Iterator[str]:
    yield f"## {method.upper()} {path}"
    yield ""
    yield f"{operation['summary']}. Permission: {permission}."
    if "description" in operation:
        yield ""
        yield operation["description"]
    if operation.get("parameters"):
        yield ""
        yield "| parameter | in | type | |"
        yield "| --- | --- | --- | --- |"
        for each in operation["parameters"]:
            schema = each["schema"]
            told = each.get("description", "")
            yield f"| `{each['name']}` | {each['in']} | {_type(schema)} | {told} |"
    yield ""
    bodies = operation.get("requestBody", {}).get("content", {})
    if bodies:
        kinds = " or ".join(f"`{each}`" for each in bodies)
        model = _type(bodies["application/json"]["schema"])
        yield f"Body: {model}, as {kinds}."
        yield ""
    yield from _answers(operation["responses"])


def _answers(responses: Mapping[str, Any]) -> Iterator[str]:
    good = {status: each for status, each in responses.items() if int(status) < 400}
    for status, each in good.items():
        content = each.get("content", {})
        told = ", ".join(f"{_type(body['schema'])} (`{kind}`)" for kind, body in content.items())
        yield f"Answers {status}{': ' + told if told else ''}."
    bad = ", ".join(status for status in responses if status not in good)
    yield f"Problems: {bad}."


def _models(schemas: Mapping[str, Any]) -> Iterator[str]:
    for name, schema in sorted(schemas.items()):
        yield ""
        yield f"### {name}"
        yield ""
        yield "| field | type | |"
        yield "| --- | --- | --- |"
        for field, each in schema.get("properties", {}).items():
            needed = "" if field in schema.get("required", ()) else "may be absent"
            yield f"| `{field}` | {_type(each)} | {needed} |"


def _type(schema: Mapping[str, Any]) -> str:
    """A type as a reader says it."""
    if "$ref" in schema:
        name = schema["$ref"].rpartition("/")[2]
        return f"[{name}](#{name.lower()})"
    if members := schema.get("oneOf") or schema.get("anyOf"):
        return " or ".join(_type(each) for each in members)
    if "enum" in schema:
        return ", ".join(f"`{each}`" for each in schema["enum"])
    if "const" in schema:
        return f"`{schema['const']}`"
    kind = schema.get("type", "any")
    if kind == "array":
        return f"list of {_type(schema.get('items', {}))}"
    if kind == "object" and schema.get("additionalProperties"):
        return f"object of {_type(schema['additionalProperties'])}"
    bounds = [f"{word} {schema[key]:g}" for key, word in _BOUNDS.items() if key in schema]
    default = [f"default {schema['default']}"] if schema.get("default") is not None else []
    kinds = " or ".join(kind) if isinstance(kind, list) else kind
    return ", ".join([kinds, *bounds, *default])


_BOUNDS = {"minimum": "from", "maximum": "to"}

if __name__ == "__main__":
    sys.stdout.write(rest_page())
