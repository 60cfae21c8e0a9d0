"""The page on fixtures has each of them, with the signature that it has in the sources."""

from __future__ import annotations

import inspect
import re
from collections.abc import Callable, Iterator
from types import ModuleType
from typing import Any, get_args

import pytest
from doc_pages import DOCS, blocks
from doc_tables import code, rows

import taskmgr_core.testing as core_testing
import taskmgr_plugins.testing as sdk_testing
from taskmgr_core.testing import pytest_plugin as core_plugin
from taskmgr_core.testing.clock import Clock
from taskmgr_core.testing.faults import Fault
from taskmgr_core.testing.isolated import RunIsolated
from taskmgr_core.testing.platforms import TemporaryPlatform
from taskmgr_core.testing.runs import TestRun, assert_lineage
from taskmgr_core.testing.wired import QUICK
from taskmgr_plugins.testing import MakeArtifact, RunTask, SampleImage, assert_outputs
from taskmgr_plugins.testing import pytest_plugin as sdk_plugin

PAGE = DOCS / "reference" / "testing.md"

CALLS: dict[str, Callable[..., Any]] = {
    "run_task": RunTask.__call__,
    "run_isolated": RunIsolated.__call__,
    "sample_image": SampleImage.__call__,
    "artifact": MakeArtifact.__call__,
    "assert_outputs": assert_outputs,
    "assert_lineage": assert_lineage,
    "fail_next": TemporaryPlatform.fail_next,
}


def _fixtures(module: ModuleType) -> list[str]:
    return [
        name
        for name, each in vars(module).items()
        if type(each).__name__ == "FixtureFunctionDefinition" and not name.startswith("_")
    ]


def _signature(name: str, function: Callable[..., Any]) -> str:
    """A signature as a reader of the sources sees it, on one line."""
    shown = str(inspect.signature(function)).replace("'", "")
    shown = re.sub(r"<(?:\w+\.)*(\w+)[^>]*>", r"\1", shown)
    return name + shown.replace("(self, ", "(").replace("(self)", "()")


def _methods(owner: type) -> Iterator[tuple[str, Callable[..., Any]]]:
    for name, each in vars(owner).items():
        if inspect.isfunction(each) and not name.startswith("_"):
            yield name, each


def _flat(text: str) -> str:
    """A signature on one line, however it is broken on the page."""
    one_line = re.sub(r"\s+", " ", text).replace("( ", "(").replace('"', "")
    return re.sub(r",? \)", ")", one_line).strip()


def _shown() -> set[str]:
    """Every signature of the page."""
    found: set[str] = set()
    for block in blocks(PAGE):
        if "not run" in block.directives:
            pieces = re.split(r"^(?=[a-z])", block.text, flags=re.MULTILINE)
            found |= {_flat(each) for each in pieces if each.strip()}
    return found


def _wanted() -> set[str]:
    own = {"tell", "forget", "restore", "close", "told", "fail_next"}  # not for authors
    methods = [
        *(("platform", each) for each in _methods(TemporaryPlatform)),
        *(("clock", each) for each in _methods(Clock)),
        *(("run", each) for each in _methods(TestRun)),
    ]
    return {
        *(_signature(name, function) for name, function in CALLS.items()),
        *(
            _signature(f"{owner}.{name}", function)
            for owner, (name, function) in methods
            if name not in own or (owner, name) == ("run", "told")
        ),
    }


def test_signatures_are_those_of_the_sources() -> None:
    """The page has the signature of each fixture and method, and no other."""
    assert _shown() == {_flat(each) for each in _wanted()}


@pytest.mark.parametrize("module", [sdk_plugin, core_plugin], ids=["sdk", "platform"])
def test_fixture_is_documented(module: ModuleType) -> None:
    """Each fixture has a heading of its own, and a row in the table with what it says."""
    text = PAGE.read_text()
    shown = {code(row[0]) for row in rows(PAGE, "Fixtures")}
    for name in _fixtures(module):
        assert f"\n## `{name}`\n" in text
        assert name in shown


def test_page_has_no_other_fixture() -> None:
    """The table has nothing that is not there."""
    shown = {code(row[0]) for row in rows(PAGE, "Fixtures")}
    assert shown == {*_fixtures(sdk_plugin), *_fixtures(core_plugin)}


def test_faults_are_documented() -> None:
    """The table has each fault."""
    assert [code(row[0]) for row in rows(PAGE, "`fail_next`")] == list(get_args(Fault))


def test_attributes_of_a_run_are_documented() -> None:
    """The table has each property of a run."""
    properties = [name for name, each in vars(TestRun).items() if isinstance(each, property)]
    assert [code(row[0]) for row in rows(PAGE, "Runs")] == properties


def test_settings_for_tests_are_documented() -> None:
    """The table has the settings that a platform for tests has of its own."""
    shown = {code(row[0]): float(code(row[1])) for row in rows(PAGE, "Settings")}
    assert shown == {name: float(value) for name, value in QUICK.items()}


@pytest.mark.parametrize("module", [sdk_testing, core_testing], ids=["sdk", "platform"])
def test_names_to_import_are_documented(module: Any) -> None:
    """Whatever can be imported for annotations stands on the page."""
    text = PAGE.read_text()
    assert [name for name in module.__all__ if f"`{name}`" not in text] == []
