"""What an operator does with tasks and workers, below the screens."""

from __future__ import annotations

import re
import socket
from functools import partial
from pathlib import Path
from typing import Any

import attrs
import pytest
from driving import Driven, driven, press, text_of, until
from recorded_home import NOW, Home, run_id

from taskmgr_core.attending import tasks, workers
from taskmgr_core.attending.workers import LogPart, log_part
from taskmgr_core.errors import ConflictError, NotFoundError
from taskmgr_core.specs import Orders, Worker
from taskmgr_tui.core import tasklist

HERE = Worker("w1", socket.gethostname(), 1, 2, (), NOW, NOW)


def logging(path: Path) -> Worker:
    """A worker of this machine with a log."""
    return attrs.evolve(HERE, log=str(path))


def test_log_is_followed_line_by_line(tmp_path: Path) -> None:
    """Each part begins behind the one before; a line comes when all of it is written."""
    log = tmp_path / "worker.log"
    log.write_text("one\ntwo\nthr")
    first = log_part(logging(log))
    assert first.lines == ("one", "two")
    assert log_part(logging(log), first.place).lines == ()
    with log.open("a") as opened:
        opened.write("ee\nfour\n")
    second = log_part(logging(log), first.place)
    assert (second.lines, second.anew) == (("three", "four"), False)


def test_rotated_log_goes_on_in_its_new_file(tmp_path: Path) -> None:
    """Nothing of the new file is left out, and that it is another one is told."""
    log = tmp_path / "worker.log"
    log.write_text("old\n")
    first = log_part(logging(log))
    log.rename(tmp_path / "worker.log.1")
    log.write_text("a new and longer line\n")
    second = log_part(logging(log), first.place)
    assert (second.lines, second.anew) == (("a new and longer line",), True)


def test_of_a_long_log_the_end_is_read(tmp_path: Path) -> None:
    """It begins with a whole line, and costs the same however long it is."""
    log = tmp_path / "worker.log"
    log.write_text("".join(f"{number:09}\n" for number in range(20_000)))
    lines = log_part(logging(log)).lines
    assert lines[-1] == f"{19_999:09}"
    assert all(len(each) == 9 for each in lines)
    assert len(lines) == workers.FIRST_BYTES // 10 - 1


@pytest.mark.parametrize(
    ("worker", "said"),
    [
        (HERE, "it logs to its own terminal alone; .* --daemon or --log-folder"),
        (attrs.evolve(HERE, host="far", log="/l"), "a file on far, .* there: tail -f /l"),
        (attrs.evolve(HERE, log="/nowhere/x.log"), "/nowhere/x.log cannot be read: No such file"),
    ],
)
def test_log_out_of_reach_says_where_it_is(worker: Worker, said: str) -> None:
    """And what to do to see it."""
    assert re.search(said, log_part(worker).problem)
    assert attrs.evolve(log_part(worker), problem="") == LogPart()


def test_worker_is_told_as_its_key_says(own: Home) -> None:
    """x has it finish what runs, X give it back; each only when the answer is yes."""

    def told() -> str:
        return own.client.metadata.orders("worker-1").leave

    async def play(pilot: Driven) -> list[str]:
        seen = []
        await press(pilot, "4")
        for keys, then in (("x n", ""), ("x y", "drain"), ("X escape", "drain"), ("X y", "now")):
            await press(pilot, *keys.split())
            await until(pilot, partial(lambda wanted: told() == wanted, then), "the order")
            seen.append(told())
        return seen

    assert driven(own.watcher(), play) == ["", "drain", "drain", "now"]


def test_worker_of_a_program_is_not_told(own: Home) -> None:
    """It ends with its program; a lost one hears nothing either."""
    own.beat("private-1", 1, NOW, private=True)
    with pytest.raises(ConflictError, match="private-1 serves the runs of one program alone"):
        workers.tell(own.client, "private-1", "drain")
    own.client.metadata.beat(attrs.evolve(HERE, id="silent", heartbeat=1.0))
    with pytest.raises(NotFoundError, match="silent is lost"):
        workers.tell(own.client, "silent", "now")
    assert own.client.metadata.orders("private-1") == Orders()


