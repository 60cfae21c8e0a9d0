"""Every route of the API with every role and workspace: who is let in, and who is not."""

from __future__ import annotations

from collections.abc import Iterator, Mapping

import attrs
import httpx
import pytest
from litestar import Litestar
from litestar.testing import TestClient
from rest_server import furnish, problem_of

from taskmgr_core.accounts.interface import Principal
from taskmgr_core.accounts.policy import Permission, Role, allowed
from taskmgr_core.api.access import OF_PLATFORM, PERMISSION, PUBLIC, Access
from taskmgr_core.api.application import make_application, routes
from taskmgr_core.api.limits import Gate
from taskmgr_core.api.openapi import operations
from taskmgr_core.settings import load
from taskmgr_core.specs.accounts import ALL_WORKSPACES, DEFAULT_WORKSPACE
from taskmgr_core.stores.accounts import entry_from
from taskmgr_core.workspaces import Office, open_office

APPLICATION = Litestar([routes()], openapi_config=None)
# Sorted: a path's methods come in any order, and processes that share tests must agree on them.
OPERATIONS = dict(
    sorted(
        (f"{method.upper()} {path}", handler) for path, method, handler in operations(APPLICATION)
    )
)

NAMES = {"schedules": "nightly", "limits": "task:write", "workspaces": "absent"}
BODIES = {
    "POST /v1/runs": {"name": "noop", "inputs": {"number": 1}},
    "PUT /v1/tasks/{name}/rollout": {"version": "1.0"},
    "PUT /v1/tasks/{name}/pin": {},
    "PUT /v1/tasks/{name}/versions/{version}/yank": {"reason": "wrong"},
    "PUT /v1/limits/{name}": {"max": 2},
    "POST /v1/schedules": {
        "name": "hourly",
        "what": "nothing",
        "cron": "0 * * * *",
        "inputs": {"number": 1},
    },
    "POST /v1/tokens": {"name": "somebody", "role": "viewer"},
    "POST /v1/tokens/revoke": {"token": "absent"},
    "POST /v1/workspaces": {"name": "-"},
    "POST /v1/workers/{worker}/leave": {"how": "drain"},
    "POST /v1/dashboard/times": {"runs": []},
}


@attrs.frozen
class House:
    """The API over two workspaces, in this process.

    Attributes:
        http: asks it; it has no token of its own.
        tokens: role -> the token of somebody of the default workspace.
        stranger: the token of an admin of the other workspace.
        root: the token of an admin of every workspace.
        office: the accounts.
        runs: the recorded runs of the default workspace.
    """

    http: TestClient[Gate]
    tokens: dict[Role, str]
    stranger: str
    root: str
    office: Office
    runs: dict[str, str]

    def ask(self, operation: str, token: str, **more: str) -> httpx.Response:
        """Ask an operation about what is recorded in the default workspace."""
        method, path = operation.split(" ")
        names = {
            "run": self.runs["succeeded"],
            "digest": "sha256:" + "0" * 64,
            "name": NAMES.get(path.split("/")[2], "write"),
            "version": "1.0",
            "worker": "w1",
        }
        headers = {"Authorization": f"Bearer {token}", **more}
        content = BODIES.get(operation)
        return self.http.request(method, path.format(**names), json=content, headers=headers)

    def send(self, path: str, token: str, body: Mapping[str, object]) -> httpx.Response:
        """Send JSON."""
        return self.http.post(f"/v1{path}", json=body, headers=bearer(token))


@pytest.fixture(scope="module")
def house(tmp_path_factory: pytest.TempPathFactory) -> Iterator[House]:
    """Two workspaces with a token for each role."""
    home = tmp_path_factory.mktemp("access")
    runs = furnish(home)
    with open_office(load({}, home, home), lambda each: each.client(paths=False)) as office:
        clients = office.platforms.client_in
        admin = office.administration(Principal("root", Role.ADMIN, "*", ""))
        office.new_workspace(admin, "other")
        tokens = {
            role: admin.new_token(f"who-{role}", role, DEFAULT_WORKSPACE, None).secret
            for role in Role
        }
        stranger = admin.new_token("stranger", Role.ADMIN, "other", None).secret
        root = admin.new_token("root", Role.ADMIN, ALL_WORKSPACES, None).secret
        access = Access(lambda who: clients(who.workspace), office.accounts, None, office)
        with TestClient(make_application(access, list)) as http:
            yield House(http, tokens, stranger, root, office, runs)


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
    of_platform = OPERATIONS[operation].opt[OF_PLATFORM]
    for role, token in [*house.tokens.items(), (Role.ADMIN, house.root)]:
        answer = house.ask(operation, token)
        may = needed == PUBLIC or (
            allowed(role, needed) and (token == house.root or not of_platform)
        )
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


def test_admin_of_a_workspace_administers_that_one_alone(house: House) -> None:
    """Tokens and lines of others are not seen, and no token reaches further than one's own."""
    told = house.ask("GET /v1/tokens", house.stranger).json()["tokens"]
    assert {each["workspace"] for each in told} == {"other"}
    lines = house.ask("GET /v1/audit", house.stranger).json()["lines"]
    assert {each["workspace"] for each in lines} == {"other"}
    assert (
        len({each["workspace"] for each in house.ask("GET /v1/audit", house.root).json()["lines"]})
        > 1
    )
    names = house.ask("GET /v1/workspaces", house.stranger).json()["workspaces"]
    assert [each["name"] for each in names] == ["other"]
    for workspace in (DEFAULT_WORKSPACE, ALL_WORKSPACES):
        asked = {"name": "more", "role": "viewer", "workspace": workspace}
        refused = house.send("/tokens", house.stranger, asked)
        assert (refused.status_code, problem_of(refused)["title"][:5]) == (403, "Whoev")
        about = house.http.get(
            "/v1/audit", params={"workspace": workspace}, headers=bearer(house.stranger)
        )
        assert about.status_code == 403
    mine = house.send("/tokens", house.stranger, {"name": "more", "role": "viewer"})
    assert (mine.status_code, mine.json()["workspace"]) == (201, "other")


