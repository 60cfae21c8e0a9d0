"""What people do with schedules."""

from __future__ import annotations

import time
from collections.abc import Callable, Mapping
from datetime import UTC, datetime
from typing import Any

import attrs

from taskmgr_core.errors import ConflictError, InvalidValueError, NotFoundError
from taskmgr_core.inputs import InputReader
from taskmgr_core.schedules.cron import checked, zone_named
from taskmgr_core.schedules.deciding import PLACEHOLDER, inputs_for
from taskmgr_core.specs import CatchUp, Firing, Graph, Schedule
from taskmgr_core.stores.schedules import ScheduleStore

_TRIES = 10
_LATEST = datetime(2200, 1, 1, tzinfo=UTC).timestamp()


def moment_in(text: str, zone: str) -> float:
    """A moment as people write it, as UTC seconds.

    Arguments:
        text: ISO 8601, as ``2026-11-25T00:00``.
        zone: the time zone of one that names none.

    Raises:
        InvalidValueError: it is no moment, or not one of 1970 to 2199; there is no such zone.
    """
    clocks = zone_named(zone)
    try:
        said = datetime.fromisoformat(text)
        found = (said if said.tzinfo else said.replace(tzinfo=clocks)).timestamp()
    except (ValueError, OverflowError) as error:
        raise InvalidValueError(
            f"{text!r} is no moment ({error}); write it as 2026-11-25T00:00"
        ) from error
    if not 0 <= found < _LATEST:
        raise InvalidValueError(f"{text!r} is not allowed; give a moment of the years 1970 to 2199")
    return found


@attrs.frozen
class Schedules:
    """Adds, changes and removes schedules.

    Attributes:
        store: where they are.
        reader: checks the inputs of the runs, and stores their files.
        clock: UTC seconds.
    """

    store: ScheduleStore
    reader: InputReader
    clock: Callable[[], float] = time.time

    def add(
        self,
        name: str,
        graph: Graph,
        cron: str,
        inputs: Mapping[str, Any],
        *,
        zone: str = "UTC",
        catch_up: CatchUp = "latest",
        since: float | None = None,
    ) -> Schedule:
        """Add a schedule.

        Arguments:
            name: of the schedule.
            graph: of the pipeline or task, as it is now; each run gets it as it is then.
            cron: see ``cron.times``.
            inputs: of each run; a file is stored now. ``{scheduled}`` in a text stands for
                the time that the run is for.
            zone: an IANA time zone.
            catch_up: what becomes of times that were missed.
            since: UTC seconds after which its times count, those that have passed are missed;
                None for now.

        Raises:
            ConflictError: there is one of that name.
            InvalidValueError: name, expression, zone or inputs cannot be used.
        """
        if not name.isprintable() or not name.strip() or name[0] in "-." or "/" in name:
            raise InvalidValueError(
                f"{name!r} is no name for a schedule; give a printable text without '/', which "
                "does not begin with '-' or '.'"
            )
        now = self.clock()
        checked(cron, zone, now)
        made = Schedule(name, graph.name, cron, zone, inputs, catch_up, since or now)
        # With a time in its place they have to fit; what has none is kept as it was read.
        read = self.reader.read(graph, inputs_for(made, now))
        kept = {
            field: value if PLACEHOLDER in str(value) else read[field]
            for field, value in inputs.items()
        }
        made = attrs.evolve(made, inputs=kept)
        if not self.store.add(made):
            raise ConflictError(
                f"there is a schedule {name!r} already; remove it first (taskmgr schedule remove "
                f"{name}), or give another name"
            )
        return made

    def pause(self, name: str) -> Schedule:
        """Have it run nothing for now.

        Raises:
            NotFoundError: there is none.
        """
        return self._changed(name, lambda found: attrs.evolve(found, paused=True))

    def resume(self, name: str) -> Schedule:
        """Have it run again, from now on: what was paused is not missed.

        Raises:
            NotFoundError: there is none.
        """

        def resumed(found: Schedule) -> Schedule:
            handled = max(found.handled, self.clock()) if found.paused else found.handled
            return attrs.evolve(found, paused=False, handled=handled)

        return self._changed(name, resumed)

    def remove(self, name: str) -> None:
        """Remove it; its runs stay.

        Raises:
            NotFoundError: there is none.
        """
        if not self.store.remove(name):
            raise self._unknown(name)

    def listing(self) -> list[Schedule]:
        """Every schedule, by name."""
        return self.store.listing()

    def firings(self, name: str, limit: int) -> list[Firing]:
        """What it has fired, the latest time first.

        Raises:
            NotFoundError: there is no such schedule.
        """
        self._found(name)
        return self.store.firings(name, limit)

    def _changed(self, name: str, change: Callable[[Schedule], Schedule]) -> Schedule:
        """A scheduler may change it at the same moment: then it is read again."""
        for _ in range(_TRIES):
            wanted = change(self._found(name))
            if self.store.put(wanted):
                return wanted
        raise ConflictError(f"the schedule {name!r} changes all the time; try again")

    def _found(self, name: str) -> Schedule:
        for each in self.store.listing():
            if each.name == name:
                return each
        raise self._unknown(name)

    def _unknown(self, name: str) -> NotFoundError:
        return NotFoundError.named("schedule", name, [each.name for each in self.store.listing()])
