"""Whatever the OpenAPI file allows is answered as it says, and whatever it forbids is refused."""

from __future__ import annotations

import os
from collections.abc import Iterator, Mapping
from typing import Any

import attrs
import pytest
from hypothesis import HealthCheck, given, settings
from rest_server import CONTENT, furnish, served

from taskmgr_core.accounts.interface import LOCAL
from taskmgr_core.accounts.policy import Role
from taskmgr_core.api.application import routes
from taskmgr_core.api.openapi import openapi_document
from taskmgr_core.documents import digest_of
from taskmgr_core.settings import load
from taskmgr_core.specs.accounts import ALL_WORKSPACES
from taskmgr_core.workspaces import open_office

pytestmark = pytest.mark.long

DOCUMENT = openapi_document(routes())
OPERATIONS = [
    f"{method.upper()} {path}" for path, item in DOCUMENT["paths"].items() for method in item
]
# `HYPOTHESIS_PROFILE=thorough` asks more.
EXAMPLES = 5 if os.environ.get("HYPOTHESIS_PROFILE", "default") == "default" else 300
# What fits their schema has to fit what is published or was said before, too.
JUDGING = (
    "POST /v1/runs",
    "GET /v1/lineage/{digest}",
    "GET /v1/dashboard/lineage/{digest}",
    "POST /v1/schedules",
    "PUT /v1/limits/{name}",
    "PUT /v1/tasks/{name}/rollout",
    "POST /v1/tasks/{name}/rollback",
    "PUT /v1/tasks/{name}/pin",
    "PUT /v1/tasks/{name}/versions/{version}/yank",
    "DELETE /v1/tasks/{name}/versions/{version}/yank",
    "POST /v1/tokens",
    "POST /v1/workspaces",
)
# Once done, or of a task that has one version, there is nothing more to be changed.
CHANGING = frozenset(each for each in OPERATIONS if not each.startswith("GET"))
NAMES = {"pipelines": "nothing", "schedules": "nightly", "limits": "task:write"}
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


@attrs.frozen
class Open:
    """A server, and what opens all of it.

    Attributes:
        url: of the API, with its version.
        headers: the token of an admin of every workspace.
        runs: the recorded runs.
    """

    url: str
    headers: Mapping[str, str]
    runs: Mapping[str, str]


@pytest.fixture(scope="module")
def rest(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Open]:
    """A server with accounts, on a home of its own: what is allowed changes much of it."""
    home = tmp_path_factory.mktemp("schema")
    runs = furnish(home)
    with open_office(load({}, home, home)) as office:
        admin = office.administration(LOCAL)
        secret = admin.new_token("root", Role.ADMIN, ALL_WORKSPACES).secret
    with served(home) as answering:
        yield Open(answering.url, {"Authorization": f"Bearer {secret}"}, runs)


def ask(rest: Open, operation: str, mode: str, known: Known | None = None) -> set[int]:
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
            headers=dict(rest.headers),
            timeout=10,
            excluded_checks=[positive_data_acceptance] if operation in JUDGING else [],
        )
        statuses.add(answer.status_code)

    asked()
    return statuses


@pytest.mark.parametrize("operation", OPERATIONS)
def test_allowed_request_is_answered_as_its_file_says(rest: Open, operation: str) -> None:
    """Every status, type, body and header is one that the file has; none is a 5xx."""
    assert ask(rest, operation, "positive")


@pytest.mark.parametrize("operation", [each for each in OPERATIONS if can_be_wrong(each)])
def test_forbidden_request_is_refused(rest: Open, operation: str) -> None:
    """What the file does not allow is refused, as problem details."""
    assert ask(rest, operation, "negative")


@pytest.mark.parametrize("operation", [each for each in OPERATIONS if "{" in each])
def test_what_is_there_is_told_as_its_file_says(rest: Open, operation: str) -> None:
    """A resource that is recorded is found, and its document is one that the file has."""
    run = rest.runs["failed" if operation.endswith("/retry") else "succeeded"]
    names = {"run": run, "digest": digest_of(CONTENT), "version": "1.0", "worker": "w1"}
    names["name"] = NAMES.get(operation.split("/")[2], "write")
    if operation == "DELETE /v1/schedules/{name}":
        names["name"] = "weekly"  # the other one is asked for by others
    wanted = {each["name"] for each in described(operation)["parameters"] if each["in"] == "path"}
    statuses = ask(rest, operation, "positive", {each: names[each] for each in wanted})
    # A folder has no links; what is gone, or was never so, is not changed again.
    judged = operation.endswith(("/link", "/diff")) or operation in CHANGING
    refused = {404, 409, 422} if judged else set()
    assert statuses & ({200, 201, 206} | refused)
