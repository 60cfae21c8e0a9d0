"""Publishes a plugin: wheel, lock and models into the store, its tasks registered last."""

from __future__ import annotations

import contextlib
import hashlib
import platform
import shutil
import sys
import time
from collections.abc import Callable, Iterator, Mapping
from datetime import UTC, datetime
from pathlib import Path

import attrs
from filelock import FileLock

from taskmgr_core.documents import digest_of
from taskmgr_core.environments import Environments
from taskmgr_core.errors import ArtifactError, ConflictError, NotFoundError
from taskmgr_core.publishing.locks import check_dependencies, keep_lock, make_lock, read_lock
from taskmgr_core.publishing.smoke import SmokeLoad
from taskmgr_core.publishing.sources import Source, read_source
from taskmgr_core.publishing.wheels import Wheel, read_wheel
from taskmgr_core.runners import RunnerLauncher
from taskmgr_core.sdk_wheel import build_sdk_wheel
from taskmgr_core.specs import Release, StoredFile, TaskVersion
from taskmgr_core.stores.artifacts import ArtifactStore
from taskmgr_core.stores.metadata import MetadataStore
from taskmgr_core.uv import Uv

OnProgress = Callable[[str], None]


def _say_nothing(_: str) -> None:
    """Take a line of progress and keep it to oneself."""


@attrs.frozen
class Published:
    """What came of publishing.

    Attributes:
        release: as it is registered.
        versions: the version of each task, by name.
        changed: False when exactly this was there already.
        seconds: stage -> seconds: build, lock, environment, load, register, total.
    """

    release: Release
    versions: tuple[TaskVersion, ...]
    changed: bool
    seconds: Mapping[str, float]


@attrs.define
class _Stages:
    """Measures the stages and says when one begins."""

    on_progress: OnProgress
    started: float = attrs.field(factory=time.perf_counter)
    seconds: dict[str, float] = attrs.field(factory=dict)

    @contextlib.contextmanager
    def stage(self, name: str, line: str = "") -> Iterator[None]:
        if line:
            self.on_progress(line)
        started = time.perf_counter()
        yield
        self.seconds[name] = time.perf_counter() - started

    def published(
        self, release: Release, versions: tuple[TaskVersion, ...], changed: bool
    ) -> Published:
        seconds = {**self.seconds, "total": time.perf_counter() - self.started}
        return Published(release, versions, changed, seconds)


