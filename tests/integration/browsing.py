"""A real Chromium that tests drive, and what every page has to be for everybody who uses it."""

from __future__ import annotations

import contextlib
import shutil
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import attrs
from playwright.sync_api import Browser, Page, ViewportSize, sync_playwright

NAMES = ("chromium", "chromium-browser", "google-chrome")
CHROMIUM = next(filter(None, map(shutil.which, NAMES)), None)
WHY_NOT = "no Chromium is installed (apt-get install chromium): the pages are not looked at"
AUDIT = Path(__file__).with_name("page_audit.js")
# What somebody can use must say what it is; so must what is there to be seen alone.
NAMED = frozenset(
    {
        *("button", "checkbox", "combobox", "heading", "image", "img", "link", "listbox", "meter"),
        *("radio", "region", "searchbox", "spinbutton", "switch", "tab", "textbox"),
    }
)
WIDE: ViewportSize = {"width": 1280, "height": 900}
NARROW: ViewportSize = {"width": 420, "height": 860}


@attrs.define
class Visit:
    """A page in a browser, and what went wrong on it.

    Attributes:
        page: to be driven.
        site: the address of the server.
        troubles: what the console, the policy of the page, scripts and the network complain of.
    """

    page: Page
    site: str
    troubles: list[str] = attrs.field(factory=list)

    def __attrs_post_init__(self) -> None:
        page = self.page
        page.on("pageerror", lambda error: self.troubles.append(f"script: {error}"))
        page.on(
            "console",
            lambda said: (
                self.troubles.append(f"{said.type}: {said.text}")
                if said.type in ("error", "warning")
                else None
            ),
        )
        page.on(
            "response",
            lambda answer: (
                self.troubles.append(f"{answer.status} {answer.url}")
                if answer.status >= 400
                else None
            ),
        )
        # The console tells of most violations of the policy; this hears of all.
        page.expose_function("violated", lambda what: self.troubles.append(f"policy: {what}"))
        page.add_init_script(
            "addEventListener('securitypolicyviolation', (event) =>"
            " violated(`${event.violatedDirective} ${event.blockedURI}`))"
        )

    def to(self, path: str) -> Page:
        """Go to a page of the site."""
        self.page.goto(self.site + path)
        return self.page

    def faults(self) -> list[str]:
        """What is wrong with the page for those who see little, or use no mouse."""
        found: list[str] = self.page.evaluate(AUDIT.read_text())
        return [*found, *self._without_name()]

    def _without_name(self) -> list[str]:
        """What the accessibility tree, which screen readers are told, has no name for."""
        session = self.page.context.new_cdp_session(self.page)
        nodes: list[Any] = session.send("Accessibility.getFullAXTree")["nodes"]
        session.detach()
        nameless = []
        for node in nodes:
            role = node.get("role", {}).get("value", "")
            if not node.get("ignored") and role.lower() in NAMED:
                name = node.get("name", {}).get("value", "").strip()
                if not name:
                    nameless.append(f"a {role} has no name")
        return nameless


@contextlib.contextmanager
def chromium() -> Iterator[Browser]:
    """The browser of this machine, without a window."""
    with sync_playwright() as playwright:
        browser = playwright.chromium.launch(
            executable_path=CHROMIUM, args=["--no-sandbox", "--disable-gpu"]
        )
        try:
            yield browser
        finally:
            browser.close()
