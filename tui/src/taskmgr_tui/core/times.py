"""Moments and spans as a table shows them: short, and of one width."""

from __future__ import annotations

from datetime import UTC, datetime

from taskmgr_core.report.formats import duration

NOTHING = "-"


def ago(moment: float | None, now: float) -> str:
    """How long ago something was: ``4 s``, ``3 min``, ``5 h``, ``2 d``."""
    if moment is None:
        return NOTHING
    passed = max(now - moment, 0)
    for unit, seconds in (("d", 86_400), ("h", 3_600), ("min", 60)):
        if passed >= 2 * seconds:
            return f"{passed / seconds:.0f} {unit}"
    return f"{passed:.0f} s"


def took(began: float | None, ended: float | None, now: float) -> str:
    """How long something took, or takes already."""
    if began is None:
        return NOTHING
    return duration((now if ended is None else ended) - began)


def clock(moment: float) -> str:
    """The time of the day, UTC: ``14:03:09``."""
    return f"{datetime.fromtimestamp(moment, UTC):%H:%M:%S}"


def day(moment: float) -> str:
    """The day and the time, UTC: ``11-22 14:03:09``."""
    return f"{datetime.fromtimestamp(moment, UTC):%m-%d %H:%M:%S}"
