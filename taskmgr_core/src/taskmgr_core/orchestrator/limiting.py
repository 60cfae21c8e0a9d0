"""How many steps run at once, and how many begin in a time: what is asked of a step. Pure.

A rate is a bucket of tokens: ``10/s`` has ten, a step that begins takes one, and they come
back evenly, one in a tenth of a second. So ten may begin at once after a quiet time, and in
any time no more than ten beyond what the rate says.
"""

from __future__ import annotations

import hashlib
from collections.abc import Iterator, Mapping
from typing import Any

import attrs

from taskmgr_core import documents
from taskmgr_core.errors import InvalidValueError, Problem
from taskmgr_core.orchestrator import conditions
from taskmgr_core.orchestrator.branching import problems_of_expression, reads_of
from taskmgr_core.orchestrator.mapping import mapped_port, mapped_schema
from taskmgr_core.orchestrator.ports import PlacedStep, Ports
from taskmgr_core.specs import Bucket, Claim, Demand, GraphStep, Limit, LimitSpec, Rate, Source
from taskmgr_plugins.tasks import MOST_AT_ONCE, queue_fault, rate_fault

# Seconds until a step that was held back is looked at again although nobody told of a free place.
FIRST_LOOK = 5.0
LONGEST_LOOK = 30.0
# A step that was to try at some time and has not by so many seconds later will not.
OVERDUE = 1.0
_SECONDS = {"s": 1.0, "min": 60.0, "h": 3600.0}
_LONGEST_KEY = 80


def rate_of(text: str) -> Rate | None:
    """A rate from its text; None for an empty one.

    Raises:
        InvalidValueError: it is none.
    """
    if wrong := rate_fault(text):
        raise InvalidValueError(wrong)
    if not text:
        return None
    count, _, unit = text.partition("/")
    return Rate(int(count), _SECONDS[unit], text)


def limit_of(name: str, most: int, rate: str) -> Limit:
    """What an operator says of a task or queue, checked.

    Raises:
        InvalidValueError: with what is wrong.
    """
    kind, _, of = name.partition(":")
    if kind not in ("task", "queue") or queue_fault(of):
        raise InvalidValueError(f"{name!r} is no limit's name; allowed is task:NAME or queue:NAME")
    if not 0 <= most <= MOST_AT_ONCE:
        raise InvalidValueError(f"max {most}: allowed is 0 (no limit) to {MOST_AT_ONCE}")
    rate_of(rate)
    if not most and not rate:
        raise InvalidValueError(f"{name}: give a max, a rate, or both")
    return Limit(name, most, rate)


def tokens_of(bucket: Bucket | None, rate: Rate, now: float) -> float:
    """How many tokens there are; a clock that is behind gives none back."""
    if bucket is None:
        return float(rate.count)
    passed = max(now - bucket.at, 0.0)
    return min(float(rate.count), bucket.tokens + passed / rate.interval)


def taken(bucket: Bucket | None, rate: Rate, now: float) -> tuple[Bucket, float]:
    """Take a token.

    Arguments:
        bucket: as it was; None for a full one.
        rate: how fast they come back.
        now: UTC seconds.

    Returns:
        The bucket as it is then, and 0; where there is no token the bucket as it was, and
        the seconds until there is one.
    """
    tokens = tokens_of(bucket, rate, now)
    at = now if bucket is None else max(now, bucket.at)
    wake_at = 0.0 if bucket is None else bucket.wake_at
    if tokens >= 1 - 1e-9:
        return Bucket(max(tokens - 1, 0.0), at, wake_at), 0.0
    # From the time that the bucket is of: a clock that is behind has to wait for that first.
    return Bucket(tokens, at, wake_at), at + (1 - tokens) * rate.interval - now


def is_others_turn(bucket: Bucket, now: float, *, woken: bool) -> bool:
    """Whether another step is told when there is a token, so that this one just waits.

    Arguments:
        bucket: as it is.
        now: UTC seconds.
        woken: whether this one tries because it was told to.
    """
    return now < bucket.wake_at or (now < bucket.wake_at + OVERDUE and not woken)


def let_in(claim: Claim, labels: tuple[str, ...]) -> Claim:
    """The claim of a step that may run, and counts for these labels."""
    step = claim.step
    since = step.ready_at if step.waits_since is None else step.waits_since
    step = attrs.evolve(step, waits_for="", waits_since=None, ready_at=since)
    return attrs.evolve(claim, step=step, limits=labels)


