"""The queue: what every implementation promises.

A queue is transport only. What is ready is recorded in the metadata store; a
message that is lost, doubled or late changes nothing.
"""

from __future__ import annotations

from collections.abc import Collection
from typing import Protocol

from taskmgr_core.specs import Claim, ReadyStep


class Queue(Protocol):
    """Tells workers of ready steps, and waiting clients of changes."""

    def announce(self, run_id: str, steps: Collection[ReadyStep]) -> None:
        """Say that steps have become ready, or (with none) that a run has changed."""

    def take(
        self,
        worker: str,
        queues: Collection[str],
        timeout: float,
        runs: Collection[str] | None = None,
    ) -> Claim | None:
        """Claim a step that is due; with none, wait for one and return, to be asked again.

        Arguments:
            worker: the claiming worker's id.
            queues: the queues that it serves; empty for all.
            timeout: seconds to wait at most.
            runs: only steps of these runs; None for all.

        Returns:
            The claim; None when the time is over, ``wake`` was called, or something
            else changed meanwhile: ask again.
        """

    def changes(self) -> int:
        """A number that grows with every change that this process has heard of."""

    def wait(self, seen: int, timeout: float) -> int:
        """Wait until ``changes`` is above ``seen``, or the time is over; return it."""

    def wake(self) -> None:
        """End every wait in this process, for stopping."""

    def close(self) -> None:
        """Stop listening."""
