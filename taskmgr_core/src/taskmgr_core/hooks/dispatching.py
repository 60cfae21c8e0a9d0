"""Passes on to hook plugins what happens. Whoever tells it something never waits.

There is one thread that makes events and hands them out, and one for each plugin. Nothing is
imported, and no thread started, before something is told; once it is known that no plugin
implements a hook, telling costs a look into a table.
"""

from __future__ import annotations

import importlib.metadata
import logging
import threading
import time
from collections.abc import Callable, Iterable, Mapping
from typing import Any

import attrs

from taskmgr_core.hooks.choice import Choice
from taskmgr_core.hooks.mailbox import Mailbox
from taskmgr_core.hooks.plugins import HookPlugin, explained
from taskmgr_core.specs import PluginState
from taskmgr_plugins.hookspecs import HOOKS_GROUP

_LOGGER = logging.getLogger("taskmgr_core.hooks")

OWN = "taskmgr"
CLOSE = "taskmgr_close"
# Of the time at the end, what is kept back for a plugin to return.
SPARE_SECONDS = 0.2


@attrs.frozen
class Answer:
    """What one plugin said.

    Attributes:
        plugin: its name.
        given: what its implementations returned.
        problem: why it has not said anything; empty where it has.
    """

    plugin: str
    given: tuple[Any, ...] = ()
    problem: str = ""


