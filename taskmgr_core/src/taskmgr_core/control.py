"""Workers from afar: who lives, which one is meant, telling them to answer or to leave."""

from __future__ import annotations

import time
from collections.abc import Callable, Sequence
from typing import Literal

import attrs
import uuid_utils

from taskmgr_core.errors import NotFoundError
from taskmgr_core.queue.base import Queue
from taskmgr_core.specs import Orders, Worker
from taskmgr_core.stores.metadata import MetadataStore

LOOK_SECONDS = 0.1


@attrs.frozen
class Answer:
    """What came of asking a worker.

    Attributes:
        worker: whom.
        seconds: until the answer; None where none came in time.
    """

    worker: Worker
    seconds: float | None


@attrs.frozen
class Control:
    """Tells workers, through the metadata store, and wakes them by the queue.

    Attributes:
        metadata: where a worker finds what it is told, with its next beat.
        queue: makes it look at once.
        lost_after: seconds without a beat until a worker counts as lost.
    """

    metadata: MetadataStore
    queue: Queue
    lost_after: float

    def living(self) -> list[Worker]:
        """The workers whose last beat is recent."""
        since = time.time() - self.lost_after
        return [each for each in self.metadata.workers() if each.heartbeat >= since]

    def named(self, name: str) -> Worker:
        """The living worker of that id, or of an unambiguous beginning or end of it.

        Raises:
            NotFoundError: there is none, there are several, or it is lost.
        """
        known = {each.id: each for each in self.metadata.workers()}
        meant = [name] if name in known else [
            each for each in known if name and (each.startswith(name) or each.endswith(name))
        ]  # fmt: skip
        if not meant:
            raise NotFoundError.named("worker", name, known)
        if len(meant) > 1:
            listed = ", ".join(meant[:5])
            raise NotFoundError(
                f"several workers are named {name!r}: {listed}; give more of the id"
            )
        living = {each.id: each for each in self.living()}
        if meant[0] not in living:
            passed = time.time() - known[meant[0]].heartbeat
            raise NotFoundError(
                f"worker {meant[0]} is lost: it was last heard of {passed:.0f} s ago; its steps "
                "are run again by others, and there is nobody to tell"
            )
        return living[meant[0]]

    def leave(self, workers: Sequence[Worker], how: Literal["drain", "now"]) -> None:
        """Tell workers to leave: after what runs (``drain``), or giving that back (``now``)."""
        for each in workers:
            self.metadata.order(each.id, Orders(leave=how))
            self.queue.alert(each.id)

    def gone(
        self,
        workers: Sequence[Worker],
        timeout: float | None,
        on_gone: Callable[[Worker], None] = lambda _: None,
    ) -> list[Worker]:
        """Wait until workers have left; those that have not.

        Arguments:
            workers: whom to wait for.
            timeout: seconds; None for as long as it takes.
            on_gone: told of each one that has left, or fallen silent.
        """
        deadline = None if timeout is None else time.monotonic() + timeout
        left = {each.id: each for each in workers}
        while left:
            seen = self.queue.changes()
            living = {each.id for each in self.living()}
            for each in [worker for worker in left.values() if worker.id not in living]:
                on_gone(left.pop(each.id))
            if deadline is not None and time.monotonic() >= deadline:
                break
            if left:
                self.queue.wait(seen, LOOK_SECONDS)
        return list(left.values())

    def ping(self, workers: Sequence[Worker], timeout: float) -> list[Answer]:
        """Ask workers all at once, and time each answer: there through the store, and back.

        Arguments:
            workers: whom to ask.
            timeout: seconds to wait at most.
        """
        word = str(uuid_utils.uuid7())
        self.queue.changes()  # hear of answers from now on
        begun = time.monotonic()
        for each in workers:
            self.metadata.order(each.id, Orders(ping=word))
            self.queue.alert(each.id)
        answered: dict[str, float] = {}
        while len(answered) < len(workers) and time.monotonic() - begun < timeout:
            seen = self.queue.changes()
            for each in self.metadata.workers():
                if each.answered == word:
                    answered.setdefault(each.id, time.monotonic() - begun)
            if len(answered) < len(workers):
                self.queue.wait(seen, LOOK_SECONDS)
        return [Answer(each, answered.get(each.id)) for each in workers]
