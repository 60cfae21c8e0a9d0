"""The web page beside the API: what it shows, to whom, and that a browser makes it live."""

from __future__ import annotations

import html
import shutil
import subprocess
from collections.abc import Iterator
from pathlib import Path

import attrs
import pytest
from litestar.testing import TestClient
from litestar.types import ASGIApp
from rest_server import furnish, served

from taskmgr_core.accounts.interface import Principal
from taskmgr_core.accounts.policy import Role
from taskmgr_core.api.access import PERMISSION, PUBLIC, Access
from taskmgr_core.api.application import make_application
from taskmgr_core.api.routes.scraping import metrics_route
from taskmgr_core.client import Client
from taskmgr_core.metrics import metrics_text
from taskmgr_core.settings import load
from taskmgr_core.web.application import routes, with_cookies
from taskmgr_core.web.routes import ROUTES
from taskmgr_core.web.sessions import COOKIE
from taskmgr_core.workspaces import open_office

CHROMIUM = shutil.which("chromium") or shutil.which("chromium-browser")
PAGES = ("/runs", "/runs/{run}", "/runs/{run}/sections", "/tasks", "/tasks/write",
         "/pipelines/nothing", "/workers", "/lineage/{digest}")  # fmt: skip
SAME = {"Sec-Fetch-Site": "same-origin"}


@attrs.frozen
class Site:
    """The page over a workspace with runs and an empty one, in this process.

    Attributes:
        http: asks it.
        token: of a viewer.
        stranger: of an admin of the other workspace.
        runs: what is recorded in the first.
        digest: of a file in it.
    """

    http: TestClient[ASGIApp]
    token: str
    stranger: str
    runs: dict[str, str]
    digest: str

    def addresses(self) -> list[str]:
        """Every page."""
        return [each.format(run=self.runs["succeeded"], digest=self.digest) for each in PAGES]


@pytest.fixture(scope="module")
def site(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Site]:
    """A site with accounts."""
    home = tmp_path_factory.mktemp("site")
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
        viewer = admin.new_token("ada", Role.VIEWER, "default").secret
        stranger = admin.new_token("bob", Role.ADMIN, "other").secret
        access = Access(client_of, office.accounts, office.limiter)
        more = [*routes(), metrics_route(metrics_text)]
        application = with_cookies(make_application(access, list, more=more))
        values = client_of(Principal("x", Role.ADMIN, "default", "")).metadata.values(
            runs["succeeded"]
        )
        digest = next(each.digest for each in values if each.type == "File")
        with TestClient(application) as http:
            http.follow_redirects = False
            yield Site(http, viewer, stranger, runs, digest)


def _cookie(token: str) -> dict[str, str]:
    return {"Cookie": f"{COOKIE}={token}"}


def test_pages_ask_who_it_is(site: Site) -> None:
    """Without a token every page leads to the login, and back to itself after it."""
    for address in site.addresses():
        answer = site.http.get(address)
        assert answer.status_code == 303, address
        assert answer.headers["location"].startswith("/login?to=/")


def test_viewer_sees_every_page(site: Site) -> None:
    """Each page is HTML that lets no script in but ours, and offers a viewer nothing to run."""
    for address in site.addresses():
        answer = site.http.get(address, headers=_cookie(site.token))
        assert answer.status_code == 200, (address, answer.text[:500])
        policy = answer.headers["content-security-policy"]
        assert "default-src 'none'" in policy
        assert "script-src 'self';" in policy
        assert "data-post" not in answer.text
        assert "data-run=" not in answer.text


def test_other_workspaces_see_nothing(site: Site) -> None:
    """With the token of another workspace its runs, tasks and files are not there."""
    for address in site.addresses():
        answer = site.http.get(address, headers=_cookie(site.stranger))
        general = address in ("/runs", "/tasks", "/workers")
        assert answer.status_code == (200 if general else 404), address
        assert site.runs["succeeded"] not in answer.text or not general