def test_worker_leads_to_its_run(recorded: Home) -> None:
    """enter opens the run that it has a step of; one that is idle says so."""

    async def play(pilot: Driven) -> None:
        await press(pilot, "4", "j", "enter")
        await until(pilot, lambda: _told(pilot) == "it runs nothing now", "the reason")
        await press(pilot, "k", "enter")
        await until(pilot, lambda: "> run 00000008" in text_of(pilot.app), "the run")

    driven(recorded.watcher(), play)


def _told(pilot: Driven) -> str:
    return "".join(each.message for each in pilot.app._notifications)


def test_log_on_the_screen_grows_with_its_file(own: Home, tmp_path: Path) -> None:
    """A line that is written is shown, once; when the worker leaves what was read stays."""
    log = tmp_path / "worker.log"
    log.write_text("first\n")
    own.client.metadata.beat(attrs.evolve(logging(log), id="a-worker"))

    async def play(pilot: Driven) -> None:
        await press(pilot, "4", "l")
        await until(pilot, lambda: "first" in text_of(pilot.app), "the log")
        with log.open("a") as opened:
            opened.write("second\n")
        await press(pilot, "r")
        await until(pilot, lambda: "second" in text_of(pilot.app), "what was written")
        own.client.metadata.remove_worker("a-worker")
        await press(pilot, "r")
        await until(pilot, lambda: "a-worker has left" in text_of(pilot.app), "that it has left")
        assert text_of(pilot.app).count("second") == 1

    driven(own.watcher(), play)


# tasks


def test_task_knows_who_gets_which_version(recorded: Home) -> None:
    """The part of new runs, why one is yanked, and the runs with a step of it, newest first."""
    book = tasks.look(recorded.client, "read_table")
    assert [(each.known.version, each.percent, each.yanked) for each in book.versions] == [
        ("1.3.0", 20, None),
        ("1.2.0", 80, None),
        ("1.1.0", 0, "reads the first row twice"),
    ]
    assert book.current.known.version == "1.2.0"
    assert [each.id for each in book.runs] == [run_id(number) for number in range(10, 0, -1)]


@pytest.mark.parametrize(
    ("worker", "words"),
    [
        ({"built": ("taskmgr-plot 1.2.0",), "resources": {"gpu": 1}}, "ready"),
        ({"resources": {"gpu": 1}}, "not built yet"),
        ({"resources": {"gpu": 1}, "preparing": True}, "being prepared"),
        ({"built": ("taskmgr-plot 1.1.0",), "resources": {"gpu": 2}}, "not built yet"),
        ({"built": ("taskmgr-plot 1.2.0",)}, "offers too little"),
        ({"resources": {"gpu": 1}, "refused": ("plot 1.2.0",)}, "cannot run here"),
        ({"resources": {"gpu": 1}, "queues": ("other",)}, "not its queue"),
        ({"resources": {"gpu": 1}, "tasks": ("other",)}, "not its task"),
    ],
)
def test_worker_stands_to_a_task_as_it_is(
    recorded: Home, worker: dict[str, Any], words: str
) -> None:
    """Ready, not built, being prepared, or why it takes no step of it."""
    known = recorded.client.metadata.version("plot")
    assert tasklist.environment(known, attrs.evolve(HERE, **worker)) == words


def test_submitted_run_says_whether_anybody_takes_it(own: Home) -> None:
    """A worker that drains, or offers too little, takes none; nothing runs in this process."""
    numbers = {"numbers": [1.0]}
    assert not tasks.submit(own.client, "clean", "1.2.0", numbers).waits
    waiting = tasks.submit(own.client, "plot", "1.2.0", numbers)
    assert waiting.waits
    assert own.client.metadata.status(waiting.run) == "running"
    assert [each.worker for each in own.client.metadata.steps(waiting.run)] == [""]
