"""Every route of the API with every role and workspace: who is let in, and who is not."""

from __future__ import annotations

from collections.abc import Iterator

import attrs
import httpx
import pytest
from litestar import Litestar
from litestar.testing import TestClient
from rest_server import furnish, problem_of

from taskmgr_core.accounts.interface import Principal
from taskmgr_core.accounts.policy import Permission, Role, allowed
from taskmgr_core.api.access import PERMISSION, PUBLIC, Access
from taskmgr_core.api.application import make_application, routes
from taskmgr_core.api.limits import Gate
from taskmgr_core.api.openapi import operations
from taskmgr_core.client import Client
from taskmgr_core.settings import load
from taskmgr_core.specs.accounts import DEFAULT_WORKSPACE
from taskmgr_core.stores.accounts import entry_from
from taskmgr_core.workspaces import Office, open_office

APPLICATION = Litestar([routes()], openapi_config=None)
# Sorted: a path's methods come in any order, and processes that share tests must agree on them.
OPERATIONS = dict(
    sorted(
        (f"{method.upper()} {path}", handler) for path, method, handler in operations(APPLICATION)
    )
)


@attrs.frozen
class House:
    """The API over two workspaces, in this process.

    Attributes:
        http: asks it; it has no token of its own.
        tokens: role -> the token of somebody of the default workspace.
        stranger: the token of an admin of the other workspace.
        office: the accounts.
        runs: the recorded runs of the default workspace.
    """

    http: TestClient[Gate]
    tokens: dict[Role, str]
    stranger: str
    office: Office
    runs: dict[str, str]

    def ask(self, operation: str, token: str, **more: str) -> httpx.Response:
        """Ask an operation about what is recorded in the default workspace."""
        method, path = operation.split(" ")
        names = {
            "run": self.runs["succeeded"],
            "digest": "sha256:" + "0" * 64,
            "name": "nightly" if "schedules" in path else "write",
        }
        bodies = {"POST /v1/runs": {"name": "noop", "inputs": {"number": 1}}}
        headers = {"Authorization": f"Bearer {token}", **more}
        content = bodies.get(operation)
        return self.http.request(method, path.format(**names), json=content, headers=headers)


@pytest.fixture(scope="module")
def house(tmp_path_factory: pytest.TempPathFactory) -> Iterator[House]:
    """Two workspaces with a token for each role."""
    home = tmp_path_factory.mktemp("access")
    runs = furnish(home)
    clients: dict[str, Client] = {}
    with open_office(load({}, home, home)) as office:

        def client_of(principal: Principal) -> Client:
            name = principal.workspace
            if name not in clients:
                clients[name] = office.platforms.of(name).client(paths=False)
            return clients[name]

        admin = office.administration(Principal("root", Role.ADMIN, "*", ""))
        office.new_workspace(admin, "other")
        tokens = {
            role: admin.new_token(f"who-{role}", role, DEFAULT_WORKSPACE, None).secret
            for role in Role
        }
        stranger = admin.new_token("stranger", Role.ADMIN, "other", None).secret
        access = Access(client_of, office.accounts, None)
        with TestClient(make_application(access, list)) as http:
            yield House(http, tokens, stranger, office, runs)


def test_every_route_declares_its_permission() -> None:
    """A route without one would answer nobody, and nobody would know why."""
    assert all(
        isinstance(handler.opt.get(PERMISSION), Permission) or handler.opt.get(PERMISSION) == PUBLIC
        for handler in OPERATIONS.values()
    )
    public = {name for name, each in OPERATIONS.items() if each.opt[PERMISSION] == PUBLIC}
    assert public == {"GET /v1/health/live", "GET /v1/health/ready", "GET /v1/openapi.json"}


@pytest.mark.parametrize("operation", OPERATIONS)
def test_role_that_may_is_let_in_and_no_other(house: House, operation: str) -> None:
    """Each role is answered exactly where the policy gives it the route's permission."""
    needed = OPERATIONS[operation].opt[PERMISSION]
    for role, token in house.tokens.items():
        answer = house.ask(operation, token)
        may = needed == PUBLIC or allowed(role, needed)
        assert (answer.status_code != 403) == may, (role, answer.text)
        assert answer.status_code < 500, answer.text


@pytest.mark.parametrize("operation", OPERATIONS)
def test_nobody_is_let_in_without_a_token(house: House, operation: str) -> None:
    """No token, an unknown one and two at once are refused alike, but where all are let in."""
    if OPERATIONS[operation].opt[PERMISSION] == PUBLIC:
        assert house.ask(operation, "").status_code == 200
        return
    for token in ("", "tm_nobody-has-this-token"):
        answer = house.ask(operation, token)
        assert answer.status_code == 401
        assert answer.headers["www-authenticate"].startswith("Bearer")


def test_admin_of_another_workspace_meets_nothing_of_this_one(house: House) -> None:
    """What is recorded here is not there; this workspace cannot be named from there either."""
    told = {"GET /v1/runs": "runs", "GET /v1/tasks": "tasks", "GET /v1/pipelines": "pipelines"}
    for operation, key in told.items():
        assert house.ask(operation, house.stranger).json()[key] == []
    for operation in (each for each in OPERATIONS if "{run}" in each):
        assert house.ask(operation, house.stranger).status_code == 404, operation
    asked = {"Taskmgr-Workspace": DEFAULT_WORKSPACE}
    answer = house.ask("GET /v1/runs", house.stranger, **asked)
    assert answer.status_code == 403
    assert problem_of(answer)["type"] == "urn:taskmgr:problem:forbidden"


def test_change_is_in_the_audit_log_with_who_asked(house: House) -> None:
    """A submit is written down with its run, and so is a refused cancellation."""
    run_id = house.ask("POST /v1/runs", house.tokens[Role.OPERATOR]).json()["run_id"]
    house.ask("POST /v1/runs/{run}/cancel", house.tokens[Role.VIEWER])
    house.office.log.flush()
    found = [
        (each.action, each.who, each.outcome, each.target)
        for each in map(entry_from, house.office.store.audit_page(None, 1000))
    ]
    assert ("run.submit", "who-operator", "done", run_id) in found
    assert ("run.cancel", "who-viewer", "denied", house.runs["succeeded"]) in found
