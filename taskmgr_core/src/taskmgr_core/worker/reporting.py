"""Finds out what a person may want to know: workers that are lost, steps and runs that are slow."""

from __future__ import annotations

import logging
from collections.abc import Collection, Mapping, Sequence

import attrs

from taskmgr_core.specs import Claim, Step, Worker
from taskmgr_core.stores.progress import Progress
from taskmgr_core.telling import Teller

_LOGGER = logging.getLogger(__name__)


@attrs.define
class Reporter:
    """Reports what one worker finds out, each thing once.

    Attributes:
        teller: tells it.
        worker: the id of the worker.
        slow_step: the part of its timeout after which a step is slow; 0 for never.
        timeouts: task name -> seconds for an attempt, where this worker has a word of its own.
    """

    teller: Teller
    worker: str
    slow_step: float
    timeouts: Mapping[str, float]
    _beats: dict[str, float] = attrs.field(factory=dict, init=False)
    _living: set[str] = attrs.field(factory=set, init=False)
    _slow: set[tuple[str, str, int]] = attrs.field(factory=set, init=False)

    def lost(self, silent: Collection[str], workers: Sequence[Worker]) -> None:
        """Workers have fallen silent: of those that live, the one with the lowest id tells.

        Arguments:
            silent: the ids of all that are silent.
            workers: all that the store knows.
        """
        served = [each for each in workers if not each.private]
        first = min((each.id for each in served if each.id not in silent), default="")
        for each in served:
            # One that was silent before this worker came is no news: only who was seen to beat
            # can be lost. What time a beat says does not count, clocks may be wrong.
            if self._beats.setdefault(each.id, each.heartbeat) != each.heartbeat:
                self._beats[each.id] = each.heartbeat
                self._living.add(each.id)
            if each.id not in silent or each.id not in self._living:
                continue
            self._living.remove(each.id)
            if self.worker == first:
                self.teller.notify("worker-lost", _lost(each), worker=each.id)

    def released(self, steps: Sequence[Step]) -> None:
        """Steps were taken back from workers that are lost."""
        self.teller.meter.recovered(steps)
        metadata = self.teller.metadata
        for run in dict.fromkeys(each.run for each in steps):
            recorded = {each.id: each for each in metadata.steps(run)}
            for held in steps:
                if held.run == run and held.id in recorded:
                    self.teller.step_lost(held, recorded[held.id])
            status = metadata.status(run)
            ended = Progress(recorded=True, run_status=status, ended=status != "running")
            self.teller.run_ended(run, ended)

    def expired(self, run_id: str, progress: Progress) -> None:
        """The time of a run is over; where nothing of it was under way it has ended by that."""
        _LOGGER.warning("run %s: its time is over", run_id)
        self.teller.run_ended(run_id, progress)

    def running(self, claims: Mapping[tuple[str, str, int], tuple[Claim, float]]) -> None:
        """Attempts go on, and runs; those that are slow are told of, each once.

        Arguments:
            claims: run, step and attempt -> the claim, and the seconds that it has been held.
        """
        self.teller.runs_go_on()
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


def _lost(worker: Worker) -> str:
    held = f"; it held {', '.join(worker.running)}" if worker.running else ""
    return f"worker {worker.id} on {worker.host} is lost: it does not beat any more{held}"
