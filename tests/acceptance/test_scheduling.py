"""Schedules as a user makes them, and the scheduler that sees to them."""

from __future__ import annotations

import contextlib
import signal
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta

from command_line import CommandLine, wait_until


@contextlib.contextmanager
def scheduled(taskmgr: CommandLine, name: str, *words: str) -> Iterator[None]:
    """A schedule, removed at the end: the platform is shared."""
    taskmgr("schedule", "add", name, *words)
    try:
        yield
    finally:
        taskmgr("schedule", "remove", name)


def midnights_ago(count: int) -> str:
    """So many days ago, a little before midnight: that many times have passed since."""
    day = datetime.now(UTC).date() - timedelta(days=count)
    return f"{day:%Y-%m-%d}T23:59"


def test_missed_times_are_run_once(taskmgr: CommandLine) -> None:
    """Each has a run with its time among the inputs; a second look, and the list, know them."""
    words = ["words", "--cron", "0 0 * * *", "--catch-up", "all", "--since", midnights_ago(2)]
    with scheduled(taskmgr, "daily", *words, "text=at {scheduled}"):
        told = taskmgr("scheduler", "start", "--once").out
        assert told.count("daily for ") == 2
        assert "daily" not in taskmgr("scheduler", "start", "--once").out
        found = taskmgr.json("schedule", "history", "daily")["firings"]
        assert len(found) == 2
        run = taskmgr.json("show", found[0]["run_id"])
        (text,) = [each["value"] for each in run["values"] if each["port"] == "text"]
        assert text == f"at {found[0]['scheduled']}"
        assert found[0]["run_id"][-8:] in taskmgr("schedule", "list").out


def test_two_schedulers_run_a_time_once(taskmgr: CommandLine) -> None:
    """While both are there each time has one run; told to end, they end well."""
    words = ["words", "--cron", "0 0 * * *", "--catch-up", "all", "--since", midnights_ago(3)]
    logs = [taskmgr.folder / "one", taskmgr.folder / "two"]

    def said() -> str:
        return "".join(each.read_text() for each in logs)

    with (
        taskmgr.started("scheduler", "start", log=logs[0]) as one,
        taskmgr.started("scheduler", "start", log=logs[1]) as two,
        scheduled(taskmgr, "shared", *words, "text=a"),
    ):
        wait_until(lambda: said().count("is ready") == 2, "both are there")
        wait_until(lambda: said().count("shared for ") == 3, "three times are run")
        for process in (one, two):
            process.send_signal(signal.SIGTERM)
            assert process.wait(20) == 0
        assert said().count("shared for ") == 3


def test_paused_schedule_runs_nothing(taskmgr: CommandLine) -> None:
    """Nor are the times in between caught up when it goes on."""
    words = ["words", "--cron", "0 0 * * *", "--since", midnights_ago(3), "text=a"]
    with scheduled(taskmgr, "paused", *words):
        taskmgr("schedule", "pause", "paused")
        assert "paused for" not in taskmgr("scheduler", "start", "--once").out
        (shown,) = (
            each
            for each in taskmgr.json("schedule", "list")["schedules"]
            if each["name"] == "paused"
        )
        assert (shown["paused"], shown["next"], shown["last"]) == (True, None, None)
        assert "paused goes on; next: 2" in taskmgr("schedule", "resume", "paused").out
        assert "paused for" not in taskmgr("scheduler", "start", "--once").out


def test_schedule_that_cannot_be_is_refused(taskmgr: CommandLine) -> None:
    """When it is added, not in the middle of a night; nothing is recorded."""
    daily = ["--cron", "0 0 * * *"]
    refused = [
        (["add", "x", "words", "--cron", "* * *", "text=a"], "is no cron expression"),
        (["add", "x", "wrods", *daily], "did you mean 'words'"),
        (["add", "x", "words", *daily, "txt=a"], "did you mean 'text'"),
        (["add", "x", "words", *daily, "--since", "noon", "text=a"], "no moment"),
        (["add", "taken", "words", *daily, "text=b"], "there is a schedule 'taken' already"),
        (["pause", "takn"], "no schedule 'takn'; did you mean 'taken'?"),
    ]
    with scheduled(taskmgr, "taken", "words", "--cron", "0 0 1 1 *", "text=a"):
        before = taskmgr.json("schedule", "list")
        for words, message in refused:
            assert message in taskmgr("schedule", *words, code=2).err
        assert taskmgr.json("schedule", "list") == before
