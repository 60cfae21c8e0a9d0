"""The rate limit of several processes: the bucket is in Redis."""

from __future__ import annotations

import logging
import time

from redis import Redis
from redis.exceptions import RedisError

from taskmgr_core.accounts.interface import Allowance, Principal
from taskmgr_core.accounts.limiting import Limit, LocalLimiter, allowance_of, key_of

PREFIX = "taskmgr.limit/"
# A server that hangs is not waited for by each request.
AWAY_SECONDS = 2.0

# One round trip, by the clock of the server: processes need not agree on the time.
_TAKE = """
local limit, window, cost = tonumber(ARGV[1]), tonumber(ARGV[2]), tonumber(ARGV[3])
local time = redis.call('TIME')
local now = tonumber(time[1]) + tonumber(time[2]) / 1000000
local found = redis.call('HMGET', KEYS[1], 'left', 'at')
local left, at = tonumber(found[1]) or limit, tonumber(found[2]) or now
left = math.min(left + math.max(now - at, 0) * limit / window, limit)
local allowed = cost <= left
if allowed then left = left - cost end
redis.call('HSET', KEYS[1], 'left', string.format('%.9f', left),
    'at', string.format('%.6f', math.max(now, at)))
redis.call('PEXPIRE', KEYS[1], math.ceil(window * 1000))
return {allowed and 1 or 0, string.format('%.9f', left)}
"""

_LOGGER = logging.getLogger(__name__)


class RedisLimiter:
    """Implements ``RateLimiter`` for all processes on one Redis.

    While the server is away each process counts by itself: a limit protects the platform, and
    must not be what makes it unavailable.

    Arguments:
        client: of the server; with time-outs.
        limit: for each principal.
    """

    def __init__(self, client: Redis, limit: Limit) -> None:
        self._limit = limit
        self._take = client.register_script(_TAKE)
        self._local = LocalLimiter(limit)
        self._away_until = 0.0

    def take(self, principal: Principal, cost: int = 1) -> Allowance:
        """Ask for a request to be answered."""
        if time.monotonic() < self._away_until:
            return self._local.take(principal, cost)
        cost = min(cost, self._limit.requests)
        arguments = [self._limit.requests, self._limit.window, cost]
        try:
            allowed, left = self._take([PREFIX + key_of(principal)], arguments)
        except (RedisError, OSError) as error:
            self._away_until = time.monotonic() + AWAY_SECONDS
            _LOGGER.warning("the rate limit is counted by this process alone: %s", error)
            return self._local.take(principal, cost)
        return allowance_of(self._limit, float(left), cost, bool(allowed))
