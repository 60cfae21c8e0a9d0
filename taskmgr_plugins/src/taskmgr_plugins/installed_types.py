"""The types of field values that the plugins beside this SDK announce."""

from __future__ import annotations

import functools
from collections.abc import Mapping
from typing import Any

import attrs
import pluggy

from taskmgr_plugins import hookspecs
from taskmgr_plugins.errors import TaskDefinitionError
from taskmgr_plugins.value_types import ValueType


@attrs.frozen
class Installed:
    """The value types of the plugins that are installed beside this SDK.

    Attributes:
        types: each once, by name.
        faults: what is wrong with plugins that should have announced some.
    """

    types: Mapping[str, ValueType]
    faults: tuple[str, ...]

    def of(self, annotation: Any) -> ValueType | None:
        """The type that a class is announced as; None where nobody announces it."""
        return next((each for each in self.types.values() if each.annotation is annotation), None)


@functools.cache
def installed() -> Installed:
    """What the plugins of the group ``taskmgr.hooks`` announce, asked once in a process.

    Their modules are imported for it. One that cannot be imported, or announces what is no
    type, takes nothing from the others.
    """
    import importlib.metadata  # slow, and asked of types alone that are not the SDK's

    types: dict[str, ValueType] = {}
    faults = []
    for point in importlib.metadata.entry_points(group=hookspecs.HOOKS_GROUP):
        try:
            for each in announced(point.load()):
                _add(each, types)
        except Exception as error:  # noqa: BLE001 - somebody else's module may raise anything
            faults.append(f"the hook plugin {point.name!r}: {type(error).__name__}: {error}")
    return Installed(types, tuple(faults))


def announced(plugin: object) -> list[ValueType]:
    """The types that one plugin announces.

    Arguments:
        plugin: a module or an object.

    Raises:
        TaskDefinitionError: it announces something that is no type.
        Exception: whatever the plugin raises.
    """
    manager = pluggy.PluginManager(hookspecs.PROJECT)
    manager.add_hookspecs(hookspecs)
    manager.register(plugin() if isinstance(plugin, type) else plugin)
    found: list[ValueType] = []
    for given in manager.hook.taskmgr_value_types():
        if not isinstance(given, list | tuple) or not all(isinstance(x, ValueType) for x in given):
            raise TaskDefinitionError(
                f"the hook taskmgr_value_types returned {given!r}; it must return a list of "
                "ValueType"
            )
        found += given
    return found


def _add(each: ValueType, types: dict[str, ValueType]) -> None:
    taken = types.get(each.name)
    if taken is not None:
        raise TaskDefinitionError(
            f"the value type {each.name!r} is announced twice, for {taken.annotation!r} and for "
            f"{each.annotation!r}; give one of them another name"
        )
    types[each.name] = each
