"""The records of schedules: what every metadata store promises."""

from __future__ import annotations

from typing import Protocol

from taskmgr_core.specs import Firing, Schedule
from taskmgr_core.stores.records import stored

ADD_AGAIN = "remove it and add it again: taskmgr schedule remove NAME"


class ScheduleStore(Protocol):
    """Schedules, their firings, and who may fire. Every method is one operation."""

    def add(self, schedule: Schedule) -> bool:
        """Record a new schedule. Durable. False when there is one of that name."""

    def put(self, schedule: Schedule) -> bool:
        """Record what has changed of a schedule. Durable.

        Arguments:
            schedule: with the revision that it had when it was read; it is recorded with the next.

        Returns:
            False when it was changed or removed meanwhile, and nothing was recorded.
        """

    def remove(self, name: str) -> bool:
        """Remove a schedule and what it has fired; the runs stay. False when there is none."""

    def listing(self) -> list[Schedule]:
        """Every schedule, by name."""

    def fire(self, firing: Firing) -> Firing:
        """Record a firing, unless there is one of that schedule for that time. Durable.

        Returns:
            The one that is recorded now: this one, or that of somebody else.
        """

    def submitted(self, firing: Firing) -> None:
        """Record that the run of a firing is recorded, or why it cannot be."""

    def firings(self, name: str, limit: int) -> list[Firing]:
        """What a schedule has fired, the latest time first."""

    def lead(self, who: str, now: float, seconds: float) -> bool:
        """Be the one that fires, or stay it, for a while: one conditional update.

        Arguments:
            who: the scheduler's id.
            now: UTC seconds.
            seconds: how long, if it is not said again.

        Returns:
            False while somebody else is.
        """

    def let_go(self, who: str) -> None:
        """Be no longer the one that fires."""


def schedule_from(name: str, text: str) -> Schedule:
    """A schedule as it is recorded.

    Raises:
        DamagedRecordError: it cannot be read.
    """
    return stored(text, Schedule, f"the stored schedule {name!r}", ADD_AGAIN)
