"""The smoke load: the tasks are described and loaded in the virtualenv that workers will use."""

from __future__ import annotations

import contextlib
import hashlib
from collections.abc import Callable, Iterator
from pathlib import Path

import attrs

from taskmgr_core.documents import structure
from taskmgr_core.environments import Environment
from taskmgr_core.errors import PublishError, RunnerError
from taskmgr_core.models import ModelFiles
from taskmgr_core.publishing.declarations import check_declarations
from taskmgr_core.runners import Limits, Needs, Runner, RunnerLauncher
from taskmgr_core.specs import ModelSpec, StoredFile, TaskSpec
from taskmgr_core.stores.artifacts import ArtifactStore

DESCRIBE_SECONDS = 300.0


@attrs.frozen
class SmokeLoad:
    """Loads the tasks of a plugin once, before anybody else does.

    Attributes:
        launcher: starts the runner.
        artifacts: gets the weights.
        models: the folder of the weights, as the author has it.
        folder: where they get their names for the runner.
    """

    launcher: RunnerLauncher
    artifacts: ArtifactStore
    models: Path
    folder: Path

    def run(
        self, environment: Environment, on_progress: Callable[[str], None]
    ) -> tuple[tuple[TaskSpec, ...], tuple[StoredFile, ...]]:
        """Describe and load every task.

        Returns:
            The tasks by name, and their weights, stored.

        Raises:
            PublishError: with the plugin's own traceback, or naming a model that
                is absent or another, a default that does not fit, a queue that cannot be.
        """
        release = environment.release
        distribution = release.distribution
        with environment.hold():
            with self._runner(environment, network=False) as runner:
                tasks = described(runner, distribution)
                stored = {model.name: self.store(model, task) for task, model in _models(tasks)}
                for task in tasks:
                    if not task.network:
                        on_progress(f"loading {task.name}")
                        self._load(runner, task, stored)
            # Each is loaded as a worker will load it: what it may do is settled when it starts.
            if networked := [task for task in tasks if task.network]:
                with self._runner(environment, network=True) as runner:
                    for task in networked:
                        on_progress(f"loading {task.name}")
                        self._load(runner, task, stored)
        return tasks, tuple(stored[name] for name in sorted(stored))

    @contextlib.contextmanager
    def _runner(self, environment: Environment, *, network: bool) -> Iterator[Runner]:
        runner = self._started(environment, environment.release.distribution, network)
        try:
            yield runner
        finally:
            runner.close()

    def _started(self, environment: Environment, distribution: str, network: bool) -> Runner:
        try:
            self.folder.mkdir(parents=True, exist_ok=True)
            needs = Needs(network, (self.folder,))
            return self.launcher.start(environment, distribution, needs=needs)
        except RunnerError as error:
            raise _refusal(f"no runner of {distribution} can be started", error) from error

    def _load(self, runner: Runner, task: TaskSpec, stored: dict[str, StoredFile]) -> None:
        files = ModelFiles(self.folder, self.artifacts)
        models = files.paths(stored[model.name] for model in task.models)
        frame = {"kind": "load", "task": task.name, "models": models}
        try:
            runner.request(frame, limits=Limits.of_loading(task.load_timeout))
        except RunnerError as error:
            raise _refusal(f"the task {task.name} cannot be loaded", error) from error

    def store(self, model: ModelSpec, task: TaskSpec) -> StoredFile:
        """Store the weights that a task declares.

        Raises:
            PublishError: they are absent, or have another digest.
        """
        path = self.models / model.name
        if not path.resolve().is_relative_to(self.models.resolve()):
            raise PublishError(
                f"the task {task.name} declares the model {model.name!r}, "
                f"which is outside of {self.models}; give the name of a file in it"
            )
        if not path.is_file():
            raise PublishError(
                f"the task {task.name} declares the model {model.name!r}, and {path} is not there; "
                f"get it from {model.source or 'its source'} and put it there"
            )
        with path.open("rb") as opened:
            found = hashlib.file_digest(opened, "sha256").hexdigest()
        if found != model.sha256.lower():
            raise PublishError(
                f"the model {path} has the sha256 {found}, and the task {task.name} declares "
                f"{model.sha256}; put the right file there, or correct the declaration"
            )
        return self.artifacts.put_file(path, model.name)


def described(runner: Runner, distribution: str) -> tuple[TaskSpec, ...]:
    """What the tasks of a plugin declare, by name.

    Arguments:
        runner: a process of its virtualenv.
        distribution: the plugin's.

    Raises:
        PublishError: with the plugin's own traceback, or naming a declaration that cannot be.
    """
    try:
        answer = runner.request({"kind": "describe"}, timeout=DESCRIBE_SECONDS)
    except RunnerError as error:
        raise _refusal(f"{distribution} cannot be imported", error) from error
    tasks = structure(answer["tasks"], tuple[TaskSpec, ...], f"the tasks of {distribution}")
    check_declarations(tasks)
    return tuple(sorted(tasks, key=lambda each: each.name))


def _models(tasks: tuple[TaskSpec, ...]) -> list[tuple[TaskSpec, ModelSpec]]:
    return [(task, model) for task in tasks for model in task.models]


def _refusal(what: str, error: RunnerError) -> PublishError:
    trace = f"\n{error.traceback.rstrip()}" if error.traceback else ""
    return PublishError(f"{what}: {error}{trace}")
