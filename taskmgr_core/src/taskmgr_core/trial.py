"""Runs a task once, exactly as a worker would, and leaves nothing behind.

The task runs in its real virtualenv and runner; what a worker would record
goes into a folder that is removed at the end.
"""

from __future__ import annotations

import itertools
import time
from collections.abc import Callable, Iterator, Mapping
from pathlib import Path
from types import TracebackType
from typing import Any, Self

import attrs

from taskmgr_core.environments import Environments
from taskmgr_core.errors import NotFoundError
from taskmgr_core.inputs import InputReader
from taskmgr_core.models import ModelFiles
from taskmgr_core.orchestrator.compatibility import type_name
from taskmgr_core.orchestrator.graph import compile_task
from taskmgr_core.output import OnLines
from taskmgr_core.publishing import Published, Publisher
from taskmgr_core.publishing.smoke import described
from taskmgr_core.runners import RunnerLauncher
from taskmgr_core.runners.folders import WorkFolder
from taskmgr_core.specs import (
    Claim,
    Graph,
    GraphStep,
    Outcome,
    Step,
    StoredFile,
    TaskVersion,
    output_port,
)
from taskmgr_core.stores.artifacts import ArtifactStore
from taskmgr_core.stores.directory import DirectoryArtifacts
from taskmgr_core.stores.local_files import LocalFiles
from taskmgr_core.stores.sqlite import SqliteMetadata
from taskmgr_core.uv import never
from taskmgr_core.values import fetched, recorded
from taskmgr_core.wiring import Platform
from taskmgr_core.worker.executor import Executor
from taskmgr_core.worker.pool import RunnerPool

TRIAL = "trial"
# One task is tried out at a time; between two of its cases its process is kept.
WARM = 1


@attrs.frozen
class Scratch:
    """Implements ``ArtifactStore``: what is there can be read, what is new goes elsewhere.

    Attributes:
        base: what is there.
        own: where new files go.
    """

    base: ArtifactStore
    own: ArtifactStore

    @property
    def files(self) -> LocalFiles:
        """The files that are new."""
        return self.own.files

    @property
    def elsewhere(self) -> bool:
        """What is new is nowhere else."""
        return False

    def initialize(self) -> None:
        """Create what is not there yet."""
        self.own.initialize()

    def server_version(self) -> str:
        """There is no server."""
        return ""

    def put_file(self, path: Path, name: str = "") -> StoredFile:
        """Store a file's content."""
        return self.own.put_file(path, name)

    def put_bytes(self, content: bytes, name: str = "") -> StoredFile:
        """Store bytes."""
        return self.own.put_bytes(content, name)

    def local_path(self, digest: str) -> Path:
        """A file with the content, verified."""
        return self._holder(digest).local_path(digest)

    def read(self, digest: str) -> bytes:
        """The content, verified."""
        return self._holder(digest).read(digest)

    def exists(self, digest: str) -> bool:
        """Whether it is stored."""
        return self.own.exists(digest) or self.base.exists(digest)

    def link(self, digest: str, seconds: int) -> str:  # noqa: ARG002
        """A trial has no addresses."""
        return ""

    def faults(self, digest: str) -> list[str]:
        """What is wrong with it."""
        return self._holder(digest).faults(digest)

    def digests(self) -> Iterator[str]:
        """Every digest that is new."""
        return self.own.digests()

    def remove(self, digest: str) -> None:
        """Remove it, if it is new."""
        self.own.remove(digest)

    def _holder(self, digest: str) -> ArtifactStore:
        return self.own if self.own.exists(digest) else self.base


@attrs.frozen
class Tried:
    """What came of a trial.

    Attributes:
        version: the task.
        outcome: as a worker would have recorded it.
        outputs: field name -> its JSON, read from its file where it was large.
        types: field name -> its type's name.
    """

    version: TaskVersion
    outcome: Outcome
    outputs: Mapping[str, Any]
    types: Mapping[str, str]