def look_again(waits_since: float, now: float) -> float:
    """When a step that is held back is looked at although nobody told of a free place."""
    return now + min(max(now - waits_since, FIRST_LOOK), LONGEST_LOOK)


def demands_of(step: GraphStep, rules: Mapping[str, Limit], key: Any = None) -> tuple[Demand, ...]:
    """The limits that a step has to keep to: those at once first, then the rates.

    What an operator says of a task stands in place of what the task says of itself.

    Arguments:
        step: the step, or what is run for one element.
        rules: what operators say, by name.
        key: what the key of its own limit gave.
    """
    of_task = rules.get(f"task:{step.task}") or Limit(
        f"task:{step.task}", step.max_concurrent, step.rate
    )
    found = [of_task]
    if (of_queue := rules.get(f"queue:{step.queue}")) is not None:
        found.append(of_queue)
    if step.limit is not None:
        label = (
            f"key:{step.limit.name}:{_key_text(key)}"
            if step.limit.key is not None
            else (f"key:{step.limit.name}")
        )
        found.append(Limit(label, step.limit.max, step.limit.rate))
    most = [Demand(each.name, each.max) for each in found if each.max]
    rates = [Demand(f"rate:{each.name}", rate=rate_of(each.rate)) for each in found if each.rate]
    return (*most, *rates)


def limit_in(step: PlacedStep, pipeline: str) -> LimitSpec | None:
    """The limit of a step with its name: by default it is of that step alone."""
    written = step.spec.concurrency
    if written is None:
        return None
    name = written.name or f"{pipeline}/{step.id}"
    return LimitSpec(key=written.key, max=written.max, rate=written.rate, name=name)


def key_reads(step: PlacedStep, ports: Ports) -> dict[str, Source]:
    """The names in the key of a step's limit -> where their values come from."""
    limit = step.spec.concurrency
    return reads_of([limit.key], ports) if limit is not None and limit.key is not None else {}


def problems_of_limit(step: PlacedStep, ports: Ports) -> Iterator[Problem]:
    """What is wrong with the limit of a step."""
    limit = step.spec.concurrency
    if limit is None:
        return
    place = f"{step.place}.concurrency"
    if not 0 <= limit.max <= MOST_AT_ONCE:
        yield Problem(f"{place}.max", f"{limit.max} is not allowed; it must be 1 to {MOST_AT_ONCE}")
    if wrong := rate_fault(limit.rate):
        yield Problem(f"{place}.rate", wrong)
    if limit.max == 0 and not limit.rate:
        yield Problem(place, "give max (how many at once), rate (as '10/s'), or both")
    if limit.name and queue_fault(limit.name):
        yield Problem(
            f"{place}.name",
            f"{limit.name!r}: allowed are letters, digits, '_', '-' and '.', 64 at most",
        )
    if limit.key is not None:
        own = {
            name: mapped_schema(step, source, ports)
            for name, source in key_reads(step, ports).items()
            if step.spec.map and source.port == mapped_port(step, ports)
        }
        yield from problems_of_expression(limit.key, f"{place}.key", ports, conditions.KEY, own)
    for name, source in key_reads(step, ports).items():
        if ports.producer(source.port) == step.id:
            yield Problem(f"{place}.key", f"{name} is made by the step itself")


def _key_text(key: Any) -> str:
    """A key's value in a label: short, without blanks, and another for another value."""
    # A number is not the text that looks like it.
    text = key if isinstance(key, str) else f"={documents.canonical(key).decode()}"
    mark = "=" if isinstance(key, str) else ""
    quoted = "".join(each if _is_plain(each, mark) else _quoted(each) for each in text)
    if len(quoted) <= _LONGEST_KEY:
        return quoted
    return f"{quoted[:_LONGEST_KEY]}~{hashlib.sha256(quoted.encode()).hexdigest()[:16]}"


def _is_plain(character: str, mark: str) -> bool:
    return character.isprintable() and character not in f" %~{mark}"


def _quoted(character: str) -> str:
    return "".join(f"%{byte:02X}" for byte in character.encode("utf-8", "surrogatepass"))
