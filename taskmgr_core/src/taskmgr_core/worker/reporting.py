"""Finds out what a person may want to know: workers that are lost, steps that are slow."""

from __future__ import annotations

import time
from collections.abc import Collection, Mapping, Sequence

import attrs

from taskmgr_core.specs import Claim, Step, Worker
from taskmgr_core.stores.metadata import Progress
from taskmgr_core.telling import NOTIFY, RUN_ENDED, STEP_ENDED, Teller


@attrs.define
class Reporter:
    """Reports what one worker finds out, each thing once.

    Attributes:
        teller: tells it.
        worker: the id of the worker.
        slow_step: the part of its timeout after which a step is slow; 0 for never.
        timeouts: task name -> seconds for an attempt, where this worker has a word of its own.
        started_at: UTC seconds since when the worker has been there.
    """

    teller: Teller
    worker: str
    slow_step: float
    timeouts: Mapping[str, float]
    started_at: float = attrs.field(factory=time.time)
    _lost: set[str] = attrs.field(factory=set, init=False)
    _slow: set[tuple[str, str, int]] = attrs.field(factory=set, init=False)

    def lost(self, silent: Collection[str], workers: Sequence[Worker]) -> None:
        """Workers have fallen silent: of those that live, the one with the lowest id tells.

        Arguments:
            silent: the ids of all that are silent.
            workers: all that the store knows.
        """
        alive = [each.id for each in workers if each.id not in silent and not each.private]
        for each in workers:
            # One that was silent before this worker came is no news.
            is_news = each.id in silent and each.heartbeat >= self.started_at - 1
            if not is_news or each.private or each.id in self._lost:
                continue
            self._lost.add(each.id)
            if self.worker == min(alive, default=""):
                self.teller.notify(
                    "worker-lost",
                    f"worker {each.id} on {each.host} is lost: it has not been heard of for "
                    f"{time.time() - each.heartbeat:.1f} s; what it ran, {len(each.running)} "
                    "steps, is taken back",
                    worker=each.id,
                )

    def released(self, steps: Sequence[Step]) -> None:
        """Steps were taken back from workers that are lost."""
        hooks = self.teller.hooks
        if not any(map(hooks.wants, (NOTIFY, RUN_ENDED, STEP_ENDED))):
            return
        metadata = self.teller.metadata
        for run in dict.fromkeys(each.run for each in steps):
            recorded = {each.id: each for each in metadata.steps(run)}
            for held in steps:
                if held.run == run and held.id in recorded:
                    self.teller.step_lost(held, recorded[held.id])
            status = metadata.status(run)
            ended = Progress(recorded=True, run_status=status, ended=status != "running")
            self.teller.run_ended(run, ended)

    def running(self, claims: Mapping[tuple[str, str, int], tuple[Claim, float]]) -> None:
        """Attempts go on; those that are slow are told of, each once.

        Arguments:
            claims: run, step and attempt -> the claim, and the seconds that it has been held.
        """
        self._slow &= claims.keys()
        if self.slow_step <= 0:
            return
        for key, (claim, seconds) in claims.items():
            step = claim.graph_step
            timeout = self.timeouts.get(step.task, step.timeout)
            if key in self._slow or seconds < self.slow_step * timeout:
                continue
            self._slow.add(key)
            self.teller.notify(
                "step-slow",
                f"run {key[0]} step {key[1]} ({step.task} {step.version}) has been running for "
                f"{seconds:.1f} s; its timeout is {timeout:g} s",
                run=key[0],
                step=key[1],
                task=step.task,
                worker=self.worker,
            )
