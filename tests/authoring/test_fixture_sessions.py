"""Whole runs of pytest in a plugin's project: what they show, load and leave behind."""

from __future__ import annotations

import json
import re
import shlex
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest
from inner_project import InnerProject, Session

pytestmark = pytest.mark.long

PASSING = """
    import attrs
    import pytest
    import taskmgr_inner


    def test_in_both_worlds(run_task, run_isolated, artifact, assert_outputs):
        note = artifact(b"by hand", name="note.txt")
        here = run_task(taskmgr_inner.words, text="to be", note=note)
        there = run_isolated(taskmgr_inner.words, text="to be", note=note)
        assert (type(there), there.note.name) == (taskmgr_inner.Words, "note.txt")
        assert_outputs(there, here)
        assert_outputs(run_isolated("words", text="to be", note=note), here)


    @pytest.mark.parametrize("fault", ["crash", "lost worker"])
    def test_survives(fault, platform, fail_next):
        platform.publish()
        fail_next("words", fault)
        assert platform.run("words", text="a b").result["words"] == ["a", "b"]


    def test_picture(sample_image):
        assert sample_image(8, 4, format="bmp").path.stat().st_size == 54 + 8 * 3 * 4
"""

FAILING = """
    def test_isolated(run_isolated, artifact):
        run_isolated("words", text="bad", note=artifact(b"by hand", name="note.txt"))


    def test_platform(platform):
        platform.publish()
        assert platform.run("words", text="bad").result["words"] == []


    def test_unmet(platform, fail_next):
        platform.publish()
        fail_next("words", "crash")
"""

GOING_ON = """
    from pathlib import Path


    def test_slow(platform, fail_next, run_isolated):
        run_isolated("slow", seconds=0)
        platform.publish()
        fail_next("words", "lost worker")
        run = platform.submit("slow", seconds=600)
        platform.wait_until(run, lambda run: run.steps["001"].status == "running")
        Path("going").touch()
        platform.wait(run)
"""


@pytest.mark.parametrize("options", [(), ("-n2",)], ids=["alone", "xdist"])
def test_passing_session_leaves_nothing(tmp_path: Path, options: tuple[str, ...]) -> None:
    """No process and no file is left by tests that pass, in one process or in two."""
    project = InnerProject.create(tmp_path, PASSING)
    before = project.files()
    session = project.run(*options)
    assert "4 passed" in session.out, session.out
    assert session.code == 0
    assert project.files() == before
    assert project.processes() == []
    assert list(project.temporary.iterdir()) == []
    left = [each for each in project.base.rglob("*") if not each.is_symlink() and each.is_file()]
    assert left == []


def test_killed_session_leaves_no_process(tmp_path: Path) -> None:
    """When pytest is killed in the middle, its runners and its other worker end by themselves."""
    project = InnerProject.create(tmp_path, GOING_ON)
    with project.start() as process:
        deadline = time.monotonic() + 60
        while not (project.folder / "going").exists():
            assert time.monotonic() < deadline, "the test has not begun"
            assert process.poll() is None, process.communicate()[0]
            time.sleep(0.02)
        kinds = [each for each in project.processes() if "pytest" not in each.split()]
        process.send_signal(signal.SIGKILL)
    assert len(kinds) >= 3, kinds  # two runners and a worker
    assert project.processes_after(10) == []


@pytest.fixture(scope="module")
def failed(tmp_path_factory: pytest.TempPathFactory) -> tuple[InnerProject, Session]:
    """A session whose tests fail."""
    project = InnerProject.create(tmp_path_factory.mktemp("failed"), FAILING)
    return project, project.run()


def test_isolated_failure_shows_the_task(failed: tuple[InnerProject, Session]) -> None:
    """An isolated task that fails shows its own traceback, its output and its inputs."""
    _, session = failed
    shown = session.out.partition("_ test_isolated _")[2].partition("_ test_platform _")[0]
    assert "taskmgr_inner/__init__.py" in shown
    assert "ValueError: a bad text" in shown
    assert "it will go wrong" in shown
    # The folder of the test may be long, and is cut; the command to repeat it has all of it.
    assert re.search(r"words failed\n  text = 'bad'\n  note = File\('", shown)
    assert re.search(r"repeat it: taskmgr test .*note=\S*note.txt text=bad", shown)
    assert "isolated.py" not in shown


@pytest.mark.parametrize("test", ["test_isolated", "test_platform"])
def test_command_of_a_failure_repeats_it(test: str, failed: tuple[InnerProject, Session]) -> None:
    """The command that a failure shows can be typed, and shows the same failure."""
    project, session = failed
    shown = session.out.partition(f"_ {test} _")[2]
    found = re.search(r"^(?:repeat it|look at it): (taskmgr .*)$", shown, re.MULTILINE)
    assert found is not None, session.out
    program = Path(sys.executable).with_name("taskmgr")
    done = subprocess.run(
        [program, *shlex.split(found[1])[1:]],
        cwd=project.temporary,
        capture_output=True,
        text=True,
        check=False,
    )
    assert "a bad text" in done.stdout + done.stderr


def test_fault_that_nobody_met_is_an_error(failed: tuple[InnerProject, Session]) -> None:
    """A test that prepares a fault and never runs the task is wrong, and is told so."""
    _, session = failed
    assert "no step has met the fault 'crash' of words" in session.out
    assert "2 failed, 1 passed, 1 error" in session.out


def test_plugin_loads_nothing_before_it_is_used(tmp_path: Path) -> None:
    """A run of pytest that uses no fixture of ours loads neither platform nor converter."""
    tests = """
        import json, sys

        def test_nothing():
            names = {name for name in sys.modules if name.startswith(("taskmgr", "cattrs"))}
            heavy = {"numpy", "cv2", "PIL", "celery", "sqlite3", "click", "jsonschema_rs", "psutil"}
            names |= {name for name in sys.modules if name in heavy}
            print("loaded", json.dumps(sorted(names)))
    """
    session = InnerProject.create(tmp_path, tests).run("-s")
    found = re.search(r"loaded (\[.*\])", session.out)
    assert found is not None, session.out
    own = {
        *("taskmgr_core", "taskmgr_core.testing", "taskmgr_core.testing.pytest_plugin"),
        *("taskmgr_core.testing.contract", "taskmgr_core.testing.contract.pytest_plugin"),
        *(
            "taskmgr_plugins.testing",
            "taskmgr_plugins.testing.hooks",
            "taskmgr_plugins.value_types",
        ),
        *("taskmgr_plugins", "taskmgr_plugins.testing.pytest_plugin"),
        *(f"taskmgr_plugins.{each}" for each in ("errors", "fields", "hookspecs", "tasks")),
    }
    assert set(json.loads(found[1])) <= own
