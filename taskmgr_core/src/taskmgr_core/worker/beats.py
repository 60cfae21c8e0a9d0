"""Which workers have fallen silent, judged by one watcher's own steady clock."""

from __future__ import annotations

from collections.abc import Mapping

import attrs


@attrs.define
class _Seen:
    beat: float
    since: float


@attrs.define
class BeatWatch:
    """Watches beats; a worker is silent when its beat has not changed for long enough.

    What counts is only that a beat changes, never what time it says: clocks of
    other machines may be wrong, and this one's wall clock may jump. A watcher
    that was itself held up (frozen, starved, waiting for the store) starts to
    watch anew, because it cannot say who beat meanwhile.

    Attributes:
        lost_after: seconds without a change until a worker counts as silent.
    """

    lost_after: float
    _seen: dict[str, _Seen] = attrs.field(factory=dict, init=False)
    _last_look: float | None = attrs.field(default=None, init=False)

    def silent(self, beats: Mapping[str, float], now: float) -> dict[str, float]:
        """Take in the beats of one look.

        Arguments:
            beats: worker id -> its last beat; 0 for one that has none.
            now: seconds of a monotonic clock.

        Returns:
            The workers that are silent, each with the beat it stopped at.
        """
        held_up = self._last_look is not None and now - self._last_look > self.lost_after / 2
        self._last_look = now
        for worker in list(self._seen):
            if worker not in beats or held_up:
                del self._seen[worker]
        for worker, beat in beats.items():
            if worker not in self._seen or self._seen[worker].beat != beat:
                self._seen[worker] = _Seen(beat, now)
        return {
            worker: seen.beat
            for worker, seen in self._seen.items()
            if now - seen.since >= self.lost_after
        }
