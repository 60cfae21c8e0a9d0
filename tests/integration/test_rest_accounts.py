"""The API with real tokens and workspaces: who reaches what, how often, what is written down."""

from __future__ import annotations

from collections.abc import Iterator

import attrs
import httpx
import pytest
from litestar.testing import TestClient
from silo_probes import Made, made_in

from taskmgr_core.accounts.interface import LOCAL
from taskmgr_core.accounts.limiting import Limit, LocalLimiter
from taskmgr_core.api.access import Access
from taskmgr_core.api.application import make_application
from taskmgr_core.api.limits import Gate
from taskmgr_core.settings import load
from taskmgr_core.specs.accounts import ALL_WORKSPACES, Role
from taskmgr_core.stores.accounts import entry_from
from taskmgr_core.workspaces import Office, open_office

MOST = 8
ABSENT = "tmg_" + "0" * 49


@attrs.frozen
class Served:
    """The API over a workspace with something in it, and one without.

    Attributes:
        http: asks it.
        office: its accounts.
        made: what the workspace red has.
    """

    http: TestClient[Gate]
    office: Office
    made: Made

    def token(self, name: str, role: Role, workspace: str) -> str:
        """A new token."""
        admin = self.office.administration(LOCAL)
        return admin.new_token(name, role, workspace).secret

    def get(self, path: str, token: str, workspace: str | None = None) -> httpx.Response:
        """Ask for something."""
        headers = {"Authorization": f"Bearer {token}"}
        if workspace is not None:
            headers["Taskmgr-Workspace"] = workspace
        return self.http.get(path, headers=headers)

    def denied(self) -> list[tuple[str, str, str]]:
        """Who was denied what, and why, the last one first."""
        assert self.office.log.flush()
        lines = map(entry_from, self.office.store.audit_page(None, 100))
        return [(e.who, e.action, e.note) for e in lines if e.outcome == "denied"]


@pytest.fixture(scope="module")
def served(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Served]:
    """Two workspaces."""
    home = tmp_path_factory.mktemp("served")
    with open_office(load({}, home, home)) as office:
        admin = office.administration(LOCAL)
        for name in ("red", "blue"):
            office.new_workspace(admin, name)
        made = made_in(office.platforms.client_in("red"), home)
        clients = office.platforms.client_in
        limiter = LocalLimiter(Limit(MOST, 3600.0))
        access = Access(lambda who: clients(who.workspace), office.accounts, limiter)
        with TestClient(make_application(access, list)) as http:
            yield Served(http, office, made)


def test_token_reaches_its_workspace_and_no_other(served: Served) -> None:
    """What is in red is answered there, and is in blue as if it were nowhere, by digest too."""
    red = served.token("reader", Role.VIEWER, "red")
    blue = served.token("reader", Role.ADMIN, "blue")
    paths = [f"/v1/runs/{served.made.run}", f"/v1/artifacts/{served.made.file}"]
    for path in (*paths, f"/v1/lineage/{served.made.value}"):
        assert served.get(path, red).status_code == 200, path
        assert served.get(path, blue).status_code == 404, path
        assert served.get(path, blue, "red").status_code == 403, path
    assert served.denied()[0][0] == "reader"


def test_token_of_the_platform_enters_the_workspace_that_it_names(served: Served) -> None:
    """Without a name the default one; one that is not there is told as such."""
    token = served.token("root", Role.VIEWER, ALL_WORKSPACES)
    asked = f"/v1/runs/{served.made.run}"
    codes = [served.get(asked, token, each).status_code for each in ("red", "blue", None)]
    assert codes == [200, 404, 404]
    absent = served.get(asked, token, "absent")
    assert (absent.status_code, "no workspace 'absent'" in absent.text) == (404, True)


def test_revoked_in_the_same_process_it_opens_nothing_at_once(served: Served) -> None:
    """Nobody has to wait there; the answer is that of a token that never was."""
    token = served.token("gone", Role.VIEWER, "red")
    assert served.get("/v1/runs", token).status_code == 200
    served.office.administration(LOCAL).revoke_token(token)
    refused, unknown = served.get("/v1/runs", token), served.get("/v1/runs", ABSENT)
    assert (refused.status_code, refused.json()["detail"]) == (401, unknown.json()["detail"])
    assert [note for _, _, note in served.denied()[:2]] == ["malformed", "revoked"]


def test_request_without_a_token_is_written_down(served: Served) -> None:
    """With what it lacks, and nothing of what it shows instead."""
    for header in ("", "Basic dXNlcjpwdw==", "Bearer", "tmg_x"):
        answer = served.http.get("/v1/runs", headers={"Authorization": header})
        assert (answer.status_code, "no token" in answer.text) == (401, True)
        assert served.denied()[0] == ("", "authenticate", "no token")


def test_who_asks_too_often_is_told_when_to_come_again(served: Served) -> None:
    """Each answer says what is left, in the fields of the draft; others are not held up."""
    token = served.token("busy", Role.VIEWER, "red")
    answers = [served.get("/v1/runs", token) for _ in range(MOST + 1)]
    assert [each.status_code for each in answers] == [200] * MOST + [429]
    left = [each.headers["ratelimit"].partition(";t=")[0] for each in answers]
    assert left == [f'"principal";r={each}' for each in (*reversed(range(MOST)), 0)]
    assert {each.headers["ratelimit-policy"] for each in answers} == {'"principal";q=8;w=3600'}
    assert 0 < int(answers[-1].headers["retry-after"]) <= 450
    assert "retry-after" not in answers[0].headers
    assert served.get("/v1/runs", served.token("idle", Role.VIEWER, "red")).status_code == 200
