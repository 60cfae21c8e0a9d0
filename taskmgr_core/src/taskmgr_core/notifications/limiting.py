"""How often somebody is told: the same once in a while, and only so much in an hour."""

from __future__ import annotations

from collections import deque

import attrs

from taskmgr_plugins.events import Notification

HOUR_SECONDS = 3600.0
# The same things that are remembered; more are not needed, and nothing grows without end.
_REMEMBERED = 10_000


@attrs.frozen
class Decision:
    """Whether to tell.

    Attributes:
        told: whether it is to be told.
        kept_back: how many like it, or of any kind, were not told since the last one.
    """

    told: bool
    kept_back: int = 0


@attrs.define
class Limiter:
    """Decides for one channel.

    Attributes:
        repeat: seconds in which the same is told once.
        per_hour: how many are told in an hour at most.
    """

    repeat: float
    per_hour: int
    _told: dict[tuple[str, str, str, str], float] = attrs.field(factory=dict, init=False)
    _kept_back: dict[tuple[str, str, str, str], int] = attrs.field(factory=dict, init=False)
    _moments: deque[float] = attrs.field(factory=deque, init=False)
    _left_out: int = attrs.field(default=0, init=False)

    def decide(self, notification: Notification, now: float) -> Decision:
        """Take in a notification.

        Arguments:
            notification: what happened.
            now: seconds of a monotonic clock.
        """
        same = (notification.kind, notification.task, notification.code, notification.worker)
        last = self._told.get(same)
        if last is not None and now - last < self.repeat:
            self._kept_back[same] = self._kept_back.get(same, 0) + 1
            return Decision(told=False)
        while self._moments and now - self._moments[0] >= HOUR_SECONDS:
            self._moments.popleft()
        if len(self._moments) >= self.per_hour:
            self._left_out += 1
            return Decision(told=False)
        self._moments.append(now)
        self._told.pop(same, None)
        self._told[same] = now
        while len(self._told) > _REMEMBERED:
            self._told.pop(next(iter(self._told)))
        kept_back = self._kept_back.pop(same, 0) + self._left_out
        self._left_out = 0
        return Decision(told=True, kept_back=kept_back)
