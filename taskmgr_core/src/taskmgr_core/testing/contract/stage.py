"""A plugin as workers will have it: built, installed from its lock, its tasks described.

Each is done once, when it is first asked for; what went wrong is raised each time.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any, TypeVar

import attrs

from taskmgr_core.environments import Environment, Environments
from taskmgr_core.errors import ArtifactError, EnvironmentBuildError, PublishError, RunnerError
from taskmgr_core.models import ModelFiles
from taskmgr_core.publishing.locks import check_dependencies, keep_lock, make_lock, read_lock
from taskmgr_core.publishing.smoke import SmokeLoad, described
from taskmgr_core.publishing.wheels import Wheel, read_wheel
from taskmgr_core.runners import Needs, Runner
from taskmgr_core.runners.devices import NO_UNITS, Numbers
from taskmgr_core.runners.folders import WorkFolder
from taskmgr_core.sdk_wheel import build_sdk_wheel
from taskmgr_core.specs import Release, StoredFile, TaskSpec, TaskVersion
from taskmgr_core.specs.resources import fit, offer_from
from taskmgr_core.stores.directory import DirectoryArtifacts
from taskmgr_core.tags import this_platform
from taskmgr_core.testing.contract.broken import ContractBrokenError
from taskmgr_core.testing.contract.names import ANNOUNCES, BUILDS, MODELS
from taskmgr_core.testing.contract.project import Project
from taskmgr_core.uv import Uv, UvFailed
from taskmgr_core.wiring import Platform

_OFFLINE = {"UV_OFFLINE": "1"}
Made = TypeVar("Made")


class Once:
    """Makes each thing once, and raises again what its making raised."""

    def __init__(self) -> None:
        self._made: dict[str, tuple[Any, Exception | None]] = {}

    def get(self, name: str, make: Callable[[], Made]) -> Made:
        """What was made, now or before."""
        if name not in self._made:
            try:
                self._made[name] = make(), None
            except Exception as error:  # noqa: BLE001 - raised again below
                self._made[name] = None, error
        made, raised = self._made[name]
        if raised is not None:
            raise raised
        found: Made = made
        return found


@attrs.frozen
class Installed:
    """An installed plugin.

    Attributes:
        wheel: its wheel.
        release: all that its virtualenv is built from.
        environment: the virtualenv.
    """

    wheel: Wheel
    release: Release
    environment: Environment


class Stage:
    """One plugin project, installed in a folder of its own; close it to remove that.

    Arguments:
        platform: whose settings and isolation it uses.
        project: the plugin's.
    """

    def __init__(self, platform: Platform, project: Project) -> None:
        self.platform, self.project = platform, project
        self._temporary = WorkFolder.create(platform.settings.home.absolute() / "work", "trial-")
        self.folder = self._temporary.path
        self.artifacts = DirectoryArtifacts(self.folder / "artifacts")
        self.artifacts.initialize()
        self.offer = offer_from(platform.settings.resources)
        self.launcher = platform.launcher(slots=1, resources=self.offer)
        self._once = Once()

    def close(self) -> None:
        """Remove all of it."""
        self._temporary.remove()

    def installed(self) -> Installed:
        """The plugin in its virtualenv.

        Raises:
            ContractBrokenError: it cannot be built, locked or installed.
        """
        return self._once.get("installed", self._install)

    def tasks(self) -> Mapping[str, TaskSpec]:
        """What its tasks declare, by name.

        Raises:
            ContractBrokenError: it cannot be imported, or announces what cannot be.
        """
        return self._once.get("tasks", self._describe)

    def models(self, task: str) -> tuple[StoredFile, ...]:
        """The weights of a task, stored.

        Raises:
            ContractBrokenError: one is absent, or another.
        """
        return self._once.get(f"models {task}", lambda: self._store_models(task))

    def version(self, task: str) -> TaskVersion:
        """A task as if it were published."""
        release = attrs.evolve(self.installed().release, models=self.models(task))
        return TaskVersion(self.tasks()[task], release)

    def model_paths(self, task: str) -> dict[str, str]:
        """Where the weights of a task lie, by name."""
        return ModelFiles(self.folder / "models", self.artifacts).paths(self.models(task))

    def start(self, task: str) -> Runner:
        """A fresh runner process for a task; whoever asks for it closes it.

        Raises:
            ContractBrokenError: see ``installed``, ``tasks`` and ``models``.
            RunnerError: it does not come up.
        """
        readable = tuple(Path(each).parent for each in self.model_paths(task).values())
        spec = self.tasks()[task]
        return self._start(Needs(spec.network, readable), self._units(spec.resources))

    def _start(self, needs: Needs, units: Numbers = NO_UNITS) -> Runner:
        installed = self.installed()
        return self.launcher.start(
            installed.environment, installed.release.distribution, units, needs
        )

    def _units(self, wanted: Mapping[str, int]) -> Numbers:
        """The first of the units that this machine offers; none where it offers too few."""
        if not fit(wanted, self.offer):
            return NO_UNITS
        return {name: tuple(range(count)) for name, count in wanted.items()}

    # the plugin

    def _install(self) -> Installed:
        try:
            return self._installed()
        except (PublishError, EnvironmentBuildError, ArtifactError, UvFailed) as error:
            raise ContractBrokenError(
                BUILDS,
                seen=str(error),
                allowed="the wheel builds, and installs from taskmgr.lock alone, without a network",
                change="what the message above says; `taskmgr publish` refuses the same",
            ) from error

    def _installed(self) -> Installed:
        uv, source = self.platform.uv, self.project.source
        built = self.folder / "built"
        built.mkdir()
        wheel = read_wheel(source.wheel(uv, built))
        sdk = build_sdk_wheel(built)
        check_dependencies(wheel)
        release = Release(
            distribution=wheel.distribution,
            version=wheel.version,
            wheel=self.artifacts.put_file(wheel.path),
            lock=self.artifacts.put_bytes(self._lock(wheel, sdk), "taskmgr.lock"),
            sdk=self.artifacts.put_file(sdk),
            models=(),
            python=uv.interpreter(str(wheel.requires_python)).minor,
            platform=this_platform(),
            published_at="",
            platforms=source.platforms,
        )
        environment = self._environment(release)
        uv.run(["pip", "check", "--quiet", "--python", str(environment.python)])
        return Installed(wheel, release, environment)

    def _lock(self, wheel: Wheel, sdk: Path) -> bytes:
        """The lock that lies there; made as publishing would where it is of other dependencies."""
        path = self.project.source.lock
        kept = read_lock(path, wheel) if path else None
        if kept is None:
            kept = make_lock(wheel, sdk, self.platform.uv, self.folder)
            if path:
                keep_lock(kept, path)
        return kept

    def _environment(self, release: Release) -> Environment:
        """Its virtualenv, built with no network at all; what it needs may be fetched before."""
        uv = self.platform.uv
        offline = attrs.evolve(uv, environment={**uv.environment, **_OFFLINE})
        try:
            return self._built(release, offline, "environments")
        except EnvironmentBuildError:
            self._built(release, uv, "fetched")
            return self._built(release, offline, "environments")

    def _built(self, release: Release, uv: Uv, name: str) -> Environment:
        return Environments(self.folder / name, self.artifacts, uv).ensure(release)

    def _smoke(self) -> SmokeLoad:
        models = self.project.source.models
        return SmokeLoad(self.launcher, self.artifacts, models, self.folder / "models")

    def _describe(self) -> Mapping[str, TaskSpec]:
        distribution = self.installed().release.distribution
        try:
            runner = self._start(Needs())
            try:
                found = described(runner, distribution)
            finally:
                runner.close()
        except (PublishError, RunnerError) as error:
            raise ContractBrokenError(
                ANNOUNCES,
                seen=str(error),
                allowed="the plugin can be imported, and its hook taskmgr_tasks gives the tasks of "
                "its entry points, with queues, resources and defaults that can be",
                change="the entry points in pyproject.toml or the hook, as the message above says",
            ) from error
        return {each.name: each for each in found}

    def _store_models(self, task: str) -> tuple[StoredFile, ...]:
        smoke, spec = self._smoke(), self.tasks()[task]
        try:
            return tuple(smoke.store(each, spec) for each in spec.models)
        except PublishError as error:
            raise ContractBrokenError(
                MODELS,
                seen=str(error),
                allowed="every declared model lies in the folder models, and has the declared "
                "sha256",
                change=f"put the right file into {self.project.source.models}, or correct "
                "Model(..., sha256=...)",
            ) from error
