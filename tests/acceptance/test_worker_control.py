"""Telling workers from another terminal: ping, stop, drain; scaling; the monitor."""

from __future__ import annotations

import json
import re
from pathlib import Path

import pytest
from command_line import CommandLine, wait_until


def begun(gate: Path) -> bool:
    """Whether the task ``talk`` waits at its gate."""
    return Path(f"{gate}.begun").exists()


def test_living_workers_answer(alone: CommandLine) -> None:
    """`ping` prints how long each answer took; with nobody there its exit code is 1."""
    assert "no workers are alive" in alone("worker", "ping", code=1).out
    with alone.worker(), alone.worker():
        answers = alone.json("worker", "ping")["workers"]
        assert len(answers) == 2
        assert all(0 < each["seconds"] < 5 for each in answers)
        one = answers[0]["id"]
        assert [e["id"] for e in alone.json("worker", "ping", one[-6:])["workers"]] == [one]
        assert "did you mean" in alone("worker", "ping", one[:-1] + "z", code=2).err


def test_drained_worker_finishes_and_leaves(alone: CommandLine) -> None:
    """It claims nothing more, is shown as draining, ends what runs and then itself."""
    gate, other = alone.folder / "gate", alone.folder / "other"
    with alone.worker("--slots", "2") as worker:
        run = alone("run", "talk", f"gate={gate}", "--no-wait").out.strip()
        wait_until(lambda: begun(gate), "the task has begun")
        (found,) = alone.json("worker", "list")["workers"]
        assert "is told to leave" in alone("worker", "drain", found["id"][-6:]).out
        wait_until(
            lambda: alone.json("worker", "list")["workers"][0]["status"] == "draining", "it drains"
        )
        next_run = alone("run", "talk", f"gate={other}", "--no-wait").out.strip()
        gate.touch()
        assert worker.wait(timeout=20) == 0
    assert (alone.status(run), alone.status(next_run)) == ("succeeded", "running")
    assert not begun(other)
    assert alone.json("worker", "list")["workers"] == []


def test_stop_waits_until_all_have_left(alone: CommandLine) -> None:
    """With --now what runs is given back; with --timeout it is told who is still there."""
    gate = alone.folder / "gate"
    with alone.worker() as first:
        run = alone("run", "talk", f"gate={gate}", "--no-wait").out.strip()
        wait_until(lambda: begun(gate), "the task has begun")
        (busy,) = alone.json("worker", "list")["workers"]
        with alone.worker() as second:
            found = alone.json("worker", "list")["workers"]
            (idle,) = [each["id"] for each in found if each["id"] != busy["id"]]
            assert f"{idle} has left" in alone("worker", "stop", idle).out
            slow = alone("worker", "stop", "--all", "--timeout", "1", code=1)
            assert f"{busy['id']} is still there" in slow.err
            assert f"{busy['id']} has left" in alone("worker", "stop", "--all", "--now").out
            assert [each.wait(timeout=20) for each in (first, second)] == [0, 0]
    assert alone.status(run) == "running"
    gate.touch()
    with alone.worker():
        wait_until(lambda: alone.status(run) == "succeeded", "another worker has done it")


def test_unknown_worker_names_the_nearest(alone: CommandLine) -> None:
    """A name that fits no worker is refused with the nearest one; none at all with what to do."""
    with alone.worker():
        (found,) = alone.json("worker", "list")["workers"]
        wrong = found["id"][:-1] + ("0" if found["id"][-1] != "0" else "1")
        assert found["id"] in alone("worker", "stop", wrong, code=2).err
    for words in (["stop"], ["drain"], ["stop", "x", "--all"]):
        assert "give --all" in alone("worker", *words, code=2).err


def test_worker_scales_between_its_bounds(alone: CommandLine) -> None:
    """It opens slots while steps wait, up to the most; the bounds are shown."""
    gate = alone.folder / "gate"
    with alone.worker("--autoscale", "1,3"):
        runs = [alone("run", "talk", f"gate={gate}", "--no-wait").out.strip() for _ in range(4)]

        def running() -> int:
            (found,) = alone.json("worker", "list")["workers"]
            return len(found["running"])

        wait_until(lambda: running() == 3, "three run at once", 60)
        (found,) = alone.json("worker", "list")["workers"]
        assert (found["slots"], found["autoscale"]) == (3, [1, 3])
        assert "3 of 1-3" in alone("worker", "status").out
        gate.touch()
        wait_until(lambda: {alone.status(run) for run in runs} == {"succeeded"}, "all have run", 60)


@pytest.mark.parametrize("given", ["3", "0,2", "3,1", "1,2,3", "a,b", "1,2000", ""])
def test_bounds_that_cannot_be_are_refused(alone: CommandLine, given: str) -> None:
    """What is no pair of slots is refused: exit code 2."""
    if given:
        assert "--autoscale" in alone("worker", "start", "--autoscale", given, code=2).err
    else:
        both = alone("worker", "start", "--slots", "1", "--autoscale", "1,2", code=2)
        assert "give one of them" in both.err


def test_monitor_shows_what_goes_on(alone: CommandLine) -> None:
    """One frame on a pipe: workers with what runs, queues with what waits, the last minute."""
    gate = alone.folder / "gate"
    with alone.worker("--slots", "1"):
        alone("run", "add", "left=1")
        alone("run", "talk", f"gate={gate}", "--no-wait")
        wait_until(lambda: begun(gate), "the task has begun")
        alone("run", "talk", f"gate={gate}", "--no-wait")
        found = alone.json("monitor")
        text = alone("monitor").out
        gate.touch()
    assert found["runs"]["running"] == 2
    assert found["runs"]["last_minute"] == {"succeeded": 1, "failed": 0, "cancelled": 0}
    (worker,) = found["workers"]
    assert len(worker["running"]) == 1
    (queue,) = found["queues"]
    assert (queue["queue"], queue["ready"], queue["workers"]) == ("default", 1, 1)
    messages = 1 if "TASKMGR_BROKER_URL" in alone.environment else None
    assert (queue["messages"], queue["oldest_waiting_since"] is None) == (messages, False)
    assert "2 running" in text
    assert "1 succeeded" in text
    assert re.search(r"1/1\s", text)
    assert json.dumps(found)
