"""Publishes a plugin: wheel, lock and models into the store, its tasks registered last."""

from __future__ import annotations

import contextlib
import hashlib
import shutil
import time
from collections.abc import Callable, Collection, Iterator, Mapping
from datetime import UTC, datetime
from pathlib import Path
from typing import Literal

import attrs
from filelock import FileLock

from taskmgr_core.documents import digest_of
from taskmgr_core.environments import Environments
from taskmgr_core.errors import (
    ArtifactError,
    ConflictError,
    DamagedRecordError,
    NotFoundError,
)
from taskmgr_core.hooks import Hooks
from taskmgr_core.publishing.breaking import refuse_breaking
from taskmgr_core.publishing.covering import refuse_gaps
from taskmgr_core.publishing.hook_checks import publication_of, refuse_by_hooks
from taskmgr_core.publishing.locks import (
    check_dependencies,
    check_names,
    keep_lock,
    make_lock,
    read_lock,
)
from taskmgr_core.publishing.signed import (
    refuse_lost_signature,
    refuse_other_lock,
    signed_versions,
)
from taskmgr_core.publishing.smoke import SmokeLoad
from taskmgr_core.publishing.sources import Source, read_source
from taskmgr_core.publishing.wheels import Wheel, read_wheel
from taskmgr_core.runners import RunnerLauncher
from taskmgr_core.sdk_wheel import SDK, build_sdk_wheel, sdk_version
from taskmgr_core.signing.signers import Signer, Signing
from taskmgr_core.signing.verifying import Standing
from taskmgr_core.specs import Release, StoredFile, TaskVersion
from taskmgr_core.stores.artifacts import ArtifactStore
from taskmgr_core.stores.metadata import MetadataStore
from taskmgr_core.tags import this_platform
from taskmgr_core.uv import NoPythonError, Uv

OnProgress = Callable[[str], None]
Renewed = Literal["sdk", "python", "wheels", "signature"]


def _say_nothing(_: str) -> None:
    """Take a line of progress and keep it to oneself."""


@attrs.frozen
class Published:
    """What came of publishing.

    Attributes:
        release: as it is registered.
        versions: the version of each task, by name.
        changed: False when exactly this was there already.
        renewed: what of a version that was there already is new, all else being as it was.
        seconds: stage -> seconds: build, lock, environment, load, register, total.
    """

    release: Release
    versions: tuple[TaskVersion, ...]
    changed: bool
    seconds: Mapping[str, float]
    renewed: tuple[Renewed, ...] = ()


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
        self, versions: tuple[TaskVersion, ...], *, changed: bool, earlier: tuple[TaskVersion, ...]
    ) -> Published:
        now = versions[0]
        before = next((each for each in earlier if each.name == now.name), now)
        seconds = {**self.seconds, "total": time.perf_counter() - self.started}
        return Published(now.release, versions, changed, seconds, _renewed(before, now))


