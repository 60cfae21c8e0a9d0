"""Find one plugin by its distribution, and run its tasks in this process."""

from __future__ import annotations

import importlib
import inspect
import os
import time
from collections.abc import Awaitable, Callable, Iterable, Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any

import attrs
import pluggy

from taskmgr_plugins import batches, hookspecs, streams
from taskmgr_plugins.batches import Turn
from taskmgr_plugins.converter import ValueConverter
from taskmgr_plugins.definitions import SINGLE_OUTPUT, TaskDefinition, define
from taskmgr_plugins.distributions import entry_points_of
from taskmgr_plugins.errors import (
    InvalidOutputError,
    InvalidValueError,
    TaskDefinitionError,
    nearest,
)
from taskmgr_plugins.tasks import MLTask

_Arguments = tuple[tuple[Any, ...], dict[str, Any]]


@attrs.frozen
class InstalledTask:
    """A task that an installed distribution announces, found without importing it."""

    task: str
    distribution: str
    version: str
    module: str


def installed_tasks() -> list[InstalledTask]:
    """The tasks of every installed plugin, from the entry points alone."""
    import importlib.metadata  # slow, and no runner asks

    found = [
        InstalledTask(
            task=point.name,
            distribution=point.dist.name if point.dist else "",
            version=point.dist.version if point.dist else "",
            module=point.module,
        )
        for point in importlib.metadata.entry_points(group=hookspecs.ENTRY_POINT_GROUP)
    ]
    return sorted(found, key=lambda each: each.task)


def load_plugin(distribution: str) -> dict[str, TaskDefinition]:
    """Import the plugin of a distribution and ask it for its tasks.

    Arguments:
        distribution: the name of the installed distribution.

    Returns:
        The definition of each task, by name.

    Raises:
        TaskDefinitionError: no entry points, a doubled name, or names that
            differ from the entry points'.
        Exception: whatever the plugin's import raises.
    """
    points = entry_points_of(distribution, hookspecs.ENTRY_POINT_GROUP)
    if not points:
        raise TaskDefinitionError(
            f"{distribution} announces no task; add to its pyproject.toml: "
            f'[project.entry-points."{hookspecs.ENTRY_POINT_GROUP}"] <task> = "<module>"'
        )
    manager = pluggy.PluginManager(hookspecs.PROJECT)
    manager.add_hookspecs(hookspecs)
    for module in sorted({point.module for point in points}):
        manager.register(importlib.import_module(module))
    definitions = [
        define(each) for given in manager.hook.taskmgr_tasks() for each in _listed(given)
    ]
    return _by_name(definitions, {point.name for point in points})


def _listed(given: Any) -> Sequence[Any]:
    if not isinstance(given, list | tuple):
        raise TaskDefinitionError(
            f"the hook taskmgr_tasks returned {given!r}; it must return a list of tasks"
        )
    return given


def _by_name(definitions: list[TaskDefinition], entered: set[str]) -> dict[str, TaskDefinition]:
    found: dict[str, TaskDefinition] = {}
    for definition in definitions:
        if definition.name in found:
            raise TaskDefinitionError(f"the task {definition.name!r} is announced twice")
        found[definition.name] = definition
    for name in sorted(entered - set(found)):
        raise TaskDefinitionError(
            f"the entry point {name!r} has no task: the hook taskmgr_tasks announces "
            f"{sorted(found) or 'none'}; {nearest(name, found)}"
        )
    for name in sorted(set(found) - entered):
        raise TaskDefinitionError(
            f"the task {name!r} has no entry point; add it to "
            f'[project.entry-points."{hookspecs.ENTRY_POINT_GROUP}"] in pyproject.toml'
        )
    return found


