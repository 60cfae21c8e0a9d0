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
from taskmgr_core.testing.platforms import TemporaryPlatform
from taskmgr_core.testing.runs import FailedRunError, TestRun
from taskmgr_core.testing.values import given, native
from taskmgr_core.values import references
from taskmgr_plugins.definitions import SINGLE_OUTPUT, TaskDefinition
from taskmgr_plugins.strict_types import shown
from taskmgr_plugins.testing.documents import Documents
from taskmgr_plugins.testing.projects import definition_of, project_of, source_folder
from taskmgr_plugins.testing.repeating import Call, command


class RunIsolated:
    """Runs tasks of the project of the tests isolated; the fixture ``run_isolated``.

    Arguments:
        platform: where they are published; one for the whole session, its runners warm.
        start: the folder of the test.
        folder: makes folders for what a failed test leaves.
    """

    def __init__(
        self, platform: TemporaryPlatform, start: Path, folder: Callable[[], Path]
    ) -> None:
        self._platform = platform
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
        self._platform.publish(project)
        run = self._run(name, {each: given(value) for each, value in inputs.items()})
        folder = self._new_folder()
        call.command = command(project, name, self._typed(run, folder), folder)
        if run.status != "succeeded":
            call.ended = "failed"
            raise FailedRunError(run.told(), run.failure)
        found = self._outputs(run, definition)
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

    def _run(self, name: str, inputs: Mapping[str, Any]) -> TestRun:
        client = self._platform.client
        graph = client.graph(name)
        graph = attrs.evolve(
            graph, steps=tuple(attrs.evolve(each, retries=0) for each in graph.steps)
        )
        run = self._platform.wait(client.submit(name, inputs, graph=graph))
        for line in client.logs(run.id):  # where pytest shows what a test has written
            if line.stream != "taskmgr":
                stream = sys.stdout if line.stream == "stdout" else sys.stderr
                stream.write(f"{line.text}\n")
        return run

    def _typed(self, run: TestRun, folder: Path) -> dict[str, Any]:
        """The inputs as a user would type them, their files in a folder that a failure leaves."""
        inputs = {
            value.port: value.document
            for value in run.detail.values
            if value.port in run.detail.run.graph.inputs
        }
        documents = self._documents(inputs, folder)
        for number, found in enumerate(references(inputs)):
            digest = str(found["$artifact"])
            kept = folder / f"{number}-{found.get('name') or 'input'}"
            _link(Path(documents.paths[digest]), kept)
            documents.paths[digest] = str(kept)
        return {name: documents.repeatable(each) for name, each in inputs.items()}

    def _documents(self, values: Any, folder: Path) -> Documents:
        """What knows where the files in recorded values lie."""
        artifacts = self._platform.client.artifacts
        documents = Documents(folder)
        for found in references(values):
            digest = str(found["$artifact"])
            documents.paths[digest] = str(artifacts.local_path(digest))
        return documents

    def _outputs(self, run: TestRun, definition: TaskDefinition | None) -> Any:
        artifacts = self._platform.client.artifacts
        made = {
            value.port.split("_", 2)[2]: value.document
            for value in run.detail.values
            if value.producer
        }
        if definition is None:
            values = {name: native(each, artifacts) for name, each in made.items()}
            return values[SINGLE_OUTPUT] if set(values) == {SINGLE_OUTPUT} else values
        return self._documents(made, self._new_folder()).output(definition, made)


def _link(source: Path, target: Path) -> None:
    try:
        os.link(source, target)
    except OSError:  # another file system
        shutil.copyfile(source, target)
