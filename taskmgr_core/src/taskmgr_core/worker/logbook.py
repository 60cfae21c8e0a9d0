"""The log of one attempt on its way to the store."""

from __future__ import annotations

import logging
import time
from collections.abc import Sequence

import attrs

from taskmgr_core.errors import StoreError
from taskmgr_core.specs import Claim, LogLine, Outcome, Step
from taskmgr_core.stores.metadata import MetadataStore

_LOGGER = logging.getLogger(__name__)


@attrs.frozen
class StepLog:
    """Appends what a step writes to its run's log.

    Attributes:
        metadata: where the log is.
        step: whose log it is.
    """

    metadata: MetadataStore
    step: Step

    def write(self, lines: Sequence[tuple[str, str]]) -> None:
        """Append lines, each with its stream; a log that cannot be written stops no task."""
        now = time.time()
        entries = [
            LogLine(0, self.step.run, self.step.id, self.step.attempt, now, stream, text)
            for stream, text in lines
        ]
        try:
            self.metadata.append_log(entries)
        except StoreError as error:
            _LOGGER.warning("the log of run %s lost %d lines: %s", self.step.run, len(lines), error)

    def close(self, claim: Claim, outcome: Outcome) -> None:
        """Say in the log how the attempt ended, where that is no success."""
        if outcome.status == "skipped":
            self.write([("taskmgr", f"left out: {claim.graph_step.when} does not hold")])
        if outcome.failure is None:
            return
        again = "; it will be tried again" if outcome.status == "ready" else ""
        failed = f"attempt {self.step.attempt} {outcome.failure.code}: {outcome.failure.message}"
        self.write([("taskmgr", f"{failed}{again}")])
