"""The units of a worker's resources: numbered, each held by one step at a time."""

from __future__ import annotations

import threading
from collections.abc import Callable, Mapping
from types import MappingProxyType

import attrs

from taskmgr_core.specs import Claim
from taskmgr_core.specs.resources import NO_RESOURCES, fit

Held = Mapping[str, tuple[int, ...]]
NOTHING_HELD: Held = MappingProxyType({})


class Units:
    """Counts what a worker offers. Safe to use from many threads.

    Arguments:
        offered: units by name; they are numbered from 0.
    """

    def __init__(self, offered: Mapping[str, int] = NO_RESOURCES) -> None:
        self.offered: Mapping[str, int] = MappingProxyType(dict(offered))
        self._free = {name: set(range(units)) for name, units in offered.items()}
        self._lock = threading.Lock()

    @property
    def short(self) -> bool:
        """Whether any unit is held."""
        with self._lock:
            return any(len(self._free[name]) < units for name, units in self.offered.items())

    def fit(self, needs: Mapping[str, int]) -> bool:
        """Whether what is needed is free now."""
        with self._lock:
            return fit(needs, self._counts())

    def take(self, needs: Mapping[str, int]) -> Held | None:
        """Hold what is needed, the lowest numbers first; None where it is not free."""
        with self._lock:
            return self._take(needs)

    def give_back(self, held: Held) -> None:
        """Hold units no more."""
        with self._lock:
            for name, numbers in held.items():
                self._free[name].update(numbers)

    def claimed(self, claim: Callable[[Mapping[str, int]], Claim | None]) -> Claim | None:
        """Claim a step that fits what is free, and hold what it needs.

        Two threads that saw the same free unit would both claim for it: they claim one
        after the other where something is offered.

        Arguments:
            claim: claims a step that needs no more than it is given.

        Returns:
            The claim with its units, to be given back.
        """
        if not self.offered:
            return claim(NO_RESOURCES)
        with self._lock:
            found = claim(self._counts())
            held = self._take(found.step.resources) if found is not None else None
            return None if found is None else attrs.evolve(found, units=held or NOTHING_HELD)

    def _counts(self) -> dict[str, int]:
        return {name: len(numbers) for name, numbers in self._free.items()}

    def _take(self, needs: Mapping[str, int]) -> Held | None:
        if not fit(needs, self._counts()):
            return None
        held = {name: tuple(sorted(self._free[name])[:wanted]) for name, wanted in needs.items()}
        for name, numbers in held.items():
            self._free[name].difference_update(numbers)
        return held


NO_UNITS = Units()