class Hooks:
    """The hook plugins of one process.

    Arguments:
        choice: which are used.
        seconds: that a call may take, and that is waited for what is left at the end.
        capacity: how many events may wait for each.
        own: name -> gives the plugins that come with taskmgr.
        group: of the entry points; None for no others than our own.
    """

    def __init__(
        self,
        choice: Choice | None = None,
        seconds: float = 10.0,
        capacity: int = 1000,
        own: Mapping[str, Callable[[], object]] | None = None,
        group: str | None = HOOKS_GROUP,
    ) -> None:
        self._choice = choice or Choice()
        self._seconds = seconds
        self._capacity = capacity
        self._own = dict(own or {})
        self._group = group
        self._lock = threading.Lock()
        self._loading = threading.Lock()
        self._plugins: list[HookPlugin] | None = None
        self._takers: dict[str, list[HookPlugin]] | None = None
        self._incoming: Mailbox[tuple[str, Callable[[], object]]] = Mailbox(capacity)
        self._thread: threading.Thread | None = None
        self._closed = False

    def wants(self, hook: str) -> bool:
        """Whether somebody implements a hook, or may: it is known once all are loaded."""
        return not self._closed and (self._takers is None or hook in self._takers)

    def tell(self, hook: str, make: Callable[[], object]) -> None:
        """Have a hook called, some time, in every plugin that implements it.

        Arguments:
            hook: its name.
            make: makes its argument, in another thread and only if somebody implements it;
                None where there is nothing to tell after all.
        """
        if not self.wants(hook):
            return
        if self._thread is None:
            self._start()
        if not self._incoming.put((hook, make)):
            for each in (self._takers or {}).get(hook, ()):
                each.miss()

    def ask(self, hook: str, argument: object) -> list[Answer]:
        """Call a hook in every plugin that implements it, and wait for what they say.

        A plugin that cannot be used, raises, or is not done in time is among the answers, with
        its problem: one that could not be imported might have implemented the hook.

        Arguments:
            hook: its name.
            argument: its argument.
        """
        asked = [
            (each, each.ask(hook, argument) if hook in each.hooks else None)
            for each in self._loaded()
            if not each.off
        ]
        deadline = time.monotonic() + self._seconds
        answers = []
        for plugin, reply in asked:
            state = plugin.state()
            if reply is None:
                if state.state in ("broken", "hanging", "loading"):
                    answers.append(Answer(plugin.name, (), state.message or "is not loaded yet"))
                continue
            try:
                given = reply.result(max(deadline - time.monotonic(), 0))
            except TimeoutError:
                message = f"{hook} was not done within {self._seconds:g} s"
                answers.append(Answer(plugin.name, (), message))
            except Exception as error:  # noqa: BLE001 - what it raised is its answer
                answers.append(Answer(plugin.name, (), str(error)))
            else:
                answers.append(Answer(plugin.name, tuple(given)))
        return answers

    def states(self, *, load: bool = False) -> tuple[PluginState, ...]:
        """How the plugins are.

        Arguments:
            load: whether to import them for it; else there are none before the first event.
        """
        plugins = self._loaded() if load else self._plugins or []
        return tuple(each.state() for each in plugins)

    def reported(self) -> tuple[PluginState, ...]:
        """How those plugins are that others should know of: our own only if not well."""
        return tuple(each for each in self.states() if each.source != OWN or not each.is_well)

    def not_installed(self) -> tuple[str, ...]:
        """The names in the setting that no plugin has."""
        return tuple(sorted(self._choice.named - {each.name for each in self._loaded()}))

    def close(self) -> None:
        """Take nothing more, and wait for what is waiting, for as long as a call may take."""
        deadline = time.monotonic() + self._seconds
        self._closed = True
        self._incoming.close()
        if self._thread is not None:
            self._thread.join(max(deadline - time.monotonic(), 0))
        left = len(self._incoming)
        for each in self._plugins or []:
            if CLOSE in each.hooks:
                each.tell(CLOSE, max(deadline - time.monotonic() - SPARE_SECONDS, 0.0))
        for each in self._plugins or []:
            given_up = each.close(deadline)
            left += given_up
            if given_up:
                _LOGGER.warning(
                    "hook plugin %s (%s) is given up: not done within %g s",
                    *(each.name, each.source, self._seconds),
                )
        if left:
            _LOGGER.warning("hooks: %d calls were given up at the end", left)

    def _start(self) -> None:
        with self._lock:
            if self._thread is None and not self._closed:
                self._thread = threading.Thread(target=self._serve, name="hooks", daemon=True)
                self._thread.start()

    def _serve(self) -> None:
        self._loaded()
        while (item := self._incoming.take()) is not None:
            hook, make = item
            takers = (self._takers or {}).get(hook, [])
            if not takers:
                continue
            try:
                argument = make()
            except Exception as error:  # noqa: BLE001 - a store that is away, mostly
                _LOGGER.warning("hooks: nobody is told of %s: %s", hook, explained(error))
                continue
            for each in takers if argument is not None else ():
                each.tell(hook, argument)

    def _loaded(self) -> list[HookPlugin]:
        """The plugins, each loaded, or given up for now."""
        with self._loading:
            if self._plugins is None:
                found = list(self._found())
                for each in found:
                    each.start()
                deadline = time.monotonic() + self._seconds
                for each in found:
                    each.loaded.wait(max(deadline - time.monotonic(), 0))
                self._plugins = found
                self._sort()
        return self._plugins

    def _sort(self) -> None:
        """Write down who implements what; a plugin that loads late is added when it has."""
        with self._lock:  # of two who sort at once the later one must have seen the more
            if self._plugins is None:
                return
            takers: dict[str, list[HookPlugin]] = {}
            for each in self._plugins:
                for hook in each.hooks:
                    takers.setdefault(hook, []).append(each)
            self._takers = takers

    def _found(self) -> Iterable[HookPlugin]:
        names = set(self._own)
        for name, load in self._own.items():
            yield self._plugin(name, OWN, load, own=True)
        for point in _entry_points(self._group):
            source = f"{point.dist.name} {point.dist.version}" if point.dist else point.value
            if point.name in names:
                yield self._plugin(point.name, source, _taken)
            else:
                yield self._plugin(point.name, source, point.load)
            names.add(point.name)

    def _plugin(
        self, name: str, source: str, load: Callable[[], object], *, own: bool = False
    ) -> HookPlugin:
        allowed = self._choice.allows(name, own=own)
        used = load if allowed else None
        return HookPlugin(name, source, used, self._seconds, self._capacity, self._sort)


def _taken() -> object:
    raise ValueError("another plugin has its name; rename its entry point")


def _entry_points(group: str | None) -> list[importlib.metadata.EntryPoint]:
    if group is None:
        return []
    try:
        found = importlib.metadata.entry_points(group=group)
    except Exception as error:  # noqa: BLE001 - damaged metadata of any distribution
        _LOGGER.warning("hooks: the installed plugins cannot be listed: %s", explained(error))
        return []
    return sorted(found, key=lambda each: (each.name, each.dist.name if each.dist else ""))
