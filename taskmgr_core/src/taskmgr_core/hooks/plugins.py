"""One hook plugin: loaded and called in a thread of its own, so that it is in nobody's way."""

from __future__ import annotations

import logging
import threading
import time
import traceback
from collections.abc import Callable, Mapping
from concurrent.futures import Future
from typing import Any

import attrs

from taskmgr_core.hooks.loading import Implementation, implementation
from taskmgr_core.hooks.mailbox import Mailbox
from taskmgr_core.specs import PluginState, PluginStatus

_LOGGER = logging.getLogger("taskmgr_core.hooks")

_SHOWN = 500


@attrs.frozen
class _Call:
    hook: str
    argument: Any
    reply: Future[list[Any]] | None = None


class HookPlugin:
    """A plugin with its thread, its bounded queue and its counters.

    Arguments:
        name: of its entry point.
        source: its distribution and version.
        load: gives the module or object; None where the setting leaves it out.
        seconds: that a call may take.
        capacity: how many calls may wait for it.
        on_loaded: told when it is known what it implements.
    """

    def __init__(
        self,
        name: str,
        source: str,
        load: Callable[[], object] | None,
        seconds: float,
        capacity: int,
        on_loaded: Callable[[], None] = lambda: None,
    ) -> None:
        self.name = name
        self.source = source
        self.loaded = threading.Event()
        self._load = load
        self._seconds = seconds
        self._on_loaded = on_loaded
        self._mailbox: Mailbox[_Call] = Mailbox(capacity)
        self._lock = threading.Lock()
        self._implementation = Implementation({}, ())
        self._problem = ""
        self._trouble = ""
        self._began: float | None = None
        self._doing = "its import"
        self._counts = {"called": 0, "failed": 0, "dropped": 0}
        self._said: set[str] = set()
        self._thread = threading.Thread(target=self._serve, name=f"hooks-{name}", daemon=True)

    @property
    def hooks(self) -> Mapping[str, Callable[[Any], list[Any]]]:
        """What it implements, as far as is known."""
        return self._implementation.hooks

    @property
    def off(self) -> bool:
        """Whether the setting leaves it out."""
        return self._load is None

    @property
    def problem(self) -> str:
        """Why it cannot be used at all; empty where it can."""
        return self._problem

    def start(self) -> None:
        """Begin to load it; one that is off is never imported."""
        if self.off:
            self.loaded.set()
        else:
            self._began = time.monotonic()
            self._thread.start()

    def tell(self, hook: str, argument: Any) -> None:
        """Have it called, some time; dropped and counted where it cannot keep up."""
        self._put(_Call(hook, argument))

    def ask(self, hook: str, argument: Any) -> Future[list[Any]]:
        """Have it called; what its implementations return comes, if they do."""
        reply: Future[list[Any]] = Future()
        if not self._put(_Call(hook, argument, reply)):
            reply.set_exception(TimeoutError("it hangs in another call"))
        return reply

    def close(self, deadline: float) -> int:
        """Take nothing more, wait for what is waiting; how many calls are given up.

        Arguments:
            deadline: monotonic seconds until which it is waited for.
        """
        self._mailbox.close()
        if not self._thread.is_alive():
            return 0
        self._thread.join(max(deadline - time.monotonic(), 0))
        return len(self._mailbox) + 1 if self._thread.is_alive() else 0

    def state(self) -> PluginState:
        """How it is now."""
        with self._lock:
            state, message = self._judged()
            return PluginState(
                self.name, self.source, state, tuple(self.hooks), message, **self._counts
            )

    def _judged(self) -> tuple[PluginStatus, str]:
        if self.off:
            return "off", "the setting hooks leaves it out"
        if self._problem:
            return "broken", self._problem
        if self._hangs():
            return "hanging", f"{self._doing} has not come back within {self._seconds:g} s"
        if not self.loaded.is_set():
            return "loading", ""
        if self._trouble:
            return "failing", self._trouble
        dropped = self._counts["dropped"]
        said = f"{dropped} calls were dropped: it cannot keep up" if dropped else ""
        return "ok", said or self._implementation.remark

    def _hangs(self) -> bool:
        return self._began is not None and time.monotonic() - self._began > self._seconds

    def _put(self, call: _Call) -> bool:
        with self._lock:
            hangs = self._hangs()
        if not hangs and self._mailbox.put(call):
            return True
        self._count("dropped")
        why = (
            f"{self._doing} has not come back within {self._seconds:g} s"
            if hangs
            else "more is waiting for it than the setting hook_queue allows"
        )
        self._say("hanging" if hangs else "full", f"is left out for now: {why}")
        return False

    def _serve(self) -> None:
        try:
            assert self._load is not None  # noqa: S101 - one that is off has no thread
            self._implementation = implementation(self._load())
        except BaseException as error:  # noqa: BLE001 - SystemExit of a module included
            self._problem = f"cannot be used: {explained(error)}"
            self._say("broken", self._problem)
        finally:
            with self._lock:
                self._began = None
            self.loaded.set()
            self._on_loaded()
        if self._implementation.remark and not self._problem:
            self._say("remark", self._implementation.remark)
        while (call := self._mailbox.take()) is not None:
            self._carry_out(call)

    def _carry_out(self, call: _Call) -> None:
        if call.hook not in self.hooks:
            return
        with self._lock:
            self._doing, self._began = call.hook, time.monotonic()
        try:
            found = self.hooks[call.hook](call.argument)
        except BaseException as error:  # noqa: BLE001 - somebody else's code may raise anything
            self._fail(call, error)
        else:
            self._count("called")
            if call.reply is not None:
                call.reply.set_result(found)
        finally:
            with self._lock:
                self._began = None

    def _fail(self, call: _Call, error: BaseException) -> None:
        self._count("failed")
        trouble = f"{call.hook} raised {explained(error)}"
        with self._lock:
            self._trouble = trouble
        if call.reply is not None:
            call.reply.set_exception(RuntimeError(trouble))  # who has asked tells it
        else:
            self._say(call.hook, trouble)

    def _count(self, what: str) -> None:
        with self._lock:
            self._counts[what] += 1

    def _say(self, about: str, text: str) -> None:
        """Log something once."""
        with self._lock:
            known = about in self._said
            self._said.add(about)
        if not known:
            _LOGGER.warning("hook plugin %s (%s) %s", self.name, self.source, text)


def explained(error: BaseException) -> str:
    """An error of somebody else's code: what, and where in it."""
    found = traceback.extract_tb(error.__traceback__)
    frames = [each for each in found if not each.filename.startswith("<frozen")]
    place = f" ({frames[-1].filename}:{frames[-1].lineno})" if frames else ""
    text = f"{type(error).__name__}: {error}"
    return f"{text if len(text) <= _SHOWN else text[:_SHOWN] + '...'}{place}"
