"""Tells hook plugins what was recorded."""

from __future__ import annotations

import time
from typing import Any, Literal

import attrs

from taskmgr_core.errors import NotFoundError
from taskmgr_core.hooks import Hooks
from taskmgr_core.metering import Meter
from taskmgr_core.slow_runs import SlowRuns
from taskmgr_core.specs import Claim, Outcome, Run, Step
from taskmgr_core.stores.metadata import MetadataStore
from taskmgr_core.stores.progress import Progress
from taskmgr_plugins.events import (
    Notification,
    NotificationKind,
    RunEnded,
    RunStarted,
    StepEnded,
    StepStarted,
)

RUN_STARTED, RUN_ENDED = "taskmgr_run_started", "taskmgr_run_ended"
STEP_STARTED, STEP_ENDED = "taskmgr_step_started", "taskmgr_step_ended"
NOTIFY = "taskmgr_notify"


@attrs.frozen
class Teller:
    """Makes events of what was recorded. It never waits, and asks the store in another thread.

    Attributes:
        hooks: who is told.
        metadata: where the rest of what they are told is read.
        meter: counts it.
        slow_runs: which runs are slow.
    """

    hooks: Hooks
    metadata: MetadataStore
    meter: Meter = attrs.field(factory=Meter)
    slow_runs: SlowRuns = attrs.field(
        default=attrs.Factory(lambda teller: SlowRuns(teller.metadata), takes_self=True)
    )

    def run_started(self, run: Run) -> None:
        """A run is recorded."""
        if self.hooks.wants(RUN_STARTED):
            event = RunStarted(run.id, run.name, run.kind, run.created_at)
            self.hooks.tell(RUN_STARTED, lambda: event)

    def run_ended(self, run_id: str, progress: Progress) -> None:
        """What was recorded may have ended a run."""
        if not progress.ended:
            return
        self.meter.run_ended(progress.run_status)
        self.hooks.tell(RUN_ENDED, lambda: self._run_ended(run_id))
        if progress.run_status == "failed":
            self.hooks.tell(NOTIFY, lambda: _run_failed(self._run_ended(run_id)))
        if self.slow_runs.rules:
            self.hooks.tell(NOTIFY, lambda: self.slow_runs.ended(self.metadata.summary(run_id)))

    def runs_go_on(self) -> None:
        """Runs go on; those that are slow are told of, each once.

        Raises:
            StoreError: the store cannot be asked.
        """
        for found in self.slow_runs.running() if self.hooks.wants(NOTIFY) else ():
            self.hooks.tell(NOTIFY, lambda found=found: found)  # type: ignore[misc]

    def step_started(self, claim: Claim) -> None:
        """A step is claimed."""
        if self.hooks.wants(STEP_STARTED):
            event = StepStarted(**_attempt(claim.step), time=time.time())
            self.hooks.tell(STEP_STARTED, lambda: event)

    def step_ended(self, claim: Claim, outcome: Outcome, progress: Progress) -> None:
        """An outcome is recorded, and what follows from it.

        A step that has begun to be run for each element, or again and again, has not ended by that.
        """
        self.meter.step_ended(claim, outcome)
        if (status := _ended(outcome)) is not None and self.hooks.wants(STEP_ENDED):
            failure = outcome.failure
            event = StepEnded(
                **_attempt(claim.step),
                status=status,
                time=time.time(),
                seconds=dict(outcome.seconds),
                failure=failure.code if failure else "",
                message=failure.message if failure else "",
            )
            self.hooks.tell(STEP_ENDED, lambda: event)
        self.run_ended(claim.step.run, progress)

    def step_lost(self, held: Step, now: Step) -> None:
        """A step was taken back from a worker that is lost.

        Arguments:
            held: the step as the worker held it.
            now: as it is recorded now.
        """
        quarantined = now.failure is not None and now.failure.code == "quarantined"
        if quarantined:
            self.meter.quarantined(held)
        message = now.failure.message if quarantined and now.failure else "its worker is lost"
        event = StepEnded(
            **_attempt(held),
            status="failed"
            if quarantined
            else "cancelled"
            if now.status == "cancelled"
            else "ready",
            time=time.time(),
            failure="quarantined" if quarantined else "worker-lost",
            message=message,
        )
        self.hooks.tell(STEP_ENDED, lambda: event)
        if quarantined:
            self.notify(
                "step-quarantined",
                f"run {held.run} step {held.id} ({held.task} {held.version}): {message}",
                run=held.run,
                step=held.id,
                task=held.task,
                worker=held.worker,
                code="quarantined",
            )

    def notify(self, kind: NotificationKind, message: str, **about: str) -> None:
        """Something that a person may want to know.

        Arguments:
            kind: see ``Notification``.
            message: what happened.
            about: run, step, task, worker and code, as far as it is about them.
        """
        notification = Notification(kind, message, time.time(), **about)
        self.hooks.tell(NOTIFY, lambda: notification)

    def _run_ended(self, run_id: str) -> RunEnded:
        run = self.metadata.summary(run_id)
        if run.status == "running" or run.finished_at is None:
            raise NotFoundError(f"run {run_id} has not ended")
        return RunEnded(
            run=run.id,
            name=run.name,
            kind=run.kind,
            status=run.status,
            started_at=run.created_at,
            time=run.finished_at,
            failure=run.failure.code if run.failure else "",
            message=run.failure.message if run.failure else "",
        )


def _ended(
    outcome: Outcome,
) -> Literal["succeeded", "failed", "cancelled", "ready", "skipped"] | None:
    """How an attempt ended; None where the step only begins by it."""
    match outcome.status:
        case "mapping" | "looping":
            return None
        case status:
            return status


def _attempt(step: Step) -> dict[str, Any]:
    return {
        "run": step.run,
        "step": step.id,
        "task": step.task,
        "version": step.version,
        "attempt": step.attempt,
        "worker": step.worker,
    }


def _run_failed(event: RunEnded) -> Notification:
    return Notification(
        "run-failed",
        f"run {event.run} ({event.name}) failed: {event.failure}: {event.message}",
        event.time,
        run=event.run,
        task=event.name,
        code=event.failure,
    )
