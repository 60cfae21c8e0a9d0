"""Which versions new runs get: what operators ask for, recorded one change after the other."""

from __future__ import annotations

from collections.abc import Callable, Sequence

import attrs

from taskmgr_core.errors import ConflictError, DamagedRecordError, NotFoundError
from taskmgr_core.orchestrator import routing
from taskmgr_core.orchestrator.changes import Change, changes
from taskmgr_core.specs import Route, TaskVersion
from taskmgr_core.stores import releases
from taskmgr_core.stores.metadata import MetadataStore

TRIES = 20

Changing = Callable[[Route, str, frozenset[str]], Route]


def percent_of(version: str, found: Sequence[TaskVersion], route: Route) -> int:
    """How many of a hundred new runs get a version.

    Arguments:
        version: one of ``found``.
        found: every version of the task.
        route: what was said of them.
    """
    choice = route.choice
    trying = choice.percent if choice.candidate not in route.yanked else 0
    if version in route.yanked:
        return 0
    if version == choice.candidate and trying:
        return trying
    current = releases.current([each.version for each in found], route)
    return routing.WHOLE - trying if version == current else 0


@attrs.frozen
class Rollouts:
    """Says which version of a task new runs get. A run that is there keeps what it has.

    Attributes:
        metadata: where it is recorded.
    """

    metadata: MetadataStore

    def versions(self, task: str) -> tuple[list[TaskVersion], Route]:
        """Every version of a task, the highest first, and what was said of them.

        Raises:
            NotFoundError: with the nearest name.
        """
        return self.metadata.versions(task), self.metadata.route(task)

    def roll_out(self, task: str, version: str, percent: int = routing.WHOLE) -> Route:
        """Give new runs a version: a part of them, or all.

        Arguments:
            task: its name.
            version: a published version.
            percent: 1 to 100.

        Raises:
            NotFoundError: no such task or version.
            ConflictError: the task is pinned, or the version yanked.
        """
        self.metadata.version(task, version)
        return self._change(
            task, lambda route, now, _: routing.rolled_out(route, now, version, percent)
        )

    def roll_back(self, task: str) -> Route:
        """Undo the last change of what new runs get.

        Raises:
            NotFoundError: no such task.
            ConflictError: the task is pinned, or there is nothing to go back to.
        """
        return self._change(task, routing.rolled_back)

    def pin(self, task: str, version: str | None = None) -> Route:
        """Give all new runs one version, whatever is published, until it is let go.

        Arguments:
            task: its name.
            version: a published version; the one that runs get now when None.

        Raises:
            NotFoundError: no such task or version.
            ConflictError: the version is yanked.
        """
        if version is not None:
            self.metadata.version(task, version)
        return self._change(task, lambda route, now, _: routing.pinned(route, version or now))

    def let_go(self, task: str) -> Route:
        """Give new runs the highest version again, without pin and rollout.

        What is recorded and cannot be read is replaced; a yanked version is not yanked then.

        Raises:
            NotFoundError: no such task.
        """
        self.metadata.versions(task)
        try:
            return self._change(task, lambda route, _, __: routing.let_go(route))
        except DamagedRecordError:
            self.metadata.put_route(Route(task, revision=-1))
            return self.metadata.route(task)

    def yank(self, task: str, version: str, reason: str) -> Route:
        """Keep a version from new runs that do not name it.

        Raises:
            NotFoundError: no such task or version.
            ConflictError: the task is pinned to it.
        """
        self.metadata.version(task, version)
        return self._change(task, lambda route, _, __: routing.yanked(route, version, reason))

    def take_back_yank(self, task: str, version: str) -> Route:
        """Have a version as any other again.

        Raises:
            NotFoundError: no such task or version, or it is not yanked.
        """
        self.metadata.version(task, version)
        known = self.metadata.route(task).yanked
        if version not in known:
            those = ", ".join(known) or "none"
            raise NotFoundError(f"{task} {version} is not yanked; yanked are: {those}")
        return self._change(task, lambda route, _, __: routing.unyanked(route, version))

    def diff(self, task: str, old: str, new: str) -> tuple[Change, ...]:
        """What is different between two versions of a task, the breaking first.

        Raises:
            NotFoundError: no such task or version.
        """
        return changes(self.metadata.version(task, old).task, self.metadata.version(task, new).task)

    def _change(self, task: str, change: Changing) -> Route:
        """Record a change; when another one came first, of what that has left."""
        for _ in range(TRIES):
            known = frozenset(each.version for each in self.metadata.versions(task))
            route = self.metadata.route(task)
            changed = change(route, releases.current(known, route), known)
            if changed == route or self.metadata.put_route(changed):
                return self.metadata.route(task)
        raise ConflictError(
            f"others change the versions of {task!r} all the time; look at them "
            f"(taskmgr versions {task}) and try again"
        )
