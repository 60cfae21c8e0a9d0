"""The dashboard on MongoDB and Redis that are slow, away, and back again."""

from __future__ import annotations

import time
from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING
from urllib.parse import urlsplit

import pytest
from driving import Driven, driven, press, text_of, until
from recorded_home import NOW, Home, run_id
from slow_server import Way, way_to

from taskmgr_core.settings import load
from taskmgr_core.wiring import Platform
from taskmgr_tui.screens import view
from taskmgr_tui.widgets.tables import Table

pytestmark = pytest.mark.long

if TYPE_CHECKING:
    from servers.shares import Share


@pytest.fixture
def far(tmp_path: Path, mongodb_server: Share, redis_server: Share) -> Iterator[tuple[Home, Way]]:
    """A home on servers with two runs, and the way to its MongoDB."""
    address = urlsplit(mongodb_server.url)
    assert address.hostname is not None
    assert address.port is not None
    with way_to(address.hostname, address.port) as way:
        near = mongodb_server.url.replace(f":{address.port}", f":{way.port}", 1)
        environment = {"TASKMGR_METADATA_URL": near, "TASKMGR_BROKER_URL": redis_server.url}
        client = Platform(load(environment, tmp_path, tmp_path / "home")).client()
        client.metadata.initialize()
        home = Home(tmp_path, client)
        home.whole(1, NOW - 60)
        home.failed(2, NOW - 30)
        home.beat("worker-1", 4, NOW - 1)
        yield home, way
        way.mend()
        client.close()


def banner(pilot: Driven) -> str:
    """What the banner says; empty where there is none."""
    found = pilot.app.screen.query_one("#banner")
    return text_of(pilot.app).splitlines()[1] if found.display else ""


def test_screens_answer_while_the_server_does_not(
    far: tuple[Home, Way], monkeypatch: pytest.MonkeyPatch
) -> None:
    """Held up or cut off: keys work, what was seen stays under a banner, and it comes back."""
    home, way = far
    monkeypatch.setattr(view, "PATIENCE_SECONDS", 0.3)

    async def play(pilot: Driven) -> None:
        assert "worker-1" in text_of(pilot.app)
        await press(pilot, "2")
        table = pilot.app.screen.query_one(Table)
        for fail in (way.hold, way.cut):
            fail()
            await pilot.press("r")
            await until(pilot, lambda: banner(pilot), "a banner")
            begun = time.monotonic()
            await pilot.press("g", "j")
            assert table.current == run_id(1)
            assert time.monotonic() - begun < 1
            assert "shown is what was so at" in banner(pilot)
            assert "weather" in text_of(pilot.app)
            way.mend()
            await until(pilot, lambda: not banner(pilot), "its end")
        home.begin(3, NOW)
        home.client.queue.announce(run_id(3), ())
        await until(pilot, lambda: "00000003" in text_of(pilot.app), "the new run")

    driven(home.watcher(), play, size=(110, 24))
