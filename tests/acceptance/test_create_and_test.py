"""`taskmgr create` and `taskmgr test`: the way of a plugin's author."""

from __future__ import annotations

import json
import shlex
import subprocess
import sys
from pathlib import Path

import pytest
from command_line import CommandLine

pytestmark = pytest.mark.long

RESULTS: dict[str, dict[str, object]] = {
    "simple": {"words": 4, "longest": "not"},
    "ml": {"label": "question"},
    "pipeline": {},
}


@pytest.fixture(scope="session")
def type_cache(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """What mypy remembers from one project to the next."""
    return tmp_path_factory.mktemp("mypy")


def checked(folder: Path, *words: str) -> None:
    """Run a tool of this Python in a project."""
    done = subprocess.run(
        [sys.executable, "-m", *words], cwd=folder, capture_output=True, text=True, check=False
    )
    assert done.returncode == 0, f"{' '.join(words)}\n{done.stdout}{done.stderr}"


@pytest.mark.timeout(300)  # mypy takes most of it, and the first of them begins with no cache
@pytest.mark.parametrize("template", RESULTS)
def test_created_project_works_as_it_is(
    empty: CommandLine, template: str, type_cache: Path
) -> None:
    """It passes its own tests, ruff and mypy --strict, can be published, and runs."""
    empty("create", "mine", "--template", template, "--author", "Ada Lovelace")
    folder = empty.folder / "mine"
    checked(folder, "pytest", "-q", "-p", "no:cacheprovider", "-W", "error")
    checked(folder, "ruff", "check", "--no-cache")
    checked(folder, "ruff", "format", "--check", "--no-cache")
    checked(folder, "mypy", "src", "tests", "--cache-dir", str(type_cache))
    readme = (folder / "README.md").read_text()
    commands = [line for line in readme.splitlines() if line.startswith("taskmgr ")]
    inside = empty.at(folder)
    for command in commands:
        inside(*shlex.split(command, comments=True)[1:])
    (run,) = inside.json("runs")["runs"]
    found = inside.json("show", run["run_id"])["result"]
    assert RESULTS[template].items() <= found.items()


@pytest.mark.parametrize(
    ("template", "name"),
    [("simple", "hookimpl"), ("ml", "sequence"), ("ml", "path")],
)
def test_name_hides_nothing_in_its_template(empty: CommandLine, template: str, name: str) -> None:
    """A task that is called as something that its project imports passes its own tests."""
    empty("create", name, "--template", template, "--author", "Ada Lovelace")
    checked(empty.folder / name, "pytest", "-q", "-p", "no:cacheprovider", "-W", "error")


def test_taken_name_is_refused(taskmgr: CommandLine) -> None:
    """The name of a published task or pipeline, and an existing folder, are refused."""
    assert "is the name of a published task" in taskmgr("create", "words", code=2).err
    (taskmgr.folder / "mine").mkdir()
    told = taskmgr("create", "mine", "--author", "Ada", code=2).err
    assert "is there already" in told


def test_test_records_nothing(taskmgr: CommandLine) -> None:
    """A published task runs once in its runner: outputs, types, time and its lines; no run."""
    runs, stored = taskmgr.json("runs"), stored_files(taskmgr.home)
    work = set((taskmgr.home / "work").glob("*"))  # of workers that go on
    (taskmgr.folder / "note.txt").write_text("never stored before")
    tried = taskmgr.json("test", "read", "file=note.txt")
    assert tried["outputs"] == {"result": "never stored before"}
    assert tried["types"] == {"result": "string"}
    assert tried["seconds"]["compute"] > 0
    assert taskmgr.json("runs") == runs
    assert stored_files(taskmgr.home) == stored
    assert set((taskmgr.home / "work").iterdir()) <= work


def test_test_of_a_folder_publishes_nothing(projects: Path, empty: CommandLine) -> None:
    """A plugin that is given by its path is built and run as it is, without being published."""
    words = ["--task", "words", "text=one two three"]
    assert empty.json("test", projects / "talk", *words)["outputs"]["count"] == 3
    assert empty.json("list")["tasks"] == []
    told = empty("test", projects / "talk", "text=a", code=2).err
    assert "say which: --task lengths|read|talk|words" in told


def test_test_prints_what_the_task_writes(taskmgr: CommandLine) -> None:
    """Its lines are told on stderr, its outputs on stdout."""
    done = taskmgr("test", "add", "left=1", "right=2")
    assert "adding 1 and 2" in done.err
    assert "result  integer  3" in done.out


@pytest.mark.parametrize(
    ("words", "code", "message"),
    [
        (["fail", "text=that"], 1, "ValueError: cannot do that"),
        (["crash", "how=segfault"], 1, "SIGSEGV"),
        (["dawdle", "seconds=60"], 1, "longer than its timeout"),
        (["fail"], 2, "text: is missing"),
        (["nothing"], 2, "no task 'nothing'"),
        (["./nothing"], 2, "is not there"),
    ],
)
def test_test_that_fails_says_why(
    taskmgr: CommandLine, words: list[str], code: int, message: str
) -> None:
    """A failing task has exit code 1 and its own traceback, a wrong input exit code 2."""
    assert message in taskmgr("test", *words, code=code).err


def test_failed_test_has_its_reason_as_json(taskmgr: CommandLine) -> None:
    """The JSON of a failed trial has the error and the lines."""
    tried = json.loads(taskmgr("test", "fail", "text=that", "--json", code=1).out)
    assert (tried["status"], tried["error"]["code"]) == ("failed", "task-error")


def case(folder: Path, **files: object) -> Path:
    """A case's folder with its files."""
    folder.mkdir(parents=True)
    for name, document in files.items():
        (folder / f"{name}.json").write_text(json.dumps(document))
    return folder


def test_cases_are_run_and_compared(taskmgr: CommandLine) -> None:
    """Each passes or fails for itself; differences are told by their place, and the exit code."""
    cases = taskmgr.folder / "cases"
    case(cases / "right", input={"left": 1, "right": 2}, expected={"result": 3})
    case(cases / "wrong", input={"left": 1, "right": 2}, expected={"result": 4})
    case(cases / "unfit", input={"right": 1})
    case(cases / "must-not", input={"left": 1, "right": "b"}, failure={"code": "invalid-input"})
    found = json.loads(taskmgr("test", "add", "cases", "--json", code=1).out)
    assert (found["passed"], found["failed"]) == (2, 2)
    assert {each["case"]: each["passed"] for each in found["cases"]} == {
        "must-not": True,
        "right": True,
        "unfit": False,
        "wrong": False,
    }
    told = taskmgr("test", "add", "cases", code=1).out
    assert "result: expected 4, got 3" in told
    assert "left: is missing" in told
    assert "2 cases passed, 2 failed" in told
    assert "1 case passed" in taskmgr("test", "add", "cases/right").out


def test_files_of_a_case_lie_beside_it(taskmgr: CommandLine) -> None:
    """Paths in a case start from its folder, those of files that are expected, too."""
    folder = taskmgr.folder
    (folder / "note.txt").write_text("something")
    case(folder / "cases" / "read", input={"file": "../../note.txt"}, expected={"result": "none"})
    told = taskmgr("test", "read", "cases", code=1).out
    assert 'result: expected "none", got "something"' in told
    case(folder / "written", input={"text": "something"}, expected={"result": "../note.txt"})
    taskmgr("test", "write", "written")
    (folder / "note.txt").write_text("other")
    told = taskmgr("test", "write", "written", code=1).out
    assert "expected what is in note.txt, got note.txt of 9 bytes with other content" in told


def test_failure_is_expected_or_told(taskmgr: CommandLine) -> None:
    """A case may ask for a failure; another one, and none, is a difference."""
    asked = {"code": "task-error", "message": "cannot do"}
    case(taskmgr.folder / "cases" / "fails", input={"text": "that"}, failure=asked)
    taskmgr("test", "fail", "cases")
    case(taskmgr.folder / "cases" / "should", input={"text": "that"}, expected={"result": 1})
    told = taskmgr("test", "fail", "cases", code=1).out
    assert "task-error: cannot do that" in told
    assert "in fail" in told
    case(taskmgr.folder / "none", input={"text": "a"}, failure=asked)
    assert "the task succeeded" in taskmgr("test", "words", "none", code=1).out


@pytest.mark.parametrize("word", ["note.txt", '"one two"', "input.json", '{"text": "one two"}'])
def test_only_input_needs_no_name(taskmgr: CommandLine, word: str) -> None:
    """A file with its text, its JSON, or all inputs as JSON or in a file."""
    (taskmgr.folder / "note.txt").write_text("one two")
    (taskmgr.folder / "input.json").write_text('{"text": "one two"}')
    assert taskmgr.json("test", "words", word)["outputs"]["count"] == 2


def test_cases_are_given_alone(taskmgr: CommandLine) -> None:
    """Inputs beside a folder of cases are refused; so is a folder without any."""
    (taskmgr.folder / "cases").mkdir()
    assert "give it alone" in taskmgr("test", "words", "cases", "text=a", code=2).err
    assert "has no cases" in taskmgr("test", "words", "cases", code=2).err


def stored_files(home: Path) -> set[Path]:
    """Every artifact of a home."""
    return set((home / "artifacts").rglob("*"))
