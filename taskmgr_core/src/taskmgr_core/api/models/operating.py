"""Rollouts, limits and cached results as the REST API says them, and what is asked of them."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import attrs

from taskmgr_core.operating.limits import LimitRow
from taskmgr_core.orchestrator.changes import Change, Kind
from taskmgr_core.orchestrator.routing import WHOLE
from taskmgr_core.rollouts import percent_of
from taskmgr_core.specs import CacheUse, CatchUp, Limit, Route, TaskVersion


@attrs.frozen
class RolloutOrder:
    """A version that new runs are to get, and how many of a hundred."""

    version: str
    percent: int = WHOLE


@attrs.frozen
class PinOrder:
    """The version that all new runs are to get; null for the one that they get now."""

    version: str | None = None


@attrs.frozen
class YankOrder:
    """Why a version is kept from new runs, for all who meet it."""

    reason: str


@attrs.frozen
class RolledVersion:
    """A version, and what operators have said of it; ``percent`` of new runs get it."""

    version: str
    percent: int
    yanked: str | None
    published_at: str
    python: str
    wheel: str


@attrs.frozen
class RolloutView:
    """Which versions of a task new runs get, the highest first."""

    task: str
    follows_highest: bool
    pinned: bool
    versions: tuple[RolledVersion, ...]

    @classmethod
    def of(cls, task: str, found: Sequence[TaskVersion], route: Route) -> RolloutView:
        """As it is recorded."""
        return cls(
            task,
            route.choice.stable is None,
            route.choice.pinned,
            tuple(
                RolledVersion(
                    each.version,
                    percent_of(each.version, found, route),
                    route.yanked.get(each.version),
                    each.release.published_at,
                    each.release.python,
                    each.release.wheel.digest,
                )
                for each in found
            ),
        )


@attrs.frozen
class ChangeView:
    """One difference between two versions."""

    kind: Kind
    place: str
    text: str
    breaking: bool

    @classmethod
    def of(cls, change: Change) -> ChangeView:
        """As it was found."""
        return cls(change.kind, change.place, change.text, change.breaking)


@attrs.frozen
class DiffView:
    """What is different between two versions of a task, the breaking first."""

    task: str
    old: str
    new: str
    breaking: bool
    changes: tuple[ChangeView, ...]


@attrs.frozen
class ScheduleOrder:
    """A schedule that is asked for.

    Attributes:
        name: of the schedule.
        what: a published pipeline or task.
        cron: minute, hour, day of the month, month, day of the week.
        inputs: of each run, as of a submission; ``{scheduled}`` in a text is its time.
        zone: an IANA time zone.
        catch_up: what becomes of times that were missed.
        since: ISO 8601: its times count from here; null for now.
    """

    name: str
    what: str
    cron: str
    inputs: Mapping[str, Any] = attrs.field(factory=dict)
    zone: str = "UTC"
    catch_up: CatchUp = "latest"
    since: str | None = None


@attrs.frozen
class Removed:
    """The name of what was removed."""

    removed: str


@attrs.frozen
class LimitOrder:
    """How many steps run at once, and how many begin in a time; null for any number."""

    max: int | None = None
    rate: str | None = None


@attrs.frozen
class LimitSaid:
    """A limit as an operator has set it."""

    name: str
    max: int | None
    rate: str | None

    @classmethod
    def of(cls, limit: Limit) -> LimitSaid:
        """As it is recorded."""
        return cls(limit.name, limit.max or None, limit.rate or None)


@attrs.frozen
class LimitView:
    """A limit: who says it, how many of its steps run, how many wait."""

    name: str
    max: int | None
    rate: str | None
    said_by: str
    running: int
    waiting: int

    @classmethod
    def of(cls, row: LimitRow) -> LimitView:
        """As it is at one moment."""
        return cls(row.name, row.max, row.rate, row.said_by, row.running, row.waiting)


@attrs.frozen
class LimitList:
    """Every limit that is set or used, by name."""

    limits: tuple[LimitView, ...]


@attrs.frozen
class CacheUseView:
    """What is cached of a task, and what that has spared."""

    task: str
    entries: int
    size_bytes: int
    hits: int
    seconds_saved: float

    @classmethod
    def of(cls, use: CacheUse) -> CacheUseView:
        """As it is recorded."""
        return cls(use.task, use.entries, use.size, use.hits, use.saved)


@attrs.frozen
class CacheStats:
    """How much is cached of each task."""

    tasks: tuple[CacheUseView, ...]


@attrs.frozen
class CacheCleared:
    """What was removed of each task."""

    cleared: tuple[CacheUseView, ...]
