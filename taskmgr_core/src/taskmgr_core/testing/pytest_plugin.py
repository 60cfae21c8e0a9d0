"""The fixtures for tests of tasks that need the platform.

pytest loads this module in every run of whoever has installed the platform: all else is
imported when a fixture is asked for.
"""

from __future__ import annotations

import itertools
import os
import shutil
from collections.abc import Callable, Iterator
from functools import lru_cache
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest

from taskmgr_plugins.testing.pytest_plugin import FAILED, tell

if TYPE_CHECKING:
    from taskmgr_core.orchestrator.validation import Validator
    from taskmgr_core.testing.clock import Clock
    from taskmgr_core.testing.copies import ProjectCopies
    from taskmgr_core.testing.isolated import IsolatedProjects, RunIsolated
    from taskmgr_core.testing.platforms import TemporaryPlatform

MARKER = "taskmgr"
_XDIST_WORKER = "PYTEST_XDIST_WORKER"
_SHARED = "taskmgr-environments"


def pytest_configure(config: pytest.Config) -> None:
    """Make the marker known."""
    config.addinivalue_line(
        "markers",
        f"{MARKER}(**settings): settings of the platform of this test, as retry_delay=300",
    )


@lru_cache(maxsize=1)
def _validator() -> Validator:
    from taskmgr_core.orchestrator.validation import Validator

    return Validator()


@pytest.hookimpl(optionalhook=True)
def pytest_taskmgr_problems(document: Any, schema: dict[str, Any], place: str) -> list[str]:
    """What is wrong with a document by its schema, as a worker would find it."""
    return [str(each) for each in _validator().validate(document, schema, place)]


@pytest.hookimpl(trylast=True)
def pytest_sessionfinish(session: pytest.Session) -> None:
    """Remove the virtualenvs that the processes of xdist have shared."""
    config = session.config
    if config.pluginmanager.has_plugin("dsession"):  # this process runs no tests by itself
        factory: pytest.TempPathFactory = config._tmp_path_factory  # type: ignore[attr-defined]
        shutil.rmtree(factory.getbasetemp() / _SHARED, ignore_errors=True)


@pytest.fixture(scope="session")
def _taskmgr_environments(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Path]:
    """The folder of virtualenvs that all platforms share, those of other processes, too."""
    base, one_of_many = tmp_path_factory.getbasetemp(), _XDIST_WORKER in os.environ
    folder = (base.parent if one_of_many else base) / _SHARED
    folder.mkdir(exist_ok=True)
    yield folder
    if not one_of_many:
        shutil.rmtree(folder, ignore_errors=True)


@pytest.fixture(scope="session")
def _taskmgr_copies(tmp_path_factory: pytest.TempPathFactory) -> Iterator[ProjectCopies]:
    """Copies of the projects that are published, with their locks."""
    from taskmgr_core.testing.copies import ProjectCopies

    folder = tmp_path_factory.mktemp("taskmgr-projects")
    yield ProjectCopies(folder)
    shutil.rmtree(folder, ignore_errors=True)


@pytest.fixture(scope="session")
def _taskmgr_isolated(
    tmp_path_factory: pytest.TempPathFactory,
    _taskmgr_environments: Path,
    _taskmgr_copies: ProjectCopies,
) -> Iterator[IsolatedProjects]:
    """The projects whose tasks run isolated, for all tests of a process."""
    from taskmgr_core.testing.isolated import IsolatedProjects

    homes = tmp_path_factory.mktemp("taskmgr-isolated")
    numbers = itertools.count(1)
    made = IsolatedProjects(
        lambda: homes / str(next(numbers)), _taskmgr_environments, _taskmgr_copies
    )
    yield made
    made.close()
    shutil.rmtree(homes, ignore_errors=True)


@pytest.fixture
def run_isolated(
    request: pytest.FixtureRequest,
    _taskmgr_isolated: IsolatedProjects,
    _taskmgr_folder: Callable[[], Path],
) -> RunIsolated:
    """Runs a task in its own virtualenv and runner: ``run_isolated(task_or_name, **inputs)``."""
    from taskmgr_core.testing.isolated import RunIsolated

    made = RunIsolated(_taskmgr_isolated, request.path.parent, _taskmgr_folder)
    tell(request, lambda: "\n\n".join(each.told() for each in made.calls))
    return made


@pytest.fixture
def clock() -> Iterator[Clock]:
    """The time of the platform: ``clock.advance(hours=1)``."""
    from taskmgr_core.testing.clock import Clock

    made = Clock()
    yield made
    made.restore()


@pytest.fixture
def platform(
    request: pytest.FixtureRequest,
    clock: Clock,
    tmp_path_factory: pytest.TempPathFactory,
    _taskmgr_environments: Path,
    _taskmgr_copies: ProjectCopies,
) -> Iterator[TemporaryPlatform]:
    """A platform of this test's own, with a worker: publish, run, look at runs."""
    from taskmgr_core.testing.platforms import TemporaryPlatform
    from taskmgr_plugins.testing.projects import project_of

    marker = request.node.get_closest_marker(MARKER)
    home = tmp_path_factory.mktemp("taskmgr-home")
    made = TemporaryPlatform(
        home,
        _taskmgr_environments,
        _taskmgr_copies,
        project_of(request.path.parent),
        clock,
        marker.kwargs if marker else {},
    )
    tell(request, made.told)
    yield made
    unmet = made.unmet
    made.close()
    if not request.node.stash.get(FAILED, True):
        shutil.rmtree(home, ignore_errors=True)
        if unmet:
            pytest.fail(f"no step has met the fault {', '.join(unmet)}", pytrace=False)


@pytest.fixture
def fail_next(platform: TemporaryPlatform) -> Callable[..., None]:
    """Has the next execution of a task meet a fault: ``fail_next(task, fault)``."""
    return platform.fail_next


@pytest.fixture
def assert_lineage() -> Callable[..., None]:
    """Checks where a value came from: ``assert_lineage(run, port, came_from=...)``."""
    from taskmgr_core.testing.runs import assert_lineage

    return assert_lineage
