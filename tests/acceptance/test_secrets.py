"""On servers with passwords: no secret in any output, log, file of the home, or runner."""

from __future__ import annotations

import json
import os
import signal
import subprocess
from collections.abc import Mapping
from pathlib import Path
from urllib.parse import quote, unquote, urlsplit

import attrs
import pytest
from command_line import FAST, wait_until

from forked_program import INSTALLED
from servers import Share

pytestmark = pytest.mark.long

TELLTALE = '''"""A task that tells all that its process was given."""

import os
import sys
from pathlib import Path

from taskmgr_plugins import hookimpl, task


@task
def telltale(text: str) -> str:
    """Print environment and arguments, and return them."""
    given = [f"{name}={value}" for name, value in os.environ.items()]
    given += [*sys.argv, Path("/proc/self/cmdline").read_text().replace("\\0", " "), text]
    print("\\n".join(given))
    return "\\n".join(given)


@hookimpl
def taskmgr_tasks() -> list[object]:
    """Announce the task."""
    return [telltale]
'''
PYPROJECT = """[project]
name = "taskmgr-telltale"
version = "1.0.0"
requires-python = ">=3.11"
dependencies = ["taskmgr-plugins>=0.1"]

[project.entry-points."taskmgr.plugins"]
telltale = "taskmgr_telltale"

[build-system]
requires = ["uv_build>=0.13,<0.14"]
build-backend = "uv_build"
"""


@attrs.define
class Terminal:
    """Runs commands on a team's servers and keeps everything that they write."""

    folder: Path
    settings: Mapping[str, str]
    written: list[str] = attrs.field(factory=list)

    def __call__(self, *words: str, **more: str) -> str:
        """What a command writes on stdout; its exit code does not matter."""
        done = subprocess.run(
            [INSTALLED, *words],
            cwd=self.folder,
            env=self.environment | more,
            capture_output=True,
            text=True,
            timeout=90,
            check=False,
        )
        self.written += [done.stdout, done.stderr]
        return done.stdout

    @property
    def environment(self) -> dict[str, str]:
        """Of every command."""
        home = str(self.folder / "home")
        return {**os.environ, **FAST, **self.settings, "TASKMGR_HOME": home}


def secrets(urls: Mapping[str, str]) -> set[str]:
    """The passwords of addresses, as they are and as they are written."""
    found = {urlsplit(url).password or "" for url in urls.values()}
    assert all(len(each) >= 8 for each in found)
    return found | {unquote(each) for each in found} | {quote(each, safe="") for each in found}


@pytest.fixture
def urls(mongodb_server: Share, redis_server: Share, s3_server: Share) -> dict[str, str]:
    """The addresses of a team's three servers, with their passwords."""
    return {
        "TASKMGR_METADATA_URL": mongodb_server.url,
        "TASKMGR_BROKER_URL": redis_server.url,
        "TASKMGR_ARTIFACTS_URL": s3_server.url,
    }


@pytest.fixture
def project(tmp_path: Path) -> Path:
    """The plugin whose task tells what it was given."""
    package = tmp_path / "telltale" / "src" / "taskmgr_telltale"
    package.mkdir(parents=True)
    (package / "__init__.py").write_text(TELLTALE)
    (tmp_path / "telltale" / "pyproject.toml").write_text(PYPROJECT)
    return tmp_path / "telltale"


@pytest.mark.timeout(300)
def test_no_secret_gets_out(urls: dict[str, str], project: Path, tmp_path: Path) -> None:
    """A run on servers, told of at the most, leaves no password anywhere but in the settings."""
    terminal = Terminal(tmp_path, urls)
    terminal("init", ".")
    terminal("--debug", "publish", str(project))
    logs = tmp_path / "logs"
    with subprocess.Popen(
        [INSTALLED, "worker", "start", "--loglevel", "debug", "--log-folder", str(logs)],
        cwd=tmp_path,
        env=terminal.environment,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
    ) as worker:
        try:
            wait_until(
                lambda: json.loads(terminal("worker", "status", "--json"))["workers"],
                "the worker is alive",
                40,
            )
            answer = json.loads(terminal("run", "telltale", "text=told", "--json"))
            assert "told" in answer["result"]["result"]
            for words in (
                ("show", answer["run_id"], "--json"),
                ("logs", answer["run_id"]),
                ("config",),
                ("config", "--json"),
                ("health",),
                ("health", "--json"),
                ("doctor", "--json"),
                ("worker", "status"),
            ):
                assert terminal(*words)
        finally:
            worker.send_signal(signal.SIGTERM)
            told = worker.communicate(timeout=30)
    texts = [*terminal.written, *told]
    texts += [each.read_bytes().decode("latin-1") for each in logs.iterdir()]
    assert (logs / "system.log").read_text()
    home = tmp_path / "home"
    texts += [
        each.read_bytes().decode("latin-1")
        for each in home.rglob("*")
        if each.is_file() and not each.is_symlink()
    ]
    for secret in secrets(urls):
        assert not [text[:2000] for text in texts if secret in text]
    # The runner's environment has nothing of the platform's settings at all.
    assert "TASKMGR_" not in answer["result"]["result"]


@pytest.mark.parametrize("setting", ["METADATA_URL", "BROKER_URL", "ARTIFACTS_URL"])
def test_wrong_password_is_not_told(urls: dict[str, str], tmp_path: Path, setting: str) -> None:
    """A server that refuses a password is named in the error, the password is not."""
    name = f"TASKMGR_{setting}"
    wrong = "Wr0ng%2FPa55-word"
    right = urlsplit(urls[name]).password or ""
    terminal = Terminal(tmp_path, {**urls, name: urls[name].replace(right, wrong)})
    for words in (("--debug", "init", "."), ("--debug", "list", "--json"), ("health", "--json")):
        terminal(*words)
    answer = {
        each["service"]: each for each in json.loads(terminal("health", "--json"))["services"]
    }
    service = {"METADATA": "metadata", "BROKER": "broker", "ARTIFACTS": "artifacts"}
    assert answer[service[setting.partition("_")[0]]]["state"] == "fault"
    for secret in (wrong, unquote(wrong), *secrets(urls)):
        assert not [each for each in terminal.written if secret in each]
