"""`taskmgr top --serve`: the dashboard in a browser, for who has the link and nobody else."""

from __future__ import annotations

import asyncio
import re
import signal
import subprocess
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any
from urllib.parse import parse_qs, urlsplit

import aiohttp
import attrs
import psutil
import pytest
from command_line import CommandLine, told, wait_until

pytestmark = pytest.mark.long

TERMINAL = "ws?width=100&height=30"


@attrs.frozen
class Served:
    """A dashboard that is served.

    Attributes:
        process: the command.
        link: as it was printed.
    """

    process: subprocess.Popen[str]
    link: str

    @property
    def address(self) -> str:
        """Without the token."""
        return self.link.partition("?")[0]

    @property
    def token(self) -> str:
        """The token."""
        return parse_qs(urlsplit(self.link).query)["token"][0]

    @property
    def windows(self) -> list[psutil.Process]:
        """The processes of the windows."""
        own = psutil.Process(self.process.pid).children(recursive=True)
        return [each for each in own if "-P" in each.cmdline()]


@pytest.fixture(scope="module")
def served(new_platform: Any, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Served]:
    """A dashboard on an empty platform."""
    folder = tmp_path_factory.mktemp("served")
    taskmgr: CommandLine = new_platform(folder / "home", folder)
    log = folder / "log"
    with taskmgr.started("top", "--serve", "--port", "0", log=log) as process:
        wait_until(lambda: "?token=" in _text(log), "the link")
        found = re.search(r"http://\S+", _text(log))
        assert found
        yield Served(process, found[0])
        ended = told(process, signal.SIGTERM)
        assert ended.code == 0, _text(log)
        assert "Traceback" not in _text(log)


def _text(path: Path) -> str:
    return path.read_text() if path.exists() else ""


def answer(
    url: str, cookies: Mapping[str, str] | None = None, **headers: str
) -> tuple[int, str, Mapping[str, str]]:
    """The status of an answer, its text, and its headers; it is not followed."""

    async def ask() -> tuple[int, str, Mapping[str, str]]:
        async with (
            aiohttp.ClientSession(cookies=cookies) as session,
            session.get(url, allow_redirects=False, headers=headers) as response,
        ):
            text = (await response.read()).decode(errors="replace")
            return response.status, text, dict(response.headers)

    return asyncio.run(ask())


def cookie(served: Served) -> dict[str, str]:
    """What a browser keeps of the link."""
    _, _, headers = answer(served.link)
    name, _, rest = headers["Set-Cookie"].partition("=")
    return {name: rest.partition(";")[0]}


@pytest.mark.parametrize("path", ["", TERMINAL, "static/js/textual.js", "download/x", "nowhere"])
@pytest.mark.parametrize("shown", ["", "?token=", "?token=wrong", "cookie"])
def test_nothing_is_served_without_the_token(served: Served, path: str, shown: str) -> None:
    """No page, no file and no window, whatever is shown instead; the answer says what to do."""
    wrong = dict.fromkeys(cookie(served), "wrong") if shown == "cookie" else {}
    asked = "" if shown == "cookie" else shown.replace("?", "&" if "?" in path else "?")
    status, text, _ = answer(served.address + path + asked, wrong)
    assert status == 403
    assert "the link that `taskmgr top --serve` printed" in text
    assert served.windows == []


def test_link_leads_to_the_page_without_the_token(served: Served) -> None:
    """The token goes into a cookie that no script reads, and out of the address."""
    status, _, headers = answer(served.link)
    assert (status, headers["Location"]) == (303, "./")
    assert re.search(r"; HttpOnly; Path=/; SameSite=Lax$", headers["Set-Cookie"])
    status, page, headers = answer(served.address, cookie(served))
    assert status == 200
    assert served.token not in page
    assert (headers["Cache-Control"], headers["Referrer-Policy"]) == ("no-store", "no-referrer")


def test_page_asks_nobody_else_for_anything(served: Served) -> None:
    """All that it loads is here, and is there."""
    _, page, _ = answer(served.address, cookie(served))
    assert not re.search(r"https?://", page)
    loaded = re.findall(r'(?:src|href)="([^"]+)"|url\("([^"]+)"\)', page)
    assert len(loaded) == 3
    for one, other in loaded:
        assert answer(served.address + (one or other), cookie(served))[0] == 200


def test_page_of_another_site_opens_no_window(served: Served) -> None:
    """A browser would send the cookie with it."""
    foreign = {"Origin": "http://elsewhere.example"}
    status, text, _ = answer(served.address + TERMINAL, cookie(served), **foreign)
    assert (status, "another site" in text) == (403, True)
    assert served.windows == []


def test_window_shows_the_dashboard_and_ends_with_its_browser(served: Served) -> None:
    """It answers keys; when the browser is gone its process is, too."""

    async def look() -> tuple[bytes, list[psutil.Process]]:
        origin = {"Origin": served.address.rstrip("/")}
        async with (
            aiohttp.ClientSession(cookies=cookie_now, headers=origin) as session,
            session.ws_connect(served.address + TERMINAL) as window,
        ):
            shown = await _until(window, b"nobody works")
            await window.send_json(["stdin", "?"])
            return shown + await _until(window, b"overview, runs, tasks, workers"), served.windows

    cookie_now = cookie(served)
    shown, processes = asyncio.run(look())
    assert b"Overview" in shown
    (process,) = processes
    wait_until(lambda: not process.is_running(), "the end of the window's process")


async def _until(window: aiohttp.ClientWebSocketResponse, text: bytes) -> bytes:
    shown = b""
    try:
        async with asyncio.timeout(20):
            async for message in window:
                shown += message.data if isinstance(message.data, bytes) else message.data.encode()
                if text in re.sub(rb"\x1b\[[\d;?]*[A-Za-z]", b"", shown):
                    return shown
    except TimeoutError:
        pytest.fail(f"the window does not show {text!r}, but {shown[-3000:]!r}")
    raise AssertionError(f"the window has closed; it showed {shown[-3000:]!r}")


@pytest.mark.parametrize(
    ("options", "said"),
    [
        (["--serve", "--host", "0.0.0.0"], "Put a proxy that speaks TLS before it"),  # noqa: S104
        (["--port", "0"], "--host, --port and --behind-tls are for --serve"),
        (["--serve", "nothing"], "no run 'nothing'"),
    ],
)
def test_what_cannot_be_served_is_refused(
    empty: CommandLine, options: list[str], said: str
) -> None:
    """Before anything listens, with what to do."""
    refused = empty("top", *options, code=2)
    assert said in " ".join(refused.err.split())
