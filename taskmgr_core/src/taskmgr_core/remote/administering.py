"""What admins and operators do over HTTP, waiting for the answer."""

from __future__ import annotations

from abc import abstractmethod
from collections.abc import Mapping, Sequence
from typing import Any, Literal, TypeVar

from taskmgr_core.api.models.accounts import (
    USUAL_SECONDS,
    AuditPage,
    NewTokenView,
    TokenView,
    WorkspaceRemoved,
    WorkspaceView,
)
from taskmgr_core.api.models.operating import (
    CacheUseView,
    DiffView,
    LimitSaid,
    LimitView,
    RolloutView,
)
from taskmgr_core.api.models.platform import FiringView, ScheduleView, WorkerView
from taskmgr_core.orchestrator.routing import WHOLE
from taskmgr_core.remote import orders
from taskmgr_core.remote.requests import Asked
from taskmgr_core.specs import CatchUp

T = TypeVar("T")


class Administering:
    """The methods of ``RemoteClient`` that change what others may do and get.

    Each needs the permission that the reference of the REST API names.
    """

    @abstractmethod
    def ask(self, asked: Asked[T]) -> T:
        """Send a request, and read its answer."""

    def again(self, run_id: str) -> str:
        """Submit a new run of the same with the inputs of a run; its id."""
        return self.ask(orders.again(run_id))

    def tell_worker(self, worker: str, how: Literal["drain", "now"]) -> WorkerView:
        """Tell a worker to leave: it finishes what runs, or gives that back now."""
        return self.ask(orders.tell_worker(worker, how))

    def tokens(self) -> list[TokenView]:
        """The tokens of the workspaces that one's own reaches, the newest first."""
        return list(self.ask(orders.tokens()).tokens)

    def new_token(
        self,
        name: str,
        role: str,
        workspace: str | None = None,
        *,
        seconds: float | None = USUAL_SECONDS,
        permissions: Sequence[str] | None = None,
    ) -> NewTokenView:
        """Make a token; its secret is in the answer, this once.

        Arguments:
            name: for whom.
            role: viewer, operator, publisher or admin.
            workspace: the only one that it opens; ``*`` for every one, None for one's own.
            seconds: how long it opens anything; None for ever.
            permissions: what is left of those of the role; None for all of them.
        """
        return self.ask(orders.new_token(name, role, workspace, seconds, permissions))

    def revoke_token(self, token: str) -> TokenView:
        """Have a token open nothing any more: its id, or the token itself."""
        return self.ask(orders.revoke_token(token))

    def workspaces(self) -> list[WorkspaceView]:
        """The workspaces that one's token reaches."""
        return list(self.ask(orders.workspaces()).workspaces)

    def new_workspace(self, name: str) -> WorkspaceView:
        """Make a workspace."""
        return self.ask(orders.new_workspace(name))

    def remove_workspace(self, name: str) -> WorkspaceRemoved:
        """Remove a workspace with all that is in it, for good."""
        return self.ask(orders.remove_workspace(name))

    def audit(
        self, workspace: str | None = None, limit: int = 50, cursor: int | None = None
    ) -> AuditPage:
        """The audit log, the newest line first; ``next`` is the cursor of the older lines."""
        return self.ask(orders.audit(workspace, limit, cursor))

    def rollout(self, task: str) -> RolloutView:
        """The versions of a task, and which of them new runs get."""
        return self.ask(orders.rollout(task))

    def roll_out(self, task: str, version: str, percent: int = WHOLE) -> RolloutView:
        """Give so many of a hundred new runs a version of a task."""
        return self.ask(orders.roll_out(task, version, percent))

    def roll_back(self, task: str) -> RolloutView:
        """Give new runs what they got before the last rollout."""
        return self.ask(orders.roll_back(task))

    def pin(self, task: str, version: str | None = None) -> RolloutView:
        """Give all new runs one version until it is let go; None for the one that they get now."""
        return self.ask(orders.pin(task, version))

    def let_go(self, task: str) -> RolloutView:
        """Give new runs the highest version again, without pin and rollout."""
        return self.ask(orders.let_go(task))

    def yank(self, task: str, version: str, reason: str) -> RolloutView:
        """Keep a version from new runs that do not name it."""
        return self.ask(orders.yank(task, version, reason))

    def take_back_yank(self, task: str, version: str) -> RolloutView:
        """Have a version as any other again."""
        return self.ask(orders.take_back_yank(task, version))

    def diff(self, task: str, old: str, new: str) -> DiffView:
        """What is different between two versions of a task, the breaking first."""
        return self.ask(orders.diff(task, old, new))

    def schedules(self) -> list[ScheduleView]:
        """Every schedule, with its next and last times."""
        return list(self.ask(orders.schedules()).schedules)

    def firings(self, name: str, limit: int = 50) -> list[FiringView]:
        """What a schedule has fired, the latest time first."""
        return list(self.ask(orders.firings(name, limit)).firings)

    def add_schedule(
        self,
        name: str,
        what: str,
        cron: str,
        inputs: Mapping[str, Any],
        *,
        zone: str = "UTC",
        catch_up: CatchUp = "latest",
        since: str | None = None,
    ) -> ScheduleView:
        """Run something at certain times.

        Arguments:
            name: of the schedule.
            what: a published pipeline or task.
            cron: minute, hour, day of the month, month, day of the week.
            inputs: of each run, as for ``submit``; a file is stored now.
            zone: an IANA time zone.
            catch_up: what becomes of times that were missed.
            since: ISO 8601: its times count from here; None for now.
        """
        return self.ask(orders.add_schedule(name, what, cron, inputs, zone, catch_up, since))

    def pause_schedule(self, name: str) -> ScheduleView:
        """Have a schedule run nothing for now."""
        return self.ask(orders.pause_schedule(name))

    def resume_schedule(self, name: str) -> ScheduleView:
        """Have a schedule run again; the times in between were not missed."""
        return self.ask(orders.resume_schedule(name))

    def remove_schedule(self, name: str) -> None:
        """Remove a schedule; its runs stay."""
        self.ask(orders.remove_schedule(name))

    def limits(self) -> list[LimitView]:
        """Every limit that is set or used."""
        return list(self.ask(orders.limits()).limits)

    def set_limit(self, name: str, most: int | None = None, rate: str | None = None) -> LimitSaid:
        """Set the limit of ``task:NAME`` or ``queue:NAME``, in place of what was said before."""
        return self.ask(orders.set_limit(name, most, rate))

    def remove_limit(self, name: str) -> None:
        """Remove a limit; what the task's class says holds again."""
        self.ask(orders.remove_limit(name))

    def cache_uses(self) -> list[CacheUseView]:
        """How much is cached of each task, and what that has spared."""
        return list(self.ask(orders.cache_uses()).tasks)

    def clear_cache(self, task: str | None = None) -> list[CacheUseView]:
        """Remove what is cached of a task, or everything; what it was."""
        return list(self.ask(orders.clear_cache(task)).cleared)
