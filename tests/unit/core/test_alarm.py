"""Telling of steps when they are due."""

from __future__ import annotations

import queue
import time

import attrs

from taskmgr_core.specs import ReadyStep
from taskmgr_core.worker.admission import Alarm

STEP = ReadyStep("r", "001", "echo", "default", 5, 0.0)
SOON = 0.05


def test_steps_are_told_of_when_they_are_due() -> None:
    """At once where they are; else in the order of their times, none before its own."""
    told: queue.Queue[tuple[str, float]] = queue.Queue()
    alarm = Alarm(lambda step: told.put((step.id, time.time())))
    now = time.time()
    alarm.at(attrs.evolve(STEP, id="late", ready_at=now + 2 * SOON))
    alarm.at(attrs.evolve(STEP, id="soon", ready_at=now + SOON))
    alarm.at(STEP)
    found = [told.get(timeout=10) for _ in range(3)]
    alarm.close()
    assert [name for name, _ in found] == ["001", "soon", "late"]
    assert found[1][1] >= now + SOON
    assert found[2][1] >= now + 2 * SOON


def test_closed_alarm_tells_of_nothing() -> None:
    """What was to come is left to others, who find it in the store."""
    told: list[ReadyStep] = []
    alarm = Alarm(told.append)
    alarm.at(attrs.evolve(STEP, ready_at=time.time() + 60))
    alarm.close()
    assert told == []
