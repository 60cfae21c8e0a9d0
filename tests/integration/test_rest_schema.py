"""Whatever the OpenAPI file allows is answered as it says, and whatever it forbids is refused."""

from __future__ import annotations

import os
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from rest_server import CONTENT, Served

from taskmgr_core.api.application import routes
from taskmgr_core.api.openapi import openapi_document
from taskmgr_core.documents import digest_of

pytestmark = pytest.mark.long

DOCUMENT = openapi_document(routes())
OPERATIONS = [
    f"{method.upper()} {path}" for path, item in DOCUMENT["paths"].items() for method in item
]
# `HYPOTHESIS_PROFILE=thorough` asks more.
EXAMPLES = 5 if os.environ.get("HYPOTHESIS_PROFILE", "default") == "default" else 300
# What fits their schema has to fit what is published or was said before, too.
JUDGING = ("POST /v1/runs", "GET /v1/lineage/{digest}")
Known = Mapping[str, str]


def described(operation: str) -> dict[str, Any]:
    """What the file says of an operation."""
    method, path = operation.split(" ")
    found: dict[str, Any] = DOCUMENT["paths"][path][method.lower()]
    return found


def can_be_wrong(operation: str) -> bool:
    """Whether there is something that the file forbids: any text may be a name."""
    found = described(operation)
    told = [each for each in found.get("parameters", ()) if each["schema"] != {"type": "string"}]
    return bool(told) or "requestBody" in found


def ask(rest: Served, operation: str, mode: str, known: Known | None = None) -> set[int]:
    """Ask an operation what its file allows or forbids, check each answer; the statuses.

    Arguments:
        rest: the server.
        operation: method and path.
        mode: ``positive`` for what is allowed, ``negative`` for what is not.
        known: the values of parameters of the path; they are made up when None.
    """
    import schemathesis  # slow to import, and these tests alone need it
    from schemathesis.checks import load_all_checks
    from schemathesis.generation import GenerationMode
    from schemathesis.specs.openapi.checks import positive_data_acceptance

    load_all_checks()
    schema = schemathesis.openapi.from_dict(DOCUMENT)
    schema.config.update(base_url=rest.url.removesuffix("/v1"))
    method, path = operation.split(" ")
    statuses: set[int] = set()
    cases = schema[path][method].as_strategy(
        generation_mode=GenerationMode(mode),
        path_parameters=None if known is None else dict(known),
    )

    @settings(
        max_examples=EXAMPLES,
        deadline=None,
        derandomize=True,
        database=None,
        suppress_health_check=list(HealthCheck),
    )
    @given(case=cases)
    def asked(case: Any) -> None:
        answer = case.call_and_validate(
            timeout=10, excluded_checks=[positive_data_acceptance] if operation in JUDGING else []
        )
        statuses.add(answer.status_code)

    asked()
    return statuses


@pytest.mark.parametrize("operation", OPERATIONS)
def test_allowed_request_is_answered_as_its_file_says(rest: Served, operation: str) -> None:
    """Every status, type, body and header is one that the file has; none is a 5xx."""
    assert ask(rest, operation, "positive")


@pytest.mark.parametrize("operation", [each for each in OPERATIONS if can_be_wrong(each)])
def test_forbidden_request_is_refused(rest: Served, operation: str) -> None:
    """What the file does not allow is refused, as problem details."""
    assert ask(rest, operation, "negative")


@pytest.mark.parametrize("operation", [each for each in OPERATIONS if "{" in each])
def test_what_is_there_is_told_as_its_file_says(
    rest: Served, rest_home: tuple[Path, Known], operation: str
) -> None:
    """A resource that is recorded is found, and its document is one that the file has."""
    runs = rest_home[1]
    run = runs["failed" if operation.endswith("/retry") else "succeeded"]
    names = {"run": run, "digest": digest_of(CONTENT), "name": "write"}
    names["name"] = {"pipelines": "nothing", "schedules": "nightly"}.get(
        operation.split("/")[2], "write"
    )
    wanted = {each["name"] for each in described(operation)["parameters"] if each["in"] == "path"}
    statuses = ask(rest, operation, "positive", {each: names[each] for each in wanted})
    # A folder has no links.
    assert statuses & ({404} if operation.endswith("/link") else {200, 201, 206})
