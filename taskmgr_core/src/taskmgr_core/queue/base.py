"""The queue: what every implementation promises.

A queue is transport only. What is ready is recorded in the metadata store; a
message that is lost, doubled or late changes nothing.
"""

from __future__ import annotations

from collections.abc import Callable, Collection, Mapping, Sequence
from typing import Protocol

import attrs

from taskmgr_core.queue.handover import Reservation
from taskmgr_core.queue.units import NO_UNITS, Units
from taskmgr_core.specs import Claim, ReadyStep
from taskmgr_core.stores.progress import Covers, Taking, every


@attrs.frozen
class Announcement:
    """What is to be said of a run.

    Attributes:
        run: its id.
        steps: what has become ready; none where it has changed otherwise.
        ended: whether the run has ended, or is to be looked at for another reason.
        looked: whether the next step was looked for when that was recorded.
        claim: the next step, which was claimed then.
        also: another one, which was claimed with it for a taker that keeps free.
    """

    run: str
    steps: tuple[ReadyStep, ...] = ()
    ended: bool = False
    looked: bool = False
    claim: Claim | None = None
    also: Claim | None = None


Wanted = Callable[[], Taking | None]


def none_wanted() -> None:
    """Nothing more is to be claimed."""


class CarryOut(Protocol):
    """Carries out a claimed step."""

    def __call__(self, claim: Claim, taking: Wanted = none_wanted) -> Announcement | None:
        """Carry it out.

        Arguments:
            claim: the step.
            taking: asked, once there is an outcome, what may be claimed with it; None where
                nothing may.

        Returns:
            What is to be announced of its run; also where the next step is claimed.
        """


def run_nothing(claim: Claim, taking: Wanted = none_wanted) -> None:
    """Before it is started a feed runs nothing."""


class Queue(Protocol):
    """Tells workers of ready steps, and waiting clients of changes."""

    def announce(
        self, run_id: str, steps: Collection[ReadyStep], *, watched: bool = True
    ) -> int | None:
        """Say that steps have become ready, or (with none) that a run has changed.

        Arguments:
            run_id: the run.
            steps: those steps.
            watched: whether those hear of it who watch runs, too: after each short step they
                would be woken all the time.

        Returns:
            What ``changes`` was with it; None where it would have to be asked.
        """

    def alert(self, about: str) -> None:
        """Say that workers have to look at once.

        Arguments:
            about: the id of a run whose steps may have to stop, or of a worker that is
                told something, or has answered.
        """

    def take(
        self,
        worker: str,
        queues: Collection[str],
        timeout: float,
        runs: Collection[str] | None = None,
        tasks: Collection[str] = (),
        units: Units = NO_UNITS,
        covers: Covers = every,
    ) -> Claim | None:
        """Claim a step that is due; with none, wait for one and return, to be asked again.

        Arguments:
            worker: the claiming worker's id.
            queues: the queues that it serves; empty for all.
            timeout: seconds to wait at most.
            runs: only steps of these runs; None for all.
            tasks: only steps of these tasks; empty for all.
            units: what the worker offers; the claim holds those that its step needs, and
                they are to be given back.
            covers: whether a version of a task can be run by the worker.

        Returns:
            The claim; None when the time is over, ``wake`` was called, or something
            else changed meanwhile: ask again.
        """

    def reserve(self, owner: Reservation, step: ReadyStep, version: str, *, own: bool) -> bool:
        """Have a taker keep free for a step that is going to be recorded, and take nothing else.

        Arguments:
            owner: for whom.
            step: the step.
            version: of its task.
            own: whether those take it, too, who take only the runs of this process.

        Returns:
            Whether one of this process waits that takes it.
        """

    def reserve_another(self, owner: Reservation, worker: str) -> bool:
        """Have a taker of a worker keep free for a step that may be claimed for it just now.

        Arguments:
            owner: for whom.
            worker: the worker's id; its takers all take the same.

        Returns:
            Whether one of them waits.
        """

    def missing(self, steps: Sequence[ReadyStep]) -> list[ReadyStep]:
        """Those of some unclaimed steps whose messages are certainly not on their way."""

    def depths(self, queues: Collection[tuple[str, str]]) -> Mapping[tuple[str, str], int] | None:
        """How many messages wait for the steps of each queue and needs, as text.

        Returns:
            None where there are no messages.

        Raises:
            QueueError: the broker cannot be asked.
        """

    def changes(self, run_id: str | None = None) -> int:
        """A number that grows with every change that this process has heard of.

        Arguments:
            run_id: of this run; where None, those that a worker has to hear of.
        """

    def wait(self, seen: int, timeout: float, run_id: str | None = None) -> int:
        """Wait until ``changes`` is above ``seen``, or the time is over; return it."""

    def wake(self) -> None:
        """End every wait in this process, for stopping."""

    def server_version(self) -> str:
        """The broker's version, asked of it; empty where there is none.

        Raises:
            QueueError: it does not answer.
        """

    def close(self) -> None:
        """Stop listening."""


class Feed(Protocol):
    """Where a worker's steps come from, and the threads that run them: its slots."""

    @property
    def slots(self) -> int:
        """How many steps it runs at once, as it is now."""

    @property
    def autoscale(self) -> tuple[int, int] | None:
        """The fewest and the most slots; None for a fixed number."""

    @property
    def units(self) -> Units:
        """What it offers."""

    def start(self, worker: str, run: CarryOut) -> None:
        """Begin to claim.

        Arguments:
            worker: the worker's id.
            run: called in a thread of the feed, which announces what it gives.
        """

    def tend(self) -> None:
        """Put right what has stopped by itself, scale; called about once a second."""

    def stop(self) -> None:
        """Claim nothing more; returns at once."""

    def join(self, timeout: float | None = None) -> bool:
        """Wait for the steps that run; whether all have ended."""
