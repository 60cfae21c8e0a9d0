"""What the dashboard is told over the REST API: the models of the platform as they are.

They are not promised to other programs: they change with the platform, as the dashboard does.
"""

from __future__ import annotations

import attrs

from taskmgr_core.health import ServiceHealth
from taskmgr_core.monitoring import Line, Picture
from taskmgr_core.specs import (
    LogLine,
    Overview,
    RunSummary,
    StepTimes,
    TaskVersion,
    Worker,
)
from taskmgr_core.stores.searching import Found


@attrs.frozen
class SeenWorker:
    """A worker, and whether it is alive."""

    worker: Worker
    alive: bool


@attrs.frozen
class SeenWorkers:
    """Every worker that has not said that it stopped."""

    workers: tuple[SeenWorker, ...]


@attrs.frozen
class SeenPicture:
    """``Picture``, with pairs that have names."""

    at: float
    workers: tuple[SeenWorker, ...]
    overview: Overview
    lines: tuple[Line, ...]
    problem: str = ""

    @classmethod
    def of(cls, picture: Picture) -> SeenPicture:
        """As it goes over the wire."""
        workers = tuple(SeenWorker(*each) for each in picture.workers)
        return cls(picture.at, workers, picture.overview, picture.lines, picture.problem)

    @property
    def picture(self) -> Picture:
        """As the dashboard has it."""
        workers = tuple((each.worker, each.alive) for each in self.workers)
        return Picture(self.at, workers, self.overview, self.lines, self.problem)


@attrs.frozen
class KnownTimes:
    """The runs whose steps' times are known, because all of them have ended."""

    runs: tuple[str, ...] = ()


@attrs.frozen
class LatestSteps:
    """The times of the newest runs' steps, without those that were known."""

    steps: tuple[StepTimes, ...]


@attrs.frozen
class FoundRuns:
    """Runs with a text in an input, and below which further ones are."""

    runs: tuple[RunSummary, ...]
    next: str | None

    @classmethod
    def of(cls, found: Found) -> FoundRuns:
        """As it goes over the wire."""
        return cls(tuple(found.runs), found.next)


@attrs.frozen
class Runs:
    """A page of runs."""

    runs: tuple[RunSummary, ...]


@attrs.frozen
class RunMark:
    """A run as it is in a list, and whether its log has further lines: whether it has changed."""

    run: RunSummary
    further: bool


@attrs.frozen
class Lines:
    """Lines of a log."""

    lines: tuple[LogLine, ...]


@attrs.frozen
class Versions:
    """Tasks, each in a version."""

    versions: tuple[TaskVersion, ...]


@attrs.frozen
class Services:
    """How each service is, without its address."""

    services: tuple[ServiceHealth, ...]


@attrs.frozen
class Served:
    """Whether living workers take each step of a run."""

    served: bool
