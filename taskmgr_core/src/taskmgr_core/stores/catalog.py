"""The records of what is published: what every metadata store promises."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Protocol

from taskmgr_core.specs import PipelineSpec, Route, TaskVersion


class CatalogStore(Protocol):
    """Tasks, their versions, which of these new runs get, and pipelines."""

    def add_versions(self, versions: Sequence[TaskVersion]) -> bool:
        """Record the task versions of one release. Durable.

        One that is there already stays as it is, but for its SDK and its Python: with
        others it gets those, and what the task declares under them (see
        ``stores.releases``). One whose record is damaged is recorded anew.

        Returns:
            False when exactly these are there already.

        Raises:
            ConflictError: the same version of one is there with another wheel,
                lock or model, or a task of that name belongs to another distribution.
        """

    def version(
        self, task: str, version: str | None = None, share: float | None = None
    ) -> TaskVersion:
        """One version of a task; when None the one that its route chooses.

        Without a route that is the highest as PEP 440 orders them, whenever it was
        published; a pre-release only where there is no final version (see
        ``orchestrator.routing``).

        Arguments:
            task: its name.
            version: a version, which may be yanked.
            share: where a new run falls among all, see ``routing.share_of``; None
                leaves out what only a part of them gets.

        Raises:
            NotFoundError: with the nearest name or the known versions.
        """

    def latest_versions(self) -> list[TaskVersion]:
        """The version of every task that runs get which name none, by name of the task."""

    def all_versions(self) -> list[TaskVersion]:
        """Every version of every task, in no particular order."""

    def versions(self, task: str) -> list[TaskVersion]:
        """Every version of a task, the highest first, final ones before others.

        Raises:
            NotFoundError: with the nearest name.
        """

    def queues(self) -> list[str]:
        """Every queue that a published version names: runs of old ones may still wait there."""

    def route(self, task: str) -> Route:
        """What operators have said of the versions of a task; of one that is not known, nothing."""

    def put_route(self, route: Route) -> bool:
        """Record what is to hold of the versions of a task. Durable.

        Arguments:
            route: with the revision that it had when it was read; it is recorded with the next.

        Returns:
            False when it was changed meanwhile, and nothing was recorded.
        """

    def distributions(self) -> list[str]:
        """The name of every distribution that is published, also where a record is damaged."""

    def versions_of(self, distribution: str | None = None) -> list[TaskVersion]:
        """Every version of the tasks of one distribution, or of all; what is damaged is left out.

        Arguments:
            distribution: its normalised name; one that is not known has none.
        """

    def put_pipeline(self, pipeline: PipelineSpec) -> bool:
        """Record a pipeline under its name. Durable. False when nothing changed."""

    def pipeline(self, name: str) -> PipelineSpec:
        """A pipeline.

        Raises:
            NotFoundError: with the nearest name.
        """

    def pipelines(self) -> list[PipelineSpec]:
        """Every pipeline, by name."""
