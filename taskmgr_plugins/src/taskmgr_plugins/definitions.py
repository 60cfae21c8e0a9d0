"""What a task declares, read off its annotations: names, fields with schemas, options."""

from __future__ import annotations

import inspect
import json
import re
from collections.abc import Callable, Sequence
from typing import Any, get_type_hints

import attrs

from taskmgr_plugins import batches, streams
from taskmgr_plugins.errors import TaskDefinitionError
from taskmgr_plugins.fields import Box, Points
from taskmgr_plugins.schemas import TYPE_KEY, Schema, class_fields, images_named, schema_of
from taskmgr_plugins.tasks import (
    MLTask,
    Options,
    cache_fault,
    max_concurrent_fault,
    options_of,
    queue_fault,
    rate_fault,
    resources_fault,
)

SINGLE_OUTPUT = "result"
_NAME = re.compile(r"[a-z][a-z0-9_]*\Z")
_LONGEST_BATCH_WAIT_MS = 10_000


@attrs.frozen
class FieldDefinition:
    """One input or output.

    Attributes:
        name: the parameter's or attribute's name.
        annotation: its type as written.
        schema: the JSON Schema of its values.
        default: the value used when none is given; ``attrs.NOTHING`` if required.
    """

    name: str
    annotation: Any = attrs.field(repr=False)
    schema: Schema
    default: Any = attrs.NOTHING

    def document(self) -> dict[str, Any]:
        """The field as JSON."""
        required = self.default is attrs.NOTHING
        optional = {} if required else {"default": self.default}
        return {"name": self.name, "schema": self.schema, "required": required, **optional}


@attrs.frozen
class TaskDefinition:
    """A task as the platform sees it.

    Attributes:
        announced: the class or function.
        options: queue, timeout, ... with the name filled in.
        description: the first paragraph of its docstring.
        inputs: its inputs in order.
        outputs: its outputs in order.
        output_class: the attrs class whose fields are the outputs; None when
            the task's value is itself the only output, ``result``.
        yielded: the type of the items of a task that yields them; None for no such task.
    """

    announced: Any
    options: Options
    description: str
    inputs: tuple[FieldDefinition, ...]
    outputs: tuple[FieldDefinition, ...]
    output_class: type | None
    yielded: Any = None

    @property
    def name(self) -> str:
        """The task's name."""
        return str(self.options.name)

    def document(self) -> dict[str, Any]:
        """The definition as JSON, as it is registered."""
        return {
            **attrs.asdict(self.options),
            "resources": dict(self.options.resources),
            "description": self.description,
            "inputs": [each.document() for each in self.inputs],
            "outputs": [each.document() for each in self.outputs],
            **({} if self.yielded is None else {"streams": True}),
        }


def define(announced: Any) -> TaskDefinition:
    """Read a ``Task`` class or a ``@task`` function.

    Raises:
        TaskDefinitionError: with the place and what is allowed.
    """
    options = _checked(options_of(announced))
    taking, giving = _methods(announced, options)
    inputs = _inputs(taking, str(options.name), bound=isinstance(announced, type))
    batched = isinstance(announced, type) and giving.__name__ == batches.METHOD
    outputs, output_class, yielded = _outputs(giving, str(options.name), batched=batched)
    if batched and not inputs:
        raise TaskDefinitionError(
            f"task {options.name}: {batches.METHOD} takes no list; write "
            f"'def {batches.METHOD}(self, items: list[...]) -> list[...]'"
        )
    _check_places([*inputs, *outputs], inputs, str(options.name))
    documentation = inspect.getdoc(announced) or ""
    return TaskDefinition(
        announced=announced,
        options=options,
        description=" ".join(documentation.split("\n\n")[0].split()),
        inputs=inputs,
        outputs=outputs,
        output_class=output_class,
        yielded=yielded,
    )


