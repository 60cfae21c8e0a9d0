"""The loop of `taskmgr dev`: wait for a save, build or restart what it asks for, run, tell."""

from __future__ import annotations

import contextlib
import time
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path
from types import TracebackType
from typing import Generic, Self, TypeVar

import attrs

from taskmgr_core.development.overlay import sources_of
from taskmgr_core.development.saved import Change, Saved
from taskmgr_core.errors import NotFoundError, TaskmgrError
from taskmgr_core.publishing.sources import LOCK_NAME
from taskmgr_core.specs import TaskVersion
from taskmgr_core.trial import Trial
from taskmgr_core.wiring import Platform

LOOK_SECONDS = 0.25
SETTLED_SECONDS = 0.02
# A file that was copied with its time says nothing of when it was saved.
BELIEVED_SECONDS = 10.0

T = TypeVar("T")
Attempt = Callable[[Trial, TaskVersion, Callable[[], bool]], T]


@attrs.frozen
class Round(Generic[T]):
    """One time that a task was run, or was to be.

    Attributes:
        change: what was saved; at the beginning, and after a failed build, all of it.
        version: the task as it is now; None where it could not be built.
        came: what came of running it; None where ``error`` says why it was not.
        error: why it was not run.
        seconds: from the save to its end; at the beginning, from the start.
    """

    change: Change
    version: TaskVersion | None
    came: T | None
    error: TaskmgrError | None
    seconds: float


class Development(Generic[T]):
    """Runs a task of a plugin again at each save; leave it to remove everything.

    Arguments:
        platform: whose settings it uses; nothing is recorded in its stores.
        path: the plugin's folder, or its wheel.
        chosen: the task's name; None for the only one.
        inputs: the files and folders that its inputs are read from.
        attempt: runs the task once; gets a function that says whether something was
            saved meanwhile, so that what runs is out of date.
        on_progress: gets a line for each stage of building.
    """

    def __init__(
        self,
        platform: Platform,
        path: Path,
        chosen: str | None,
        inputs: Sequence[Path],
        attempt: Attempt[T],
        on_progress: Callable[[str], None],
    ) -> None:
        self._platform = platform
        self._path = path.absolute()
        self._chosen = chosen
        self._inputs = [each.absolute() for each in inputs]
        self._attempt = attempt
        self._on_progress = on_progress
        self._trial: Trial | None = None
        self._built: TaskVersion | None = None
        self._current: TaskVersion | None = None
        self._sources: dict[str, Path] = {}
        self._seen = self._saved()
        self._was_built = False

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        self._discard()

    def rounds(self) -> Iterator[Round[T]]:
        """One for the beginning and one for each save, without an end.

        Raises:
            NotFoundError: the plugin has no such task, or several and none was chosen.
        """
        change, began = Change.BUILD, time.time()
        while True:
            yield self._round(change, began)
            change, began = self._await()

    def _round(self, change: Change, began: float) -> Round[T]:
        came, error = None, None
        try:
            trial, version = self._ready(change)
            came = self._attempt(trial, version, _Overtaken(self._is_overtaken))
        except _NotMeantError:
            raise
        except TaskmgrError as raised:
            error = raised
        return Round(change, self._current, came, error, time.time() - began)

    def _ready(self, change: Change) -> tuple[Trial, TaskVersion]:
        """What runs the task, and the task as it is now."""
        trial, built = self._trial, self._built
        if trial is None or built is None or change is Change.BUILD:
            return self._build()
        if change is Change.SOURCES or self._current is None:
            self._current = None
            edited = trial.edited(built, self._sources)
            if edited.task.models != built.task.models:  # they are not stored yet
                return self._build()
            self._current = edited
        return trial, self._current

    def _build(self) -> tuple[Trial, TaskVersion]:
        """Build, lock and load the plugin anew, as publishing does."""
        self._discard()
        self._seen = self._saved()
        trial = self._trial = Trial(self._platform, apart=True)
        try:
            built = self._choose(trial.prepare(self._path, self._on_progress).versions)
            self._sources = self._edited_in_place(trial, built)
        finally:
            self._seen = self._saved().as_before(self._seen, self._path / LOCK_NAME)
        self._built = self._current = built
        return trial, built

    def _choose(self, versions: Sequence[TaskVersion]) -> TaskVersion:
        names = [each.name for each in versions]
        kind = NotFoundError if self._was_built else _NotMeantError
        self._was_built = True
        if self._chosen is None and len(versions) > 1:
            raise kind(f"{self._path.name} has several tasks; say which: --task {'|'.join(names)}")
        for each in versions:
            if self._chosen in (None, each.name):
                return each
        raise kind.named("task", str(self._chosen), names)

    def _edited_in_place(self, trial: Trial, built: TaskVersion) -> dict[str, Path]:
        if self._path.is_file():
            return {}
        return sources_of(self._path, trial.artifacts.local_path(built.release.wheel.digest))

    def _discard(self) -> None:
        trial, self._trial = self._trial, None
        self._built = self._current = None
        self._sources = {}
        if trial is not None:
            trial.close()

    def _await(self) -> tuple[Change, float]:
        """Wait until something is saved; what it asks for, and when that was."""
        for _ in self._bell():
            change = self._seen.change_to(self._saved())
            if change is not Change.NOTHING:
                break
        before, noticed = self._seen, time.time()
        self._seen = self._settled()
        saved = before.newest_change(self._seen)
        believed = saved is not None and noticed - BELIEVED_SECONDS < saved <= noticed
        return before.change_to(self._seen), saved if believed and saved else noticed

    def _bell(self) -> Iterator[None]:
        """Rings when a source is saved, and some times a second for all else.

        Only the folders of the sources are watched: a project may hold a virtualenv of its
        own, with more folders than the kernel watches for one user.
        """
        from watchfiles import watch  # for this command alone

        yield
        folders = [each for each in self._sources.values() if each.is_dir()]
        with contextlib.suppress(OSError, RuntimeError):  # a folder is gone; nothing is left
            if folders:
                look = int(LOOK_SECONDS * 1000)
                settled = int(SETTLED_SECONDS * 1000)
                for _ in watch(
                    *folders,
                    watch_filter=None,
                    step=settled,
                    debounce=look,
                    rust_timeout=look,
                    yield_on_timeout=True,
                ):
                    yield
        while True:
            time.sleep(LOOK_SECONDS)
            yield

    def _settled(self) -> Saved:
        """What is on the disk when nothing is being written any more."""
        now = self._saved()
        while True:
            time.sleep(SETTLED_SECONDS)
            later = self._saved()
            if later == now:
                return now
            now = later

    def _saved(self) -> Saved:
        return Saved.of(self._path, self._sources.values(), self._inputs)

    def _is_overtaken(self) -> bool:
        return self._seen != self._saved()


class _NotMeantError(NotFoundError):
    """At the beginning a wrong name is a slip on the command line, which no save puts right."""


@attrs.define
class _Overtaken:
    """Asks often, looks at the disk seldom.

    Attributes:
        look: looks.
    """

    look: Callable[[], bool]
    _next: float = 0.0
    _seen: bool = False

    def __call__(self) -> bool:
        now = time.monotonic()
        if not self._seen and now >= self._next:
            self._next = now + LOOK_SECONDS
            self._seen = self.look()
        return self._seen
