"""The web page in a real browser: what somebody does there with the mouse and the keyboard."""

from __future__ import annotations

import base64
import os
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Literal

import attrs
import pytest
from browsing import CHROMIUM, NARROW, WHY_NOT, WIDE, Visit, chromium
from gallery import PNG, publish_gallery
from playwright.sync_api import Browser, Dialog, FilePayload, ViewportSize, expect
from rest_server import served

from conftest import FAST, TASKMGR
from servers.child import GUARD
from taskmgr_core.settings import load
from taskmgr_core.wiring import Platform

pytestmark = [
    pytest.mark.long,
    pytest.mark.skipif(CHROMIUM is None, reason=WHY_NOT),
]
RED: FilePayload = {"name": "red.png", "mimeType": "image/png", "buffer": PNG}
# Drops a file as somebody does who drags it from a folder: with the events that a browser sends.
DROP = """([target, name, content, type]) => {
  const bytes = Uint8Array.from(atob(content), (each) => each.charCodeAt(0));
  const dataTransfer = new DataTransfer();
  dataTransfer.items.add(new File([bytes], name, { type }));
  const options = { dataTransfer, bubbles: true, cancelable: true };
  for (const kind of ["dragenter", "dragover", "drop"])
    document.querySelector(target).dispatchEvent(new DragEvent(kind, options));
}"""


@attrs.frozen
class Gallery:
    """A site with a worker behind it.

    Attributes:
        url: of the site.
        home: that it serves.
        runs: what is recorded: ``succeeded`` and ``failed``.
        digests: of the picture that was given, and of what was made of it.
    """

    url: str
    home: Path
    runs: dict[str, str]
    digests: dict[str, str]


@pytest.fixture(scope="module")
def gallery(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Gallery]:
    """The site; a worker is started for it."""
    home = tmp_path_factory.mktemp("gallery")
    picture = home / "red.png"
    picture.write_bytes(PNG)
    with Platform(load(FAST, home, home)).client() as client:
        publish_gallery(client, home)
        done = client.run("survey", {"image": picture, "gate": ""}, timeout=60)
        failed = client.run("refuse", {"text": "that"}, timeout=60)
        values = {each.port: each.digest for each in done.values}
    environment = {**os.environ, **FAST, "TASKMGR_HOME": str(home)}
    guarded = [sys.executable, "-I", "-S", str(GUARD), str(os.getpid()), str(TASKMGR)]
    with served(home, "--no-accounts") as server:
        worker = subprocess.Popen([*guarded, "worker", "start"], env=environment)
        try:
            yield Gallery(
                server.url.removesuffix("/v1"),
                home,
                {"succeeded": done.run.id, "failed": failed.run.id},
                {"given": values["image"], "made": values["output_002_result"]},
            )
        finally:
            worker.kill()
            worker.wait()


@pytest.fixture(scope="module")
def browser() -> Iterator[Browser]:
    """The browser."""
    with chromium() as opened:
        yield opened


@pytest.fixture
def visit(browser: Browser, gallery: Gallery) -> Iterator[Visit]:
    """A page of its own, on which nothing may go wrong."""
    context = browser.new_context(viewport=WIDE)
    context.set_default_timeout(20_000)
    found = Visit(context.new_page(), gallery.url)
    yield found
    context.close()
    assert found.troubles == []


def test_picture_is_dropped_and_the_run_fills_in_until_it_ends(
    visit: Visit, tmp_path: Path
) -> None:
    """From the form to the page of the run, with log, state, result and boxes as they come."""
    gate = tmp_path / "gate"
    page = visit.to("/pipelines/survey")
    page.evaluate(DROP, [".drop", "red.png", base64.b64encode(PNG).decode(), "image/png"])
    preview = page.get_by_role("img", name="red.png")
    expect(preview).to_be_visible()
    assert preview.evaluate("each => each.naturalWidth") == 24
    page.get_by_label("gate").fill(str(gate))
    page.get_by_role("button", name="Run", exact=True).click()

    page.wait_for_url("**/runs/*")
    log = page.get_by_role("log")
    expect(log).to_contain_text("looking at the picture")
    badge = page.locator(".badge")
    expect(badge).to_have_text("running")
    expect(page.get_by_role("button", name="Cancel")).to_be_visible()
    page.evaluate("window.neverLoadedAnew = true")
    gate.touch()
    expect(badge).to_have_text("succeeded")
    expect(log).to_contain_text("found the places")
    expect(page.get_by_text("2 boxes")).to_be_visible()
    expect(page.get_by_text("2 places").first).to_be_visible()
    assert page.evaluate("window.neverLoadedAnew")
    assert "looking at the picture" in log.inner_text().splitlines()[0]