def _checked(options: Options) -> Options:
    name = options.name
    if not _NAME.match(str(name)):
        raise TaskDefinitionError(
            f"task name {name!r}: allowed are lower-case letters, digits and _, a letter first"
        )
    faults = (
        queue_fault(options.queue),
        resources_fault(options.resources),
        cache_fault(options.cache),
        max_concurrent_fault(options.max_concurrent),
        rate_fault(options.rate),
    )
    for wrong in filter(None, faults):
        raise TaskDefinitionError(f"task {name}: {wrong}")
    _check_option(options, "priority", int, "a whole number from 0 to 9", lambda it: 0 <= it <= 9)
    for limit in ("timeout", "load_timeout"):
        _check_option(
            options, limit, (int, float), "seconds above 0", lambda it: 0 < it < float("inf")
        )
    _check_option(options, "memory_mb", int, "whole megabytes above 0", lambda it: it > 0)
    _check_option(options, "retries", int, "a whole number, 0 or more", lambda it: it >= 0)
    _check_option(options, "max_batch_size", int, "a whole number, 1 or more", lambda it: it >= 1)
    _check_option(
        options,
        "max_batch_wait_ms",
        (int, float),
        f"milliseconds from 0 to {_LONGEST_BATCH_WAIT_MS}",
        lambda it: 0 <= it <= _LONGEST_BATCH_WAIT_MS,
    )
    if not isinstance(options.network, bool):
        raise TaskDefinitionError(
            f"task {name}: network {options.network!r}: allowed is True or False"
        )
    return options


def _check_option(
    options: Options, option: str, kind: Any, allowed: str, fits: Callable[[Any], bool]
) -> None:
    value = getattr(options, option)
    if isinstance(value, bool) or not isinstance(value, kind) or not fits(value):
        raise TaskDefinitionError(f"task {options.name}: {option} {value!r}: allowed is {allowed}")


def _methods(announced: Any, options: Options) -> tuple[Callable[..., Any], Callable[..., Any]]:
    """The callable whose parameters are the inputs, and the one whose result is the output."""
    main = _main_method(announced, options)
    if not isinstance(announced, type):
        return announced, announced
    if not hasattr(announced, main):
        raise TaskDefinitionError(
            f"task {options.name}: {announced.__name__} has no method {main}; write "
            f"'def {main}(self, ...) -> ...'"
        )
    taking = getattr(announced, "preprocess_input", getattr(announced, main))
    giving = getattr(announced, "postprocess", getattr(announced, main))
    return taking, giving


def _main_method(announced: Any, options: Options) -> str:
    """The name of the method that does the work.

    Raises:
        TaskDefinitionError: what it says of batches does not go together.
    """
    is_model = isinstance(announced, type) and issubclass(announced, MLTask)
    if options.max_batch_size > 1 and not is_model:
        raise TaskDefinitionError(
            f"task {options.name}: max_batch_size {options.max_batch_size}: only an MLTask is "
            f"given batches; derive it from MLTask and write '{batches.METHOD}'"
        )
    if not is_model:
        return "run"
    batched = hasattr(announced, batches.METHOD)
    if batched and options.max_batch_size == 1:
        raise TaskDefinitionError(
            f"task {options.name}: {announced.__name__} has {batches.METHOD} and no "
            "max_batch_size; write 'max_batch_size = 8', or as many as its model takes well"
        )
    if batched and hasattr(announced, "predict"):
        raise TaskDefinitionError(
            f"task {options.name}: {announced.__name__} has both predict and {batches.METHOD}; "
            f"{batches.METHOD} is called for one item, too: remove predict"
        )
    return batches.METHOD if options.max_batch_size > 1 else "predict"


def _hints(function: Callable[..., Any], name: str) -> dict[str, Any]:
    try:
        return get_type_hints(function, include_extras=True)
    except NameError as error:
        raise TaskDefinitionError(
            f"task {name}: the annotations of {function.__name__} cannot be read: {error}"
        ) from error


