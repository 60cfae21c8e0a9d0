"""``pytest --taskmgr-contract``: each contract finds what breaks it, and nothing else does."""

from __future__ import annotations

import json
from pathlib import Path

import psutil
import pytest
from contract_runs import Checked, check
from plugin_projects import SHOUT, write_plugin

from taskmgr_core.settings import load
from taskmgr_core.testing.contract import names
from taskmgr_core.wiring import Platform

# The first test waits for a run over all broken tasks, on machines that may be busy.
pytestmark = [pytest.mark.timeout(300), pytest.mark.long]

ROOT = Path(__file__).parents[2]
BROKEN = ROOT / "tests" / "projects" / "broken"
SLOW = [pytest.mark.load, pytest.mark.timeout(600)]
VISION = ("face_attributes", "face_detection", "face_detection_haar", "face_features")
PIPELINE = {
    "pipeline": "shouting",
    "inputs": {"text": "string"},
    "steps": [{"id": "001", "task": "shout", "inputs": {"input_001_text": "text"}}],
}


@pytest.fixture(scope="module")
def contract_home(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A home in which nothing is published."""
    return tmp_path_factory.mktemp("contracts")


@pytest.fixture(scope="module")
def tasks(contract_home: Path) -> Checked:
    """The contracts of tasks of which each breaks one."""
    return check(BROKEN / "tasks", contract_home)


def test_whole_task_breaks_no_contract(tasks: Checked) -> None:
    """All that can be checked of a task that does what it says passes."""
    found = {name: tasks.outcomes["whole", name] for name in names.TASK_CONTRACTS}
    assert found == {**dict.fromkeys(names.TASK_CONTRACTS, "passed"), names.FITS: "skipped"}


def test_native_loop_that_ignores_signals_dies_on_cancel(tasks: Checked) -> None:
    """A task in a loop in C that refuses a polite end is gone within a second all the same."""
    assert tasks.outcomes["stubborn", names.CANCEL] == "passed"


def test_task_gets_the_resources_that_are_offered(tasks: Checked) -> None:
    """A task that needs units is tried with those that this machine offers."""
    assert tasks.outcomes["needs_a_licence", names.ANSWERS] == "passed"
    assert tasks.broken("needs_a_licence") == []


@pytest.mark.parametrize(
    ("task", "contract", "seen", "change"),
    [
        ("no_schema", names.SCHEMAS, "input number.minimum: no JSON Schema", "Annotated"),
        ("wrong_model", names.MODELS, "declares 000000", "put the right file into"),
        ("slow_to_load", names.LOADS, "loading took 0.", "load_seconds"),
        ("refuses", names.ANSWERS, "is not the word", 'tests/samples/refuses.json, as {"text"'),
        ("rounds", names.ROUND_TRIP, "measured.value: 2.5 came back as 2.0", "converter"),
        ("dies_of_nothing", names.SURVIVES, "text: empty: ", "before it reaches native code"),
        ("counts", names.SURVIVES, "number: 2147483648: took longer", "Annotated[int"),
        ("changes_its_mind", names.SAME, "a second time: the output result was", "seed"),
        ("orders_a_set", names.SAME, "in a fresh process: the output result[", "sort"),
        ("leaks", names.MEMORY, "still grew by 9", "kept from call to call"),
        ("leaves_a_daemon", names.CANCEL, "these processes ran on: ", "start no daemons"),
    ],
)
def test_broken_contract_of_a_task_is_told(
    tasks: Checked, task: str, contract: str, seen: str, change: str
) -> None:
    """Exactly the contract that a task breaks fails, with what was seen and what to change."""
    assert tasks.broken(task) == [contract]
    told = tasks.told[task, contract]
    assert seen in told.partition("allowed:")[0]
    assert change in told.partition("change:")[2]


def test_what_a_broken_contract_keeps_from_checking_is_skipped(tasks: Checked) -> None:
    """What cannot be checked says which contract it waits for."""
    needs = "needs contract::wrong_model::models-match-their-digests, which failed"
    assert tasks.outcomes["wrong_model", names.MEMORY] == "skipped"
    assert needs in tasks.told["wrong_model", names.MEMORY]


def test_message_has_nothing_of_pytest(tasks: Checked) -> None:
    """A broken contract is told without the traceback of who found it."""
    assert "Traceback" not in tasks.printed
    assert "task_checks.py" not in tasks.printed
    crash = tasks.told["dies_of_nothing", names.SURVIVES]
    assert "taskmgr_broken_tasks/__init__.py" in crash  # the task's own place is told


def test_contracts_leave_nothing_behind(tasks: Checked, contract_home: Path) -> None:
    """No virtualenv, folder or process is left, the daemon of a task included."""
    assert list((contract_home / "work").iterdir()) == []
    assert [each for each in psutil.process_iter() if str(contract_home) in _home_of(each)] == []


def _home_of(process: psutil.Process) -> str:
    try:
        return process.environ().get("HOME", "")
    except (psutil.Error, OSError):
        return ""


@pytest.mark.parametrize(
    ("project", "contract", "seen", "change"),
    [
        ("lock", names.BUILDS, "hash mismatch", "taskmgr publish"),
        ("listing", names.LISTING, "imported taskmgr_broken_listing", "remove the .pth file"),
        ("announcement", names.ANNOUNCES, "entry point 'echo' has no task", "the hook"),
    ],
)
def test_broken_contract_of_a_plugin_is_told(
    contract_home: Path, project: str, contract: str, seen: str, change: str
) -> None:
    """Exactly the contract that a plugin breaks fails, with what was seen and what to change."""
    scope = f"taskmgr-broken-{project}"
    found = check(BROKEN / project, contract_home, "-k", f"{scope} or models")
    assert (found.broken(scope), found.broken("echo")) == ([contract], [])
    told = found.told[scope, contract]
    assert seen in told.partition("allowed:")[0]
    assert change in told.partition("change:")[2]


def test_lock_that_lacks_a_dependency_breaks_a_contract(
    contract_home: Path, tmp_path: Path
) -> None:
    """A virtualenv in which a dependency lacks what it needs is told, though it can be made."""
    folder = write_plugin(tmp_path / "shout")
    lock = (BROKEN / "tasks" / "taskmgr.lock").read_text()
    (folder / "taskmgr.lock").write_text(lock[: lock.index("typing-extensions")])
    found = check(folder, contract_home, "-k", "tiny-plugin")
    assert found.broken("tiny-plugin") == [names.BUILDS]
    assert "typing-extensions" in found.told["tiny-plugin", names.BUILDS]


def test_fault_is_told_by_a_contract_that_meets_it_alone(contract_home: Path) -> None:
    """Where the contract that fails is not among those that run, another one tells of it."""
    found = check(BROKEN / "announcement", contract_home, "-k", "loads")
    assert found.broken("echo") == [names.LOADS]
    assert "entry point 'echo' has no task" in found.told["echo", names.LOADS]


def test_change_names_whom_it_breaks(tmp_path: Path) -> None:
    """What does not fit the published version names the field, the pipeline and the run."""
    folder = write_plugin(tmp_path / "shout")
    platform = Platform(load({}, tmp_path, tmp_path / "home"))
    with platform.client() as client:
        client.publish(folder)
        (tmp_path / "shouting.json").write_text(json.dumps(PIPELINE))
        client.publish_pipeline(tmp_path / "shouting.json")
        run = client.run("shouting", {"text": "hello"}, timeout=60)
    renamed = SHOUT.replace("text", "words")
    write_plugin(folder, version="1.1.0", code=renamed)
    found = check(folder, tmp_path / "home", "-k", names.FITS)
    told = found.told["shout", names.FITS]
    assert found.broken("shout") == [names.FITS]
    assert "input text removed" in told
    assert "the pipeline shouting uses input text in step 001" in told
    assert f"runs used shout 1.0.0: {run.run.id}" in told
    write_plugin(folder, version="2.0.0", code=renamed)
    assert check(folder, tmp_path / "home", "-k", names.FITS).outcomes == {
        ("shout", names.FITS): "passed"
    }


def test_folder_without_a_plugin_is_refused(tmp_path: Path) -> None:
    """Where there is no plugin project, that is said, with how a path is given."""
    found = check(tmp_path, tmp_path)
    assert found.status == 4
    assert f"{tmp_path} is no plugin project" in found.printed


def test_own_tests_run_beside_where_paths_are_given(tmp_path: Path) -> None:
    """With a path the tests there run as well, and the contracts are chosen as they are."""
    folder = write_plugin(tmp_path / "shout")
    (folder / "test_shout.py").write_text("def test_sum():\n    assert 1 + 1 == 2\n")
    options = ("-k", "schemas or test_sum", "--collect-only", "-q")
    found = check(folder, tmp_path, str(folder), *options).printed
    assert "test_sum" in found
    assert [line for line in found.splitlines() if "contract::" in line] == [
        "contract::shout::schemas-are-valid"
    ]


@pytest.mark.parametrize(
    ("plugin", "but"),
    [
        ("text_sentiment", ""),
        ("face_detection", names.MEMORY),  # which takes some seconds: with the others
        *(pytest.param(name, "", marks=SLOW) for name in VISION),
    ],
)
def test_plugins_of_the_repository_keep_every_contract(
    plugin: str, but: str, contract_home: Path
) -> None:
    """What we publish ourselves passes; nothing was published before to compare it with."""
    options = ("-k", f"not {but}") if but else ()
    found = check(ROOT / "plugins" / plugin, contract_home, *options)
    skipped = [key for key, outcome in found.outcomes.items() if outcome != "passed"]
    assert (skipped, found.status) == ([(plugin, names.FITS)], 0)
    assert len(found.outcomes) >= len(names.TASK_CONTRACTS)