def test_picture_is_chosen_by_the_file_input(visit: Visit) -> None:
    """As well as dropped; what is left out has its default."""
    page = visit.to("/tasks/find_spots")
    page.get_by_label("image").set_input_files(RED)
    page.get_by_label("count").fill("3")
    page.get_by_role("button", name="Run", exact=True).click()
    page.wait_for_url("**/runs/*")
    expect(page.locator(".badge")).to_have_text("succeeded")
    expect(page.get_by_text("3 boxes")).to_be_visible()


def test_wrong_input_is_told_beside_its_field_and_nothing_is_lost(visit: Visit) -> None:
    """Before anything is sent, and from the server's answer; focus goes there."""
    page = visit.to("/tasks/find_spots")
    page.get_by_label("count").fill("many")
    page.get_by_role("button", name="Run", exact=True).click()
    expect(page.get_by_label("count")).to_have_attribute("aria-invalid", "true")
    expect(page.get_by_label("image")).to_have_accessible_description("give it a value")
    expect(page.get_by_label("count")).to_have_accessible_description("many is no number")
    expect(page.get_by_label("image")).to_be_focused()
    text: FilePayload = {**RED, "buffer": b"no picture"}
    page.get_by_label("image").set_input_files(text)
    page.get_by_label("count").fill("1")
    page.get_by_role("button", name="Run", exact=True).click()
    expect(page.locator(".told").first).to_contain_text("is not a picture")
    assert page.get_by_label("count").input_value() == "1"
    # The browser tells of the refused request itself.
    assert all("422" in each or "400" in each for each in visit.troubles)
    visit.troubles.clear()


def test_run_is_cancelled_from_its_page(visit: Visit, tmp_path: Path) -> None:
    """After a question; who says no goes on, and the page shows the end by itself."""
    page = visit.to("/tasks/find_spots")
    page.get_by_label("image").set_input_files(RED)
    page.get_by_label("gate").fill(str(tmp_path / "never"))
    page.get_by_role("button", name="Run", exact=True).click()
    expect(page.get_by_role("log")).to_contain_text("looking at the picture")
    cancel = page.get_by_role("button", name="Cancel")
    asked: list[str] = []

    def decline(dialog: Dialog) -> None:
        asked.append(dialog.message)
        dialog.dismiss()

    page.once("dialog", decline)
    cancel.click()
    expect(cancel).to_be_enabled()
    page.once("dialog", lambda dialog: dialog.accept())
    cancel.click()
    expect(page.locator(".badge")).to_have_text("cancelled")
    expect(cancel).to_have_count(0)
    assert asked == ["Cancel this run?"]


def test_token_lets_in_and_logging_out_ends_it(browser: Browser, gallery: Gallery) -> None:
    """The page that was wanted comes after the login; no script can read the cookie."""
    with served(gallery.home) as server:
        token = subprocess.run(
            [TASKMGR, "tokens", "new", "grace", "--role", "viewer"],
            env={**os.environ, "TASKMGR_HOME": str(gallery.home)},
            capture_output=True, text=True, check=True,
        ).stdout.strip()  # fmt: skip
        context = browser.new_context(viewport=WIDE)
        visit = Visit(context.new_page(), server.url.removesuffix("/v1"))
        page = visit.to("/tasks/tell")
        assert visit.faults() == []
        page.get_by_label("Token").fill(token)
        page.keyboard.press("Enter")
        expect(page.get_by_role("heading", level=1)).to_have_text("tell")
        expect(page.get_by_text("Your token may look, and not run anything.")).to_be_visible()
        assert visit.faults() == []
        assert page.evaluate("document.cookie") == ""
        page.get_by_role("button", name="Log out").click()
        visit.to("/runs")
        expect(page.get_by_label("Token")).to_be_visible()
        context.close()
    assert visit.troubles == []


