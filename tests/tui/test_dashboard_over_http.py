"""The dashboard over the REST API: the same keys, on a real server."""

from __future__ import annotations

import os
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest
from driving import Driven, driven, press, text_of, until
from recorded_home import Home, run_id

from servers.child import GUARD
from taskmgr_core.remote import RemoteClient
from taskmgr_core.remote.watching import RemoteWatcher
from taskmgr_tui.widgets.tables import Table

pytestmark = pytest.mark.long

TASKMGR = Path(sys.executable).with_name("taskmgr")
WIDE = (120, 36)


@pytest.fixture
def far(own: Home) -> Iterator[tuple[Home, RemoteWatcher]]:
    """A home, and what looks at it over HTTP."""
    serving = subprocess.Popen(
        [
            *(sys.executable, "-I", "-S", str(GUARD), str(os.getpid())),
            *(str(TASKMGR), "api", "serve", "--port=0", "--no-accounts"),
        ],
        env={**os.environ, "TASKMGR_HOME": str(own.folder)},
        stdin=subprocess.DEVNULL,
        stdout=subprocess.PIPE,
        text=True,
    )
    try:
        assert serving.stdout is not None
        told = serving.stdout.readline().split()
        url = next(each for each in told if each.startswith("http")).rstrip(",")
        with RemoteClient(url) as client:
            watcher = RemoteWatcher(client, own.folder)
            yield own, watcher
            watcher.close()
    finally:
        serving.terminate()
        serving.communicate(timeout=20)


def test_keys_lead_where_they_lead_here(far: tuple[Home, RemoteWatcher]) -> None:
    """Overview, runs, a failed run, its lineage, tasks and workers are shown, and searched."""
    _, watcher = far
    shown: dict[str, str] = {}

    async def play(pilot: Driven) -> None:
        shown["overview"] = text_of(pilot.app)
        await press(pilot, "2")
        shown["runs"] = text_of(pilot.app)
        await press(pilot, "s", "s", "s", "enter")
        shown["run"] = text_of(pilot.app)
        for key in ("3", "4"):
            await press(pilot, "1", key)
            shown[key] = text_of(pilot.app)

    driven(watcher, play, WIDE)
    assert "worker-1" in shown["overview"]
    assert "00000001" in shown["runs"]
    assert "weather" in shown["run"]
    assert "failed" in shown["run"]
    assert "read_table" in shown["3"]
    assert "worker-1" in shown["4"]
    assert all("! " not in each.splitlines()[1] for each in shown.values()), shown


def test_run_that_changes_is_shown_anew_and_cancelled_by_its_key(
    far: tuple[Home, RemoteWatcher],
) -> None:
    """What is recorded there meanwhile is seen; what a key asks for is recorded there."""
    home, watcher = far

    async def play(pilot: Driven) -> None:
        await press(pilot, "2")
        home.begin(40, watcher.clock())
        table = pilot.app.screen.query_one("#runs", Table)
        await until(pilot, lambda: run_id(40) in {key.value for key in table.rows}, "the run")
        await press(pilot, "g", "c", "y")
        await until(
            pilot, lambda: home.client.metadata.summary(run_id(40)).cancel_requested, "its end"
        )

    driven(watcher, play, WIDE)
