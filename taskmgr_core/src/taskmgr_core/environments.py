"""One virtualenv for each release: built once on a node, used at once from then on.

``<folder>/<distribution>-<16 digits>`` is an environment; its record, written
last, says what it was built from. Beside them, under names with a dot, lie the
locks, the wheels under their real names, what is being built and what is being
removed.
"""

from __future__ import annotations

import contextlib
import fcntl
import os
import shutil
import time
from collections.abc import Callable, Collection, Iterator
from pathlib import Path
from typing import IO, Protocol

import attrs
import uuid_utils
from filelock import FileLock, Timeout

from taskmgr_core.build_slots import BuildSlots
from taskmgr_core.bytecode import Bytecode
from taskmgr_core.environment_builder import (
    RECORD,
    EnvironmentBuilder,
    Hashes,
    fingerprint_of,
    is_whole,
    read_record,
    site_packages,
)
from taskmgr_core.errors import EnvironmentBuildError, with_advice
from taskmgr_core.specs import Release
from taskmgr_core.stores.artifacts import ArtifactStore
from taskmgr_core.tags import this_platform
from taskmgr_core.uv import POLL_SECONDS, Interpreter, NoPythonError, Uv, never, stop_if

SPARE_SECONDS = 60.0

OnProgress = Callable[[str], None]


class OnBuilt(Protocol):
    """Told how long a building took."""

    def __call__(self, seconds: float, /, *, built: bool) -> None:
        """Arguments: its seconds, and whether it succeeded."""


Cancelled = Callable[[], bool]


def _say_nothing(_: str) -> None:
    """Take a line of progress and keep it to oneself."""


def _absolute(path: Path) -> Path:
    """A runner works in another folder than we do."""
    return path.absolute()


@attrs.frozen
class Environment:
    """A built virtualenv.

    Attributes:
        path: its folder.
        fingerprint: what it was built from, 64 hexadecimal digits.
        release: the release it was asked for.
    """

    path: Path
    fingerprint: str
    release: Release
    _use_lock: Path = attrs.field(repr=False)

    @property
    def python(self) -> Path:
        """Its interpreter."""
        return self.path / "bin" / "python"

    def intact(self) -> bool:
        """Whether it was finished, is what its fingerprint says and has its Python."""
        record = read_record(self.path)
        return record.get("fingerprint") == self.fingerprint and self.python.exists()

    @contextlib.contextmanager
    def hold(self) -> Iterator[Environment]:
        """Keep it from being removed; a process that dies lets go of it.

        Raises:
            EnvironmentBuildError: it was removed before it could be held.
        """
        with _open_lock(self._use_lock) as opened:
            fcntl.flock(opened, fcntl.LOCK_SH)
            if not self.intact():
                raise EnvironmentBuildError(
                    f"the virtualenv {self.path} was removed meanwhile; try again, it is rebuilt"
                )
            yield self


@attrs.frozen
class EnvironmentInfo:
    """An environment as lists show it.

    Attributes:
        size_bytes: the sizes of its files; those linked from uv's cache take no
            room of their own.
        last_used: UTC seconds since 1970.
        in_use: whether some process holds it.
    """

    fingerprint: str
    distribution: str
    version: str
    size_bytes: int
    last_used: float
    in_use: bool
    path: Path


