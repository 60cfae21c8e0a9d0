"""Runs a task in the process of the test, as a runner would: ``run_task``."""

from __future__ import annotations

import contextlib
from collections.abc import Callable, Mapping
from pathlib import Path
from types import TracebackType
from typing import Any

import attrs

import taskmgr_plugins
from taskmgr_plugins.converter import JSON, ValueConverter
from taskmgr_plugins.definitions import TaskDefinition
from taskmgr_plugins.errors import (
    InvalidOutputError,
    InvalidValueError,
    TaskDefinitionError,
    TaskmgrError,
)
from taskmgr_plugins.host import LoadedTask
from taskmgr_plugins.schemas import TYPE_KEY, Schema
from taskmgr_plugins.strict_types import shown
from taskmgr_plugins.testing.documents import Documents
from taskmgr_plugins.testing.projects import (
    definition_of,
    project_of,
    source_folder,
    weights_of,
)
from taskmgr_plugins.testing.repeating import Call, command

# What is wrong with a document, by its schema: document, schema, place.
CheckSchema = Callable[[Any, Schema, str], list[str]]

_SDK = Path(taskmgr_plugins.__file__).parent


@attrs.frozen
class _Loaded:
    """A task that is kept for the next call, and what its class was made of."""

    made_of: tuple[Any, ...]
    task: LoadedTask


class LoadedTasks:
    """The tasks that a session has loaded: like a warm runner, each loads its model once.

    Attributes:
        converter: of all of them; it learns each type once.
    """

    def __init__(self) -> None:
        self.converter = ValueConverter(Path())
        self._kept: dict[Any, _Loaded] = {}

    def get(self, definition: TaskDefinition, start: Path, folder: Path) -> LoadedTask:
        """A task ready to be called.

        Arguments:
            definition: which.
            start: a folder of the tests.
            folder: where it writes while it loads.
        """
        announced = definition.announced
        made_of = (getattr(announced, "__init__", None), getattr(announced, "load_model", None))
        kept = self._kept.get(announced)
        if kept is None or kept.made_of != made_of:  # a test may have put another in its place
            self._close(announced)
            with contextlib.chdir(folder):
                loaded = LoadedTask(definition, weights_of(definition, start), self.converter)
            kept = self._kept[announced] = _Loaded(made_of, loaded)
        return kept.task

    def close(self) -> None:
        """Let go of all of them."""
        for announced in list(self._kept):
            self._close(announced)

    def _close(self, announced: Any) -> None:
        if announced in self._kept:
            self._kept.pop(announced).task.close()


