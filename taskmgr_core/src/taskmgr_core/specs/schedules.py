"""Schedules, and what they have fired."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, Literal

import attrs

CatchUp = Literal["skip", "latest", "all"]
CATCH_UP: tuple[CatchUp, ...] = ("skip", "latest", "all")


@attrs.frozen
class Schedule:
    """A pipeline or task that is run at certain times.

    Attributes:
        name: of the schedule; no other has it.
        what: the pipeline or task.
        cron: five fields: minute, hour, day of the month, month, day of the week.
        zone: the IANA time zone that the fields are read in.
        inputs: of each run, as documents.
        catch_up: what becomes of times that were missed: none of them is run, the latest, or all.
        paused: whether nothing is run for now.
        handled: UTC seconds up to which every time was run, or is not to be.
        revision: how often it was changed; what was changed meanwhile is not overwritten.
    """

    name: str
    what: str
    cron: str
    zone: str
    inputs: Mapping[str, Any]
    catch_up: CatchUp
    handled: float
    paused: bool = False
    revision: int = 1


@attrs.frozen
class Firing:
    """A time at which a schedule has run something, or tried to.

    Attributes:
        schedule: its name.
        at: the time that it was for, UTC seconds.
        run: the id of the run.
        fired_at: when that was, UTC seconds.
        submitted: whether the run is recorded, or cannot be.
        problem: why it cannot be.
    """

    schedule: str
    at: float
    run: str
    fired_at: float
    submitted: bool = False
    problem: str = ""
