"""Hook plugins as pip would have installed them, and hooks that find them."""

from __future__ import annotations

import itertools
import os
import sys
import textwrap
import time
from collections.abc import Callable, Iterator
from pathlib import Path

import attrs
import pytest

from taskmgr_core.hooks import Choice, Hooks
from taskmgr_core.specs import PluginState

BEGIN = "import threading, time\nfrom taskmgr_plugins import hookimpl\n"
_NUMBERS = itertools.count(1)


@attrs.define
class Site:
    """A folder with installed plugins, and what was made to find them."""

    folder: Path
    opened: list[Hooks] = attrs.field(factory=list)

    def install(self, name: str, code: str, *, entry: str = "") -> str:
        """Install a plugin; returns the name of its module.

        Arguments:
            name: of its entry point.
            code: its module; ``hookimpl``, ``time`` and ``threading`` are there.
            entry: what the entry point names; by default the module.
        """
        module = f"hooks_{next(_NUMBERS)}_{os.getpid()}"
        (self.folder / f"{module}.py").write_text(BEGIN + textwrap.dedent(code))
        information = self.folder / f"{module}-2.1.dist-info"
        information.mkdir()
        (information / "METADATA").write_text(
            f"Metadata-Version: 2.1\nName: {name}-dist\nVersion: 2.1\n"
        )
        points = f"[taskmgr.hooks]\n{name} = {(entry or '{}').format(module)}\n"
        (information / "entry_points.txt").write_text(points)
        return module

    def hooks(self, choice: str = "all", seconds: float = 5.0, capacity: int = 100) -> Hooks:
        """Hooks that find the plugins, closed at the end."""
        hooks = Hooks(Choice.of(choice), seconds, capacity)
        self.opened.append(hooks)
        return hooks


@pytest.fixture
def site(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Site]:
    """An empty folder on the path of this process."""
    monkeypatch.syspath_prepend(str(tmp_path))
    before = set(sys.modules)
    site = Site(tmp_path)
    yield site
    for each in site.opened:
        each.close()
    for name in set(sys.modules) - before:
        if name.startswith("hooks_"):
            del sys.modules[name]


def state_of(hooks: Hooks, name: str) -> PluginState:
    """How a plugin is."""
    (found,) = (each for each in hooks.states(load=True) if each.name == name)
    return found


def wait_for(condition: Callable[[], object], what: str, seconds: float = 10.0) -> None:
    """Wait until something is so."""
    deadline = time.monotonic() + seconds
    while not condition():
        assert time.monotonic() < deadline, f"not within {seconds:g} s: {what}"
        time.sleep(0.005)