@attrs.frozen
class _Order:
    """What is published, and how."""

    source: Source
    temporary: Path
    signer: Signer | None
    breaking: bool
    vendor: bool


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
        signing: says what is signed with; None signs nothing, for what is published nowhere.
        hooks: asked whether something may be published; None asks nobody.
    """

    metadata: MetadataStore
    artifacts: ArtifactStore
    environments: Environments
    launcher: RunnerLauncher
    uv: Uv
    folder: Path
    signing: Signing | None = None
    hooks: Hooks | None = None

    def publish(
        self,
        path: Path,
        on_progress: OnProgress = _say_nothing,
        *,
        models: Path | None = None,
        breaking: bool = False,
        vendor: bool = False,
    ) -> Published:
        """Check, build, lock, try out, store and register a plugin.

        Arguments:
            path: the plugin's folder, or its wheel.
            on_progress: gets a line for each stage.
            models: the folder of its weights; by default ``models`` in the plugin's folder.
            breaking: whether it may break who uses an earlier version of the same major.
            vendor: whether the wheels of its dependencies are stored, too: those that
                this machine takes.

        Raises:
            PublishError: the plugin cannot be published as it is, or a hook plugin refuses.
            ConflictError: this version is published with other content, a task belongs
                to another distribution, or it breaks who uses an earlier version.
            EnvironmentBuildError: its virtualenv cannot be built.
            ArtifactError: a store cannot be written.
            SigningKeyError: there is no key to sign with, and one is required; or it
                cannot be used.
        """
        stages = _Stages(on_progress)
        signer = self.signing.signer() if self.signing else None
        source = read_source(path, models)
        # What it stores is referred to when it is registered, which may be much later.
        with self._alone(source.distribution) as temporary, self.artifacts.files.using():
            order = _Order(source, temporary, signer, breaking, vendor)
            return self._publish(order, stages)

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

    def _publish(self, order: _Order, stages: _Stages) -> Published:
        source, temporary, signer = order.source, order.temporary, order.signer
        with stages.stage("build", f"building the wheel of {source.distribution}"):
            wheel = read_wheel(source.wheel(self.uv, temporary))
            wheel_digest = digest_of(wheel.path.read_bytes())
            sdk = build_sdk_wheel(temporary)
        there, readable = self._earlier(wheel, wheel_digest, signer)
        earlier = there[0].release if there else None
        signed = signer is None or all(signer.has_signed(each) for each in there)
        whole = earlier is not None and self._unchanged(source, wheel, sdk, earlier)
        if whole and readable and signed and not order.vendor:
            return stages.published(there, changed=False, earlier=there)
        # What is published stays: a name that became a plugin's later takes nothing from it.
        ours = () if earlier else (*self.metadata.distributions(), wheel.distribution)
        check_dependencies(wheel, ours)
        # What is signed here is what is here: of a release that others may have changed
        # in the store, nothing is taken over.
        vouched = signer is None or bool(there and self._standing(there[0]) == "trusted")
        known = earlier if vouched else None
        with stages.stage("lock", "locking the dependencies"):
            lock = self._published_lock(known, wheel) if known else None
            lock = lock or self._lock(source, wheel, sdk, temporary, stages, ours)
            refuse_other_lock(earlier, lock, vouched=vouched)
            if source.platforms:
                from taskmgr_core.publishing.locating import locate  # slow to import, as below

                refuse_gaps(locate(lock, self.uv, temporary), wheel, source.platforms)
        release = self._stored(order, wheel, lock, sdk, self._python(wheel, earlier))
        if order.vendor:
            with stages.stage("vendor", "storing the wheels of the dependencies"):
                release = self._vendored(release, lock, temporary)
        with stages.stage("environment"):
            environment = self.environments.ensure(release, stages.on_progress)
        with stages.stage("load"):
            smoke = SmokeLoad(self.launcher, self.artifacts, source.models, temporary / "models")
            tasks, models = smoke.run(environment, stages.on_progress)
            if not earlier and not order.breaking:
                refuse_breaking(self.metadata, wheel.version, tasks)
        if self.hooks is not None:
            refuse_by_hooks(self.hooks, publication_of(wheel, lock, tasks, signed=bool(signer)))
        with stages.stage("register", "registering"):
            release = attrs.evolve(release, models=models)
            versions = signed_versions(tasks, release, known, signer)
            if signer is None:
                refuse_lost_signature(there, release)
            changed = self.metadata.add_versions(versions)
            # What was there before has kept all but its SDK, its Python and its vendored wheels.
            recorded = tuple(self.metadata.version(each.name, each.version) for each in versions)
        return stages.published(recorded, changed=changed, earlier=there)

    def _standing(self, version: TaskVersion) -> Standing:
        return self.signing.standing(version) if self.signing else "unsigned"

    def _earlier(
        self, wheel: Wheel, digest: str, signer: Signer | None
    ) -> tuple[tuple[TaskVersion, ...], bool]:
        """This version as it is registered, if it is; with another wheel it is refused.

        The store refuses as well; here it is found out before anything takes time.

        Returns:
            What can be read of it, and whether that is all: what cannot be read, or is
            not what its key has signed, is recorded anew.
        """
        found, readable = [], True
        for task in wheel.tasks:
            try:
                version = self.metadata.version(task, wheel.version)
            except NotFoundError:
                continue
            except DamagedRecordError:
                readable = False
                continue
            if signer is not None and self._standing(version) == "altered":
                readable = False
            else:
                found.append(version)
        for each in found:
            if each.release.distribution != wheel.distribution:
                raise ConflictError(
                    f"the task {each.name!r} belongs to the distribution "
                    f"{each.release.distribution!r}, not to {wheel.distribution!r}; "
                    "give the task another name"
                )
            if each.release.wheel.digest != digest:
                raise _bump(wheel.distribution, wheel.version, "another wheel")
        return tuple(found), readable

    def _unchanged(self, source: Source, wheel: Wheel, sdk: Path, release: Release) -> bool:
        """Whether all else is as published, too, and the store has everything, undamaged.

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
            (release.sdk, sdk),
            *((model, source.models / model.name) for model in release.models),
        ]
        whole = [self._whole(file, copy) for file, copy in at_hand]  # each is put right that can be
        same_python = self._python(wheel, release) == release.python
        return all(whole) and release.sdk.digest == _file_digest(sdk) and same_python

    def _whole(self, file: StoredFile, copy: Path | None) -> bool:
        """Whether the store has a file undamaged, if need be from a copy that is the same."""
        try:
            self.artifacts.local_path(file.digest)
        except ArtifactError:
            if copy is None or not copy.is_file() or _file_digest(copy) != file.digest:
                return False
            self.artifacts.put_file(copy, file.name)
        return True

    def _published_lock(self, release: Release, wheel: Wheel) -> bytes | None:
        """The lock of a release that is there already; None when the store has lost it.

        Raises:
            ConflictError: it lacks what the SDK of this taskmgr needs.
        """
        try:
            path = self.artifacts.local_path(release.lock.digest)
        except ArtifactError:
            return None
        lock = read_lock(path, wheel)
        if lock is None:
            raise ConflictError(
                f"{release.distribution} {release.version} is published with a lock that was made "
                f"for another {SDK} than {sdk_version()} of this taskmgr, which needs other "
                "packages; a published version never changes: raise the version in pyproject.toml"
            )
        return lock

    def _lock(
        self,
        source: Source,
        wheel: Wheel,
        sdk: Path,
        temporary: Path,
        stages: _Stages,
        ours: Collection[str],
    ) -> bytes:
        kept = read_lock(source.lock, wheel) if source.lock else None
        made = kept or make_lock(wheel, sdk, self.uv, temporary)
        check_names(made, wheel, ours)
        if kept is not None:
            return kept
        if source.lock and not keep_lock(made, source.lock):
            stages.on_progress(f"{source.lock} cannot be written; the lock is in the store only")
        return made

    def _python(self, wheel: Wheel, earlier: Release | None) -> str:
        """The Python to try it out with: that of the release that is there, if it is here."""
        if earlier is not None:
            with contextlib.suppress(NoPythonError):
                return self.uv.interpreter(earlier.python).minor
        return self.uv.interpreter(str(wheel.requires_python)).minor

    def _vendored(self, release: Release, lock: bytes, temporary: Path) -> Release:
        """The release with the wheels that this machine takes."""
        from taskmgr_core.publishing.fetching import Fetcher
        from taskmgr_core.publishing.vendoring import Vendoring

        vendoring = Vendoring(self.uv, self.artifacts, Fetcher(self.uv.environment))
        python = self.environments.interpreter(release)
        return attrs.evolve(release, vendored=vendoring.vendored(lock, python, temporary))

    def _stored(self, order: _Order, wheel: Wheel, lock: bytes, sdk: Path, python: str) -> Release:
        return Release(
            distribution=wheel.distribution,
            version=wheel.version,
            wheel=self.artifacts.put_file(wheel.path),
            lock=self.artifacts.put_bytes(lock, "taskmgr.lock"),
            sdk=self.artifacts.put_file(sdk),
            models=(),
            python=python,
            platform=this_platform(),
            published_at=datetime.now(UTC).isoformat(timespec="seconds"),
            platforms=order.source.platforms,
        )


def _renewed(earlier: TaskVersion, now: TaskVersion) -> tuple[Renewed, ...]:
    found: list[Renewed] = []
    if earlier.release.sdk.digest != now.release.sdk.digest:
        found.append("sdk")
    if earlier.release.python != now.release.python:
        found.append("python")
    if earlier.release.vendored != now.release.vendored:
        found.append("wheels")
    if not found and earlier.signature != now.signature:  # with another SDK it is, of course
        found.append("signature")
    return tuple(found)


def _file_digest(path: Path) -> str:
    with path.open("rb") as opened:
        return f"sha256:{hashlib.file_digest(opened, 'sha256').hexdigest()}"


def _bump(distribution: str, version: str, other: str) -> ConflictError:
    return ConflictError(
        f"{distribution} {version} is published with {other}; a published version never changes: "
        "raise the version in pyproject.toml"
    )
