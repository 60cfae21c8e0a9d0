"""Whether the services of a platform answer, how fast, and what to do where one does not.

All are asked side by side, and none for longer than a given time: whoever watches a platform
must not hang with it.
"""

from __future__ import annotations

import threading
import time
from collections.abc import Callable, Sequence
from typing import Literal

import attrs

from taskmgr_core.errors import TaskmgrError

State = Literal["ok", "warn", "fault"]


@attrs.frozen
class Answer:
    """What a service answered.

    Attributes:
        version: its own word for it; empty where it has none.
        seconds: what one question took.
        state: ``ok``, ``warn`` (works, but) or ``fault``.
        message: what was found.
        advice: what to do; empty where nothing is.
    """

    version: str = ""
    seconds: float | None = None
    state: State = "ok"
    message: str = ""
    advice: str = ""


@attrs.frozen
class Probe:
    """A service that can be asked.

    Attributes:
        service: what it is for: metadata, artifacts, broker or workers.
        kind: what it is, as MongoDB.
        address: where it is, without secrets.
        ask: asks it; it may raise what the service's errors are, and may hang.
    """

    service: str
    kind: str
    address: str
    ask: Callable[[], Answer]


@attrs.frozen
class ServiceHealth:
    """A service, and how it is."""

    service: str
    kind: str
    address: str
    state: State
    version: str
    latency_ms: float | None
    message: str
    advice: str


def timed(ask: Callable[[], object]) -> float:
    """How many seconds a question takes."""
    started = time.perf_counter()
    ask()
    return time.perf_counter() - started


def check(probes: Sequence[Probe], seconds: float) -> list[ServiceHealth]:
    """How services are, in the order of the probes.

    Arguments:
        probes: the services.
        seconds: how long to wait for all of them together.
    """
    answers: dict[int, Answer] = {}
    threads = [
        threading.Thread(target=_ask, args=(probe, number, answers), daemon=True)
        for number, probe in enumerate(probes)
    ]
    for each in threads:
        each.start()
    deadline = time.monotonic() + seconds
    for each in threads:
        each.join(max(deadline - time.monotonic(), 0))
    silent = Answer(
        state="fault",
        message=f"no answer within {seconds:g} s",
        advice="check that it runs and can be reached from here, and how busy it is",
    )
    return [_judged(probe, answers.get(number, silent)) for number, probe in enumerate(probes)]


def _ask(probe: Probe, number: int, answers: dict[int, Answer]) -> None:
    try:
        answers[number] = probe.ask()
    except TaskmgrError as error:
        message, _, advice = str(error).rpartition("; ")
        answers[number] = Answer(
            state="fault", message=message or advice, advice=message and advice
        )
    except Exception as error:  # noqa: BLE001 - one service must not hide the others
        answers[number] = Answer(state="fault", message=f"{type(error).__name__}: {error}")


def _judged(probe: Probe, answer: Answer) -> ServiceHealth:
    latency = None if answer.seconds is None else round(answer.seconds * 1000, 2)
    return ServiceHealth(
        probe.service,
        probe.kind,
        probe.address,
        answer.state,
        answer.version,
        latency,
        answer.message,
        answer.advice,
    )
