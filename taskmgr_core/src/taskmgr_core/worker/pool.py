"""Idle runners, kept warm for the next step of the same task."""

from __future__ import annotations

import contextlib
import threading
import time
from collections.abc import Callable, Mapping
from pathlib import Path
from types import MappingProxyType
from typing import Self

import attrs

from taskmgr_core.environments import Environment, Environments
from taskmgr_core.errors import RunnerError, RunnerProtocolError
from taskmgr_core.models import ModelFiles
from taskmgr_core.output import Output
from taskmgr_core.runners import Limits, Needs, Runner, RunnerLauncher
from taskmgr_core.specs import Release, TaskSpec, TaskVersion
from taskmgr_core.uv import never

IDLE_SECONDS = 900.0
LOOK_SECONDS = 1.0

_NOT_FOR_WANT_OF_FILES = frozenset({"cancelled", "disk-full", "memory", "timeout"})
_Units = Mapping[str, tuple[int, ...]]
NO_UNITS: _Units = MappingProxyType({})


@attrs.frozen
class _Key:
    """What makes two runners the same: made from, task, and the units they see."""

    made_from: str
    task: str
    units: tuple[tuple[str, tuple[int, ...]], ...]


@attrs.define(eq=False)
class _Warm:
    key: _Key
    environment: Environment
    runner: Runner
    models: Mapping[str, str]
    hold: contextlib.ExitStack
    loaded: bool = False
    idle_since: float = 0.0


@attrs.frozen
class Lease:
    """A runner for one attempt, which nobody else uses meanwhile; to be entered once.

    Attributes:
        seconds: what it cost to get: ``environment``, ``start`` and ``load``; empty for
            a warm one.
    """

    _warm: _Warm
    seconds: dict[str, float]
    _renew: Callable[[_Warm], bool]
    _give_back: Callable[[_Warm], None]

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self._give_back(self._warm)

    @property
    def runner(self) -> Runner:
        """The runner."""
        return self._warm.runner

    @property
    def models(self) -> Mapping[str, str]:
        """Where the task's weights lie, by name."""
        return self._warm.models

    def load(
        self, task: TaskSpec, memory_mb: int | None, cancelled: Callable[[], bool], output: Output
    ) -> None:
        """Get the task ready where it is not; its timeout is for its calls alone.

        Arguments:
            task: as it was published.
            memory_mb: its limit of memory.
            cancelled: asked a few times a second; true ends it.
            output: takes what the task writes.

        Raises:
            RunnerError: it cannot be loaded.
        """
        if self._warm.loaded:
            return
        limits = Limits.of_loading(task.load_timeout, memory_mb, cancelled)
        frame = {"kind": "load", "task": task.name, "models": dict(self.models)}
        try:
            answer = self.runner.request(frame, limits=limits, output=output)
        except RunnerError as error:
            if error.code in _NOT_FOR_WANT_OF_FILES or not self._renew(self._warm):
                raise
            answer = self.runner.request(frame, limits=limits, output=output)
        self._warm.loaded = True
        self.seconds.update(answer["seconds"])