@attrs.frozen
class Environments:
    """The environments of this node.

    Attributes:
        folder: where they lie.
        artifacts: where wheels and locks come from.
        uv: builds them.
        bytecode: where the bytecode of their packages is kept; by default with them.
        on_built: told of each building: its seconds, and ``built=`` whether it succeeded.
    """

    folder: Path = attrs.field(converter=_absolute)
    artifacts: ArtifactStore
    uv: Uv
    bytecode: Path | None = None
    on_built: OnBuilt = lambda _, *, built: None  # noqa: ARG005

    def ensure(
        self,
        release: Release,
        on_progress: OnProgress = _say_nothing,
        cancelled: Cancelled = never,
    ) -> Environment:
        """The environment of a release, built if it is not there or not intact.

        Arguments:
            release: what it is built from.
            on_progress: gets a line when something takes time.
            cancelled: asked some times a second; true ends building, or waiting for it.

        Raises:
            EnvironmentBuildError: it cannot be built; the message names what does not match.
            ArtifactError: the wheel, the lock or the SDK is absent or damaged in the store.
            RunnerError: cancelled.
        """
        fingerprint = fingerprint_of(release, self.interpreter(release))
        name = f"{release.distribution}-{fingerprint[:16]}"
        environment = Environment(self.folder / name, fingerprint, release, self._lock(name, "use"))
        if not environment.intact():
            with self._only_builder(name, on_progress, cancelled):
                if not environment.intact():
                    self._build_reporting(environment, on_progress, cancelled)
        with contextlib.suppress(OSError):
            now = time.time_ns()  # finer than the clock that the kernel stamps files with
            os.utime(environment.path / RECORD, ns=(now, now))
        return environment

    def interpreter(self, release: Release) -> Interpreter:
        """The Python of this machine that a release's virtualenv is made with.

        Raises:
            EnvironmentBuildError: it has none, with what it has and what to do; or the
                release is not made for this platform.
        """
        if release.platforms and this_platform() not in release.platforms:
            raise EnvironmentBuildError(
                f"{release.distribution} {release.version} is made for "
                f"{', '.join(release.platforms)}, and this machine is {this_platform()}; run it "
                "on one of those, or publish a version whose [tool.taskmgr] platforms has this one"
            )
        try:
            return self.uv.interpreter(release.python)
        except NoPythonError as error:
            name = release.distribution
            raise EnvironmentBuildError(
                f"{name} {release.version} was published with Python {release.python}, and this "
                f"machine has {', '.join(self.uv.pythons())}; install Python {release.python} and "
                f"put it on PATH, or publish {name} again on this machine: its version, wheel and "
                "lock stay, and it is tried out with a Python that is here"
            ) from error

    def verify(self, environment: Environment) -> bool:
        """Whether every installed file is there and unchanged; it reads them all.

        For when a runner does not come up: a lost file is not seen otherwise.
        """
        return environment.intact() and is_whole(environment.path)

    def put_away(self, environment: Environment, cancelled: Cancelled = never) -> None:
        """Remove an environment that is damaged, held or not; the next ``ensure`` builds it.

        One that somebody else has rebuilt meanwhile stays.

        Raises:
            EnvironmentBuildError: it cannot be removed.
            RunnerError: cancelled, while somebody else built it.
        """
        with self._only_builder(environment.path.name, _say_nothing, cancelled):
            if not self.verify(environment):
                self._put_away_damaged(environment.path)

    def damaged(self) -> list[EnvironmentInfo]:
        """The environments in which a file is lost or changed; it reads them all."""
        known: Hashes = {}
        return [each for each in self.list() if not is_whole(each.path, known)]

    def repair(self) -> list[EnvironmentInfo]:
        """Remove the damaged environments, held or not; each is built anew when it is needed.

        Raises:
            EnvironmentBuildError: one cannot be removed.
        """
        removed = []
        for each in self.damaged():
            with self._only_builder(each.path.name, _say_nothing, never):
                if not is_whole(each.path):  # somebody else may have rebuilt it
                    self._put_away_damaged(each.path)
                    removed.append(each)
        return removed

    def compile(self, known: Collection[Path] = ()) -> list[Path]:
        """Compile the packages of the virtualenvs, for those that are built from now on.

        One process of the machine does it, at low priority; the others go on.

        Arguments:
            known: the folders of virtualenvs that need not be looked at.

        Returns:
            The folders whose packages are all compiled.

        Raises:
            OSError: the disk is full, or a Python cannot be started.
            subprocess.SubprocessError: a Python did not end well.
        """
        compiled: list[Path] = []
        with (
            contextlib.suppress(Timeout),
            FileLock(self._lock("bytecode", "build"), timeout=0),
        ):
            for each in self.list():
                version = str(read_record(each.path).get("python", ""))
                interpreter = Interpreter((each.path / "bin" / "python").resolve(), version)
                if each.path not in known and version and interpreter.path.exists():
                    for site in site_packages(each.path):
                        self._bytecode.compile(site, interpreter)
                    compiled.append(each.path)
        return compiled

    def list(self) -> list[EnvironmentInfo]:
        """Every environment, the least recently used first."""
        found = [self._info(path) for path in self.folder.glob("[!.]*") if path.is_dir()]
        return sorted(found, key=lambda each: each.last_used)

    def gc(
        self, maximum_bytes: int, *, spare_seconds: float = SPARE_SECONDS
    ) -> tuple[EnvironmentInfo, ...]:
        """Remove the least recently used until the rest is small enough.

        Arguments:
            maximum_bytes: what may stay.
            spare_seconds: one used that recently stays: somebody may be about to hold it.

        Returns:
            Those that were removed; one that is held never is.
        """
        self._remove_leftovers()
        self._bytecode.collect()
        found = self.list()
        total = sum(each.size_bytes for each in found)
        removed = []
        for each in found:
            recent = time.time() - each.last_used < spare_seconds
            if total > maximum_bytes and not recent and self._remove(each.path):
                total -= each.size_bytes
                removed.append(each)
        return tuple(removed)

    def _build_reporting(
        self, environment: Environment, on_progress: OnProgress, cancelled: Cancelled
    ) -> None:
        began, built = time.monotonic(), False
        try:
            self._build(environment, on_progress, cancelled)
            built = True
        except OSError as error:
            raise _unwritable(environment.path, error) from error
        finally:
            self.on_built(time.monotonic() - began, built=built)

    def _build(
        self, environment: Environment, on_progress: OnProgress, cancelled: Cancelled
    ) -> None:
        damaged = self._damaged(environment.path.name)
        if environment.path.exists():
            on_progress(f"{environment.path.name} is damaged; it is built anew")
            damaged.touch()
            self._put_away(environment.path)
        wheels = self.folder / ".wheels"
        with self._slots.taken(self.interpreter(environment.release)) as slot:
            builder = EnvironmentBuilder(
                self.artifacts, self.uv.holding(slot.lock), wheels, self._bytecode, cancelled
            )
            builder.build(
                environment.release,
                environment.fingerprint,
                slot.path,
                on_progress,
                checked=damaged.exists(),
            )
            slot.path.replace(environment.path)
            _sync_folder(self.folder)
            damaged.unlink(missing_ok=True)

    @contextlib.contextmanager
    def _only_builder(
        self, name: str, on_progress: OnProgress, cancelled: Cancelled
    ) -> Iterator[None]:
        lock = FileLock(self._lock(name, "build"))
        try:
            lock.acquire(timeout=0)
        except Timeout:
            on_progress(f"waiting: {name} is being built by another process")
        while not lock.is_locked:
            stop_if(cancelled)
            with contextlib.suppress(Timeout):
                lock.acquire(timeout=POLL_SECONDS, poll_interval=0.02)
        try:
            yield
        finally:
            lock.release()

    def _info(self, path: Path) -> EnvironmentInfo:
        record = read_record(path)
        with contextlib.suppress(OSError):
            record["last_used"] = (path / RECORD).stat().st_mtime
        return EnvironmentInfo(
            fingerprint=str(record.get("fingerprint", "")),
            distribution=str(record.get("distribution", path.name)),
            version=str(record.get("version", "")),
            size_bytes=int(record.get("size_bytes", 0)),
            last_used=float(record.get("last_used", 0)),
            in_use=self._in_use(path.name),
            path=path,
        )

    def _in_use(self, name: str) -> bool:
        with _open_lock(self._lock(name, "use")) as opened:
            return not _lock_alone(opened)

    def _remove(self, path: Path) -> bool:
        """Remove an environment unless it is held."""
        with _open_lock(self._lock(path.name, "use")) as opened:
            if not _lock_alone(opened):
                return False
            self._put_away(path)
        return True

    def _put_away_damaged(self, path: Path) -> None:
        """Remove it, and remember to check what uv's cache gives for it."""
        try:
            self._damaged(path.name).touch()
            self._put_away(path)
        except OSError as error:
            said = f"the virtualenv {path} is damaged and cannot be removed: {error}"
            raise EnvironmentBuildError(with_advice(said, error)) from error

    def _put_away(self, path: Path) -> None:
        """Out of sight in one step, then removed."""
        # A name in the same folder: a full disk, for which this is the cure, has no room for more.
        target = self.folder / f".removing-{uuid_utils.uuid7()}"
        with contextlib.suppress(FileNotFoundError):
            path.replace(target)
        shutil.rmtree(target, ignore_errors=True)

    def _remove_leftovers(self) -> None:
        """What killed processes left behind."""
        for removing in self.folder.glob(".removing*"):
            shutil.rmtree(removing, ignore_errors=True)
        self._slots.clean()

    @property
    def _bytecode(self) -> Bytecode:
        return Bytecode(self.bytecode or self.folder / ".bytecode")

    @property
    def _slots(self) -> BuildSlots:
        return BuildSlots(self.folder / ".building", self.folder / ".locks")

    def _damaged(self, name: str) -> Path:
        """Is there while an environment is to be built with a check of what uv's cache gives."""
        return self._lock(name, "damaged")

    def _lock(self, name: str, kind: str) -> Path:
        locks = self.folder / ".locks"
        locks.mkdir(parents=True, exist_ok=True)
        return locks / f"{name}.{kind}"


def _unwritable(path: Path, error: OSError) -> EnvironmentBuildError:
    said = f"the virtualenv {path} cannot be written: {error}; nothing was kept of it"
    return EnvironmentBuildError(with_advice(said, error))


def _open_lock(path: Path) -> IO[bytes]:
    try:
        return path.open("ab")
    except OSError as error:
        said = f"the lock {path} of a virtualenv cannot be opened: {error}"
        raise EnvironmentBuildError(with_advice(said, error)) from error


def _lock_alone(opened: IO[bytes]) -> bool:
    try:
        fcntl.flock(opened, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except OSError:
        return False
    return True


def _sync_folder(folder: Path) -> None:
    descriptor = os.open(folder, os.O_RDONLY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)
