"""The commands of runs over HTTP: as a user types them, with a server's address."""

from __future__ import annotations

import json
import os
import subprocess
import threading
import time
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import attrs
import pytest
from rest_server import CONTENT, Served, served
from test_rest_api import png
from test_rest_streams import finish

from forked_program import program
from taskmgr_core.client import Client
from taskmgr_core.documents import digest_of
from taskmgr_core.specs import Worker

Runs = tuple[Path, dict[str, str]]


def typed(
    home: Path,
    *words: str | Path,
    url: str = "",
    code: int = 0,
    folder: Path | None = None,
    more: Mapping[str, str] | None = None,
) -> subprocess.CompletedProcess[str]:
    """A command line, its exit code checked."""
    variables = {**os.environ, "TASKMGR_HOME": str(home), **(more or {})}
    variables |= {"TASKMGR_URL": url} if url else {}
    done = subprocess.run(
        [program(), *words], env=variables, cwd=folder, capture_output=True, text=True, check=False
    )
    assert done.returncode == code, done.stdout + done.stderr
    return done


@pytest.fixture
def elsewhere(tmp_path: Path) -> Path:
    """A home with nothing in it."""
    return tmp_path / "elsewhere"


@pytest.mark.parametrize(
    "words",
    [
        ("runs", "--limit", "3"),
        ("runs", "--status", "failed", "--task", "noop"),
        ("show", "{succeeded}"),
        ("logs", "{succeeded}"),
        ("lineage", "{succeeded}"),
        ("lineage", "--of", "{digest}"),
        ("list",),
        ("info", "nothing"),
        ("worker", "list"),
        ("versions", "write"),
        ("diff", "write", "1.0", "1.0"),
        ("schedule", "list"),
        ("schedule", "history", "nightly"),
        ("limits", "list"),
        ("cache", "stats"),
    ],
    ids=" ".join,
)
def test_command_prints_the_same_json_over_http(
    rest: Served, rest_home: Runs, elsewhere: Path, words: tuple[str, ...]
) -> None:
    """Here and there differ in nothing but what only this machine knows."""
    names = {**rest_home[1], "digest": digest_of(CONTENT)}
    asked = [each.format(**names) for each in words]
    here = json.loads(typed(rest.home, *asked, "--json").stdout)
    there = json.loads(typed(elsewhere, *asked, "--json", url=rest.url).stdout)
    assert _common(there) == _common(here)
    assert not (elsewhere / "metadata.sqlite3").exists()


@pytest.mark.long
def test_operator_steers_over_http(rest: Served, elsewhere: Path) -> None:
    """What a command changes there, is changed there, and is said as it is here."""

    def there(*words: str, code: int = 0) -> str:
        return typed(elsewhere, *words, url=rest.url, code=code).stdout.strip()

    cron = ("schedule", "add", "hourly", "nothing", "--cron", "0 * * * *", "number=7")
    added = json.loads(there(*cron, "--json"))
    assert (added["inputs"], added["last"]) == ({"number": 7}, None)
    assert there("schedule", "pause", "hourly") == "hourly is paused"
    assert there("schedule", "resume", "hourly").startswith("hourly goes on; next: 20")
    assert there("schedule", "remove", "hourly") == "hourly is removed"
    assert there("limits", "set", "task:look", "--max", "2") == "task:look: 2 at once"
    assert there("limits", "remove", "task:look") == "task:look: removed"
    assert there("cache", "clear") == "nothing was cached"
    assert there("rollout", "look", "1.0") == "new runs of look get 1.0 (100 %)"
    assert there("pin", "look") == "new runs of look get 1.0 (100 %, pinned)"
    with rest.client() as client:
        assert client.metadata.route("look").choice.pinned
    assert json.loads(there("pin", "look", "--off", "--json"))["follows_highest"]
    assert (
        there("yank", "look", "1.0", "--reason", "x") == "new runs of look get none of its versions"
    )
    assert there("yank", "look", "1.0", "--undo") == "new runs of look get 1.0 (100 %)"
    there("rollback", "look", code=2)


def anew(client: Client, worker: Worker) -> None:
    """A worker that nobody has told anything: what it was told is never taken back."""
    client.metadata.remove_worker(worker.id)
    client.metadata.beat(worker)


@pytest.mark.long
def test_workers_are_told_to_leave_over_http(rest: Served, elsewhere: Path) -> None:
    """One that leaves is waited for; one that serves a program alone is let be."""
    now = time.time() + 3600
    with rest.client() as client:
        workers = [Worker(each, "host", 2, 1, ("x",), now, now) for each in ("one", "two")]
        alone = attrs.evolve(workers[0], id="own", private=True)
        for each in (*workers, alone):
            client.metadata.beat(each)
        try:
            told = typed(elsewhere, "worker", "drain", "--all", "--now", url=rest.url).stdout
            assert {"one is told to leave", "two is told to leave"} <= set(told.splitlines())
            assert client.metadata.orders("two").leave == "now"
            assert client.metadata.orders("own").leave == ""
            said = typed(
                elsewhere, "worker", "stop", "one", "--timeout", "0", url=rest.url, code=1
            ).stderr
            assert "one is still there (0 steps when it was told)" in said
            anew(client, workers[0])

            def leave() -> None:
                while not client.metadata.orders("one").leave:
                    time.sleep(0.02)
                client.metadata.remove_worker("one")

            later = threading.Thread(target=leave, daemon=True)
            later.start()
            assert "one has left" in typed(elsewhere, "worker", "stop", "one", url=rest.url).stdout
            later.join()
            refused = typed(elsewhere, "worker", "stop", "own", url=rest.url, code=2).stderr
            assert "serves the runs of one program alone" in refused
        finally:
            for each in (*workers, alone):
                client.metadata.remove_worker(each.id)
            anew(client, next(each for each in client.workers() if each.id == "w1"))


