"""The contracts as items of pytest, and how one that does not hold is told."""

from __future__ import annotations

import os
from collections.abc import Callable, Iterator, Mapping
from pathlib import Path
from types import MappingProxyType
from typing import Any

import pytest
from _pytest._code.code import ReprFileLocation, TerminalRepr
from _pytest._io import TerminalWriter
from _pytest.outcomes import Skipped

from taskmgr_core.errors import TaskmgrError
from taskmgr_core.settings import load
from taskmgr_core.testing.contract import endurance, names, plugin_checks, published, task_checks
from taskmgr_core.testing.contract.broken import ContractBrokenError, NotClaimedError
from taskmgr_core.testing.contract.project import Project, find_project, read_project
from taskmgr_core.testing.contract.stage import Stage
from taskmgr_core.testing.contract.stand import Stand
from taskmgr_core.wiring import Platform

ROOT = "contract"

PLUGIN_CHECKS: Mapping[str, Callable[[Stage], None]] = MappingProxyType(
    {
        names.BUILDS: plugin_checks.builds,
        names.LISTING: plugin_checks.listing,
        names.ANNOUNCES: plugin_checks.announces,
    }
)
TASK_CHECKS: Mapping[str, Callable[[Stand], None]] = MappingProxyType(
    {
        names.SCHEMAS: task_checks.schemas,
        names.FITS: published.fits,
        names.MODELS: task_checks.models,
        names.LOADS: task_checks.loads,
        names.ANSWERS: task_checks.answers,
        names.ROUND_TRIP: task_checks.round_trip,
        names.SURVIVES: task_checks.survives,
        names.SAME: task_checks.same,
        names.MEMORY: endurance.memory,
        names.CANCEL: endurance.cancel,
    }
)


class Contracts:
    """The contracts of one project, checked on one virtualenv and one warm runner for each task.

    Arguments:
        project: the plugin's.
        working: the folder from which the settings are looked for.
    """

    def __init__(self, project: Project, working: Path) -> None:
        self.project, self._working = project, working
        self._stage: Stage | None = None
        self._stand: Stand | None = None

    @classmethod
    def find(cls, given: str, working: Path) -> Contracts:
        """The contracts of a project.

        Arguments:
            given: its path; empty for the one that the working folder is in.
            working: the working folder.

        Raises:
            pytest.UsageError: there is none, or it claims what cannot be.
        """
        begin = (working / given).absolute()
        folder = find_project(begin)
        if folder is None or (given and folder != begin):
            hint = "; after the option write = and the path, or put the option last"
            raise pytest.UsageError(
                f"--taskmgr-contract: {begin} is no plugin project, whose pyproject.toml announces "
                f'tasks in [project.entry-points."taskmgr.plugins"]{hint if given else ""}'
            )
        try:
            return cls(read_project(folder), working)
        except TaskmgrError as error:
            raise pytest.UsageError(f"--taskmgr-contract: {error}") from error

    @property
    def stage(self) -> Stage:
        """The plugin, installed."""
        if self._stage is None:
            self._stage = Stage(Platform(load(os.environ, self._working)), self.project)
        return self._stage

    def stand(self, task: str) -> Stand:
        """Where a task is tried; the one before is left."""
        if self._stand is None or self._stand.task != task:
            if self._stand is not None:
                self._stand.close()
            self._stand = Stand(self.stage, task)
        return self._stand

    def close(self) -> None:
        """Remove everything."""
        if self._stand is not None:
            self._stand.close()
        if self._stage is not None:
            self._stage.close()
            self._stage.platform.metadata.close()

    def items(self, session: pytest.Session) -> Iterator[pytest.Item]:
        """An item for each contract of the plugin, and of each task."""
        config = session.config
        working, root = config.invocation_params.dir, config.rootpath
        # So that pytest, which tells paths from the working folder, says contract::...
        inside = working != root and working.is_relative_to(root)
        prefix = f"{working.relative_to(root).as_posix()}/" if inside else ""
        found = Root.from_parent(session, name=ROOT, nodeid=f"{prefix}{ROOT}", contracts=self)
        made = session.genitems(found)
        return (each for each in made if isinstance(each, pytest.Item))


