"""Hook plugins as their users meet them: `taskmgr hooks`, publishing, running, health."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import attrs
import pytest
from command_line import CommandLine, wait_until

from hook_plugins import Site

ACME = """
import json, os, threading
from taskmgr_plugins.events import Notification

def note(what, about):
    with open(os.environ["HEARD"], "a") as opened:
        opened.write(json.dumps([what, about.run]) + "\\n")

@hookimpl
def taskmgr_run_started(event):
    note("run started", event)

@hookimpl
def taskmgr_step_ended(event):
    note("step " + event.status, event)

@hookimpl
def taskmgr_run_ended(event):
    note("run " + event.status, event)

@hookimpl
def taskmgr_notify(notification):
    note(notification.kind, notification)

@hookimpl
def taskmgr_check_publish(publication):
    yield f"{publication.distribution} has no licence" if not publication.licence else ""
"""
POLICY = """
@hookimpl
def taskmgr_check_publish(publication):
    found = [f"{task['name']}: the queue {task['queue']} is not ours"
             for task in publication.tasks if task["queue"] == "default"]
    if "attrs" in publication.dependencies:
        found.append("attrs is not allowed")
    return found
"""


@pytest.fixture
def site(tmp_path: Path) -> Site:
    """Where plugins are installed."""
    folder = tmp_path / "site"
    folder.mkdir()
    return Site(folder)


def with_site(taskmgr: CommandLine, site: Site, **more: str) -> CommandLine:
    """A terminal whose taskmgr has the plugins installed beside it."""
    variables = {"PYTHONPATH": str(site.folder), "HEARD": str(site.folder / "heard")}
    return attrs.evolve(taskmgr, settings={**taskmgr.settings, **variables, **more})


def write_plugin(folder: Path) -> None:
    """A plugin without a licence, with the task ``scribble``."""
    package = folder / "src" / "other"
    package.mkdir(parents=True)
    (package / "__init__.py").write_text(
        "from taskmgr_plugins import hookimpl, task\n"
        "@task\ndef scribble(text: str) -> str:\n    return text\n"
        "@hookimpl\ndef taskmgr_tasks():\n    return [scribble]\n"
    )
    (folder / "pyproject.toml").write_text(
        '[project]\nname = "other"\nversion = "1.0.0"\nrequires-python = ">=3.11"\n'
        'dependencies = ["attrs", "taskmgr-plugins>=0.1"]\n'
        '[project.entry-points."taskmgr.plugins"]\nscribble = "other"\n'
        '[build-system]\nrequires = ["uv_build>=0.13,<0.14"]\nbuild-backend = "uv_build"\n'
    )


def heard(site: Site, run: str) -> list[str]:
    """What a plugin has written down of a run, in no order: processes wait for no other."""
    path = site.folder / "heard"
    lines = path.read_text().splitlines() if path.exists() else []
    return sorted(what for what, about in map(json.loads, lines) if about == run)


def plugins(answer: Any) -> dict[str, Any]:
    """The plugins of this process by name."""
    return {each["name"]: each for each in answer["plugins"]}


def test_plugins_are_listed_with_what_they_implement_and_how_they_are(
    taskmgr: CommandLine, site: Site
) -> None:
    """The own one, a good one, a broken one with its reason, and one that is left out."""
    site.install("acme", ACME)
    site.install("bad", "import no_such_module_here")
    site.install("quiet", ACME)
    here = with_site(taskmgr, site, TASKMGR_HOOKS="-quiet,-nobody")
    answer = here.json("hooks")
    found = plugins(answer)
    assert {name: each["state"] for name, each in found.items()} == {
        "log": "ok",
        "acme": "ok",
        "bad": "broken",
        "quiet": "off",
    }
    assert found["acme"]["hooks"][0] == "taskmgr_check_publish"
    assert found["acme"]["source"] == "acme-dist 2.1"
    assert "No module named 'no_such_module_here'" in found["bad"]["message"]
    assert answer["not_installed"] == ["nobody"]
    said = here("hooks")
    assert "bad (here): cannot be used: ModuleNotFoundError" in said.out
    assert "the setting hooks names 'nobody', which is not installed" in said.out
    assert said.err == ""
    findings = [each for each in here.json("doctor")["findings"] if each["check"] == "hooks"]
    assert [each["state"] for each in findings] == ["warn", "warn"]
    assert "leave it out with TASKMGR_HOOKS=-bad" in findings[0]["advice"]


def test_help_imports_no_plugin(taskmgr: CommandLine, site: Site) -> None:
    """Neither the help nor a command that only looks has anything to do with them."""
    site.install("acme", f"open({str(site.folder / 'imported')!r}, 'w')")
    here = with_site(taskmgr, site)
    here("--help")
    here("list")
    here("config")
    assert not (site.folder / "imported").exists()
    here("hooks")
    assert (site.folder / "imported").exists()


def test_wrong_setting_is_refused_with_what_is_allowed(taskmgr: CommandLine, site: Site) -> None:
    """Before anything is done."""
    refused = with_site(taskmgr, site, TASKMGR_HOOKS="no plugin!")("hooks", code=2)
    assert "TASKMGR_HOOKS: 'no plugin!' is not allowed" in refused.err
    assert "allowed are all, none, names with a comma between them, and -NAME" in refused.err


def test_publication_is_refused_with_all_that_all_plugins_found(
    alone: CommandLine, site: Site
) -> None:
    """Every problem of every plugin at once; nothing is registered; without them it goes."""
    site.install("acme", ACME)
    site.install("policy", POLICY)
    site.install("bad", "import no_such_module_here")
    write_plugin(alone.folder / "other")
    refused = with_site(alone, site)("publish", "other", code=2)
    assert "other 1.0.0 is refused by the checks of this platform:" in refused.err
    for problem in (
        "- acme: other has no licence",
        "- bad: could not check: cannot be used: ModuleNotFoundError",
        "leave it out with TASKMGR_HOOKS=-bad",
        "- policy: scribble: the queue default is not ours",
        "- policy: attrs is not allowed",
    ):
        assert problem in refused.err
    assert "scribble" not in {each["name"] for each in alone.json("list")["tasks"]}
    with_site(alone, site, TASKMGR_HOOKS="none")("publish", "other")
    assert "scribble" in {each["name"] for each in alone.json("list")["tasks"]}


def test_runs_are_told_of_by_the_program_that_submits_and_the_worker_that_runs(
    alone: CommandLine, site: Site
) -> None:
    """With a worker of its own each process tells what it has recorded; health says who fails."""
    site.install("acme", ACME)
    site.install("sad", "@hookimpl\ndef taskmgr_notify(notification): raise RuntimeError('no')")
    here = with_site(alone, site)
    with here.worker(log=site.folder / "worker.log"):
        done = here.json("run", "words", "text=to be")["run_id"]
        failed = here.json("run", "fail", "text=x", code=1)["run_id"]
        wait_until(lambda: len(heard(site, failed)) == 4, "all is told")
        assert heard(site, done) == ["run started", "run succeeded", "step succeeded"]
        assert heard(site, failed) == ["run failed", "run started", "run-failed", "step failed"]

        def troubled() -> list[str]:
            found = [each for each in here.json("health")["services"] if each["state"] == "warn"]
            return [each["message"] for each in found if "hook plugin" in each["message"]]

        wait_until(troubled, "health has heard of it by the worker's beat")
        assert "hook plugin sad is failing on" in troubled()[0]
        assert "taskmgr_notify raised RuntimeError: no" in troubled()[0]
        (states,) = here.json("hooks")["workers"].values()
        found = {each["name"]: each for each in states}
        assert (found["acme"]["state"], found["acme"]["called"] >= 5) == ("ok", True)
        assert (found["sad"]["state"], found["sad"]["failed"]) == ("failing", 1)
    log = (site.folder / "worker.log").read_text()
    assert "run-failed: run" in log
