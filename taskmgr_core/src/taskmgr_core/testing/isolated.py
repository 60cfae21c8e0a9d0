"""Runs a task in its real virtualenv and runner: ``run_isolated``."""

from __future__ import annotations

import os
import shutil
import sys
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

import attrs

from taskmgr_core.errors import InvalidValueError
from taskmgr_core.testing.clock import Clock
from taskmgr_core.testing.copies import ProjectCopies
from taskmgr_core.testing.platforms import TemporaryPlatform
from taskmgr_core.testing.runs import FailedRunError, TestRun
from taskmgr_core.testing.values import given, native
from taskmgr_core.values import references
from taskmgr_plugins.definitions import SINGLE_OUTPUT, TaskDefinition
from taskmgr_plugins.strict_types import shown
from taskmgr_plugins.testing.documents import Documents
from taskmgr_plugins.testing.projects import definition_of, project_of, source_folder
from taskmgr_plugins.testing.repeating import Call, command


class IsolatedProjects:
    """The projects of a session, each published once on a platform that keeps its runners warm.

    Arguments:
        home: makes the home of a platform.
        environments: the folder of virtualenvs.
        copies: from which they are published; a project that has changed is another one.
    """

    def __init__(self, home: Callable[[], Path], environments: Path, copies: ProjectCopies) -> None:
        self._new_home = home
        self._environments = environments
        self._copies = copies
        self._platforms: dict[Path, TemporaryPlatform] = {}

    def platform_of(self, project: Path) -> TemporaryPlatform:
        """The platform where a project is published as it is now.

        Raises:
            PublishError, EnvironmentBuildError: it cannot be.
        """
        copy = self._copies.of(project)
        if copy not in self._platforms:
            made = TemporaryPlatform(
                self._new_home(), self._environments, self._copies, project, Clock(), {}
            )
            try:
                made.publish()
            except BaseException:
                made.close()
                raise
            self._platforms[copy] = made
        return self._platforms[copy]

    def close(self) -> None:
        """End their workers and runners."""
        for platform in self._platforms.values():
            platform.close()


class RunIsolated:
    """Runs tasks of the project of the tests isolated; the fixture ``run_isolated``.

    Arguments:
        projects: publishes them.
        start: the folder of the test.
        folder: makes folders for what a failed test leaves.
    """

    def __init__(self, projects: IsolatedProjects, start: Path, folder: Callable[[], Path]) -> None:
        self._projects = projects
        self._start = start
        self._new_folder = folder
        self.calls: list[Call] = []

    def __call__(self, task: Any, /, **inputs: Any) -> Any:
        """Run a task once, built, locked and installed as publishing does it; without retries.

        Arguments:
            task: the name of a task of the project in whose folder the tests are, which then is
                imported in its own virtualenv only; or its class or function.
            inputs: as ``run_task`` takes them.

        Returns:
            For a class or function what ``run_task`` would return. For a name the same as
            mappings and lists, with files, pictures and arrays in them; of a task with a single
            output its value, else a mapping by output.

        Raises:
            FailedRunError: the task failed; with its own traceback.
            InvalidInputsError: with every fault.
            PublishError, EnvironmentBuildError: the project cannot be published as it is.
        """
        __tracebackhide__ = True
        definition = None if isinstance(task, str) else definition_of(task, self._start)
        name = task if definition is None else definition.name
        call = Call(name, dict(inputs))
        self.calls.append(call)
        project = self._project(definition)
        platform = self._projects.platform_of(project)
        run = _run(platform, name, {each: given(value) for each, value in inputs.items()})
        folder = self._new_folder()
        call.command = lambda: command(project, name, _typed(run, platform, folder), folder)
        if run.status != "succeeded":
            call.ended = "failed"
            raise FailedRunError(run.told(), run.failure)
        found = _outputs(run, definition, platform, self._new_folder)
        call.ended = f"returned {shown(found)}"
        return found

    def _project(self, definition: TaskDefinition | None) -> Path:
        places = [] if definition is None else [source_folder(definition, self._start)]
        for place in (*places, self._start):
            if (project := project_of(place)) is not None:
                return project
        raise InvalidValueError(
            f"no folder above {self._start} has a pyproject.toml that announces tasks; "
            "run_isolated runs those of the project that the tests belong to"
        )


def _run(platform: TemporaryPlatform, name: str, inputs: Mapping[str, Any]) -> TestRun:
    client = platform.client
    graph = client.graph(name)
    steps = tuple(attrs.evolve(each, retries=0) for each in graph.steps)
    run_id = client.submit(name, inputs, graph=attrs.evolve(graph, steps=steps))
    run = platform.wait(run_id)
    for line in client.logs(run.id):  # where pytest shows what a test has written
        if line.stream != "taskmgr":
            stream = sys.stdout if line.stream == "stdout" else sys.stderr
            stream.write(f"{line.text}\n")
    return run


def _typed(run: TestRun, platform: TemporaryPlatform, folder: Path) -> dict[str, Any]:
    """The inputs as a user would type them, their files in a folder that a failure leaves."""
    names = run.detail.run.graph.inputs
    inputs = {value.port: value.document for value in run.detail.values if value.port in names}
    documents = _documents(inputs, platform, folder)
    for number, found in enumerate(references(inputs)):
        digest = str(found["$artifact"])
        kept = folder / f"{number}-{found.get('name') or 'input'}"
        _link(Path(documents.paths[digest]), kept)
        documents.paths[digest] = str(kept)
    return {name: documents.repeatable(each) for name, each in inputs.items()}


def _outputs(
    run: TestRun,
    definition: TaskDefinition | None,
    platform: TemporaryPlatform,
    new_folder: Callable[[], Path],
) -> Any:
    made = {
        value.port.split("_", 2)[2]: value.document for value in run.detail.values if value.producer
    }
    if definition is not None:
        return _documents(made, platform, new_folder()).output(definition, made)
    values = {name: native(each, platform.client.artifacts) for name, each in made.items()}
    return values[SINGLE_OUTPUT] if set(values) == {SINGLE_OUTPUT} else values


def _documents(values: Any, platform: TemporaryPlatform, folder: Path) -> Documents:
    """What knows where the files in recorded values lie."""
    documents = Documents(folder)
    for found in references(values):
        digest = str(found["$artifact"])
        documents.paths[digest] = str(platform.client.artifacts.local_path(digest))
    return documents


def _link(source: Path, target: Path) -> None:
    try:
        os.link(source, target)
    except OSError:  # another file system
        shutil.copyfile(source, target)
