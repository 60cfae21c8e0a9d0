"""The fixtures for tests of tasks that need nothing but the SDK.

pytest loads this module in every run of whoever has installed the SDK: all else is imported
when a fixture is asked for.
"""

from __future__ import annotations

import shutil
from collections.abc import Callable, Generator, Iterator
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest

from taskmgr_plugins.testing import hooks

if TYPE_CHECKING:
    from taskmgr_plugins.testing.artifacts import MakeArtifact
    from taskmgr_plugins.testing.calling import LoadedTasks, RunTask
    from taskmgr_plugins.testing.samples import SampleImage

# What a failed test shows; each says it when it is asked. The platform's part adds to them.
TOLD: pytest.StashKey[list[Callable[[], str]]] = pytest.StashKey()
FAILED: pytest.StashKey[bool] = pytest.StashKey()


def pytest_addhooks(pluginmanager: pytest.PytestPluginManager) -> None:
    """Let the platform's part check what the SDK cannot."""
    pluginmanager.add_hookspecs(hooks)


@pytest.hookimpl(wrapper=True)
def pytest_runtest_makereport(
    item: pytest.Item, call: pytest.CallInfo[None]
) -> Generator[None, pytest.TestReport, pytest.TestReport]:
    """Show the calls of tasks in the report of a test that failed."""
    report = yield
    if call.when == "call":
        item.stash[FAILED] = report.failed
        told = [_said(each) for each in item.stash.get(TOLD, [])] if report.failed else []
        if any(told):
            report.sections.append(("tasks of this test", "\n\n".join(filter(None, told))))
    return report


def _said(say: Callable[[], str]) -> str:
    """What is said of a test that failed; its own failure must not be lost over it."""
    try:
        return say()
    except Exception as error:  # noqa: BLE001 - whatever it was
        return f"{type(error).__name__}: {error}"


def tell(request: pytest.FixtureRequest, say: Callable[[], str]) -> None:
    """Have something said in the report of a test if it fails."""
    request.node.stash.setdefault(TOLD, []).append(say)


@pytest.fixture(scope="session")
def _taskmgr_loaded() -> Iterator[LoadedTasks]:
    """What is loaded, kept for all tests of a process."""
    from taskmgr_plugins.testing.calling import LoadedTasks

    loaded = LoadedTasks()
    yield loaded
    loaded.close()


@pytest.fixture
def _taskmgr_folder(
    request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory
) -> Iterator[Callable[[], Path]]:
    """Makes folders; those of a test that failed stay as long as pytest keeps its own."""
    made: list[Path] = []

    def make() -> Path:
        if not made:
            made.append(tmp_path_factory.mktemp("taskmgr"))
        folder = made[0] / str(len(made))
        folder.mkdir()
        made.append(folder)
        return folder

    yield make
    if made and not request.node.stash.get(FAILED, True):
        shutil.rmtree(made[0], ignore_errors=True)


@pytest.fixture
def run_task(
    request: pytest.FixtureRequest,
    _taskmgr_loaded: LoadedTasks,
    _taskmgr_folder: Callable[[], Path],
) -> RunTask:
    """Runs a task in this process as a runner would: ``run_task(task_or_name, **inputs)``."""
    from taskmgr_plugins.testing.calling import RunTask

    def problems(document: Any, schema: dict[str, Any], place: str) -> list[str]:
        hook = request.config.hook.pytest_taskmgr_problems
        return hook(document=document, schema=schema, place=place) or []

    made = RunTask(_taskmgr_loaded, request.path.parent, _taskmgr_folder, problems)
    tell(request, lambda: "\n\n".join(each.told() for each in made.calls))
    return made


@pytest.fixture
def sample_image(_taskmgr_folder: Callable[[], Path]) -> SampleImage:
    """Makes pictures: ``sample_image(width, height, format=..., mode=..., seed=...)``."""
    from taskmgr_plugins.testing.samples import SampleImage

    return SampleImage(_taskmgr_folder)


@pytest.fixture
def artifact(_taskmgr_folder: Callable[[], Path]) -> MakeArtifact:
    """Makes files for inputs: ``artifact(content, name)``."""
    from taskmgr_plugins.testing.artifacts import MakeArtifact

    return MakeArtifact(_taskmgr_folder)


@pytest.fixture
def assert_outputs() -> Callable[..., None]:
    """Compares outputs: ``assert_outputs(result, expected, tolerance=..., relative=...)``."""
    from taskmgr_plugins.testing.comparing import assert_outputs

    return assert_outputs