class Trial:
    """Tries out tasks; leave it to remove everything.

    Arguments:
        platform: whose settings, virtualenvs and published tasks it uses.
        apart: whether virtualenvs are built in its own folder, and so removed with it:
            those of a plugin that is being written serve nobody else.
    """

    def __init__(self, platform: Platform, *, apart: bool = False) -> None:
        home = platform.settings.home
        self._temporary = WorkFolder.create(home / "work", "trial-")
        folder = self._temporary.path
        self._platform = platform
        self._metadata = SqliteMetadata(folder / "metadata.sqlite3")
        self._metadata.initialize()
        self.artifacts = Scratch(platform.artifacts, DirectoryArtifacts(folder / "artifacts"))
        self.artifacts.initialize()
        shared = platform.environments.folder
        environments = folder / "environments" if apart else shared
        self._environments = Environments(
            environments, self.artifacts, platform.uv, shared.absolute() / ".bytecode"
        )
        self._launcher = platform.launcher(slots=1)
        self._models = ModelFiles(folder / "models", self.artifacts)
        self._pool = self._new_pool(self._launcher)
        self._edits = itertools.count(1)

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        self.close()

    def close(self) -> None:
        """End its process and remove everything."""
        self._pool.close()
        self._metadata.close()
        self._temporary.remove()

    def prepare(self, path: Path, on_progress: Callable[[str], None]) -> Published:
        """Build, lock and load a plugin as publishing does, and register it only here.

        Arguments:
            path: the plugin's folder, or its wheel.
            on_progress: gets a line for each stage.

        Raises:
            PublishError: the plugin could not be published as it is.
            EnvironmentBuildError: its virtualenv cannot be built.
        """
        publisher = Publisher(
            metadata=self._metadata,
            artifacts=self.artifacts,
            environments=self._environments,
            launcher=self._launcher,
            uv=self._platform.uv,
            folder=self._platform.settings.home / "publishing",
        )
        return publisher.publish(path, on_progress=on_progress)

    def published(self, task: str, version: str | None = None) -> TaskVersion:
        """A task as it is published.

        Raises:
            NotFoundError: with the nearest name, or the known versions.
            SignatureError: it is not signed as this machine requires.
        """
        found = self._platform.metadata.version(task, version)
        self._platform.verifier.check(found, task, version)
        self._metadata.add_versions([found])
        return found

    def edited(self, version: TaskVersion, sources: Mapping[str, Path]) -> TaskVersion:
        """A prepared task as its sources are now, in a new process.

        Arguments:
            version: as ``prepare`` gave it.
            sources: packages and modules that are imported from where they are edited.

        Raises:
            PublishError: the plugin cannot be imported, with its own traceback; or a
                declaration is wrong.
            NotFoundError: it has no such task any more.
            RunnerError: no process can be started.
        """
        self._pool.close()
        self._pool = self._new_pool(attrs.evolve(self._launcher, sources=sources))
        release = version.release
        with self._pool.lease(version) as lease:
            tasks = {each.name: each for each in described(lease.runner, release.distribution)}
        if version.name not in tasks:
            raise NotFoundError.named("task", version.name, tasks)
        task = tasks[version.name]
        if task.network != version.task.network:
            self._pool.keep(0)  # what a process may do is settled when it starts
        # Each edit is a version of its own: of what is the same, too, another may be recorded.
        join = "." if "+" in release.version else "+"
        number = f"{release.version}{join}edit.{next(self._edits)}"
        found = attrs.evolve(version, task=task, release=attrs.evolve(release, version=number))
        self._metadata.add_versions([found])
        return found

    def run(
        self,
        version: TaskVersion,
        inputs: Mapping[str, Any],
        on_lines: OnLines,
        cancelled: Callable[[], bool] = never,
        working: Path | None = None,
    ) -> Tried:
        """Run a task once.

        Arguments:
            version: as ``published``, ``prepare`` or ``edited`` gave it.
            inputs: name -> value; see ``InputReader.read``.
            on_lines: gets what the task writes, line by line.
            cancelled: asked a few times a second; true ends it.
            working: the folder that relative paths start from; by default this one.

        Returns:
            What came of it; a task that fails is told in its ``outcome``.

        Raises:
            InvalidInputsError: with every fault.
        """
        graph = compile_task(version)
        settings, validator = self._platform.settings, self._platform.validator
        folder = working or Path.cwd()
        reader = InputReader(self.artifacts, validator, settings.image_megapixels, folder)
        claim = _claim(graph, reader.read(graph, inputs))
        executor = Executor(
            metadata=self._metadata,
            artifacts=self.artifacts,
            pool=self._pool,
            validator=validator,
            inline_bytes=settings.inline_bytes,
            retry_delay=settings.retry_delay,
        )
        outcome = executor.execute(claim, cancelled, on_lines)
        if outcome is None:
            raise AssertionError("a trial has no limits")
        return self._tried(version, claim.graph_step, outcome)

    def _new_pool(self, launcher: RunnerLauncher) -> RunnerPool:
        return RunnerPool(self._environments, self._models, launcher, WARM)

    def _tried(self, version: TaskVersion, step: GraphStep, outcome: Outcome) -> Tried:
        values = {each.port: each for each in outcome.values}
        found = {
            field: values[output_port(step.id, field)]
            for field in step.outputs
            if output_port(step.id, field) in values
        }
        return Tried(
            version=version,
            outcome=outcome,
            outputs={
                field: fetched(value.document, self.artifacts) for field, value in found.items()
            },
            types={field: value.type for field, value in found.items()},
        )


def _claim(graph: Graph, documents: Mapping[str, Any]) -> Claim:
    """A claim as a worker gets it, of a step that is tried once."""
    graph_step = attrs.evolve(graph.steps[0], retries=0)
    step = Step(
        run=TRIAL,
        id=graph_step.id,
        task=graph_step.task,
        version=graph_step.version,
        queue=graph_step.queue,
        priority=graph_step.priority,
        status="running",
        attempt=1,
        started_at=time.time(),
        resources=graph_step.resources,
    )
    values = {
        name: recorded(name, document, type_name(graph.schemas[name]), "")
        for name, document in documents.items()
    }
    return Claim(step, graph_step, values)