def _inputs(function: Callable[..., Any], name: str, *, bound: bool) -> tuple[FieldDefinition, ...]:
    hints = _hints(function, name)
    batched = bound and function.__name__ == batches.METHOD
    parameters = list(inspect.signature(function).parameters.values())[1 if bound else 0 :]
    return tuple(
        _input(each, hints, f"task {name}, input {each.name}", batched=batched)
        for each in parameters
    )


def _input(
    parameter: inspect.Parameter, hints: dict[str, Any], place: str, *, batched: bool
) -> FieldDefinition:
    if parameter.kind in (parameter.VAR_POSITIONAL, parameter.VAR_KEYWORD):
        raise TaskDefinitionError(f"{place}: * and ** are not allowed; name each input")
    if parameter.kind is parameter.POSITIONAL_ONLY:
        raise TaskDefinitionError(f"{place}: inputs are passed by name; remove the '/'")
    if parameter.name not in hints:
        raise TaskDefinitionError(f"{place} has no annotation; write '{parameter.name}: <type>'")
    annotation = hints[parameter.name]
    if batched:
        annotation = batches.item_of(annotation, place)
        if parameter.default is not parameter.empty:
            raise TaskDefinitionError(
                f"{place}: {batches.METHOD} takes lists, which have no default; write "
                "preprocess_input, whose parameters may have some"
            )
    default = attrs.NOTHING if parameter.default is parameter.empty else parameter.default
    return _field(parameter.name, annotation, default, place)


def _outputs(
    function: Callable[..., Any], name: str, *, batched: bool
) -> tuple[tuple[FieldDefinition, ...], type | None, Any]:
    """The outputs, the class of which they are the attributes, and what is yielded."""
    annotation = _hints(function, name).get("return")
    if annotation is None or annotation is type(None):
        raise TaskDefinitionError(
            f"task {name}: {function.__name__} declares no result; write '-> <type>'"
        )
    place = f"task {name}, output"
    if batched:
        annotation = batches.item_of(annotation, place)
    yielded = streams.item_yielded(annotation)
    if yielded is not None:
        if batched:
            raise TaskDefinitionError(f"{place}: {batches.METHOD} gives one result for each item")
        annotation = list[yielded]  # type: ignore[valid-type]
    if isinstance(annotation, type) and attrs.has(annotation) and not _is_value(annotation):
        fields = tuple(
            _field(each.name, each.type, attrs.NOTHING, f"{place} {each.name}")
            for each in class_fields(annotation)
        )
        return fields, annotation, None
    return (_field(SINGLE_OUTPUT, annotation, attrs.NOTHING, place),), None, yielded


def _is_value(annotation: type) -> bool:
    """Whether an attrs class is one value (``Box``, ``Points``), not a record of outputs."""
    return annotation in (Box, Points)


def _field(name: str, annotation: Any, default: Any, place: str) -> FieldDefinition:
    schema = schema_of(annotation, place)
    if default is not attrs.NOTHING:
        try:
            default = json.loads(json.dumps(default, allow_nan=False))
        except (TypeError, ValueError) as error:
            raise TaskDefinitionError(
                f"{place}: the default {default!r} is not a JSON value ({error})"
            ) from error
    return FieldDefinition(name=name, annotation=annotation, schema=schema, default=default)


def _check_places(
    fields: Sequence[FieldDefinition], inputs: Sequence[FieldDefinition], name: str
) -> None:
    """Every ``On("x")`` names an ``Image`` input of the task."""
    images = {each.name for each in inputs if each.schema.get(TYPE_KEY) == "Image"}
    for field in fields:
        for wanted in images_named(field.schema):
            if wanted not in images:
                raise TaskDefinitionError(
                    f"task {name}, {field.name}: On({wanted!r}) must name an Image input of the "
                    f"task; there are {sorted(images) or 'none'}"
                )
