"""Fires schedules: one scheduler of many does, and each time is fired once."""

from __future__ import annotations

import logging
import threading
import time
from collections.abc import Callable, Mapping
from typing import Any, Protocol

import attrs

from taskmgr_core.errors import (
    DamagedRecordError,
    NotFoundError,
    StoreGoneError,
    TaskmgrError,
    is_away,
)
from taskmgr_core.run_ids import new_run_id
from taskmgr_core.schedules.cron import times
from taskmgr_core.schedules.deciding import due, inputs_for
from taskmgr_core.specs import Firing, Schedule
from taskmgr_core.stores.metadata import MetadataStore

TICK_SECONDS = 1.0
LEASE_SECONDS = 15.0
RENEW_SECONDS = 5.0
# How long the one that recorded a firing may take to submit its run, before others do it.
TAKE_OVER_SECONDS = 30.0

_LOGGER = logging.getLogger(__name__)


class Submit(Protocol):
    """Submits a run; ``Client.submit`` is one."""

    def __call__(self, what: str, inputs: Mapping[str, Any], *, run_id: str | None = None) -> str:
        """Record the run."""


@attrs.define
class Scheduler:
    """Looks every second which schedules are due, while it is the one that leads.

    Two that both believe they lead, because a clock is wrong or one was asleep, fire each time
    once all the same: the record of a firing has the schedule and its time for a key, and the id of
    the run.

    Attributes:
        metadata: where schedules and runs are recorded.
        submit: submits a run.
        told: is told of each firing.
        clock: UTC seconds.
    """

    metadata: MetadataStore
    submit: Submit
    told: Callable[[Firing], None] = lambda _: None
    clock: Callable[[], float] = time.time
    _id: str = attrs.field(factory=new_run_id, init=False)
    _coming: dict[str, tuple[int, float]] = attrs.field(factory=dict, init=False)
    _renew_at: float = attrs.field(default=float("-inf"), init=False)

    def run(self, stopped: threading.Event) -> None:
        """Fire until an event is set; a store that is away is waited for.

        Raises:
            StoreError: the store is damaged, or gone.
        """
        try:
            while not stopped.is_set():
                try:
                    self.tick()
                except TaskmgrError as error:
                    if not is_away(error):
                        raise
                    _LOGGER.warning("the scheduler waits: %s", error)
                    self._renew_at = float("-inf")
                stopped.wait(TICK_SECONDS)
        finally:
            self.let_go()

    def tick(self) -> bool:
        """Fire what is due now, if this one leads; whether it does."""
        if not self._leads():
            return False
        for schedule in self.metadata.schedules.listing():
            try:
                self._serve(schedule)
            except (StoreGoneError, DamagedRecordError):
                raise
            except TaskmgrError as error:
                if is_away(error):
                    raise
                _LOGGER.warning("the schedule %s is left out: %s", schedule.name, error)
        return True

    def let_go(self) -> None:
        """Have another one lead at once."""
        try:
            self.metadata.schedules.let_go(self._id)
        except TaskmgrError as error:
            _LOGGER.warning("another scheduler leads in some seconds: %s", error)

    def _leads(self) -> bool:
        """Whether it may fire; asked anew some times within a lease, by a clock that only grows."""
        if time.monotonic() < self._renew_at:
            return True
        if not self.metadata.schedules.lead(self._id, self.clock(), LEASE_SECONDS):
            return False
        self._renew_at = time.monotonic() + RENEW_SECONDS
        return True

    def _serve(self, schedule: Schedule) -> None:
        now = self.clock()
        if self._is_early(schedule, now):
            return
        found = due(schedule, now)
        handled, before = found.handled, schedule.handled
        for at in found.fire:
            if not self._fire(schedule, at):
                # Who has recorded it may have died before its run was: it is looked at again.
                handled = before
                break
            before = at
        if handled != schedule.handled:
            # Somebody may have changed it meanwhile; then the next look sees to it.
            self.metadata.schedules.put(attrs.evolve(schedule, handled=handled))

    def _is_early(self, schedule: Schedule, now: float) -> bool:
        """Whether its next time, which takes a moment to find, is known and to come."""
        if schedule.paused:
            return True
        revision, coming = self._coming.get(schedule.name, (0, 0.0))
        if revision != schedule.revision:
            coming = next(times(schedule.cron, schedule.zone, schedule.handled), float("inf"))
            self._coming[schedule.name] = schedule.revision, coming
        return schedule.handled <= now < coming

    def _fire(self, schedule: Schedule, at: float) -> bool:
        """Run a time, if nobody has; False where somebody is perhaps about to."""
        mine = Firing(schedule.name, at, new_run_id(), self.clock())
        firing = self.metadata.schedules.fire(mine)
        if firing.submitted:
            return True
        if firing.run != mine.run and abs(self.clock() - firing.fired_at) < TAKE_OVER_SECONDS:
            return False
        done = attrs.evolve(firing, submitted=True, problem=self._submitted(schedule, firing))
        self.metadata.schedules.submitted(done)
        self.told(done)
        return True

    def _submitted(self, schedule: Schedule, firing: Firing) -> str:
        """Submit the run of a firing, once; why that cannot be."""
        if self._is_recorded(firing.run):
            return ""
        try:
            self.submit(schedule.what, inputs_for(schedule, firing.at), run_id=firing.run)
        except TaskmgrError as error:
            if is_away(error):
                raise
            # Another one may have submitted the same run at the same moment.
            return "" if self._is_recorded(firing.run) else str(error)
        return ""

    def _is_recorded(self, run_id: str) -> bool:
        try:
            self.metadata.status(run_id)
        except NotFoundError:
            return False
        return True