class RunnerPool:
    """Lends runners, starts the ones that are missing, ends the longest idle.

    Arguments:
        environments: builds the virtualenvs.
        models: finds the weights.
        launcher: starts the processes.
        idle: how many idle runners are kept.
        idle_seconds: how long each is kept.
    """

    def __init__(
        self,
        environments: Environments,
        models: ModelFiles,
        launcher: RunnerLauncher,
        idle: int,
        idle_seconds: float = IDLE_SECONDS,
    ) -> None:
        self._environments = environments
        self._models = models
        self._launcher = launcher
        self._idle_limit = idle
        self._idle_seconds = idle_seconds
        self._lock = threading.Lock()
        self._idle: list[_Warm] = []  # the longest idle first
        self._closed = threading.Event()
        self._keeper: threading.Thread | None = None

    def lease(
        self,
        version: TaskVersion,
        cancelled: Callable[[], bool] = never,
        units: _Units = NO_UNITS,
    ) -> Lease:
        """Lend a runner for one attempt, until that is left; one that died is not taken back.

        Arguments:
            version: the task.
            cancelled: asked some times a second; true ends building its virtualenv.
            units: those that are held for it, which it alone sees.

        Raises:
            EnvironmentBuildError, ArtifactError, RunnerError: it cannot be had.
        """
        key = _Key(made_from(version.release), version.name, tuple(sorted(units.items())))
        seconds: dict[str, float] = {}
        warm = self._warm(key) or self._started(key, version, seconds, cancelled)

        def renew(damaged: _Warm) -> bool:
            return self._renewed(damaged, version, seconds, cancelled)

        return Lease(warm, seconds, renew, self._give_back)

    def close(self) -> None:
        """End every idle runner; those that are lent end when they come back."""
        with self._lock:
            self._closed.set()
            idle, self._idle = self._idle, []
            keeper, self._keeper = self._keeper, None
        if keeper is not None:
            keeper.join()
        for warm in idle:
            _end(warm)

    def keep(self, most: int) -> None:
        """End the longest idle runners beyond so many."""
        with self._lock:
            surplus = self._idle[: max(len(self._idle) - most, 0)]
            self._idle = self._idle[len(surplus) :]
        for each in surplus:
            _end(each)

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

    def _renewed(
        self,
        warm: _Warm,
        version: TaskVersion,
        seconds: dict[str, float],
        cancelled: Callable[[], bool],
    ) -> bool:
        """Rebuild the virtualenv and start a runner anew, if it is files that are lost."""
        if self._environments.verify(warm.environment):
            return False
        _end(warm)
        self._environments.put_away(warm.environment, cancelled)
        fresh = self._started(warm.key, version, seconds, cancelled)
        warm.environment, warm.runner, warm.hold = fresh.environment, fresh.runner, fresh.hold
        return True

    def _started(
        self,
        key: _Key,
        version: TaskVersion,
        seconds: dict[str, float],
        cancelled: Callable[[], bool],
    ) -> _Warm:
        """Start a runner; where none comes up for want of files, the virtualenv is rebuilt once."""
        started = time.perf_counter()
        environment = self._environments.ensure(version.release, cancelled=cancelled)
        try:
            return self._started_in(environment, key, version, seconds, started)
        except RunnerProtocolError:
            raise
        except RunnerError:
            if self._environments.verify(environment):
                raise
            self._environments.put_away(environment, cancelled)
        environment = self._environments.ensure(version.release, cancelled=cancelled)
        return self._started_in(environment, key, version, seconds, started)

    def _started_in(
        self,
        environment: Environment,
        key: _Key,
        version: TaskVersion,
        seconds: dict[str, float],
        started: float,
    ) -> _Warm:
        hold = contextlib.ExitStack()
        try:
            hold.enter_context(environment.hold())
            hold.enter_context(self._models.hold(version.release.models))
            models = self._models.paths(version.release.models)
            built = time.perf_counter()
            runner = self._launcher.start(
                environment, version.release.distribution, dict(key.units), _needs(version, models)
            )
        except BaseException:
            hold.close()
            raise
        seconds["environment"] = built - started
        seconds["start"] = time.perf_counter() - built
        return _Warm(key, environment, runner, models, hold)

    def _give_back(self, warm: _Warm) -> None:
        # Whether it has died meanwhile is asked when it is needed again.
        surplus = [warm] if warm.runner.closed else []
        warm.idle_since = time.monotonic()
        with self._lock:
            if not surplus:
                self._idle.append(warm)
            limit = 0 if self._closed.is_set() else self._idle_limit
            while len(self._idle) > limit:
                surplus.append(self._idle.pop(0))
            if self._idle and self._keeper is None:
                self._keeper = threading.Thread(target=self._keep, name="runners", daemon=True)
                self._keeper.start()
        for each in surplus:
            _end(each)

    def _keep(self) -> None:
        """End idle runners that died, and those that nobody has needed for long."""
        while not self._closed.wait(min(LOOK_SECONDS, self._idle_seconds)):
            oldest = time.monotonic() - self._idle_seconds
            with self._lock:
                wanted = [
                    each for each in self._idle if each.idle_since > oldest and each.runner.alive
                ]
                ended = [each for each in self._idle if each not in wanted]
                self._idle = wanted
            for each in ended:
                _end(each)


def _needs(version: TaskVersion, models: Mapping[str, str]) -> Needs:
    """The network as the task declares it, and the weights of its plugin."""
    return Needs(version.task.network, tuple(Path(each).parent for each in models.values()))


def made_from(release: Release) -> str:
    """What a runner is made from: with another SDK or Python, too, it is another one."""
    files = (release.wheel, release.lock, release.sdk)
    return " ".join([release.python, *(each.digest for each in files)])


def _end(warm: _Warm) -> None:
    warm.runner.close()
    warm.hold.close()
