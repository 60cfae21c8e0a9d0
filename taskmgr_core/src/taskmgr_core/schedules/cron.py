"""The times that a cron expression names in a time zone; pure.

The rules of Debian's cron hold where clocks are changed. An expression with hours and minutes of
its own is run once a day all the same: at a time that does not exist as soon as the clock goes on,
at one that happens twice the first time. One that is repeated (``*``, ``*/15``) goes by the time
that passes, so that a change of clocks neither leaves a gap nor runs anything twice.
"""

from __future__ import annotations

import zoneinfo
from collections.abc import Iterator
from datetime import datetime

from cronsim import CronSim, CronSimError

from taskmgr_core.errors import InvalidValueError

_FIELDS = 5


def checked(cron: str, zone: str, now: float) -> None:
    """Refuse what names no times.

    Raises:
        InvalidValueError: with what was wrong.
    """
    if next(times(cron, zone, now), None) is None:
        raise InvalidValueError(f"the cron expression {cron!r} names no time that ever comes")


def times(cron: str, zone: str, after: float) -> Iterator[float]:
    """The times after a moment, growing, without end.

    Arguments:
        cron: minute, hour, day of the month, month, day of the week.
        zone: an IANA time zone, as ``Europe/Berlin``.
        after: UTC seconds; a time that is this moment does not count.

    Raises:
        InvalidValueError: the expression or the zone cannot be read.
    """
    last = after
    for moment in _simulated(cron, datetime.fromtimestamp(after, zone_named(zone))):
        found = moment.timestamp()
        # Clocks that are changed may give one time twice, or one that has passed.
        if found > last:
            last = found
            yield found


def zone_named(zone: str) -> zoneinfo.ZoneInfo:
    """A time zone.

    Raises:
        InvalidValueError: there is none of that name.
    """
    try:
        return zoneinfo.ZoneInfo(zone)
    except (zoneinfo.ZoneInfoNotFoundError, ValueError, OSError):
        raise InvalidValueError(
            f"there is no time zone {zone!r}; give its IANA name, as UTC or Europe/Berlin"
        ) from None


def _simulated(cron: str, begin: datetime) -> Iterator[datetime]:
    if len(cron.split()) != _FIELDS:
        raise _refusal(cron, f"it has {len(cron.split())} fields, not {_FIELDS}")
    try:
        return CronSim(cron, begin)
    except CronSimError as error:
        raise _refusal(cron, str(error)) from error


def _refusal(cron: str, reason: str) -> InvalidValueError:
    return InvalidValueError(
        f"{cron!r} is no cron expression ({reason}); write minute, hour, day of the month, "
        f"month and day of the week, as in '30 3 * * MON-FRI'"
    )
