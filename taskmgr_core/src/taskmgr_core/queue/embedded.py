"""The queue of one machine: the metadata store itself, and a bell."""

from __future__ import annotations

import time
from collections.abc import Collection

from taskmgr_core.queue.bell import Bell
from taskmgr_core.specs import Claim, ReadyStep
from taskmgr_core.stores.metadata import MetadataStore

LOOK_AGAIN_SECONDS = 2.0


class EmbeddedQueue:
    """Implements ``Queue``: what is ready is asked of the store, the bell says when to ask.

    Arguments:
        metadata: the store whose ready steps are the queue.
        bell: rung at every change.
    """

    def __init__(self, metadata: MetadataStore, bell: Bell) -> None:
        self._metadata = metadata
        self._bell = bell

    def announce(self, run_id: str, steps: Collection[ReadyStep]) -> None:  # noqa: ARG002
        """Ring; the listeners ask the store what it was."""
        self._bell.ring()

    def take(
        self,
        worker: str,
        queues: Collection[str],
        timeout: float,
        runs: Collection[str] | None = None,
    ) -> Claim | None:
        """Claim the next step that is due; with none, wait once until something changes."""
        self._bell.listen()
        seen = self._bell.count
        claim = self._metadata.claim(worker, queues, time.time(), runs)
        if claim is not None or timeout <= 0:
            return claim
        due = self._metadata.next_due(queues, time.time())
        waiting = min(timeout, LOOK_AGAIN_SECONDS, due if due is not None else timeout)
        self._bell.wait(seen, waiting)
        return None  # whoever waits may want to stop before it takes something

    def changes(self) -> int:
        """How often the bell has rung since this process first asked."""
        self._bell.listen()
        return self._bell.count

    def wait(self, seen: int, timeout: float) -> int:
        """Wait for the bell."""
        return self._bell.wait(seen, timeout)

    def wake(self) -> None:
        """Ring."""
        self._bell.ring()

    def close(self) -> None:
        """Stop listening."""
        self._bell.close()