class RunTask:
    """Runs tasks in the process of the test; the fixture ``run_task``.

    Arguments:
        loaded: keeps what is loaded.
        start: the folder of the test.
        folder: for the files of its calls.
        check: says what is wrong with a document by its schema.
    """

    def __init__(
        self, loaded: LoadedTasks, start: Path, folder: Callable[[], Path], check: CheckSchema
    ) -> None:
        self._loaded = loaded
        self._start = start
        self._new_folder = folder
        self._check = check
        self.calls: list[Call] = []

    def __call__(self, task: Any, /, **inputs: Any) -> Any:
        """Run a task once: inputs and outputs are checked and converted as a runner does it.

        Arguments:
            task: a ``Task`` class, a function marked with ``@task``, or a task's name.
            inputs: a value for each input, as the task takes it or as JSON; for a ``File`` or
                an ``Image`` also a path or bytes.

        Returns:
            What the task gives: an object of its output class, or its only value. Files are
            copies that last until the end of the test.

        Raises:
            TaskDefinitionError: there is no such task, or its declaration cannot work.
            InvalidValueError: an input does not fit.
            InvalidOutputError: what it returned does not fit.
            Exception: whatever the task raises.
        """
        __tracebackhide__ = True
        call = Call(task if isinstance(task, str) else repr(task), dict(inputs))
        self.calls.append(call)
        try:
            given = self._called(definition_of(task, self._start), inputs, call)
        except BaseException as error:
            own = _own(error)
            if own is None:
                error.__cause__, error.__suppress_context__ = None, True
            error.__traceback__ = own
            raise
        call.ended = f"returned {shown(given)}"
        return given

    def batch(self, task: Any, /, *calls: Mapping[str, Any]) -> list[Any]:
        """Run a task that has ``predict_batch`` once for several calls.

        Arguments:
            task: as above.
            calls: the inputs of each call, by name.

        Returns:
            For each call what the task gives, or the error with which it alone fails.

        Raises:
            TaskDefinitionError: there is no such task, or it is not given so many at once.
            InvalidValueError: an input does not fit.
        """
        __tracebackhide__ = True
        definition = definition_of(task, self._start)
        most = definition.options.max_batch_size
        if not 1 <= len(calls) <= most:
            raise TaskDefinitionError(
                f"{len(calls)} calls in a batch of {definition.name}: allowed are 1 to {most}, its "
                "max_batch_size"
            )
        noted = [Call(definition.name, dict(each)) for each in calls]
        self.calls += noted
        work = self._work_folder()
        pairs = zip(calls, noted, strict=True)
        given = [self._prepared(definition, inputs, call, work) for inputs, call in pairs]
        loaded = self._ready(definition, work, *(documents for documents, _ in given))
        with contextlib.chdir(work):
            results, _ = loaded.call_batch([each for _, each in given])
        ended: list[Any] = []
        for (documents, _), result, call in zip(given, results, noted, strict=True):
            failed = isinstance(result, BaseException)
            value = result if failed else self._native(definition, documents, result, work)
            call.ended = f"{'failed with' if failed else 'returned'} {shown(value)}"
            ended.append(value)
        return ended

    def _called(self, definition: TaskDefinition, inputs: Mapping[str, Any], call: Call) -> Any:
        work = self._work_folder()
        documents, given = self._prepared(definition, inputs, call, work)
        loaded = self._ready(definition, work, documents)
        call.ended = "failed"
        with contextlib.chdir(work):
            outputs, _ = loaded.call(given)
        return self._native(definition, documents, outputs, work)

    def _work_folder(self) -> Path:
        work = self._new_folder() / "work"
        work.mkdir()
        return work

    def _prepared(
        self, definition: TaskDefinition, inputs: Mapping[str, Any], call: Call, work: Path
    ) -> tuple[Documents, dict[str, Any]]:
        """What a call is given, as JSON."""
        call.task = definition.name
        folder = work.parent if not (work.parent / "inputs").exists() else self._new_folder()
        documents = Documents(folder / "inputs", self._loaded.converter)
        given = documents.given(definition.inputs, inputs)
        self._checked(
            given, {each.name: each.schema for each in definition.inputs}, InvalidValueError
        )
        call.command = lambda: command(
            project_of(source_folder(definition, self._start)),
            definition.name,
            {name: documents.repeatable(each) for name, each in given.items()},
            folder,
        )
        return documents, given

    def _ready(self, definition: TaskDefinition, work: Path, *given: Documents) -> LoadedTask:
        """A task that finds its files."""
        loaded = self._loaded.get(definition, self._start, work)
        self._loaded.converter.folder = work
        self._loaded.converter.paths = {
            digest: path for each in given for digest, path in each.paths.items()
        }
        return loaded

    def _native(
        self, definition: TaskDefinition, documents: Documents, outputs: Any, work: Path
    ) -> Any:
        stored = documents.stored(outputs, work)
        schemas = {each.name: each.schema for each in definition.outputs}
        self._checked(stored, schemas, InvalidOutputError)
        return documents.output(definition, stored)

    def _checked(
        self,
        documents: Mapping[str, Any],
        schemas: Mapping[str, Schema],
        error: type[InvalidValueError],
    ) -> None:
        problems = [
            problem
            for name, document in documents.items()
            if not _is_aside(document, schemas[name])
            for problem in self._check(document, schemas[name], name)
        ]
        if problems:
            raise error("; ".join(problems))


def _is_aside(document: Any, schema: Schema) -> bool:
    """Whether it is a file only because it is large; its annotation has checked it."""
    aside = isinstance(document, Mapping) and document.get("media_type") == JSON
    return aside and schema.get(TYPE_KEY) not in ("File", "Image")


def _own(error: BaseException) -> TracebackType | None:
    """The task's own part of a traceback; None for what the message alone explains."""
    callers = (_SDK / "testing", _SDK / "host.py")
    found = error.__traceback__
    while found is not None and any(_file_of(found).is_relative_to(each) for each in callers):
        found = found.tb_next
    refused_here = found is None or _file_of(found).is_relative_to(_SDK)
    return None if refused_here and isinstance(error, TaskmgrError) else found


def _file_of(traceback: TracebackType) -> Path:
    return Path(traceback.tb_frame.f_code.co_filename)