def test_token_is_shown_once_and_opens_what_was_asked(house: House) -> None:
    """Its secret is in the one answer that no cache keeps, and in no list; revoked, it is dead."""
    asked = {"name": "ci", "role": "publisher", "permissions": ["read", "run"], "seconds": 60}
    made = house.send("/tokens", house.root, asked)
    secret = made.json()["token"]
    assert made.headers["cache-control"] == "no-store"
    assert secret not in house.ask("GET /v1/tokens", house.root).text
    assert house.ask("GET /v1/runs", secret).status_code == 200
    assert house.ask("DELETE /v1/cache", secret).status_code == 403
    revoked = house.send("/tokens/revoke", house.root, {"token": secret})
    assert (revoked.json()["id"], revoked.json()["state"]) == (made.json()["id"], "revoked")
    assert house.ask("GET /v1/runs", secret).status_code == 401
    lines = house.ask("GET /v1/audit", house.root)
    assert secret not in lines.text
    done = [(each["action"], each["who"], each["outcome"]) for each in lines.json()["lines"]]
    assert done.index(("token.revoke", "root", "done")) < done.index(("token.new", "root", "done"))


@pytest.mark.parametrize(
    ("asked", "said"),
    [
        ({"name": "a b", "role": "viewer"}, "the name 'a b' is not allowed"),
        ({"name": "a", "role": "king"}, "no role 'king'"),
        ({"name": "a", "role": "viewer", "seconds": 0}, "a token is for some time"),
        ({"name": "a", "role": "viewer", "seconds": 1e300}, "a hundred years"),
        ({"name": "a", "role": "viewer", "permissions": ["publish"]}, "has no permission publish"),
        ({"name": "a", "role": "viewer", "workspace": "absent"}, "no workspace 'absent'"),
    ],
    ids=lambda each: each if isinstance(each, str) else "",
)
def test_token_that_cannot_be_is_refused(house: House, asked: dict[str, object], said: str) -> None:
    """With the bad value and what is allowed; none is made."""
    before = len(house.office.store.tokens())
    refused = house.send("/tokens", house.root, asked)
    assert refused.status_code == (404 if "absent" in said else 422)
    assert said in refused.text
    assert len(house.office.store.tokens()) == before


def test_workspace_is_made_worked_in_and_removed(house: House) -> None:
    """By an admin of the platform; afterwards nobody meets it, and its tokens are dead."""
    made = house.send("/workspaces", house.root, {"name": "brief"})
    assert (made.status_code, made.json()["created_by"]) == (201, "root")
    assert house.send("/workspaces", house.root, {"name": "brief"}).status_code == 409
    asked = {"name": "guest", "role": "admin", "workspace": "brief"}
    guest = house.send("/tokens", house.root, asked).json()["token"]
    assert house.ask("GET /v1/runs", guest).json()["runs"] == []
    assert house.http.delete("/v1/workspaces/brief", headers=bearer(guest)).status_code == 403
    removed = house.http.delete("/v1/workspaces/brief", headers=bearer(house.root))
    assert removed.json() == {"name": "brief", "tokens_revoked": 1}
    assert house.ask("GET /v1/runs", guest).status_code == 401
    entered = {"Taskmgr-Workspace": "brief"}
    assert house.ask("GET /v1/runs", house.root, **entered).status_code == 404


def test_audit_log_is_read_by_pages(house: House) -> None:
    """The cursor of each page leads to the older lines, until there are none."""
    house.office.log.flush()
    numbers, params = [], {"limit": "3"}
    while True:
        page = house.http.get("/v1/audit", params=params, headers=bearer(house.root)).json()
        numbers += [each["number"] for each in page["lines"]]
        if page["next"] is None:
            break
        params["cursor"] = str(page["next"])
    assert numbers == [each.number for each in house.office.store.audit_page(None, 10_000)]
    assert numbers[-1] == 1


def test_change_by_an_operator_is_written_down_with_what_it_was(house: House) -> None:
    """Rollouts, pins, limits, schedules and the cache alike: who, of what, and how."""
    token = house.tokens[Role.OPERATOR]
    rolled, pinned, yanked = "rollout", "pin", "versions/{version}/yank"
    for asked in (
        *(f"DELETE /v1/tasks/{{name}}/{each}" for each in (pinned, yanked)),
        *(f"PUT /v1/tasks/{{name}}/{each}" for each in (rolled, yanked, pinned)),
        *("PUT /v1/limits/{name}", "DELETE /v1/cache", "DELETE /v1/schedules/{name}"),
    ):
        house.ask(asked, token)
    house.office.log.flush()
    told = house.http.get("/v1/audit", params={"limit": 1000}, headers=bearer(house.root)).json()
    done = {
        each["action"]: (each["target"], each["note"])
        for each in told["lines"]
        if each["who"] == "who-operator" and each["outcome"] == "done"
    }
    assert done["task.rollout"] == ("write", "1.0 100 %")
    assert done["limit.set"] == ("task:write", "max 2, rate None")
    assert done["task.yank"] == ("write", "1.0: wrong")
    assert done["cache.clear"] == ("", "0 results")


def bearer(token: str) -> dict[str, str]:
    """The header that shows a token."""
    return {"Authorization": f"Bearer {token}"}