class LoadedTask:
    """A task ready to be called: constructed, its model loaded.

    Arguments:
        definition: what it declares.
        models: where its weights lie, by name.
        converter: turns JSON into values and back.
    """

    def __init__(
        self,
        definition: TaskDefinition,
        models: Mapping[str, str],
        converter: ValueConverter,
    ) -> None:
        self._definition = definition
        self._converter = converter
        self._loop: Any = None
        self._instance: Any = None
        if isinstance(definition.announced, type):
            # The paths come first, so that __init__ may load a model already.
            made: Any = definition.announced
            self._instance = made.__new__(made)
            self._instance._model_paths = {name: Path(path) for name, path in models.items()}
            self._instance.__init__()
        if isinstance(self._instance, MLTask):
            self._settled(self._instance.load_model())

    def call(self, inputs: Mapping[str, Any]) -> tuple[dict[str, Any], dict[str, float]]:
        """One call.

        Arguments:
            inputs: the JSON of each input; one that is not given has its default.

        Returns:
            The JSON of each output, and the seconds that each stage took.

        Raises:
            InvalidValueError: an input or output does not fit its annotation.
            Exception: whatever the task raises.
        """
        started = time.perf_counter()
        arguments = self._arguments(inputs)
        converted = time.perf_counter()
        value = self._compute(arguments)
        computed = time.perf_counter()
        outputs = self._given(value)
        seconds = {
            "inputs": converted - started,
            "compute": computed - converted,
            "outputs": time.perf_counter() - computed,
        }
        return outputs, seconds

    def stream(self, inputs: Mapping[str, Any]) -> Iterator[Any]:
        """The items of a task that yields, as JSON, each when it is asked for.

        Arguments:
            inputs: as for ``call``.

        Raises:
            InvalidValueError: an input or an item does not fit its annotation.
            Exception: whatever the task raises.
        """
        value = self._compute(self._arguments(inputs))
        for index, item in enumerate(streams.drawn(value, self._settled)):
            place = f"{SINGLE_OUTPUT}[{index}]"
            try:
                document = self._converter.unstructure(item, self._definition.yielded, place)
            except InvalidValueError as error:
                raise InvalidOutputError(f"the task yielded a wrong value: {error}") from error
            yield document

    def call_batch(
        self, calls: Sequence[Mapping[str, Any]], turn: Turn[int] = lambda _: None
    ) -> tuple[list[dict[str, Any] | BaseException], dict[str, float]]:
        """Several calls at once of a task that has ``predict_batch``.

        Arguments:
            calls: the JSON of each input, for each call.
            turn: told before something is done for one call, by its index; None before
                what is done for all.

        Returns:
            The JSON of each output, or the error of that call; and the seconds that each
            stage took for all of them.
        """
        process = os.getpid()
        failed: dict[int, BaseException] = {}

        def each(work: Callable[[int], Any], indexes: Iterable[int]) -> dict[int, Any]:
            done = {}
            for index in indexes:
                turn(index)
                try:
                    done[index] = work(index)
                except BaseException as error:
                    if os.getpid() != process:
                        raise  # a child of the task that came back
                    failed[index] = error
            return done

        started = time.perf_counter()
        prepared = each(lambda index: self._prepared(calls[index]), range(len(calls)))
        converted = time.perf_counter()
        predicted = batches.predicted(self._predicted_together, prepared, turn)
        failed |= {at: value for at, value in predicted.items() if isinstance(value, BaseException)}
        computed = time.perf_counter()
        outputs = each(
            lambda index: self._given(self._finished(predicted[index])),
            [index for index in predicted if index not in failed],
        )
        seconds = {
            "inputs": converted - started,
            "compute": computed - converted,
            "outputs": time.perf_counter() - computed,
        }
        return [(outputs | failed)[index] for index in range(len(calls))], seconds

    def close(self) -> None:
        """End the event loop of an async task, and what still runs in it."""
        if self._loop is not None:
            self._loop.close()

    def _arguments(self, inputs: Mapping[str, Any]) -> dict[str, Any]:
        known = {field.name: field for field in self._definition.inputs}
        for name in inputs:
            if name not in known:
                raise InvalidValueError(f"there is no input {name!r}; {nearest(name, known)}")
        for name, field in known.items():
            if name not in inputs and field.default is attrs.NOTHING:
                raise InvalidValueError(f"the input {name!r} is missing")
        return {
            name: self._converter.structure(inputs.get(name, field.default), field.annotation, name)
            for name, field in known.items()
        }

    def _compute(self, arguments: dict[str, Any]) -> Any:
        instance = self._instance
        if instance is None:
            return self._settled(self._definition.announced(**arguments))
        if not isinstance(instance, MLTask):
            return self._settled(instance.run(**arguments))
        prepared = self._preprocessed(arguments)
        if self._definition.options.max_batch_size == 1:
            return self._finished(self._settled(instance.predict(*prepared[0], **prepared[1])))
        one = batches.predicted(self._predicted_together, {0: prepared}, lambda _: None)[0]
        if isinstance(one, BaseException):
            raise one
        return self._finished(one)

    def _prepared(self, inputs: Mapping[str, Any]) -> _Arguments:
        return self._preprocessed(self._arguments(inputs))

    def _preprocessed(self, arguments: dict[str, Any]) -> _Arguments:
        """What ``predict`` gets: one value by its place, or what there is by name."""
        if not hasattr(self._instance, "preprocess_input"):
            return (), arguments
        return (self._settled(self._instance.preprocess_input(**arguments)),), {}

    def _predicted_together(self, items: list[_Arguments]) -> Any:
        """What ``predict_batch`` gives for what ``predict`` would get of each item."""
        placed, named = items[0]
        columns = [[item[0][at] for item in items] for at in range(len(placed))]
        by_name = {name: [item[1][name] for item in items] for name in named}
        return self._settled(self._instance.predict_batch(*columns, **by_name))

    def _finished(self, predicted: Any) -> Any:
        if not hasattr(self._instance, "postprocess"):
            return predicted
        return self._settled(self._instance.postprocess(predicted))

    def _given(self, value: Any) -> dict[str, Any]:
        """The JSON of what a call came to."""
        if self._definition.yielded is not None:
            value = list(streams.drawn(value, self._settled))
        try:
            return self._outputs(value)
        except InvalidOutputError:
            raise
        except InvalidValueError as error:
            raise InvalidOutputError(f"the task returned a wrong value: {error}") from error

    def _outputs(self, value: Any) -> dict[str, Any]:
        wanted = self._definition.output_class
        if wanted is None:
            (field,) = self._definition.outputs
            return {SINGLE_OUTPUT: self._converter.unstructure(value, field.annotation, field.name)}
        if not isinstance(value, wanted):
            raise InvalidOutputError(
                f"the task returned {type(value).__name__}, not the {wanted.__name__} it declares"
            )
        return {
            field.name: self._converter.unstructure(
                getattr(value, field.name), field.annotation, field.name
            )
            for field in self._definition.outputs
        }

    def _settled(self, value: Any) -> Any:
        """The value, or what it comes to when it is awaitable."""
        if not inspect.isawaitable(value):
            return value
        if self._loop is None:
            import asyncio

            self._loop = asyncio.Runner()
        return self._loop.run(_awaited(value))


async def _awaited(value: Awaitable[Any]) -> Any:
    return await value
