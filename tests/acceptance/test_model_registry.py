"""The weights of published tasks, and the stored files, through the command line."""

from __future__ import annotations

import hashlib
import json
import os
import shutil
import time
from collections.abc import Callable
from pathlib import Path

import pytest
from command_line import CommandLine

PROJECT = """
[project]
name = "taskmgr-{task}"
version = "1.0.0"
requires-python = ">=3.11"
dependencies = ["taskmgr-plugins"]
[project.entry-points."taskmgr.plugins"]
{task} = "taskmgr_{task}"
[build-system]
requires = ["uv_build>=0.13,<0.14"]
build-backend = "uv_build"
"""
CODE = """
from pathlib import Path

from taskmgr_plugins import File, MLTask, Model, hookimpl


class Weigh(MLTask):
    \"\"\"Tell what its weights say, and make others.\"\"\"

    name = "{task}"
    models = (Model("{file}", "{sha256}", "MIT", "made up", "2026a"),)

    def load_model(self) -> None:
        self.text = self.model_path("{file}").read_text()

    def predict(self, text: str) -> File:
        Path("made.bin").write_text(f"{{text}} {{self.text}}")
        return File("made.bin")


@hookimpl
def taskmgr_tasks():
    return [Weigh]
"""
SHARED = b"weights that two plugins share"


def write_plugin(folder: Path, task: str, weights: bytes, file: str) -> Path:
    """A plugin whose task makes a file of its input and its weights."""
    project = folder / task
    package = project / "src" / f"taskmgr_{task}"
    package.mkdir(parents=True, exist_ok=True)
    (project / "models").mkdir(exist_ok=True)
    (project / "models" / file).write_bytes(weights)
    (project / "pyproject.toml").write_text(PROJECT.format(task=task))
    sha256 = hashlib.sha256(weights).hexdigest()
    (package / "__init__.py").write_text(CODE.format(task=task, file=file, sha256=sha256))
    return project


@pytest.fixture(scope="module")
def weighed(
    new_platform: Callable[[Path, Path], CommandLine], tmp_path_factory: pytest.TempPathFactory
) -> CommandLine:
    """A platform with two plugins that share weights, and a run of each."""
    folder = tmp_path_factory.mktemp("models")
    taskmgr = new_platform(folder / "home", folder)
    taskmgr(
        "publish",
        write_plugin(folder, "first", SHARED, "one.bin"),
        write_plugin(folder, "second", SHARED, "two.bin"),
    )
    for task in ("first", "second", "first"):
        taskmgr("run", task, "text=made")
    return taskmgr


def path_of(taskmgr: CommandLine, digest: str) -> Path:
    """Where a stored file lies on this machine."""
    return taskmgr.home / "artifacts" / digest[7:9] / digest[7:]


def test_shared_weights_are_one_entry(weighed: CommandLine) -> None:
    """The same bytes of two plugins are listed once, with both names, tasks, licence, source."""
    (model,) = weighed.json("models", "list")["models"]
    digest = "sha256:" + hashlib.sha256(SHARED).hexdigest()
    assert (model["digest"], model["size_bytes"], model["here"]) == (digest, len(SHARED), True)
    assert model["names"] == ["one.bin", "two.bin"]
    assert [each["task"] for each in model["tasks"]] == ["first", "second"]
    assert {each["licence"] for each in model["declared"]} == {"MIT"}
    assert {each["version"] for each in model["declared"]} == {"2026a"}
    listed = weighed("models", "list").out
    assert "first 1.0.0, second 1.0.0" in listed
    assert "1 model, " in listed


def test_weights_are_shown_with_the_runs_that_used_them(weighed: CommandLine) -> None:
    """By name or digest, newest first, page by page; what is not there is told with the nearest."""
    (shown,) = weighed.json("models", "show", "two.bin", "--limit", "2")["models"]
    assert [each["name"] for each in shown["runs"]] == ["first", "second"]
    assert shown["runs"][0]["steps"] == [{"id": "001", "task": "first", "version": "1.0.0"}]
    further = weighed.json("models", "show", shown["digest"][7:20], "--before", shown["next"])
    (rest,) = further["models"]
    assert [each["name"] for each in rest["runs"]] == ["first"]
    assert rest["next"] is None
    assert "first 1.0.0" in weighed("models", "show", "one.bin").out
    assert "did you mean 'one.bin'" in weighed("models", "show", "one.bim", code=2).err


def test_lineage_leads_from_weights_to_what_was_made_with_them(weighed: CommandLine) -> None:
    """By the file or a beginning of its digest; and from a result back to its weights."""
    of_file = weighed.json("lineage", "--of", "first/models/one.bin")
    assert [each["name"] for each in of_file["led_to"]["parts"]] == ["first", "second", "first"]
    part = of_file["led_to"]["parts"][0]
    assert [each["port"] for each in part["entered"]] == ["model_001_one.bin"]
    assert [each["port"] for each in part["reached"]] == ["output_001_result"]
    digest = hashlib.sha256(SHARED).hexdigest()
    assert weighed.json("lineage", "--of", digest[:12])["led_to"] == of_file["led_to"]
    made = weighed.json("lineage", "--of", part["reached"][0]["digest"])["made_from"]
    assert "model_001_one.bin" in [
        value["port"] for each in made["parts"] for value in each["reached"]
    ]
    assert "model_001_two.bin" in weighed("lineage", "--of", "first/models/one.bin").out
    of_run = weighed.json("lineage", part["run_id"])
    edge = {"source": "model_001_one.bin", "target": "output_001_result"}
    assert edge in of_run["edges"]
    assert "weights" in weighed("lineage", part["run_id"]).out


