"""Several versions of a task: rolled out, rolled back, pinned, yanked, compared."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import pytest
from command_line import CommandLine

from taskmgr_core.client import Client
from taskmgr_core.settings import load
from taskmgr_core.wiring import Platform

PROJECT = """
[project]
name = "taskmgr-tell"
version = "{version}"
requires-python = ">=3.11"
dependencies = ["taskmgr-plugins"]
[project.entry-points."taskmgr.plugins"]
tell = "taskmgr_tell"
[build-system]
requires = ["uv_build>=0.13,<0.14"]
build-backend = "uv_build"
"""
CODE = """
from taskmgr_plugins import hookimpl, task

@task
def tell({inputs}) -> {output}:
    \"\"\"Tell its version.\"\"\"
    return {answer}

@hookimpl
def taskmgr_tasks():
    return [tell]
"""


def write_version(
    folder: Path, version: str, inputs: str = "name: str", output: str = "str"
) -> Path:
    """A plugin whose task tells its own version."""
    package = folder / "src" / "taskmgr_tell"
    package.mkdir(parents=True, exist_ok=True)
    (folder / "pyproject.toml").write_text(PROJECT.format(version=version))
    answer = repr(version) if output == "str" else "1"
    code = CODE.format(inputs=inputs, output=output, answer=answer)
    (package / "__init__.py").write_text(code)
    return folder


@pytest.fixture(scope="module")
def three(
    new_platform: Callable[[Path, Path], CommandLine], tmp_path_factory: pytest.TempPathFactory
) -> CommandLine:
    """A platform with versions 1.0.0, 1.1.0 and 2.0.0 of the task `tell`."""
    folder = tmp_path_factory.mktemp("versions")
    taskmgr = new_platform(folder / "home", folder)
    for version in ("1.0.0", "1.1.0"):
        taskmgr("publish", write_version(folder / "tell", version))
    taskmgr("publish", write_version(folder / "tell", "2.0.0", "name: str, loud: bool = False"))
    return taskmgr


def shares(taskmgr: CommandLine) -> dict[str, int]:
    """Version -> how many of a hundred new runs get it."""
    found = taskmgr.json("versions", "tell")["versions"]
    return {each["version"]: each["percent"] for each in found if each["percent"]}


def client_of(taskmgr: CommandLine) -> Client:
    """A program on the same platform."""
    return Platform(load(taskmgr.environment, taskmgr.folder, taskmgr.home)).client()


def answer(taskmgr: CommandLine, *options: str) -> str:
    """What a run of the task gives."""
    found: str = taskmgr.json("run", "tell", "name=x", *options)["result"]["result"]
    return found


def test_versions_are_rolled_out_back_pinned_and_yanked(three: CommandLine) -> None:
    """Each command changes what new runs get, as it says, and the runs get just that."""
    assert shares(three) == {"2.0.0": 100}
    assert (
        "tell get 2.0.0 (70 %), 1.0.0 (30 %)"
        in three("rollout", "tell", "1.0.0", "--percent", "30").out
    )
    three("rollback", "tell")
    assert shares(three) == {"2.0.0": 100}
    three("rollout", "tell", "1.1.0")
    assert answer(three) == "1.1.0"
    three("rollback", "tell")
    assert answer(three) == "2.0.0"
    three("pin", "tell", "1.0.0")
    refused = three("rollout", "tell", "2.0.0", code=2).err
    assert "pinned to 1.0.0" in refused
    assert answer(three) == "1.0.0"
    three("pin", "tell", "--off")
    three("yank", "tell", "2.0.0", "--reason", "tells lies")
    assert answer(three) == "1.1.0"
    named = three("run", "tell", "name=x", "--version", "2.0.0")
    assert "tell 2.0.0 is yanked: tells lies" in named.err
    assert "yanked: tells lies" in three("versions", "tell").out
    three("yank", "tell", "2.0.0", "--undo")
    assert shares(three) == {"2.0.0": 100}


def test_run_keeps_the_version_that_it_was_submitted_with(three: CommandLine) -> None:
    """A rollout between submitting a run and carrying it out changes nothing of the run."""
    run = three("run", "tell", "name=x", "--no-wait").out.strip()
    three("rollout", "tell", "1.0.0")
    try:
        with three.worker():
            assert three.json("run", "tell", "name=x")["result"]["result"] == "1.0.0"
            assert three.json("show", run)["result"]["result"] == "2.0.0"
    finally:
        three("pin", "tell", "--off")


def test_diff_marks_what_breaks(three: CommandLine) -> None:
    """A new input with a default is told and breaks nothing; taken away again it does."""
    grown = three.json("diff", "tell", "1.1.0", "2.0.0")
    assert (grown["breaking"], [each["place"] for each in grown["changes"]]) == (
        False,
        ["input loud"],
    )
    shrunk = three("diff", "tell", "2.0.0", "1.1.0").out
    assert "breaking  input loud  removed" in shrunk
    assert "1 change, 1 breaking" in shrunk


def test_breaking_version_needs_a_major_number_or_force(three: CommandLine, tmp_path: Path) -> None:
    """A version that fits less than the one before it is refused with the reason and what to do."""
    folder = write_version(tmp_path / "tell", "2.1.0", "name: str, times: int", "int")
    refused = three("publish", folder, code=2).err
    assert "tell (2.0.0 -> 2.1.0): input loud removed" in refused
    assert "raise the first number of the version" in refused
    assert "2.1.0" not in three("versions", "tell").out
    three("publish", "--force", write_version(tmp_path / "tell", "2.1.0.dev1", "name: str", "int"))
    assert shares(three) == {"2.0.0": 100}


@pytest.mark.parametrize(
    ("words", "said"),
    [
        (("rollout", "tell", "1.2.0"), "has no version '1.2.0'; did you mean"),
        (("rollout", "tel", "1.1.0"), "no task 'tel'; did you mean 'tell'"),
        (("rollout", "tell", "1.1.0", "--percent", "0"), "1<=x<=100"),
        (("yank", "tell", "1.1.0"), "say why with --reason"),
        (("yank", "tell", "1.1.0", "--undo"), "tell 1.1.0 is not yanked"),
        (("pin", "tell", "1.1.0", "--off"), "--off goes with no version"),
    ],
)
def test_bad_request_changes_nothing(three: CommandLine, words: tuple[str, ...], said: str) -> None:
    """What cannot be done is told with what could be, and new runs get what they got."""
    assert said in three(*words, code=2).err
    assert shares(three) == {"2.0.0": 100}


def test_old_and_new_versions_run_at_the_same_time(three: CommandLine) -> None:
    """While a version is rolled out under load each run ends, with the version it was given."""
    found: dict[str, str] = {}
    with three.worker("--slots", "2"), client_of(three) as client:
        for percent in (20, 50, 80, 100):
            three("rollout", "tell", "1.1.0", "--percent", str(percent))
            runs = [client.submit("tell", {"name": "x"}) for _ in range(25)]
            for run in runs:
                client.wait(run, 30)
                detail = client.detail(run)
                assert detail.result == {"result": detail.run.graph.steps[0].version}
                found[run] = detail.run.graph.steps[0].version
    three("pin", "tell", "--off")
    assert len(found) == 100
    assert set(found.values()) == {"1.1.0", "2.0.0"}
    assert {found[run] for run in list(found)[75:]} == {"1.1.0"}