def test_every_route_says_what_it_needs() -> None:
    """No page can be had without a permission but those of the login and the files of pages."""
    public = {each.handler_name for each in ROUTES if each.opt[PERMISSION] == PUBLIC}
    assert public == {"home", "login_page", "login", "logout", "asset"}


def test_login_keeps_the_token_and_leads_back(site: Site) -> None:
    """A right token becomes a cookie with which pages and the API answer; a wrong one is told."""
    wrong = site.http.post("/login", data={"token": "tmg_wrong", "to": "/tasks"}, headers=SAME)
    assert wrong.status_code == 401
    assert "set-cookie" not in wrong.headers
    right = site.http.post("/login", data={"token": site.token, "to": "/tasks"}, headers=SAME)
    assert (right.status_code, right.headers["location"]) == (303, "/tasks")
    cookie = {"Cookie": right.headers["set-cookie"].partition(";")[0]}
    site.http.cookies.clear()
    assert site.http.get("/v1/runs", headers=cookie).status_code == 200
    assert site.http.get("/v1/runs").status_code == 401


def test_another_site_cannot_act(site: Site) -> None:
    """A form on a foreign page that posts with the cookie is nobody's; nor can it log in."""
    cancel = f"/v1/runs/{site.runs['waiting']}/cancel"
    foreign = {**_cookie(site.token), "Sec-Fetch-Site": "cross-site"}
    assert site.http.post(cancel, headers=foreign).status_code == 401
    assert site.http.post(cancel, headers={**foreign, **SAME}).status_code == 403  # a viewer
    answer = site.http.post("/login", data={"token": site.token}, headers=foreign)
    assert "set-cookie" not in answer.headers


def test_files_of_pages_may_be_kept(site: Site) -> None:
    """A script is kept for ever, under an address that is another when its content is."""
    page = site.http.get("/login").text
    address = page.partition('<script src="')[2].partition('"')[0]
    answer = site.http.get(address)
    assert answer.status_code == 200
    assert "immutable" in answer.headers["cache-control"]
    assert site.http.get("/assets/000000000000/app.js").status_code == 404


def test_metrics_are_of_the_workspace_of_the_token(site: Site) -> None:
    """Prometheus, with a token, reads the counts of its workspace; without one it reads nothing."""
    assert site.http.get("/metrics").status_code == 401
    waiting = 'taskmgr_queue_ready_steps{queue="default"'
    for token, there in ((site.token, True), (site.stranger, False)):
        answer = site.http.get("/metrics", headers={"Authorization": f"Bearer {token}"})
        assert answer.status_code == 200
        assert answer.headers["content-type"].startswith("text/plain")
        assert (waiting in answer.text) is there, answer.text


def test_what_is_not_there_has_a_page(site: Site) -> None:
    """An unknown run is told in words, as HTML, with what could be meant."""
    answer = site.http.get("/runs/nothing", headers=_cookie(site.token))
    assert answer.status_code == 404
    assert "<h1>There is nothing of that name</h1>" in answer.text
    assert site.http.get("/tasks/writ", headers=_cookie(site.token)).text.count("write") >= 1


@pytest.mark.skipif(CHROMIUM is None, reason="no chromium is installed: pages are not looked at")
def test_browser_shows_the_run_and_its_log(tmp_path: Path) -> None:
    """In a real browser the page of a run has its graph, its values, and the log of its tasks."""
    home = tmp_path / "home"
    runs = furnish(home)
    with served(home, "--no-accounts") as server:
        address = f"{server.url.removesuffix('/v1')}/runs/{runs['succeeded']}"
        assert CHROMIUM is not None
        options = ("--headless", "--no-sandbox", "--disable-gpu", "--virtual-time-budget=5000")
        profile = f"--user-data-dir={tmp_path / 'profile'}"
        dumped = subprocess.run(
            [CHROMIUM, *options, profile, "--dump-dom", address],
            capture_output=True, text=True, timeout=90, check=True,
        )  # fmt: skip
    page = html.unescape(dumped.stdout)
    assert "001  line 29 ✓" in page
    assert "output_001_file" in page
    assert 'aria-label="The graph of steps and ports"' in page
