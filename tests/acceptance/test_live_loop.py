"""`taskmgr dev`: the task runs again at each save."""

from __future__ import annotations

import re
import signal
import subprocess
import time
from collections.abc import Iterator
from pathlib import Path

import attrs
import psutil
import pytest
from command_line import CommandLine, told, wait_until

from taskmgr_core.runners import missing_here

# Promised is a second on a machine with nothing else to do; tests share theirs.
GENEROUS_SECONDS = 5.0


@attrs.frozen
class Live:
    """`taskmgr dev` of a created project, and all that it has printed.

    Attributes:
        folder: the project's.
        home: the platform's.
        process: the command.
        log: where it writes.
    """

    folder: Path
    home: Path
    process: subprocess.Popen[str]
    log: Path

    @property
    def tasks(self) -> Path:
        """The source of the task."""
        return next(self.folder.glob("src/*/tasks.py"))

    def change(self, file: Path, before: str, after: str) -> str:
        """Save a change, and give what is printed until the next save is waited for."""
        text = file.read_text()
        assert before in text
        seen = self.log.read_text()
        file.write_text(text.replace(before, after, 1))
        return self.round_after(seen)

    def round_after(self, seen: str) -> str:
        """What is printed from there until the next save is waited for."""
        wait_until(lambda: "next save" in self.log.read_text()[len(seen) :], "a round has ended")
        return self.log.read_text()[len(seen) :]


@pytest.fixture
def live(empty: CommandLine, tmp_path: Path) -> Iterator[Live]:
    """The loop of a new project, after its first round."""
    # Else tasks of the tests may write wherever pytest's folders are.
    settings = {**empty.settings, "TASKMGR_WRITABLE": ""}
    empty = attrs.evolve(empty, settings=settings)
    empty("create", "mine", "--author", "Ada Lovelace")
    log = tmp_path / "dev.log"
    with empty.started("dev", "mine", "text=to be or not", log=log) as process:
        found = Live(tmp_path / "mine", empty.home, process, log)
        found.round_after("")
        yield found


def test_saved_source_is_run_at_once(live: Live) -> None:
    """Output, schema and time come within a second or so, and no wheel is built."""
    first = live.log.read_text()
    assert "mine(text: string, shortest: integer = 1) -> words: integer, longest: string" in first
    assert re.search(r"words +integer +4", first)
    started = time.monotonic()
    changed = live.change(live.tasks, "words=len(words)", "words=len(words) + 38")
    assert time.monotonic() - started < GENEROUS_SECONDS
    assert re.search(r"words +integer +42", changed)
    assert "building the wheel" not in changed
    said = re.search(r"a new process, ([\d.]+) (ms|s) to the result", changed)
    assert said is not None
    assert float(said[1]) / (1000 if said[2] == "ms" else 1) < GENEROUS_SECONDS


def test_error_is_shown_and_the_next_save_tries_again(live: Live) -> None:
    """After a syntax error, and after one of the task's own, a right save gives the result."""
    broken = live.change(live.tasks, "def mine(", "def mine((")
    assert "SyntaxError" in broken
    assert re.search(r'tasks.py", line \d+', broken)
    assert re.search(r"words +integer +4", live.change(live.tasks, "def mine((", "def mine("))
    failed = live.change(live.tasks, "    words = [", "    1 / 0\n    words = [")
    assert "ZeroDivisionError" in failed
    assert re.search(r"words +integer +4", live.change(live.tasks, "    1 / 0\n", ""))


def test_schema_and_new_modules_follow_the_sources(live: Live) -> None:
    """A new field is told, and a module that was not there before is imported."""
    (live.tasks.parent / "extra.py").write_text("FACTOR = 10\n")
    live.round_after(live.log.read_text())
    text = live.tasks.read_text().replace("words=len(words)", "words=len(words) * extra.FACTOR")
    package = live.tasks.parent.name
    seen = live.log.read_text()
    live.tasks.write_text(
        text.replace("import attrs\n", f"import attrs\nfrom {package} import extra\n")
        .replace("shortest: int = 1", "least: int = 1")
        .replace("shortest", "least")
    )
    changed = live.round_after(seen)
    assert "mine(text: string, least: integer = 1)" in changed
    assert re.search(r"words +integer +40", changed)


def test_other_dependency_gets_another_virtualenv(live: Live) -> None:
    """A change of pyproject.toml locks and builds anew; an impossible one is told."""
    project = live.folder / "pyproject.toml"
    before, more = 'dependencies = ["attrs', 'dependencies = ["idna", "attrs'
    assert "locking the dependencies" in live.change(project, before, more)
    assert "idna==" in (live.folder / "taskmgr.lock").read_text()
    imported = live.change(live.tasks, "import attrs\n", "import attrs\nimport idna as _\n")
    assert re.search(r"words +integer +4", imported)
    assert "cannot be read" in live.change(project, "[project]", "[project")
    assert re.search(r"words +integer +4", live.change(project, "[project", "[project]"))


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])
def test_interrupt_leaves_nothing_behind(live: Live, number: signal.Signals) -> None:
    """In the middle of a run it ends its process; folders and virtualenv are gone."""
    text = live.tasks.read_text().replace(
        "    words = [",
        "    print('it goes on')\n    import time; time.sleep(60)\n    words = [",
        1,
    )
    live.tasks.write_text(text)
    wait_until(lambda: "it goes on" in live.log.read_text(), "the task runs")
    children = psutil.Process(live.process.pid).children(recursive=True)
    assert children
    assert told(live.process, number).code == 0
    gone, alive = psutil.wait_procs(children, timeout=5)
    assert not alive
    assert gone
    assert list((live.home / "work").iterdir()) == []
    # What is compiled of the SDK serves the next one, whoever builds it.
    assert not list(live.home.glob("environments/[!.]*"))


def test_save_during_a_run_ends_it(live: Live) -> None:
    """What runs is out of date then, and is not waited for."""
    slow = live.tasks.read_text().replace(
        "    words = [", "    print('slowly')\n    import time; time.sleep(60)\n    words = [", 1
    )
    quick = live.tasks.read_text()
    live.tasks.write_text(slow)
    wait_until(lambda: "slowly" in live.log.read_text(), "the task runs")
    seen = live.log.read_text()
    live.tasks.write_text(quick)
    assert re.search(r"words +integer +4", live.round_after(seen))


def test_what_no_save_puts_right_ends_it(projects: Path, empty: CommandLine) -> None:
    """A folder without a plugin, an unknown task, several tasks without a choice."""
    assert "is not there" in empty("dev", "nothing", code=2).err
    assert "has no pyproject.toml" in empty("dev", ".", code=2).err
    told = empty("dev", projects / "talk", "text=a", code=2).err
    assert "say which: --task lengths|read|talk|words" in told
    told = empty("dev", projects / "talk", "text=a", "--task", "wrods", code=2).err
    assert "did you mean 'words'" in told


@pytest.mark.skipif(bool(missing_here()), reason="this machine cannot isolate tasks")
def test_isolation_is_that_of_a_worker(live: Live) -> None:
    """Of the project only the package can be read; the network follows the declaration."""
    reading = f"    open({str(live.folder / 'pyproject.toml')!r})\n"
    assert "Permission denied" in live.change(
        live.tasks, "    words = [", f"{reading}    words = ["
    )
    asking = "    import socket; socket.socket()\n"
    assert "PermissionError" in live.change(live.tasks, reading, asking)
    allowed = live.change(live.tasks, "@task\n", "@task(network=True)\n")
    assert re.search(r"words +integer +4", allowed)