@attrs.frozen
class Publisher:
    """Publishes plugins.

    Attributes:
        metadata: where task versions are registered.
        artifacts: where wheels, locks and models go.
        environments: builds the virtualenv for the smoke load.
        launcher: starts its runner.
        uv: builds and locks.
        folder: where it works; a lock for each plugin keeps two publishes of it apart.
    """

    metadata: MetadataStore
    artifacts: ArtifactStore
    environments: Environments
    launcher: RunnerLauncher
    uv: Uv
    folder: Path

    def publish(
        self, path: Path, on_progress: OnProgress = _say_nothing, *, models: Path | None = None
    ) -> Published:
        """Check, build, lock, try out, store and register a plugin.

        Arguments:
            path: the plugin's folder, or its wheel.
            on_progress: gets a line for each stage.
            models: the folder of its weights; by default ``models`` in the plugin's folder.

        Raises:
            PublishError: the plugin cannot be published as it is.
            ConflictError: this version is published with other content, or a task
                belongs to another distribution.
            EnvironmentBuildError: its virtualenv cannot be built.
            ArtifactError: a store cannot be written.
        """
        stages = _Stages(on_progress)
        source = read_source(path, models)
        with self._alone(source.distribution) as temporary:
            return self._publish(source, temporary, stages)

    @contextlib.contextmanager
    def _alone(self, distribution: str) -> Iterator[Path]:
        """Keep other publishes of a plugin out; gives an empty folder to work in."""
        temporary = self.folder.absolute() / distribution
        self.folder.mkdir(parents=True, exist_ok=True)
        with FileLock(self.folder / f"{distribution}.lock"):
            shutil.rmtree(temporary, ignore_errors=True)  # of a publish that was killed
            temporary.mkdir()
            try:
                yield temporary
            finally:
                shutil.rmtree(temporary, ignore_errors=True)

    def _publish(self, source: Source, temporary: Path, stages: _Stages) -> Published:
        with stages.stage("build", f"building the wheel of {source.distribution}"):
            wheel = read_wheel(source.wheel(self.uv, temporary))
            wheel_digest = digest_of(wheel.path.read_bytes())
        earlier = self._earlier(wheel, wheel_digest)
        if earlier and self._unchanged(source, wheel, earlier[0].release):
            return stages.published(earlier[0].release, earlier, changed=False)
        check_dependencies(wheel)
        with stages.stage("lock", "locking the dependencies"):
            sdk = build_sdk_wheel(temporary)
            lock = self._lock(source, wheel, sdk, temporary, stages)
        with stages.stage("environment"):
            release = self._stored(wheel, lock, sdk)
            environment = self.environments.ensure(release, stages.on_progress)
        with stages.stage("load"):
            smoke = SmokeLoad(self.launcher, self.artifacts, source.models, temporary / "models")
            tasks, models = smoke.run(environment, stages.on_progress)
        with stages.stage("register", "registering"):
            release = attrs.evolve(release, models=models)
            versions = tuple(TaskVersion(task, release) for task in tasks)
            changed = self.metadata.add_versions(versions)
            if not changed:
                versions = tuple(
                    self.metadata.version(each.name, each.version) for each in versions
                )
                release = versions[0].release
        return stages.published(release, versions, changed)

    def _earlier(self, wheel: Wheel, digest: str) -> tuple[TaskVersion, ...]:
        """This version as it is registered, if it is; with another wheel it is refused.

        The store refuses as well; here it is found out before anything takes time.
        """
        found = []
        for task in wheel.tasks:
            with contextlib.suppress(NotFoundError):
                found.append(self.metadata.version(task, wheel.version))
        for each in found:
            if each.release.distribution != wheel.distribution:
                raise ConflictError(
                    f"the task {each.name!r} belongs to the distribution "
                    f"{each.release.distribution!r}, not to {wheel.distribution!r}; "
                    "give the task another name"
                )
            if each.release.wheel.digest != digest:
                raise _bump(wheel.distribution, wheel.version, "another wheel")
        return tuple(found)

    def _unchanged(self, source: Source, wheel: Wheel, release: Release) -> bool:
        """Whether the lock is the published one, too, and the store has everything, undamaged.

        The wheel is the same, so the digests of the models that it declares are.
        """
        lock = source.lock.read_bytes() if source.lock and source.lock.is_file() else None
        if lock is not None and digest_of(lock) != release.lock.digest:
            raise _bump(
                release.distribution,
                release.version,
                f"another {source.lock.name if source.lock else 'lock'}",
            )
        at_hand = [
            (release.wheel, wheel.path),
            (release.lock, source.lock),
            (release.sdk, None),
            *((model, source.models / model.name) for model in release.models),
        ]
        whole = [self._whole(file, copy) for file, copy in at_hand]  # each is put right that can be
        return all(whole)

    def _whole(self, file: StoredFile, copy: Path | None) -> bool:
        """Whether the store has a file undamaged, if need be from a copy that is the same."""
        try:
            self.artifacts.local_path(file.digest)
        except ArtifactError:
            if copy is None or not copy.is_file() or _file_digest(copy) != file.digest:
                return False
            self.artifacts.put_file(copy, file.name)
        return True

    def _lock(
        self, source: Source, wheel: Wheel, sdk: Path, temporary: Path, stages: _Stages
    ) -> bytes:
        kept = read_lock(source.lock, wheel) if source.lock else None
        if kept is not None:
            return kept
        made = make_lock(wheel, sdk, self.uv, temporary)
        if source.lock and not keep_lock(made, source.lock):
            stages.on_progress(f"{source.lock} cannot be written; the lock is in the store only")
        return made

    def _stored(self, wheel: Wheel, lock: bytes, sdk: Path) -> Release:
        python = self.uv.interpreter(str(wheel.requires_python))
        return Release(
            distribution=wheel.distribution,
            version=wheel.version,
            wheel=self.artifacts.put_file(wheel.path),
            lock=self.artifacts.put_bytes(lock, "taskmgr.lock"),
            sdk=self.artifacts.put_file(sdk),
            models=(),
            python=python.minor,
            platform=f"{sys.platform}-{platform.machine()}",
            published_at=datetime.now(UTC).isoformat(timespec="seconds"),
        )


def _file_digest(path: Path) -> str:
    with path.open("rb") as opened:
        return f"sha256:{hashlib.file_digest(opened, 'sha256').hexdigest()}"


def _bump(distribution: str, version: str, other: str) -> ConflictError:
    return ConflictError(
        f"{distribution} {version} is published with {other}; a published version never changes: "
        "raise the version in pyproject.toml"
    )
