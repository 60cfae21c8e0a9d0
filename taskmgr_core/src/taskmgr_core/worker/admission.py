"""Whether a claimed step may run now: the limits of its task, its queue and its own key."""

from __future__ import annotations

import heapq
import itertools
import threading
import time
from collections.abc import Callable, Mapping

import attrs

from taskmgr_core.orchestrator.conditions import key_of
from taskmgr_core.orchestrator.limiting import demands_of
from taskmgr_core.specs import Claim, Demand, Limit, ReadyStep
from taskmgr_core.stores.artifacts import ArtifactStore
from taskmgr_core.stores.metadata import MetadataStore
from taskmgr_core.values import fetched
from taskmgr_core.worker.deciding import document_of

NO_RULES: Mapping[str, Limit] = {}


class Alarm:
    """Tells of steps when they are due, to the millisecond; who dies leaves that to the store.

    Arguments:
        tell: told of each step.
    """

    def __init__(self, tell: Callable[[ReadyStep], object]) -> None:
        self._tell = tell
        self._changed = threading.Condition()
        self._steps: list[tuple[float, int, ReadyStep]] = []
        self._numbers = itertools.count()
        self._closed = False
        self._thread: threading.Thread | None = None

    def at(self, step: ReadyStep) -> None:
        """Tell of a step when it is due: at once, or later in a thread."""
        if step.ready_at <= time.time():
            self._tell(step)
            return
        with self._changed:
            heapq.heappush(self._steps, (step.ready_at, next(self._numbers), step))
            if self._thread is None and not self._closed:
                self._thread = threading.Thread(target=self._serve, name="alarm", daemon=True)
                self._thread.start()
            self._changed.notify()

    def close(self) -> None:
        """Tell of nothing more."""
        with self._changed:
            self._closed = True
            self._changed.notify()

    def _serve(self) -> None:
        while (step := self._next()) is not None:
            self._tell(step)

    def _next(self) -> ReadyStep | None:
        """Wait for the next step that is due; None once it is closed."""
        with self._changed:
            while not self._closed:
                wait = self._steps[0][0] - time.time() if self._steps else None
                if wait is not None and wait <= 0:
                    return heapq.heappop(self._steps)[2]
                self._changed.wait(wait)
        return None


class Admissions:
    """Asks the store whether steps may run.

    Arguments:
        metadata: counts what runs.
        artifacts: where the values of keys may be.
        tell: tells workers of a step that may be run now.
    """

    def __init__(
        self, metadata: MetadataStore, artifacts: ArtifactStore, tell: Callable[[ReadyStep], object]
    ) -> None:
        self._metadata = metadata
        self._artifacts = artifacts
        self._alarm = Alarm(tell)
        self._rules = NO_RULES

    def refresh(self) -> None:
        """Read what operators say; done with each beat, so that no step has to."""
        self._rules = {each.name: each for each in self._metadata.limits.rules()}

    def close(self) -> None:
        """Tell of nothing more."""
        self._alarm.close()

    def admitted(self, claim: Claim, leave: Callable[[], None]) -> Claim | None:
        """The claim as it may be carried out; None where it was given back, to be tried later.

        Arguments:
            claim: of the step.
            leave: called before it may be given back.

        Raises:
            RunnerError: the key of its limit cannot be told.
            StoreError: the store does not answer.
        """
        demands = self._demands(claim)
        if not demands and not claim.step.waits_for:
            return claim
        leave()
        found = self._metadata.limits.admit(claim, demands, time.time())
        for each in found.ready:
            self._alarm.at(each)
        return found.claim

    def _demands(self, claim: Claim) -> tuple[Demand, ...]:
        step = claim.graph_step
        plain = step.limit is None and not step.max_concurrent and not step.rate
        if plain and not self._rules:
            return ()
        if self._rules.keys() & {f"task:{step.task}", f"queue:{step.queue}"}:
            # What was changed since the last beat must hold nobody back: nothing would wake it.
            self.refresh()
        key = None
        if step.limit is not None and step.limit.key is not None:
            values = {
                name: fetched(document_of(claim, source), self._artifacts)
                for name, source in step.key_reads.items()
            }
            key = key_of(step.limit.key, values)
        return demands_of(step, self._rules, key)


@attrs.define
class Turn:
    """One claimed step on its way to being run.

    Attributes:
        claim: the step; once it may run with the limits that it counts for.
        admissions: asked whether it may.
        leave: called before it may be given back: from then on another may have it.
        enter: called once it may run.
        begun: told once that it has begun.
    """

    claim: Claim
    admissions: Admissions
    leave: Callable[[], None]
    enter: Callable[[], None]
    begun: Callable[[Claim], None]
    _told: bool = attrs.field(default=False, init=False)

    def admit(self) -> bool:
        """Whether it may run; where not, it is not this worker's any more."""
        found = self.admissions.admitted(self.claim, self.leave)
        if found is None:
            return False
        self.claim = found
        self.enter()
        self.begin()
        return True

    def begin(self) -> None:
        """Say that it has begun, if nobody has."""
        if not self._told:
            self._told = True
            self.begun(self.claim)
