"""How many steps run at once, and how many begin in a time: limits over all workers."""

from __future__ import annotations

import attrs

from taskmgr_core.specs.work import Claim, ReadyStep


@attrs.frozen
class Rate:
    """How many may begin in a time.

    Attributes:
        count: so many.
        seconds: in so many seconds.
        text: as it is written, as ``10/s``.
    """

    count: int
    seconds: float
    text: str

    @property
    def interval(self) -> float:
        """Seconds from one to the next."""
        return self.seconds / self.count


@attrs.frozen
class Limit:
    """What operators say of a task or queue.

    Attributes:
        name: ``task:NAME`` or ``queue:NAME``.
        max: how many of its steps run at once; 0 for any number.
        rate: how many begin in a time, as ``10/s``; empty for any number.
    """

    name: str
    max: int = 0
    rate: str = ""


@attrs.frozen
class Demand:
    """One limit that a claimed step has to keep to: one of the two.

    Attributes:
        label: what is counted together, without blanks: ``task:upscale``.
        max: how many run at once; 0 where it is a rate.
        rate: how many begin in a time.
    """

    label: str
    max: int = 0
    rate: Rate | None = None

    @property
    def reason(self) -> str:
        """Why a step waits, in words."""
        if self.rate is not None:
            return f"{self.rate.text} of {self.label.removeprefix('rate:')}"
        return f"{self.max} at once of {self.label}"


@attrs.frozen
class Bucket:
    """The tokens of a rate: one is taken by each step that begins, they come back with time.

    Attributes:
        tokens: how many there were.
        at: UTC seconds of that.
        wake_at: UTC seconds at which a step that waits for one is told to try; 0 for none.
    """

    tokens: float
    at: float
    wake_at: float = 0.0


@attrs.frozen
class Admission:
    """Whether a claimed step may run.

    Attributes:
        claim: with the limits that it keeps to; None where it may not: then it is ready
            again, and due later.
        ready: steps that are to be told to try, each when it is due.
    """

    claim: Claim | None
    ready: tuple[ReadyStep, ...] = ()


@attrs.frozen
class LimitUse:
    """How far a limit is used.

    Attributes:
        label: what is counted together.
        running: how many of its steps run.
        waiting: how many wait for it.
    """

    label: str
    running: int
    waiting: int