class Root(pytest.Collector):
    """What the ids of all contracts begin with.

    Arguments:
        contracts: those of the project.
    """

    def __init__(self, *, contracts: Contracts, **more: Any) -> None:
        super().__init__(**more)
        self._contracts = contracts

    def collect(self) -> Iterator[pytest.Collector]:
        """A group for the plugin, and one for each task."""
        project = self._contracts.project
        scopes: list[tuple[str, str | None]] = [(project.source.distribution, None)]
        scopes += [(task, task) for task in project.tasks]
        for scope, task in scopes:
            yield Group.from_parent(self, name=scope, contracts=self._contracts, task=task)


class Group(pytest.Collector):
    """The contracts of the plugin, or of one task.

    Arguments:
        contracts: those of the project.
        task: the task's name; None for the plugin.
    """

    def __init__(self, *, contracts: Contracts, task: str | None, **more: Any) -> None:
        super().__init__(**more)
        self._contracts, self._task = contracts, task

    def collect(self) -> Iterator[pytest.Item]:
        """An item for each contract."""
        known = names.PLUGIN_CONTRACTS if self._task is None else names.TASK_CONTRACTS
        more = {"contracts": self._contracts, "task": self._task}
        for name in known:
            yield ContractItem.from_parent(self, name=name, **more)


class ContractItem(pytest.Item):
    """One contract of a plugin, or of a task.

    Arguments:
        contracts: those of the project.
        task: the task's name; None where it is one of the plugin.
    """

    def __init__(self, *, contracts: Contracts, task: str | None, **more: Any) -> None:
        super().__init__(**more)
        self._contracts, self._task = contracts, task

    def runtest(self) -> None:
        """Check it."""
        try:
            self._check()
        except NotClaimedError as error:
            raise _skipped(str(error)) from error
        except ContractBrokenError as error:
            other = self._item_of(error.contract)
            if other is not None and not self.nodeid.endswith(other):
                raise _skipped(f"needs {other}, which failed") from error
            raise

    def reportinfo(self) -> tuple[os.PathLike[str], int, str]:
        """Where it stands: in no file, but under the name of all contracts."""
        return self.config.invocation_params.dir / ROOT, 0, self.nodeid

    def repr_failure(
        self, excinfo: pytest.ExceptionInfo[BaseException], *_: Any, **__: Any
    ) -> str | TerminalRepr:
        """What was seen, what is allowed and what to change; a traceback for a bug only."""
        error = excinfo.value
        if isinstance(error, ContractBrokenError):
            return Told(self.nodeid, error.lines(), error.seen)
        if isinstance(error, TaskmgrError):
            return Told(self.nodeid, str(error).splitlines(), str(error))
        return super().repr_failure(excinfo)

    def _check(self) -> None:
        if self._task is None:
            PLUGIN_CHECKS[self.name](self._contracts.stage)
        else:
            TASK_CHECKS[self.name](self._contracts.stand(self._task))

    def _item_of(self, contract: str) -> str | None:
        """The id of a contract's item, if it is among those that run."""
        scope = self._contracts.project.source.distribution
        if contract not in names.PLUGIN_CONTRACTS:
            scope = self._task or ""
        wanted = f"{ROOT}::{scope}::{contract}"
        there = any(each.nodeid.endswith(wanted) for each in self.session.items)
        return wanted if there else None


def _skipped(reason: str) -> Skipped:
    return Skipped(reason, _use_item_location=True)


class Told(TerminalRepr):
    """A contract that does not hold, as it is shown.

    Arguments:
        name: the item's id.
        lines: what is shown.
        short: the beginning of what stands in the summary.
    """

    def __init__(self, name: str, lines: list[str], short: str) -> None:
        self.lines = lines
        self.reprcrash = ReprFileLocation(name, 0, short.splitlines()[0] if short else "")

    def __str__(self) -> str:
        return "\n".join(self.lines)

    def toterminal(self, tw: TerminalWriter) -> None:
        """Write it."""
        for line in self.lines:
            tw.line(line)
