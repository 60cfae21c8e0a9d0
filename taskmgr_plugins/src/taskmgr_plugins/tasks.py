"""How a task is written: ``Task``, ``MLTask`` and ``@task``."""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping
from types import MappingProxyType
from typing import TYPE_CHECKING, Any, ClassVar, ParamSpec, TypeVar, overload

import attrs

from taskmgr_plugins.errors import TaskDefinitionError, nearest

if TYPE_CHECKING:
    from pathlib import Path

P = ParamSpec("P")
R = TypeVar("R")

OPTIONS_ATTRIBUTE = "__taskmgr_options__"

_LONGEST_QUEUE_NAME = 64
_QUEUE_NAME = re.compile(rf"[A-Za-z0-9][A-Za-z0-9_.-]{{0,{_LONGEST_QUEUE_NAME - 1}}}\Z")
_RESOURCE_NAME = re.compile(r"[a-z][a-z0-9_]{0,31}\Z")
_MOST_UNITS = 1000
_NO_RESOURCES: Mapping[str, int] = MappingProxyType({})
CACHES = ("", "by-inputs")
MOST_AT_ONCE = 100_000
_RATE = re.compile(r"[1-9][0-9]{0,8}/(s|min|h)\Z")


@attrs.frozen
class Model:
    """Weights that a task needs: stored once by digest beside the wheel, not inside it.

    Attributes:
        name: the file's name in the plugin's ``models`` folder, and the name
            for ``Task.model_path``.
        sha256: the file's digest, 64 hexadecimal digits.
        licence: an SPDX identifier.
        source: where the file comes from.
        version: what its makers call this version of it; for people, the digest is
            what counts.
    """

    name: str
    sha256: str
    licence: str
    source: str
    version: str = ""


@attrs.frozen
class Options:
    """What a task asks of the platform, beside its inputs and outputs.

    Attributes:
        name: the task's name, a lower-case identifier.
        queue: which workers may take it: letters, digits, ``_``, ``-`` and ``.``.
        timeout: seconds until an attempt is killed; loading is not counted.
        load_timeout: seconds until a process is killed in which it is being loaded.
        priority: 0 to 9, higher first.
        memory_mb: megabytes of resident memory until an attempt is killed.
        retries: further attempts after one that failed.
        models: the weights it needs.
        resources: units of what a worker has to offer and have free, as ``{"gpu": 1}``;
            while a step runs they are its own.
        network: whether it may use the network, where workers keep tasks from it.
        max_batch_size: how many calls ``predict_batch`` gets at once, at most.
        max_batch_wait_ms: milliseconds for which a call waits for others to join it.
        cache: ``by-inputs`` where equal inputs always give equal outputs: what a version has
            made of them is taken from there the next time, and nothing is run. Empty for never.
        max_concurrent: how many of its steps run at once, on all workers; 0 for any number.
        rate: how many of its steps begin in a time, on all workers, as ``10/s``, ``100/min``
            or ``5/h``; empty for any number.
    """

    name: str | None = None
    queue: str = "default"
    timeout: float = 60
    load_timeout: float = 900
    priority: int = 5
    memory_mb: int = 2048
    retries: int = 0
    models: tuple[Model, ...] = ()
    resources: Mapping[str, int] = _NO_RESOURCES
    network: bool = False
    max_batch_size: int = 1
    max_batch_wait_ms: float = 5
    cache: str = ""
    max_concurrent: int = 0
    rate: str = ""


class Task:
    """A task as a class: write ``run``, annotate what goes in and what comes out.

    The class attributes are those of ``Options``. An instance lives as long as
    its runner process and serves one call at a time.
    """

    name: ClassVar[str | None] = None
    queue: ClassVar[str] = "default"
    timeout: ClassVar[float] = 60
    load_timeout: ClassVar[float] = 900
    priority: ClassVar[int] = 5
    memory_mb: ClassVar[int] = 2048
    retries: ClassVar[int] = 0
    models: ClassVar[tuple[Model, ...]] = ()
    resources: ClassVar[Mapping[str, int]] = _NO_RESOURCES
    network: ClassVar[bool] = False
    cache: ClassVar[str] = ""
    max_concurrent: ClassVar[int] = 0
    rate: ClassVar[str] = ""

    run: Callable[..., Any]
    _model_paths: Mapping[str, Path]

    def model_path(self, name: str) -> Path:
        """Where the declared weights lie on this machine.

        Arguments:
            name: the ``name`` of one of the task's ``models``.

        Raises:
            TaskDefinitionError: no such model is declared.
        """
        paths: Mapping[str, Path] = getattr(self, "_model_paths", {})
        if name not in paths:
            raise TaskDefinitionError(
                f"task {task_name(type(self))!r} asks for the model {name!r}, "
                f"which it does not declare; {nearest(name, paths)}"
            )
        return paths[name]


