"""What a client needs of a worker in its own process."""

from __future__ import annotations

from typing import Protocol


class RunningWorker(Protocol):
    """A worker of this process."""

    def start(self) -> None:
        """Begin to claim."""

    def stop(self, *, grace: float | None = None) -> None:
        """Leave."""
