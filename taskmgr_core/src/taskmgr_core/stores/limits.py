"""How many steps run at once and begin in a time: what every metadata store promises.

A step that was claimed is admitted, or made ready again and held back. What runs is what
counts: where a worker is lost, or an attempt is, its place is free without anybody having to
say so. Whoever gives a place back has the step told that waits for it, the one with the
highest priority that has waited longest; others are not looked at until then.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Protocol

from taskmgr_core.specs import Admission, Claim, Demand, Limit, LimitUse


class LimitStore(Protocol):
    """Limits, and the steps that wait for them. Every method is one operation."""

    def rules(self) -> list[Limit]:
        """What operators say of tasks and queues, by name."""

    def put(self, limit: Limit, now: float) -> None:
        """Record what is to hold of a task or queue; what waits for it tries again. Durable."""

    def remove(self, name: str, now: float) -> bool:
        """Remove a limit; what waits for it tries again. False when there is none."""

    def admit(self, claim: Claim, demands: Sequence[Demand], now: float) -> Admission:
        """Let a claimed step run, or make it ready again and hold it back.

        A step that is held back has lost no attempt, keeps its place in the order, and says
        what it waits for. One that is to be stopped meanwhile is let in, and counts for nothing.

        Arguments:
            claim: of the step; nothing of it has begun.
            demands: the limits that it has to keep to.
            now: UTC seconds.
        """

    def uses(self, limit: int) -> list[LimitUse]:
        """What runs and waits under each limit, by label; so many steps are looked at, at most."""
