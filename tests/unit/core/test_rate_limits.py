"""How often a principal may ask: the bucket, its fields, and who shares one."""

from collections.abc import Sequence

from hypothesis import given
from hypothesis import strategies as st

from taskmgr_core.accounts.interface import Principal
from taskmgr_core.accounts.limiting import Bucket, Limit, LocalLimiter, headers_of, taken
from taskmgr_core.specs.accounts import Role

MINUTE = Limit(60, 60.0)
LIMITS = st.builds(Limit, st.integers(1, 1000), st.floats(0.1, 3600))
# Pauses between requests, and how many each counts for.
REQUESTS = st.lists(st.tuples(st.floats(0, 100), st.integers(1, 5)), max_size=40)


def principal(name: str = "ada", workspace: str = "red", number: int = 1) -> Principal:
    """Somebody."""
    return Principal(name, Role.VIEWER, workspace, str(number))


@given(LIMITS, REQUESTS)
def test_no_more_is_granted_than_a_full_bucket_and_what_came_back(
    limit: Limit, requests: Sequence[tuple[float, int]]
) -> None:
    """From any request to any later one, whatever was asked for in between."""
    bucket: Bucket | None = None
    now, granted = 1000.0, []
    for pause, cost in requests:
        now += pause
        bucket, allowance = taken(limit, bucket, now, cost)
        granted.append((now, min(cost, limit.requests) if allowance.allowed else 0))
        assert 0 <= allowance.remaining <= limit.requests
    for first in range(len(granted)):
        total = 0
        for at, cost in granted[first:]:
            total += cost
            most = limit.requests + (at - granted[first][0]) * limit.rate
            assert total <= most * (1 + 1e-9) + 1e-6


@given(LIMITS, REQUESTS)
def test_who_waits_as_long_as_told_is_answered(
    limit: Limit, requests: Sequence[tuple[float, int]]
) -> None:
    """A refusal says when the same request would be granted, however much it counts for."""
    bucket: Bucket | None = None
    now = 1000.0
    for pause, cost in requests:
        now += pause
        bucket, allowance = taken(limit, bucket, now, cost)
        if not allowance.allowed:
            assert allowance.retry_after > 0
            later = now + allowance.retry_after + 1e-3
            assert taken(limit, bucket, later, cost)[1].allowed
        else:
            assert allowance.retry_after == 0


def test_clock_that_goes_back_gives_nothing_back() -> None:
    """Nor does it take anything: the bucket is as full as it was."""
    bucket, _ = taken(MINUTE, None, 1000.0, 60)
    bucket, allowance = taken(MINUTE, bucket, 0.0, 1)
    assert not allowance.allowed
    bucket, allowance = taken(MINUTE, bucket, 1001.0, 1)
    assert (allowance.allowed, allowance.remaining) == (True, 0)


def test_fields_are_those_of_the_draft() -> None:
    """The policy with quota and window; what is left with the seconds until all is back."""
    bucket, allowance = taken(MINUTE, None, 0.0, 20)
    assert headers_of(allowance) == {
        "RateLimit-Policy": '"principal";q=60;w=60',
        "RateLimit": '"principal";r=40;t=20',
    }
    _, refused = taken(MINUTE, bucket, 0.5, 41)
    assert headers_of(refused)["RateLimit"] == '"principal";r=40;t=20'
    assert headers_of(refused)["Retry-After"] == "1"


def test_names_and_workspaces_have_limits_of_their_own() -> None:
    """Two tokens of one name share one; the same name elsewhere, and another, do not."""
    limiter = LocalLimiter(Limit(2, 60.0), clock=lambda: 5.0)
    assert limiter.take(principal()).allowed
    assert limiter.take(principal(number=2)).allowed
    assert not limiter.take(principal(number=3)).allowed
    assert limiter.take(principal(workspace="blue")).allowed
    assert limiter.take(principal("bob")).allowed
