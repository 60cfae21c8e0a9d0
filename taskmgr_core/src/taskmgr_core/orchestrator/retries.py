"""Whether an attempt that failed is made again, and when: pure."""

from __future__ import annotations

from collections.abc import Iterator

from taskmgr_core.errors import nearest
from taskmgr_core.specs import Failure, GraphStep, RetrySpec

MOST_RETRIES = 1000
MAXIMUM_DELAY = 300.0
RETRIED_CODES = (
    *("task-error", "crashed", "timeout", "memory", "limit", "disk-full", "environment"),
    *("invalid-input", "invalid-output", "signature", "condition"),
)
"""The codes of failures that a pipeline may say are tried again."""


def delay_of_retry(
    step: GraphStep,
    earlier: tuple[Failure, ...],
    failure: Failure,
    *,
    retryable: bool,
    first_delay: float,
    chance: float,
) -> float | None:
    """Seconds until the next attempt; None where there is none.

    Attempts that ended with their worker, or were given back by it, do not count.

    Arguments:
        step: the step.
        earlier: why earlier attempts failed.
        failure: why this one did.
        retryable: whether it may go better another time.
        first_delay: seconds before the first retry where the pipeline does not say.
        chance: 0 to 1, for the jitter.
    """
    policy = step.retry or RetrySpec(step.retries, max_delay=MAXIMUM_DELAY)
    tried = sum(each.code != "worker-lost" for each in earlier)
    wanted = failure.code in policy.on if policy.on else retryable
    if not wanted or tried >= policy.count:
        return None
    delay = first_delay if policy.delay is None else policy.delay
    # A factor to the power of a thousand is more than a float holds.
    for _ in range(tried):
        if delay >= policy.max_delay:
            break
        delay *= policy.factor
    return min(delay, policy.max_delay) * (1 - policy.jitter * chance)


def problems_of_retry(policy: RetrySpec) -> Iterator[tuple[str, str]]:
    """What is wrong with a policy: the name of a part, and what is wrong with it."""
    if not 0 <= policy.count <= MOST_RETRIES:
        yield "count", f"{policy.count} is not allowed; it must be 0 to {MOST_RETRIES}"
    if policy.delay is not None and not 0 <= policy.delay < float("inf"):
        yield "delay", f"{policy.delay} is not allowed; it must be 0 seconds or more"
    if not 1 <= policy.factor < float("inf"):
        yield "factor", f"{policy.factor} is not allowed; it must be 1 or more"
    if not 0 <= policy.max_delay < float("inf"):
        yield "max_delay", f"{policy.max_delay} is not allowed; it must be 0 seconds or more"
    if not 0 <= policy.jitter <= 1:
        yield "jitter", f"{policy.jitter} is not allowed; it must be 0 to 1"
    for index, code in enumerate(policy.on):
        if code not in RETRIED_CODES:
            yield f"on[{index}]", f"no code {code!r}; {nearest(code, RETRIED_CODES)}"
