"""The records of cached results: what every metadata store promises."""

from __future__ import annotations

from typing import Protocol

from taskmgr_core.specs import CacheEntry, CacheUse, FieldValue
from taskmgr_core.stores.records import stored

CLEAR_IT = "remove what is cached: taskmgr cache clear"


class CacheStore(Protocol):
    """What steps have made of their inputs. Every method is one operation.

    An entry is recorded with the outcome that it is of; see ``Outcome.entry``.
    """

    def take(self, key: str, now: float, keep: float) -> CacheEntry | None:
        """The entry of a key, which counts as taken once more; None where there is none.

        Arguments:
            key: what the outputs follow from.
            now: UTC seconds.
            keep: seconds that it is kept from now on; 0 for ever.

        Raises:
            DamagedRecordError: it cannot be read.
        """

    def drop(self, key: str) -> None:
        """Remove the entry of a key, if there is one."""

    def uses(self, now: float) -> list[CacheUse]:
        """What is kept of each task, by name."""

    def clear(self, task: str | None, now: float) -> list[CacheUse]:
        """Remove what is kept of a task, or of all (None); what it was."""


def expiry_of(now: float, keep: float) -> float | None:
    """Until when something is kept for so many seconds; None for ever (0)."""
    return now + keep if keep else None


def outputs_from(key: str, text: str) -> tuple[FieldValue, ...]:
    """The outputs of an entry as they are recorded.

    Raises:
        DamagedRecordError: they cannot be read.
    """
    return stored(text, tuple[FieldValue, ...], f"the cached result {key}", CLEAR_IT)
