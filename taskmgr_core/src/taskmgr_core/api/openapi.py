"""The OpenAPI file: what the handlers' types say, and the bodies that they read themselves."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any

import attrs
from litestar import Litestar, Router
from litestar.handlers import HTTPRouteHandler
from litestar.openapi.config import OpenAPIConfig
from litestar.openapi.spec import Components, SecurityScheme

from taskmgr_core.api.describing import BODY, FORM
from taskmgr_plugins.schemas import schema_of

TITLE = "taskmgr"
# Of the API, not of the program: it changes when a client has to.
VERSION = "1"
DESCRIPTION = (
    "Run pipelines of AI tasks, and know which output came from which input. Errors are "
    "problem details (RFC 9457); times are ISO 8601 in UTC, durations seconds, sizes bytes."
)
_FILE: Mapping[str, Any] = {"type": "string", "format": "binary"}


def openapi_document(router: Router) -> dict[str, Any]:
    """What the routes take and give.

    Arguments:
        router: all of them.
    """
    # It is made by an application that serves nothing: that would add pages of its own.
    application = Litestar(
        [router],
        openapi_config=OpenAPIConfig(
            title=TITLE,
            version=VERSION,
            description=DESCRIPTION,
            path="/schema",
            use_handler_docstrings=True,
            operation_id_creator=_operation_id,
            components=Components(
                security_schemes={"token": SecurityScheme(type="http", scheme="bearer")}
            ),
            security=[{"token": []}, {}],
        ),
        logging_config=None,
    )
    found: dict[str, Any] = application.openapi_schema.to_schema()
    found["paths"] = {
        path: item for path, item in sorted(found["paths"].items()) if path.startswith("/v1/")
    }
    for path, method, handler in operations(application):
        _complete(found, found["paths"][path][method], handler)
    return found


def _operation_id(handler: HTTPRouteHandler, method: Any, _: Any) -> str:
    """The name of the handler; of one that answers HEAD too, the two differ."""
    return f"{handler.handler_name}{'_head' if str(method).upper().endswith('HEAD') else ''}"


def operations(application: Litestar) -> Iterator[tuple[str, str, HTTPRouteHandler]]:
    """Each path, method and handler of an application that the file has."""
    for route in application.routes:
        for handler in getattr(route, "route_handlers", ()):
            path = getattr(route, "path_format", "")
            if path.startswith("/v1/") and isinstance(handler, HTTPRouteHandler):
                for method in sorted(handler.http_methods):
                    if method != "OPTIONS" and handler.handler_name != "options_handler":
                        yield path, method.lower(), handler


def _complete(document: dict[str, Any], operation: dict[str, Any], handler: Any) -> None:
    operation.pop("deprecated", None)
    function = getattr(handler.fn, "func", handler.fn)  # what runs in a thread is wrapped
    lines = (function.__doc__ or "").strip().partition("\n")
    operation["summary"] = lines[0].rstrip(".")
    operation["description"] = "\n".join(each.strip() for each in lines[2].strip().splitlines())
    if not operation["description"]:
        del operation["description"]
    if body := handler.opt.get(BODY):
        operation["requestBody"] = _body(document, body, form=bool(handler.opt[FORM]))
    for parameter in operation.get("parameters", ()):
        parameter.pop("deprecated", None)
        parameter["schema"] = _of_parameter(parameter["schema"])


def _of_parameter(schema: dict[str, Any]) -> dict[str, Any]:
    """The schema of a parameter: one that is left out is no null that could be sent."""
    members = schema.pop("oneOf", schema.pop("anyOf", None))
    schema.pop("description", None)
    if members is None:
        return schema
    (member,) = (each for each in members if each.get("type") != "null")
    return {**member, **schema}


def _body(document: dict[str, Any], model: type[attrs.AttrsInstance], *, form: bool) -> Any:
    schema = {**schema_of(model), "additionalProperties": False}
    document["components"]["schemas"][model.__name__] = schema
    named = {"$ref": f"#/components/schemas/{model.__name__}"}
    content: dict[str, Any] = {"application/json": {"schema": named}}
    if form:
        content["multipart/form-data"] = {
            "schema": {
                "type": "object",
                "properties": {"request": named},
                "required": ["request"],
                "additionalProperties": _FILE,
            },
            "encoding": {"request": {"contentType": "application/json"}},
        }
    return {"content": content, "required": bool(schema.get("required"))}
