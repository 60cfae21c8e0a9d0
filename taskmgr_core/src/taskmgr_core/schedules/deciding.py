"""What a schedule has to run now; pure."""

from __future__ import annotations

from collections import deque
from collections.abc import Iterator, Mapping
from datetime import datetime
from itertools import islice, takewhile
from typing import Any

import attrs

from taskmgr_core.schedules.cron import times, zone_named
from taskmgr_core.specs import Schedule

# A time is missed when nobody has seen to it for so long; before that it is only late.
LATE_SECONDS = 60.0
# Of the many times that may have been missed so many are looked at in one go.
MOST_AT_ONCE = 1000
PLACEHOLDER = "{scheduled}"


@attrs.frozen
class Due:
    """What is to be done for a schedule.

    Attributes:
        fire: the times to run, UTC seconds, the earliest first.
        handled: up to where every time is seen to afterwards.
    """

    fire: tuple[float, ...]
    handled: float


def due(schedule: Schedule, now: float) -> Due:
    """Decide which times of a schedule are run.

    Where the clock was set back behind what is handled, what is handled is set back as well:
    a time that has been run already has a record and is not run again.

    Arguments:
        schedule: as recorded.
        now: UTC seconds.
    """
    if schedule.paused or now <= schedule.handled:
        return Due((), min(now, schedule.handled))
    if schedule.catch_up == "all":
        found = tuple(islice(_between(schedule, schedule.handled, now), MOST_AT_ONCE))
    elif schedule.catch_up == "latest":
        found = _latest(schedule, now)
    else:
        missed = max(schedule.handled, now - LATE_SECONDS)
        found = tuple(_between(schedule, missed, now))
        return Due(found, found[-1] if found else missed)
    handled = found[-1] if found else schedule.handled
    return Due(found, handled)


def _between(schedule: Schedule, after: float, now: float) -> Iterator[float]:
    return takewhile(lambda at: at <= now, times(schedule.cron, schedule.zone, after))


def _latest(schedule: Schedule, now: float) -> tuple[float, ...]:
    """The last time that has passed, looked for in ever longer spans: there may be many before."""
    span = LATE_SECONDS
    while True:
        after = max(schedule.handled, now - span)
        found = tuple(deque(_between(schedule, after, now), maxlen=1))
        if found or after == schedule.handled:
            return found
        span *= 60


def next_time(schedule: Schedule, now: float) -> float | None:
    """When it is run next, if it is not paused."""
    if schedule.paused:
        return None
    return next(times(schedule.cron, schedule.zone, max(now, schedule.handled)), None)


def inputs_for(schedule: Schedule, at: float) -> dict[str, Any]:
    """The inputs of the run for a time.

    ``{scheduled}`` in a text becomes the time as ISO 8601 in the schedule's zone.
    """
    said = datetime.fromtimestamp(at, zone_named(schedule.zone)).isoformat()
    return {name: _filled(value, said) for name, value in schedule.inputs.items()}


def _filled(value: Any, said: str) -> Any:
    if isinstance(value, str):
        return value.replace(PLACEHOLDER, said)
    if isinstance(value, Mapping):
        return {name: _filled(each, said) for name, each in value.items()}
    return [_filled(each, said) for each in value] if isinstance(value, list | tuple) else value
