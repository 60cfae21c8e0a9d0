"""A platform like any other, composed with faults and a clock."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any, cast

from taskmgr_core.runners import RunnerLauncher
from taskmgr_core.settings import PREFIX, Settings, load
from taskmgr_core.specs.resources import NO_RESOURCES
from taskmgr_core.testing.clock import Clock
from taskmgr_core.testing.faults import Faults, FaultyLauncher
from taskmgr_core.wiring import Platform

# Quicker than for users: a test waits for retries and for lost workers.
QUICK: Mapping[str, Any] = {
    "heartbeat": 0.2,
    "lost_after": 1.0,
    "retry_delay": 0.05,
    "slots": 2,
}


def settings_for(home: Path, changes: Mapping[str, Any]) -> Settings:
    """Settings that nothing of the surroundings has a part in.

    Arguments:
        home: the home.
        changes: setting -> value, in place of those for tests.

    Raises:
        SettingsError: there is no such setting, or the value is not allowed.
    """
    given = {**QUICK, **changes}
    home.mkdir(parents=True, exist_ok=True)
    known = {name for name in Settings.__annotations__ if name != "home"}
    if unknown := sorted(set(given) - known):
        from taskmgr_core.errors import SettingsError, nearest

        raise SettingsError(f"unknown setting {unknown[0]!r}; {nearest(unknown[0], known)}")
    environ = {f"{PREFIX}{name.upper()}": str(value) for name, value in given.items()}
    return load(environ, home, home)


class WiredPlatform(Platform):
    """The composition root with runners that meet faults.

    Arguments:
        settings: as loaded.
        faults: what calls meet.
        clock: measures their time limits.
    """

    def __init__(self, settings: Settings, faults: Faults, clock: Clock) -> None:
        super().__init__(settings)
        self._faults = faults
        self._clock = clock

    def launcher(self, slots: int, resources: Mapping[str, int] = NO_RESOURCES) -> RunnerLauncher:
        """What starts runners."""
        launcher = super().launcher(slots, resources)
        faulty = FaultyLauncher(launcher, self._faults, self._clock.monotonic)
        return cast("RunnerLauncher", faulty)
