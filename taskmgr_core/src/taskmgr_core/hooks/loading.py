"""From an entry point to a plugin whose hooks can be called."""

from __future__ import annotations

import inspect
from collections.abc import Callable, Mapping
from typing import Any

import attrs
import pluggy

from taskmgr_core.errors import nearest
from taskmgr_plugins import hookspecs


@attrs.frozen
class Implementation:
    """What a plugin implements.

    Attributes:
        hooks: hook -> calls the plugin's implementations of it with one argument.
        unknown: names that it marks as hooks and that are none here.
    """

    hooks: Mapping[str, Callable[[Any], list[Any]]]
    unknown: tuple[str, ...]

    @property
    def remark(self) -> str:
        """What its author should know; empty where there is nothing."""
        if self.unknown:
            name = self.unknown[0]
            return (
                f"{name} is no hook of this taskmgr and is never called; "
                f"{nearest(name, known_hooks())}"
            )
        return "" if self.hooks else "implements no hook; mark its functions with @hookimpl"


def known_hooks() -> list[str]:
    """Every hook for plugins of the platform, in the order in which they are declared."""
    return [
        name
        for name, each in vars(hookspecs).items()
        if hasattr(each, "taskmgr_spec") and name != "taskmgr_tasks"
    ]


def implementation(plugin: object) -> Implementation:
    """Find what a plugin implements.

    Arguments:
        plugin: a module, an object, or a class, of which an object is made.

    Raises:
        ValueError: an implementation takes what its hook does not give.
        Exception: whatever the class raises.
    """
    manager = pluggy.PluginManager(hookspecs.PROJECT)
    manager.add_hookspecs(hookspecs)
    made = plugin() if isinstance(plugin, type) else plugin
    try:
        manager.register(made)
    except pluggy.PluginValidationError as error:
        raise ValueError(_mismatch(error)) from error
    callers = manager.get_hookcallers(made) or []
    return Implementation(
        {each.name: _caller(each) for each in callers if each.has_spec()},
        tuple(sorted(each.name for each in callers if not each.has_spec())),
    )


def signature(hook: str) -> str:
    """A hook as it is declared, without its result."""
    parameters = ", ".join(inspect.signature(getattr(hookspecs, hook)).parameters)
    return f"{hook}({parameters})"


def _caller(caller: Any) -> Callable[[Any], list[Any]]:
    """Calls with the one argument by its name; a hook without any is called without."""
    (name,) = caller.spec.argnames or (None,)

    def call(argument: Any) -> list[Any]:
        found = caller() if name is None else caller(**{name: argument})
        # A generator is carried out here, where its time is limited.
        return [list(each) if inspect.isgenerator(each) else each for each in found]

    return call


def _mismatch(error: pluggy.PluginValidationError) -> str:
    hook = next((each for each in known_hooks() if f"{each!r}" in str(error)), "")
    last = str(error).strip().splitlines()[-1]
    return f"{hook or 'a hook'}: {last}; it is declared as {signature(hook)}" if hook else last
