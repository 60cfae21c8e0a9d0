"""Requests that are sent again, and requests that come too often."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import attrs
import httpx
import pytest
from litestar.testing import TestClient
from rest_server import furnish, problem_of

from taskmgr_core.accounts.interface import LOCAL, Principal
from taskmgr_core.accounts.limiting import Limit, LocalLimiter
from taskmgr_core.accounts.policy import Role
from taskmgr_core.api.access import Access
from taskmgr_core.api.application import make_application
from taskmgr_core.api.idempotency import Key, once
from taskmgr_core.api.models.runs import Submission
from taskmgr_core.api.problems import RequestError
from taskmgr_core.client import Client
from taskmgr_core.errors import NotFoundError, StoreAwayError
from taskmgr_core.settings import load
from taskmgr_core.specs.accounts import DEFAULT_WORKSPACE
from taskmgr_core.wiring import Platform
from taskmgr_core.workspaces import open_office

ASKED = Submission("noop", {"number": 1})


@pytest.fixture(scope="module")
def home(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A home with tasks."""
    folder = tmp_path_factory.mktemp("once")
    furnish(folder)
    return folder


@pytest.fixture
def client(home: Path) -> Iterator[Client]:
    """A client of that home."""
    with Platform(load({}, home, home)).client() as opened:
        yield opened


@attrs.define
class Submits:
    """Submits a run, or fails as often as it is told, before or after the run is recorded."""

    client: Client
    fails: int = 0
    after: bool = False

    def __call__(self, *, run_id: str | None = None) -> str:
        """Submit."""
        failing, self.fails = self.fails > 0, self.fails - 1
        if failing and not self.after:
            raise StoreAwayError("away")
        found = self.client.submit("noop", {"number": 1}, run_id=run_id)
        if failing:
            raise StoreAwayError("the answer was lost")
        return found


def key(name: str, principal: Principal = LOCAL, asked: Submission = ASKED) -> Key:
    """A key of somebody."""
    return Key.of(principal, name, asked, {})


def test_run_that_was_recorded_before_the_crash_is_found(client: Client) -> None:
    """The answer was lost, the run was not: it is given, and no other one made."""
    run_id, again = once(client.metadata, key("lost"), Submits(client, 1, after=True))
    assert again
    assert once(client.metadata, key("lost"), Submits(client)) == (run_id, True)


def test_crash_between_key_and_run_makes_one_run(client: Client) -> None:
    """Who comes again records the run under the id that was promised."""

    def crash(*, run_id: str | None = None) -> str:
        promised.append(str(run_id))
        raise KeyboardInterrupt

    promised: list[str] = []
    with pytest.raises(KeyboardInterrupt):
        once(client.metadata, key("crash"), crash)
    assert once(client.metadata, key("crash"), Submits(client)) == (promised[0], False)
    assert client.detail(promised[0]).run.status == "running"


def test_refused_request_lets_go_of_its_key(client: Client) -> None:
    """Nothing is recorded, and the corrected request is another one."""
    with pytest.raises(StoreAwayError):
        once(client.metadata, key("refused"), Submits(client, 1))
    other = key("refused", asked=Submission("noop", {"number": 2}))
    run_id, again = once(client.metadata, other, Submits(client))
    assert not again
    with pytest.raises(RequestError, match="another request"):
        once(client.metadata, key("refused"), Submits(client))
    with pytest.raises(NotFoundError):
        client.detail(run_id[::-1])


def test_keys_of_others_are_others(client: Client) -> None:
    """Two people may call their orders the same; so may one in two workspaces."""
    ada = Principal("ada", Role.OPERATOR, "red", "")
    principals = (ada, attrs.evolve(ada, name="bob"), attrs.evolve(ada, workspace="blue"))
    found = {once(client.metadata, key("order", each), Submits(client))[0] for each in principals}
    assert len(found) == 3


def test_who_asks_too_often_is_told_when_to_come_again(home: Path, client: Client) -> None:
    """Each answer says what is left; the limit is each token's own."""
    with open_office(load({}, home, home)) as office:
        admin = office.administration(Principal("root", Role.ADMIN, "*", ""))
        ada, bob = (
            admin.new_token(name, Role.VIEWER, DEFAULT_WORKSPACE, None).secret
            for name in ("ada", "bob")
        )
        access = Access(lambda _: client, office.accounts, LocalLimiter(Limit(3, 60.0)))
        with TestClient(make_application(access, list)) as http:

            def ask(token: str) -> httpx.Response:
                return http.get("/v1/tasks", headers={"Authorization": f"Bearer {token}"})

            answers = [ask(ada) for _ in range(4)]
            left = [each.headers["ratelimit"].split(";")[1] for each in answers[:3]]
            assert left == ["r=2", "r=1", "r=0"]
            assert problem_of(answers[3])["status"] == 429
            assert int(answers[3].headers["retry-after"]) >= 1
            assert ask(bob).status_code == 200
