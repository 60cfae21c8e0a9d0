"""Every hook of the project. A plugin implements them with ``@hookimpl``.

A plugin of tasks is found by the group ``taskmgr.plugins`` and implements ``taskmgr_tasks``
alone. All other hooks are for plugins of the platform, found by the group ``taskmgr.hooks``:
each entry point there names a module, or an object, that implements some of them.

A plugin may leave out arguments that it does not need; arguments and hooks may be added in
later versions. See docs/reference/hooks.md for who calls which, where and how often.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from typing import TYPE_CHECKING, Any

import pluggy

# A task's runner imports this module, and needs no event.
if TYPE_CHECKING:
    from taskmgr_plugins.events import (
        Notification,
        Publication,
        RunEnded,
        RunStarted,
        StepEnded,
        StepStarted,
    )
    from taskmgr_plugins.value_types import ValueType

PROJECT = "taskmgr"
ENTRY_POINT_GROUP = "taskmgr.plugins"
HOOKS_GROUP = "taskmgr.hooks"

hookspec = pluggy.HookspecMarker(PROJECT)
hookimpl = pluggy.HookimplMarker(PROJECT)


@hookspec
def taskmgr_tasks() -> Sequence[Any]:  # type: ignore[empty-body]
    """Announce the tasks of a plugin.

    Called once when the plugin's module has been imported.

    Returns:
        ``Task`` classes and functions marked with ``@task``. Their names must
        be those of the plugin's entry points in the group ``taskmgr.plugins``,
        so that tasks can be listed without importing anything.
    """


@hookspec
def taskmgr_value_types() -> Sequence[ValueType]:  # type: ignore[empty-body]
    """Announce types of field values.

    Called once in a process that meets a type which the SDK does not know: in the
    runner of a task, and where a value or a pipeline of that type is given.

    Returns:
        The types.
    """


@hookspec
def taskmgr_check_publish(publication: Publication) -> Iterable[str] | None:
    """Say why a plugin must not be published.

    Called in the process that publishes, when all else is found to be right. A check that
    raises, or is not done in time, refuses as well: nobody can say what it would have found.

    Arguments:
        publication: the plugin.

    Returns:
        Every problem, with what to do about it; None, or nothing, where there is none.
    """


@hookspec
def taskmgr_run_started(event: RunStarted) -> None:
    """Hear of a run that is recorded.

    Called in the process that submits it, at most once.

    Arguments:
        event: the run.
    """


@hookspec
def taskmgr_run_ended(event: RunEnded) -> None:
    """Hear of a run's end that is recorded.

    Called in the process that recorded it: the worker of the last step, or who
    cancelled. At most once, but for a run that ends because workers were lost.

    Arguments:
        event: the run, and how it ended.
    """


@hookspec
def taskmgr_step_started(event: StepStarted) -> None:
    """Hear of an attempt at a step that begins.

    Called in the worker, at most once for each attempt.

    Arguments:
        event: the attempt.
    """


@hookspec
def taskmgr_step_ended(event: StepEnded) -> None:
    """Hear of an attempt's end that is recorded.

    Called in the worker that recorded it, at most once for each attempt. An attempt whose
    worker died ends in the worker that takes the step back.

    Arguments:
        event: the attempt, and what came of it.
    """


@hookspec
def taskmgr_notify(notification: Notification) -> None:
    """Pass on what a person may want to know.

    Called in the process that finds out.

    Arguments:
        notification: what happened.
    """


@hookspec
def taskmgr_close(seconds: float) -> None:
    """Finish what is under way, because the process ends.

    Called once in each process in which the plugin was told something, as the last call.

    Arguments:
        seconds: that are left for it; what takes longer is given up.
    """
