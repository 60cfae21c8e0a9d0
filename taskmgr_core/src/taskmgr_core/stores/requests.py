"""Requests that must not be answered twice: what every metadata store promises."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Protocol

import attrs

# For so long a key is kept; each use of the store forgets those that are older.
KEPT_SECONDS = 24 * 3600.0


@attrs.frozen
class Answered:
    """A request that is being answered, or was.

    Attributes:
        key: whose it is and what they call it.
        fingerprint: what tells it from every other request.
        run: the id of the run that it is answered with.
        at: UTC seconds when it came first.
    """

    key: str
    fingerprint: str
    run: str
    at: float


class RequestStore(Protocol):
    """The keys of requests, each kept for a while. Every method is one operation."""

    def begin_all(self, requests: Sequence[Answered], keep: float) -> list[Answered]:
        """Do for some requests, one after the other, what ``begin`` does for one. Durable.

        Arguments:
            requests: as they came, at least one.
            keep: seconds for which a key is kept.

        Returns:
            Those that are recorded now, in the same order.
        """

    def begin(self, request: Answered, keep: float) -> Answered:
        """Record a request, unless there is one of that key. Durable.

        Arguments:
            request: as it came.
            keep: seconds for which a key is kept; older ones are forgotten.

        Returns:
            The one that is recorded now: this one, or the earlier one.
        """

    def forget(self, key: str) -> None:
        """Forget a request that came to nothing."""
