"""Idle runners, kept warm for the next step of the same task."""

from __future__ import annotations

import contextlib
import threading
import time
from collections.abc import Iterator, Mapping

import attrs

from taskmgr_core.environments import Environments
from taskmgr_core.models import ModelFiles
from taskmgr_core.runners import Runner, RunnerLauncher
from taskmgr_core.specs import TaskVersion

_Key = tuple[str, str]


@attrs.define
class Lease:
    """A runner for one attempt.

    Attributes:
        runner: nobody else uses it meanwhile.
        models: where the task's weights lie, by name.
        seconds: what it cost to get: ``environment`` and ``start``; empty for a warm one.
    """

    runner: Runner
    models: Mapping[str, str]
    seconds: dict[str, float] = attrs.field(factory=dict)


@attrs.define
class _Warm:
    key: _Key
    runner: Runner
    models: Mapping[str, str]
    hold: contextlib.ExitStack


class RunnerPool:
    """Lends runners, starts the ones that are missing, ends the longest idle.

    Arguments:
        environments: builds the virtualenvs.
        models: finds the weights.
        launcher: starts the processes.
        idle: how many idle runners are kept.
    """

    def __init__(
        self, environments: Environments, models: ModelFiles, launcher: RunnerLauncher, idle: int
    ) -> None:
        self._environments = environments
        self._models = models
        self._launcher = launcher
        self._idle_limit = idle
        self._lock = threading.Lock()
        self._idle: list[_Warm] = []  # the longest idle first
        self._closed = False

    @contextlib.contextmanager
    def lease(self, version: TaskVersion) -> Iterator[Lease]:
        """Lend a runner for one attempt; one that died is not taken back.

        Raises:
            EnvironmentBuildError, ArtifactError, RunnerError: it cannot be had.
        """
        key = (version.release.wheel.digest + version.release.lock.digest, version.name)
        seconds: dict[str, float] = {}
        warm = self._warm(key) or self._started(key, version, seconds)
        try:
            yield Lease(warm.runner, warm.models, seconds)
        except BaseException:
            self._give_back(warm)
            raise
        self._give_back(warm)

    def close(self) -> None:
        """End every idle runner; those that are lent end when they come back."""
        with self._lock:
            self._closed = True
            idle, self._idle = self._idle, []
        for warm in idle:
            _end(warm)

    def _warm(self, key: _Key) -> _Warm | None:
        dead: list[_Warm] = []
        found = None
        with self._lock:
            for warm in reversed([each for each in self._idle if each.key == key]):
                self._idle.remove(warm)
                if warm.runner.alive:
                    found = warm
                    break
                dead.append(warm)
        for warm in dead:
            _end(warm)
        return found

    def _started(self, key: _Key, version: TaskVersion, seconds: dict[str, float]) -> _Warm:
        started = time.perf_counter()
        hold = contextlib.ExitStack()
        try:
            environment = self._environments.ensure(version.release)
            hold.enter_context(environment.hold())
            models = self._models.paths(version.release.models)
            built = time.perf_counter()
            runner = self._launcher.start(environment, version.release.distribution)
        except BaseException:
            hold.close()
            raise
        seconds["environment"] = built - started
        seconds["start"] = time.perf_counter() - built
        return _Warm(key, runner, models, hold)

    def _give_back(self, warm: _Warm) -> None:
        surplus = [] if warm.runner.alive else [warm]
        with self._lock:
            if not surplus:
                self._idle.append(warm)
            limit = 0 if self._closed else self._idle_limit
            while len(self._idle) > limit:
                surplus.append(self._idle.pop(0))
        for each in surplus:
            _end(each)


def _end(warm: _Warm) -> None:
    warm.runner.close()
    warm.hold.close()
