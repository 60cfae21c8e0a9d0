"""When a worker beats, when others give it up, and when what waits is looked at again."""

from __future__ import annotations

import attrs

from taskmgr_core.specs import ReadyStep
from taskmgr_core.stores.metadata import UNCLAIMED_SECONDS

MAXIMUM_LOOK_SECONDS = 60.0


@attrs.frozen
class Timing:
    """How often a worker beats, and when others give it up; see ``Settings``.

    Attributes:
        holds: seconds between two looks at whether its steps are still its own, and
            not to be cancelled; with each change that it hears of it looks at once.
        slow_step: the part of its timeout after which a step is notified of as slow.
    """

    heartbeat: float
    lost_after: float
    lost_attempts: int
    holds: float = 0.1
    slow_step: float = 0.0


def next_look(step: ReadyStep, now: float) -> float:
    """When to look again after a step that nobody has claimed: the longer it waits the rarer.

    Arguments:
        step: the step.
        now: UTC seconds.
    """
    waited = now - step.ready_at
    return now + min(max(waited, UNCLAIMED_SECONDS), MAXIMUM_LOOK_SECONDS)