def test_weights_that_a_run_made_lead_back_to_it(weighed: CommandLine) -> None:
    """A file that a run made, published as weights: its lineage goes through both runs."""
    made = weighed.json("run", "first", "text=trained")["result"]["result"]["$artifact"]
    weights = path_of(weighed, made).read_bytes()
    weighed("publish", write_plugin(weighed.folder, "third", weights, "trained.bin"))
    weighed("run", "third", "text=x")
    led_to = weighed.json("lineage", "--of", "first/models/one.bin")["led_to"]["parts"]
    assert led_to[-1]["name"] == "third"
    assert led_to[-1]["through"] == [made]


def test_weights_are_verified(weighed: CommandLine, tmp_path: Path) -> None:
    """Every byte is read: a changed one is told with what to do and exit code 1, then put right."""
    assert "ok one.bin" in weighed("models", "verify", "one.bin").out
    weights = b"weights to be damaged"
    plugin = write_plugin(tmp_path, "fourth", weights, "four.bin")
    weighed("publish", plugin)
    path = path_of(weighed, "sha256:" + hashlib.sha256(weights).hexdigest())
    path.chmod(0o644)
    path.write_bytes(b"WEIGHTS to be damaged")
    told = weighed("models", "verify", code=1).out
    assert "fault four.bin" in told
    assert str(path) in told.replace("\n", "")
    assert "models of taskmgr-fourth" in told
    (seen,) = weighed.json("models", "verify", "four.bin", code=1)["models"]
    assert len(seen["faults"]) == 1
    path.unlink()
    weighed("publish", plugin)
    weighed("models", "verify")


def test_worker_that_was_told_its_task_serves_it(weighed: CommandLine, tmp_path: Path) -> None:
    """It prepares the task, with its weights, before it takes a step; then it is alive and does."""
    shutil.rmtree(weighed.home / "environments")
    log = tmp_path / "log"
    with weighed.worker("--tasks", "second", log=log) as process:
        run = weighed.json("run", "second", "text=x")["run_id"]
        (step,) = weighed.json("show", run)["steps"]
        assert step["worker"].split("-")[-2] == str(process.pid)
        assert step["seconds"]["environment"] < 0.5
    said = log.read_text()
    assert said.index("taskmgr-second 1.0.0 is ready") < said.index("step 001")
    assert "taskmgr-first" not in said


def unused(taskmgr: CommandLine) -> None:
    """Have everything stored on this machine be unused for a day."""
    then = time.time() - 86_400
    for path in taskmgr.home.glob("artifacts/??/*"):
        os.utime(path, (then, then))


@pytest.mark.embedded("on servers the files here are copies")
def test_orphans_are_removed(alone: CommandLine, projects: Path) -> None:
    """What a publication left that failed goes, told first; all that runs and tasks need stays."""
    done = alone.json("run", "write", "text=kept")
    broken = alone.folder / "broken"
    shutil.copytree(projects / "talk", broken)
    source = broken / "src" / "taskmgr_talk" / "__init__.py"
    source.write_text(source.read_text() + "\nraise RuntimeError('not today')\n")
    (broken / "pyproject.toml").write_text(
        (broken / "pyproject.toml").read_text().replace('"1.0.0"', '"9.0.0"')
    )
    before = stored(alone)
    alone("publish", broken, code=2)
    left = stored(alone) - before
    assert len(left) >= 1
    assert alone.json("artifacts", "gc")["removed"] == [], "it is not an hour old"
    unused(alone)
    assert alone.json("artifacts", "gc", "--dry-run")["removed"]
    assert stored(alone) == before | left
    removed = {each["digest"][7:] for each in alone.json("artifacts", "gc")["removed"]}
    assert removed == left
    assert "nothing to remove" in alone("artifacts", "gc").out
    alone("artifacts", "gc", "--size", "1", code=2)
    assert alone.json("show", done["run_id"])["result"] == done["result"]
    shutil.rmtree(alone.home / "environments")
    alone("run", "write", "text=again")
    alone("doctor")


def stored(taskmgr: CommandLine) -> set[str]:
    """The names of all stored files."""
    return {path.name for path in taskmgr.home.glob("artifacts/??/*")}


@pytest.mark.servers("without S3 there are no copies")
def test_copies_are_kept_to_a_size(weighed: CommandLine) -> None:
    """Copies of files and of weights go, what is left is in S3, and runs go on as before."""
    weighed("run", "first", "text=before")
    unused(weighed)
    assert "would be removed" in weighed("artifacts", "gc", "--size", "0", "--dry-run").out
    assert weighed.json("artifacts", "gc", "--size", "0")["removed"]
    assert weighed.json("models", "gc", "--size", "0")["removed"]
    assert stored(weighed) == set()
    assert weighed.json("models", "list")["models"][0]["here"] is False
    weighed("models", "verify")
    weighed("run", "first", "text=after")


def test_limit_has_to_be_said(weighed: CommandLine) -> None:
    """Without a limit in the settings `models gc` asks for one; with one there may be nothing."""
    assert "the setting models_mb is 0" in weighed("models", "gc", code=2).err
    assert "nothing to remove: 5 MB may stay" in weighed("models", "gc", "--size", "5").out
    assert json.loads(weighed("models", "gc", "--size", "5", "--json").out)["removed"] == []
