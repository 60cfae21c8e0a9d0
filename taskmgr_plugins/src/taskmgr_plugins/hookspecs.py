"""Every hook of the project. A plugin implements them with ``@hookimpl``."""

from collections.abc import Sequence
from typing import Any

import pluggy

PROJECT = "taskmgr"
ENTRY_POINT_GROUP = "taskmgr.plugins"

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
