"""Which published versions this machine can run: by its platform and its Pythons."""

from __future__ import annotations

import contextlib
import logging
import threading
import time
from collections.abc import Callable, Iterator

import attrs

from taskmgr_core.errors import EnvironmentBuildError, NotFoundError
from taskmgr_core.specs import Release, TaskVersion
from taskmgr_core.stores.metadata import MetadataStore

KEEP_SECONDS = 30.0

_LOGGER = logging.getLogger(__name__)


@attrs.define
class Coverage:
    """Says of a version whether it can be run here, before a step of it is taken.

    What was found out is believed for a while: a Python may be installed meanwhile, and a
    version published again with another one. Safe to use from many threads.

    Attributes:
        metadata: where versions are looked up.
        interpreter: finds the Python of a release for this machine, or raises
            ``EnvironmentBuildError`` with what is not here.
        clock: monotonic seconds.
    """

    metadata: MetadataStore
    interpreter: Callable[[Release], object]
    clock: Callable[[], float] = time.monotonic
    _tasks: dict[str, tuple[float, dict[str, str]]] = attrs.field(factory=dict, init=False)
    _lock: threading.Lock = attrs.field(factory=threading.Lock, init=False, repr=False)

    @property
    def refused(self) -> tuple[str, ...]:
        """What is not run here, as ``face_detection 1.0.0``, of what was asked for so far."""
        with self._lock:
            return tuple(
                sorted(f"{task} {each}" for task, (_, no) in self._tasks.items() for each in no)
            )

    def covers(self, task: str, version: str) -> bool:
        """Whether a version can be run here; why it cannot is logged once.

        Raises:
            StoreError: the store cannot be asked.
        """
        return version not in self._known(task)

    def covers_all(self, task: str) -> bool:
        """Whether every version of a task can be run here.

        Raises:
            StoreError: the store cannot be asked.
        """
        return not self._known(task)

    def _known(self, task: str) -> dict[str, str]:
        """The versions of a task that cannot be run here, and why."""
        with self._lock:
            until, known = self._tasks.get(task, (0.0, {}))
            if self.clock() < until:
                return known
        found = dict(self._problems(task))
        for version in sorted(found.keys() - known.keys()):
            _LOGGER.warning(
                "steps of %s %s are left to other workers: %s", task, version, found[version]
            )
        with self._lock:
            self._tasks[task] = (self.clock() + KEEP_SECONDS, found)
        return found

    def _problems(self, task: str) -> Iterator[tuple[str, str]]:
        # Of a task that nobody knows whoever takes the step says so.
        with contextlib.suppress(NotFoundError):
            for each in self.metadata.versions(task):
                problem = self._problem(each)
                if problem is not None:
                    yield each.version, problem

    def _problem(self, version: TaskVersion) -> str | None:
        try:
            self.interpreter(version.release)
        except EnvironmentBuildError as error:
            return str(error)
        return None
