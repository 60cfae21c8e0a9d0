"""How often a principal may ask: a token bucket, and the headers that tell of it.

Source: the token bucket, J. Turner, "New directions in communications", 1986; the fields:
draft-ietf-httpapi-ratelimit-headers-10.
"""

from __future__ import annotations

import collections
import math
import threading
import time
from collections.abc import Callable, Mapping

import attrs

from taskmgr_core.accounts.interface import Allowance, Principal

POLICY = "principal"
MOST_PRINCIPALS = 100_000


@attrs.frozen
class Limit:
    """So many requests at once, and as many again in each window.

    Attributes:
        requests: how many.
        window: seconds.
    """

    requests: int
    window: float

    @property
    def rate(self) -> float:
        """How many come back each second."""
        return self.requests / self.window


@attrs.frozen
class Bucket:
    """What is left of a limit.

    Attributes:
        left: requests that may be made at once.
        at: seconds, when that was so.
    """

    left: float
    at: float


def taken(limit: Limit, bucket: Bucket | None, now: float, cost: int) -> tuple[Bucket, Allowance]:
    """Take from a bucket: pure.

    Arguments:
        limit: what it holds.
        bucket: as it was; None for a full one.
        now: seconds; a clock that went back gives nothing back.
        cost: how much is asked for; what is more than a full bucket counts as one.

    Returns:
        The bucket as it is then, and what that means. What is refused takes nothing.
    """
    cost = min(cost, limit.requests)
    if bucket is None:
        bucket = Bucket(limit.requests, now)
    passed = max(now - bucket.at, 0.0)
    left = min(bucket.left + passed * limit.rate, limit.requests)
    allowed = cost <= left
    after = left - cost if allowed else left
    return Bucket(after, max(now, bucket.at)), allowance_of(limit, after, cost, allowed)


def allowance_of(limit: Limit, left: float, cost: int, allowed: bool) -> Allowance:
    """What a bucket's content means.

    Arguments:
        limit: what it holds at most.
        left: what is in it now.
        cost: what was asked for; no more than it holds at most.
        allowed: whether it was granted.
    """
    return Allowance(
        allowed=allowed,
        limit=limit.requests,
        window=limit.window,
        remaining=int(left),
        reset=(limit.requests - left) / limit.rate,
        retry_after=0.0 if allowed else (cost - left) / limit.rate,
    )


def headers_of(allowance: Allowance) -> Mapping[str, str]:
    """The fields of a response that tell a client how much is left."""
    told = {
        "RateLimit-Policy": f'"{POLICY}";q={allowance.limit};w={math.ceil(allowance.window)}',
        "RateLimit": f'"{POLICY}";r={allowance.remaining};t={math.ceil(allowance.reset)}',
    }
    if not allowance.allowed:
        told["Retry-After"] = str(max(1, math.ceil(allowance.retry_after)))
    return told


def key_of(principal: Principal) -> str:
    """Whose limit it is: everybody of one name in one workspace."""
    return f"{principal.workspace}/{principal.name}"


class LocalLimiter:
    """Implements ``RateLimiter`` for one process. Safe to use from many threads.

    Arguments:
        limit: for each principal.
        clock: monotonic seconds.
    """

    def __init__(self, limit: Limit, clock: Callable[[], float] = time.monotonic) -> None:
        self._limit = limit
        self._clock = clock
        self._buckets: collections.OrderedDict[str, Bucket] = collections.OrderedDict()
        self._lock = threading.Lock()

    def take(self, principal: Principal, cost: int = 1) -> Allowance:
        """Ask for a request to be answered."""
        key = key_of(principal)
        with self._lock:
            bucket, allowance = taken(self._limit, self._buckets.get(key), self._clock(), cost)
            self._buckets[key] = bucket
            self._buckets.move_to_end(key)
            if len(self._buckets) > MOST_PRINCIPALS:
                self._buckets.popitem(last=False)  # who has asked for nothing for longest
        return allowance