class MLTask(Task):
    """A task with a model: ``load_model`` once a process, then ``predict`` for each call.

    ``preprocess_input`` and ``postprocess`` are optional. The inputs are those
    of ``preprocess_input`` where it is written (its result is ``predict``'s only
    argument), else those of ``predict``. The outputs are ``postprocess``'s where
    it is written, else ``predict``'s.

    With a ``max_batch_size`` above 1 a task has ``predict_batch`` in the place of
    ``predict``. It gets lists of what ``predict`` would get, one entry for each call that
    is made at the same time, and returns a list of their results in the same order; an
    exception in the list is the error of its call alone. ``preprocess_input`` and
    ``postprocess`` are as before, for one call.
    """

    max_batch_size: ClassVar[int] = 1
    max_batch_wait_ms: ClassVar[float] = 5

    preprocess_input: Callable[..., Any]
    predict: Callable[..., Any]
    predict_batch: Callable[..., Any]
    postprocess: Callable[..., Any]

    def load_model(self) -> Any:
        """Load what every call needs. May be ``async``."""


@overload
def task(function: Callable[P, R], /) -> Callable[P, R]: ...


@overload
def task(
    *,
    name: str | None = None,
    queue: str = "default",
    timeout: float = 60,
    load_timeout: float = 900,
    priority: int = 5,
    memory_mb: int = 2048,
    retries: int = 0,
    models: tuple[Model, ...] = (),
    resources: Mapping[str, int] = ...,
    network: bool = False,
    cache: str = "",
    max_concurrent: int = 0,
    rate: str = "",
) -> Callable[[Callable[P, R]], Callable[P, R]]: ...


def task(function: Callable[P, R] | None = None, /, **options: Any) -> Any:
    """Make a task of a plain function, with or without options.

    The function stays what it was and can be called as before.

    Arguments:
        function: the function, when used without parentheses.
        options: the attributes of ``Options``.
    """

    def mark(marked: Callable[P, R]) -> Callable[P, R]:
        setattr(marked, OPTIONS_ATTRIBUTE, Options(**options))
        return marked

    return mark if function is None else mark(function)


def queue_fault(name: object) -> str | None:
    """Why a name cannot be a queue's; None when it can.

    Queues are named in lists with commas and become names in brokers: what is
    allowed is safe in both.
    """
    if isinstance(name, str) and _QUEUE_NAME.match(name):
        return None
    return (
        f"queue {name!r}: allowed are 1 to {_LONGEST_QUEUE_NAME} ASCII letters, digits, '_', '-' "
        "and '.', a letter or digit first"
    )


def resources_fault(resources: object) -> str | None:
    """Why these cannot be the resources of a task or a worker; None when they can.

    A resource's name becomes a part of names in brokers and of environment variables.
    """
    if not isinstance(resources, Mapping):
        return f'resources {resources!r}: allowed is a mapping such as {{"gpu": 1}}'
    for name, units in resources.items():
        if not (isinstance(name, str) and _RESOURCE_NAME.match(name)):
            return (
                f"resource {name!r}: allowed are 1 to 32 lower-case letters, digits and '_', a "
                "letter first"
            )
        whole = isinstance(units, int) and not isinstance(units, bool)
        if not whole or not 1 <= units <= _MOST_UNITS:
            return f"resource {name}={units!r}: allowed is a whole number from 1 to {_MOST_UNITS}"
    return None


def cache_fault(cache: object) -> str | None:
    """Why this cannot be the cache of a task; None when it can."""
    if isinstance(cache, str) and cache in CACHES:
        return None
    return f"cache {cache!r}: allowed is 'by-inputs', or '' for none"


def rate_fault(rate: object) -> str | None:
    """Why this cannot be a rate; None when it can. Empty is no limit."""
    if rate == "" or (isinstance(rate, str) and _RATE.match(rate)):
        return None
    return f"rate {rate!r}: allowed is a number above 0 in a time, as '10/s', '100/min', '5/h'"


def max_concurrent_fault(most: object) -> str | None:
    """Why this cannot be how many run at once; None when it can. 0 is no limit."""
    if isinstance(most, int) and not isinstance(most, bool) and 0 <= most <= MOST_AT_ONCE:
        return None
    return f"max_concurrent {most!r}: allowed is a whole number from 0 (no limit) to {MOST_AT_ONCE}"


def options_of(announced: Any) -> Options:
    """What a ``Task`` class or a ``@task`` function asks of the platform.

    Raises:
        TaskDefinitionError: it is neither.
    """
    if isinstance(announced, type) and issubclass(announced, Task):
        return Options(
            name=task_name(announced),
            queue=announced.queue,
            timeout=announced.timeout,
            load_timeout=announced.load_timeout,
            priority=announced.priority,
            memory_mb=announced.memory_mb,
            retries=announced.retries,
            models=tuple(announced.models),
            resources=announced.resources,
            network=announced.network,
            max_batch_size=getattr(announced, "max_batch_size", 1),
            max_batch_wait_ms=getattr(announced, "max_batch_wait_ms", 5),
            cache=announced.cache,
            max_concurrent=announced.max_concurrent,
            rate=announced.rate,
        )
    options = getattr(announced, OPTIONS_ATTRIBUTE, None)
    if isinstance(options, Options):
        return attrs.evolve(options, name=options.name or announced.__name__)
    raise TaskDefinitionError(
        f"taskmgr_tasks returned {announced!r}; "
        "allowed are classes derived from Task and functions marked with @task"
    )


def task_name(task_class: type[Task]) -> str:
    """The declared name, or the class's own in snake case: ``FaceDetection``, face_detection."""
    words = re.sub(r"(?<=[a-z0-9])(?=[A-Z])|(?<=[A-Z])(?=[A-Z][a-z])", "_", task_class.__name__)
    return task_class.name or words.lower()
