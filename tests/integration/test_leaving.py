"""Ctrl-C between the record of a run and the wait for it."""

from __future__ import annotations

import contextlib
import time
from collections.abc import Callable
from typing import Any

import click
import pytest

from taskmgr_core.cli.commands.retry import retry_command
from taskmgr_core.cli.endings import INTERRUPTED
from taskmgr_core.cli.leaving import interruptible
from taskmgr_core.cli.session import Session
from taskmgr_core.client import Client
from taskmgr_core.run_ids import new_run_id
from taskmgr_core.specs import NewRun, Worker
from waiting import wait_until


def interrupted(client: Client, run_id: str, *, recorded: bool = True) -> None:
    """Submit a run; the interrupt comes just after it is recorded, or just before."""
    with interruptible(client, run_id):
        if recorded:
            client.submit("add", {"left": 1}, run_id=run_id)
        raise KeyboardInterrupt


def ending(client: Client, run_id: str) -> int:
    """The exit code that an interrupt after the record leads to."""
    with pytest.raises(click.exceptions.Exit) as ended:
        interrupted(client, run_id)
    return ended.value.exit_code


def test_run_that_nobody_would_carry_out_is_cancelled(
    client: Client, capsys: pytest.CaptureFixture[str]
) -> None:
    """With no worker alive it does not stay behind in the queue, and it is told."""
    run_id = new_run_id()
    assert ending(client, run_id) == INTERRUPTED
    assert client.metadata.status(run_id) == "cancelled"
    assert f"interrupted; run {run_id[-8:]} is cancelled" in capsys.readouterr().err


def test_run_that_others_carry_out_goes_on(
    client: Client, capsys: pytest.CaptureFixture[str]
) -> None:
    """Where a worker is alive elsewhere, it is told how to look at it."""
    now = time.time()
    client.metadata.beat(Worker("w1", "elsewhere", 1, 1, (), started_at=now, heartbeat=now))
    run_id = new_run_id()
    assert ending(client, run_id) == INTERRUPTED
    assert client.metadata.status(run_id) == "running"
    assert f"it goes on: taskmgr show {run_id[-8:]}" in capsys.readouterr().err
    client.metadata.remove_worker("w1")
    client.cancel(run_id)


def test_run_of_our_own_worker_is_cancelled(
    client: Client, run: Callable[..., Any], capsys: pytest.CaptureFixture[str]
) -> None:
    """A worker of this process may have begun it: it ends with us."""
    run("add", left=1)
    run_id = new_run_id()
    assert ending(client, run_id) == INTERRUPTED
    wait_until(lambda: client.metadata.status(run_id) != "running", "the run has ended")
    assert f"interrupted; run {run_id[-8:]} is " in capsys.readouterr().err


def test_interrupt_before_the_record_is_an_interrupt(
    client: Client, capsys: pytest.CaptureFixture[str]
) -> None:
    """Nothing is recorded, and nothing is told."""
    with pytest.raises(KeyboardInterrupt):
        interrupted(client, new_run_id(), recorded=False)
    assert capsys.readouterr().err == ""


def test_retry_that_is_interrupted_once_it_is_recorded_leaves_nothing(
    client: Client, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    """The new run is cancelled where nobody would carry it out, and it is told."""
    failed = client.submit("add", {"left": 1})
    client.cancel(failed)
    recorded: list[str] = []

    def interrupt(_: Client, new: NewRun) -> None:
        recorded.append(new.run.id)
        raise KeyboardInterrupt

    class Here(Session):
        def client(self) -> Any:
            return contextlib.nullcontext(client)

    monkeypatch.setattr(Client, "_tell", interrupt)
    assert retry_command.main([failed], obj=Here(), standalone_mode=False) == INTERRUPTED
    (run_id,) = recorded
    assert client.metadata.status(run_id) == "cancelled"
    assert f"interrupted; run {run_id[-8:]} is cancelled" in capsys.readouterr().err