@pytest.mark.long
def test_admin_administers_over_http(tmp_path: Path, elsewhere: Path) -> None:
    """Tokens, workspaces and the audit log: the same documents, made and removed there."""
    home = tmp_path / "home"
    secret = typed(home, "tokens", "new", "root", "--role", "admin", "--in", "*").stdout.strip()
    with served(home) as answering:

        def there(*words: str, token: str = secret, code: int = 0) -> str:
            told = {"TASKMGR_TOKEN": token}
            return typed(elsewhere, *words, url=answering.url, code=code, more=told).stdout

        there("workspaces", "new", "vision")
        made = json.loads(
            there("tokens", "new", "bob", "--role", "admin", "--in", "vision", "--json")
        )
        bob = made["token"]
        mine = json.loads(there("tokens", "new", "eve", "--role", "viewer", "--json", token=bob))
        assert mine["workspace"] == "vision"
        there("workspaces", "new", "more", token=bob, code=3)
        for words in (("tokens", "list"), ("workspaces", "list"), ("audit", "list")):
            told = there(*words, "--json")
            assert json.loads(told) == json.loads(typed(home, *words, "--json").stdout)
            assert bob not in told
        assert "vision" in there("workspaces", "list")
        assert "token.new" in there("audit", "list")
        there("tokens", "revoke", bob)
        there("runs", token=bob, code=3)
        assert "the workspace vision is removed" in there("workspaces", "remove", "vision", "--yes")
    assert not (elsewhere / "metadata.sqlite3").exists()


def _common(told: Mapping[str, Any]) -> Any:
    left_out = {"installed", "pipelines"} if "pipelines" in told else set()
    return {name: each for name, each in told.items() if name not in left_out}


@pytest.mark.parametrize(
    ("words", "shown"),
    [
        (("runs", "--status", "failed"), "noop"),
        (("show", "{failed}"), "Traceback"),
        (("logs", "{succeeded}"), "line 29"),
        (("lineage", "{succeeded}"), "output_001_file"),
        (("list",), "Do nothing."),
        (("info", "write"), "number"),
        (("worker", "status"), "w1"),
        (("versions", "write"), "100 %"),
        (("schedule", "list"), "0 3 * * *"),
        (("monitor", "--once"), "w1"),
    ],
    ids=lambda each: " ".join(each) if isinstance(each, tuple) else "",
)
def test_command_prints_for_people_over_http(
    rest: Served, rest_home: Runs, elsewhere: Path, words: tuple[str, ...], shown: str
) -> None:
    """A table, not a document."""
    asked = [each.format(**rest_home[1]) for each in words]
    assert shown in typed(elsewhere, "--url", rest.url, *asked).stdout


def test_run_is_waited_for_over_http(rest: Served, elsewhere: Path) -> None:
    """The result is printed as here; a file of this machine is sent."""
    done = typed(elsewhere, "run", "nothing", "number=4", "--no-wait", url=rest.url)
    run_id = done.stdout.strip()
    with rest.client() as client:
        finish(client, run_id)
    again = typed(elsewhere, "retry", run_id, url=rest.url, code=2)
    assert "every step of it has what it is to give" in again.stderr
    (elsewhere.parent / "a.png").write_bytes(png(5, 6))
    sent = typed(
        elsewhere, "run", "look", "image=a.png", "--no-wait", "--json",
        url=rest.url, folder=elsewhere.parent,
    )  # fmt: skip
    made = json.loads(sent.stdout)["run_id"]
    assert rest.http.get(f"/runs/{made}").json()["inputs"]["image"]["name"] == "a.png"
    assert "cancelled" in typed(elsewhere, "cancel", made, url=rest.url).stdout


def test_what_no_server_does_is_said(rest: Served, elsewhere: Path) -> None:
    """A command or an option that needs the machine is refused where a server was named."""
    refused = typed(elsewhere, "--url", rest.url, "publish", ".", code=2).stderr
    assert "publish works on this machine" in refused
    refused = typed(elsewhere, "--url", rest.url, "show", "x", "--report", "r.html", code=2).stderr
    assert "--report needs the home itself" in refused
    missing = typed(elsewhere, "--url", "http://127.0.0.1:9", "runs", code=3).stderr
    assert "does not answer" in missing
    assert "no run 'nobody'" in typed(elsewhere, "show", "nobody", url=rest.url, code=2).stderr