def test_lineage_is_walked_by_the_keyboard_alone(visit: Visit, gallery: Gallery) -> None:
    """From the list of runs to what was made, back to the picture, and on to what it led to."""
    page = visit.to("/runs")

    def go_to(name: str) -> None:
        """Press Tab until what is focused is called so, which is seen; then Enter."""
        for _ in range(80):
            page.keyboard.press("Tab")
            found = page.evaluate(
                "() => { const at = document.activeElement; const style = getComputedStyle(at);"
                " return [at.textContent.trim(), parseFloat(style.outlineWidth) >= 2"
                " && style.outlineStyle !== 'none'] }"
            )
            if found[0] == name:
                assert found[1], f"nobody sees that {name} has the focus"
                page.keyboard.press("Enter")
                return
        pytest.fail(f"{name} cannot be reached on {page.url}")

    go_to("Skip to the content")
    go_to("survey")
    page.wait_for_url("**/runs/*")
    go_to(short(gallery.digests["made"]))
    page.wait_for_url(f"**/lineage/{gallery.digests['made']}")
    go_to(short(gallery.digests["given"]))
    page.wait_for_url(f"**/lineage/{gallery.digests['given']}")
    expect(page.get_by_role("region", name="Led to")).to_contain_text("output_002_result")
    page.keyboard.press("/")
    page.keyboard.type(gallery.runs["failed"][-8:])
    page.keyboard.press("Enter")
    expect(page.get_by_role("heading", level=1)).to_have_text("refuse")


def short(digest: str) -> str:
    """A digest as links have it."""
    return digest.removeprefix("sha256:")[:12]


PAGES = ("runs", "tasks", "workers", "form", "pipeline", "succeeded", "failed", "lineage")


@pytest.mark.parametrize("scheme", ["light", "dark"])
@pytest.mark.parametrize("size", [WIDE, NARROW], ids=["wide", "narrow"])
def test_every_page_is_for_everybody(
    browser: Browser, gallery: Gallery, scheme: Literal["light", "dark"], size: ViewportSize
) -> None:
    """Names, landmarks, headings, contrast, reach without a mouse; nothing is complained of."""
    context = browser.new_context(viewport=size, color_scheme=scheme)
    visit = Visit(context.new_page(), gallery.url)
    addresses = {
        **dict.fromkeys(("runs", "tasks", "workers")),
        "form": "/tasks/find_spots",
        "pipeline": "/pipelines/survey",
        "lineage": f"/lineage/{gallery.digests['made']}",
        **{name: f"/runs/{run}" for name, run in gallery.runs.items()},
    }
    faults = {}
    backgrounds = set()
    for name in PAGES:
        page = visit.to(addresses[name] or f"/{name}")
        faults[name] = visit.faults()
        backgrounds.add(page.evaluate("getComputedStyle(document.body).backgroundColor"))
    context.close()
    assert {name: found for name, found in faults.items() if found} == {}
    assert visit.troubles == []
    (background,) = backgrounds
    lightness = sum(map(int, background[4:-1].split(","))) / 3
    assert lightness > 200 if scheme == "light" else lightness < 60


@pytest.mark.parametrize(
    ("breaks", "told"),
    [
        ("document.querySelector('h1').remove()", "there are 0 of h1"),
        ("document.querySelector('#seek').placeholder = '', "
            "document.querySelector('#seek').labels[0].remove()", "a searchbox has no name"),
        ("document.querySelector('h1').style.color = '#bbb'", "a contrast of"),
        ("document.querySelector('.site').prepend(document.createElement('button'))", "no name"),
        ("document.body.append('lost')", "outside of all landmarks: lost"),
        ("document.querySelector('h1').id = 'seek'", "the id seek is there more than once"),
        ("document.querySelector('h1').style.minWidth = '3000px'", "pixels too wide"),
        ("document.querySelector('.scroll').style.width = '80px', "
         "document.querySelector('.scroll').removeAttribute('tabindex')", "with the mouse alone"),
    ],
)  # fmt: skip
def test_page_that_is_not_for_everybody_is_found(visit: Visit, breaks: str, told: str) -> None:
    """What the pages are looked through for is found where it is."""
    page = visit.to("/tasks")
    assert visit.faults() == []
    page.evaluate(f"() => {{ {breaks} }}")
    assert told in "\n".join(visit.faults())


def test_policy_that_is_violated_is_told(browser: Browser, gallery: Gallery) -> None:
    """A script that somebody brings into a page does not run, and the tests hear of it."""
    context = browser.new_context()
    visit = Visit(context.new_page(), gallery.url)
    page = visit.to("/runs")
    page.evaluate(
        "() => { const script = document.createElement('script');"
        " script.textContent = 'window.brought = true'; document.body.append(script) }"
    )
    page.wait_for_function("true")
    assert page.evaluate("window.brought") is None
    context.close()
    assert any(each.startswith("policy: script-src") for each in visit.troubles)
