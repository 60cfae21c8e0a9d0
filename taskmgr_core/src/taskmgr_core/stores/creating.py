"""New runs: what every metadata store promises."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Protocol

from taskmgr_core.specs import Edge, FieldValue, NewRun, Run, Step

# Is told of a run that is recorded.
Seen = Callable[[NewRun], object]


def nobody(new: NewRun) -> None:
    """Is not told."""


class RunCreator(Protocol):
    """Records runs, each of them whole or not at all."""

    def create_run(
        self, run: Run, steps: Sequence[Step], values: Sequence[FieldValue],
        edges: Sequence[Edge] = (),
    ) -> None:  # fmt: skip
        """Record a run, its steps, and its inputs and all else that it has already. Durable."""

    def create_runs(self, runs: Sequence[NewRun], seen: Seen = nobody) -> list[Exception | None]:
        """Record runs with as few writes as one takes. Durable.

        One that cannot be recorded keeps no other from it.

        Arguments:
            runs: what is recorded.
            seen: called of each once others see it, which may be before it is durable.

        Returns:
            Of each, in their order: None, or why it is not recorded.
        """
