"""The bell: heard in every process, at once, whoever has died or does not listen."""

import os
import resource
import select
import subprocess
import sys
import textwrap
import threading
import time
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from taskmgr_core.queue import bell as bell_module
from taskmgr_core.queue.bell import Bell

DEADLINE = 30.0
AT_ONCE = 1.0


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    """Where the pipes are; made by the first listener."""
    return tmp_path / "bells"


@pytest.fixture
def new_bell(folder: Path) -> Iterator[Callable[[], Bell]]:
    """Makes bells on one folder, as separate processes would."""
    made: list[Bell] = []

    def make() -> Bell:
        made.append(Bell(folder))
        return made[-1]

    yield make
    for each in made:
        each.close()


def other_process(script: str, *arguments: str | Path) -> subprocess.Popen[str]:
    """Run a script with a bell on a folder in another process."""
    beginning = (
        "import os, sys\nfrom pathlib import Path\nfrom taskmgr_core.queue.bell import Bell\n"
    )
    return subprocess.Popen(
        [sys.executable, "-c", beginning + textwrap.dedent(script), *arguments],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        text=True,
    )


def pipes(folder: Path) -> list[str]:
    """The pipes that ringers see."""
    return [each.name for each in folder.iterdir() if not each.name.startswith(".")]


# hearing


def test_ring_is_heard_by_every_bell(new_bell: Callable[[], Bell]) -> None:
    """A ring raises the count of the ringer itself and of every listener on the folder."""
    bells = [new_bell() for _ in range(3)]
    for each in bells:
        each.listen()
    seen = [each.count for each in bells]
    bells[0].ring()
    for each, before in zip(bells, seen, strict=True):
        assert each.wait(before, DEADLINE) > before


def test_ring_is_heard_across_processes(new_bell: Callable[[], Bell], folder: Path) -> None:
    """A sleeping process is woken by another one, in both directions, within a moment."""
    bell = new_bell()
    bell.listen()
    seen = bell.count
    with other_process(
        """
        bell = Bell(Path(sys.argv[1]))
        bell.listen()
        seen = bell.count
        bell.ring()
        print("rung", flush=True)
        assert bell.wait(seen + 1, 30) > seen + 1
        print("heard", flush=True)
        bell.close()
        """,
        folder,
    ) as child:
        assert child.stdout is not None
        assert child.stdout.readline() == "rung\n"
        assert bell.wait(seen, DEADLINE) > seen
        started = time.monotonic()
        bell.ring()
        assert child.stdout.readline() == "heard\n"
        assert time.monotonic() - started < AT_ONCE
    assert child.returncode == 0


def test_ring_wakes_every_waiting_thread(new_bell: Callable[[], Bell]) -> None:
    """Threads that share a bell are all woken by one ring of another one."""
    listening, ringing = new_bell(), new_bell()
    listening.listen()
    seen = listening.count
    heard: list[int] = []
    threads = [
        threading.Thread(target=lambda: heard.append(listening.wait(seen, DEADLINE)))
        for _ in range(4)
    ]
    for each in threads:
        each.start()
    ringing.ring()
    for each in threads:
        each.join(DEADLINE)
    assert len(heard) == 4
    assert min(heard) > seen


def test_ring_for_watchers_wakes_no_taker(new_bell: Callable[[], Bell]) -> None:
    """Where there is nothing to take, who waits for that sleeps on; a later ring wakes him."""
    listening, ringing = new_bell(), new_bell()
    listening.listen()
    seen, taking = listening.count, listening.taking_count
    ringing.ring(for_takers=False)
    assert listening.wait(seen, DEADLINE) > seen
    assert listening.wait_to_take(taking, 0.05) == taking
    ringing.ring(for_takers=False)
    ringing.ring()
    assert listening.wait_to_take(taking, DEADLINE) > taking
    own = listening.count
    assert listening.ring(for_takers=False) == own + 1


def test_ring_for_takers_wakes_no_watcher(new_bell: Callable[[], Bell]) -> None:
    """Who watches sleeps on while steps are told to those who take; a later ring wakes him."""
    listening, ringing = new_bell(), new_bell()
    listening.listen()
    seen, taking = listening.count, listening.taking_count
    ringing.ring(for_watchers=False)
    assert listening.wait_to_take(taking, DEADLINE) > taking
    assert listening.wait(seen, 0.05) == seen
    ringing.ring(for_watchers=False)
    ringing.ring(for_takers=False)
    assert listening.wait(seen, DEADLINE) > seen
    own = listening.count
    assert listening.ring(for_watchers=False) == own


def test_ring_without_listeners_is_no_fault(new_bell: Callable[[], Bell]) -> None:
    """Ringing where nobody listens, not even a folder is there, counts here and does no more."""
    bell = new_bell()
    bell.ring()
    assert bell.count == 1


def test_wait_ends_with_its_time(new_bell: Callable[[], Bell]) -> None:
    """Without a ring ``wait`` returns the count it was given, when the time is over."""
    bell = new_bell()
    started = time.monotonic()
    assert bell.wait(bell.count, 0.1) == 0
    assert 0.1 <= time.monotonic() - started < 0.1 + AT_ONCE


def test_bell_with_high_descriptors_hears(new_bell: Callable[[], Bell]) -> None:
    """A process with thousands of open files hears as well as any other."""
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    if hard != resource.RLIM_INFINITY and hard < 1300:
        pytest.skip("this system does not allow so many open files")
    resource.setrlimit(resource.RLIMIT_NOFILE, (max(soft, 1300), hard))
    held = [os.open(os.devnull, os.O_RDONLY) for _ in range(1100)]
    try:
        bell, ringer = new_bell(), new_bell()
        bell.listen()
        seen = bell.count
        ringer.ring()
        assert bell.wait(seen, DEADLINE) > seen
        bell.close()
    finally:
        for each in held:
            os.close(each)
        resource.setrlimit(resource.RLIMIT_NOFILE, (soft, hard))


# pipes


def test_dead_listener_s_pipe_is_removed(new_bell: Callable[[], Bell], folder: Path) -> None:
    """The pipe of a process that was killed is removed by the next ring, living ones stay."""
    living = new_bell()
    living.listen()
    (mine,) = pipes(folder)
    with other_process(
        """
        Bell(Path(sys.argv[1])).listen()
        print("listening", flush=True)
        sys.stdin.readline()
        """,
        folder,
    ) as child:
        assert child.stdout is not None
        assert child.stdout.readline() == "listening\n"
        assert len(pipes(folder)) == 2
        child.kill()
    new_bell().ring()
    assert pipes(folder) == [mine]


def test_closing_removes_the_own_pipe(new_bell: Callable[[], Bell], folder: Path) -> None:
    """A bell that is closed leaves no pipe and no thread, others' stay; twice is no fault."""
    closing, staying = new_bell(), new_bell()
    for each in (closing, staying):
        each.listen()
    threads = threading.active_count()
    for _ in range(2):
        closing.close()
    assert len(pipes(folder)) == 1
    assert threading.active_count() == threads - 1
    seen = staying.count
    closing.ring()
    assert staying.wait(seen, DEADLINE) > seen


def test_closed_bell_does_not_listen_again(new_bell: Callable[[], Bell], folder: Path) -> None:
    """After closing, listening starts no thread and makes no pipe."""
    bell = new_bell()
    bell.listen()
    bell.close()
    bell.listen()
    seen = bell.count
    assert bell.wait(seen, 0.0) == seen
    assert pipes(folder) == []


def full_pipe(folder: Path) -> int:
    """A listener's pipe that nobody empties, full; its reading end."""
    folder.mkdir(exist_ok=True)
    path = folder / "asleep"
    os.mkfifo(path)
    reader = os.open(path, os.O_RDONLY | os.O_NONBLOCK)
    writer = os.open(path, os.O_WRONLY | os.O_NONBLOCK)
    while select.select([], [writer], [], 0)[1]:
        os.write(writer, b"x" * 4096)
    os.close(writer)
    return reader


def test_full_pipe_does_not_block_the_ringer(new_bell: Callable[[], Bell], folder: Path) -> None:
    """A listener that does not keep up holds up nobody, and keeps its pipe."""
    reader = full_pipe(folder)
    started = time.monotonic()
    for _ in range(100):
        new_bell().ring()
    assert time.monotonic() - started < 5 * AT_ONCE
    assert pipes(folder) == ["asleep"]
    os.close(reader)


def test_bell_rings_on_under_a_storm(new_bell: Callable[[], Bell]) -> None:
    """Thousands of rings leave a listener that hears, and that closes at once."""
    listening, ringing = new_bell(), new_bell()
    listening.listen()
    for _ in range(3000):
        ringing.ring()
    seen = listening.count
    ringing.ring()
    assert listening.wait(seen, DEADLINE) > seen
    started = time.monotonic()
    listening.close()
    assert time.monotonic() - started < AT_ONCE


def test_strange_files_in_the_folder_are_no_fault(
    new_bell: Callable[[], Bell], folder: Path
) -> None:
    """A folder among the pipes stops no ring, and is left."""
    bell, ringer = new_bell(), new_bell()
    bell.listen()
    (folder / "a-folder").mkdir()
    seen = bell.count
    ringer.ring()
    assert bell.wait(seen, DEADLINE) > seen
    assert (folder / "a-folder").is_dir()


def test_bell_without_pipes_looks_again(
    new_bell: Callable[[], Bell], folder: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Where no pipe can be made a waiter is woken every so often, to look for itself."""
    folder.write_text("a file where the folder should be")
    monkeypatch.setattr(bell_module, "FALLBACK_SECONDS", 0.05)
    bell = new_bell()
    assert bell.wait(bell.count, DEADLINE) > 0


# forks, and what is left over

FORKED = """
    bell = Bell(Path(sys.argv[1]))
    bell.listen()
    child = os.fork()
    if child == 0:
        if sys.argv[2] == "listens":
            seen = bell.count
            bell.listen()
            print(len(os.listdir(sys.argv[1])), flush=True)
            assert bell.wait(seen, 30) > seen
        bell.close()
        os._exit(0)
    if sys.argv[2] == "listens":
        assert sys.stdin.readline() == "ring\\n"
        bell.ring()
    assert os.waitpid(child, 0)[1] == 0
    seen = bell.count
    print("forked", len(os.listdir(sys.argv[1])), flush=True)
    assert bell.wait(seen, 30) > seen
    bell.close()
    print("closed", len(os.listdir(sys.argv[1])), flush=True)
"""


def test_forked_child_leaves_the_pipe_to_its_parent(
    new_bell: Callable[[], Bell], folder: Path
) -> None:
    """A child that closes its copy of a bell takes away nothing: the parent hears on."""
    with other_process(FORKED, folder, "closes") as parent:
        assert parent.stdout is not None
        assert parent.stdout.readline() == "forked 1\n"
        new_bell().ring()
        assert parent.stdout.readline() == "closed 0\n"
    assert parent.returncode == 0


def test_forked_child_hears_by_a_pipe_of_its_own(
    new_bell: Callable[[], Bell], folder: Path
) -> None:
    """A child that listens by its copy of a bell is heard of by its parent's ring, too."""
    with other_process(FORKED, folder, "listens") as parent:
        assert parent.stdout is not None
        assert parent.stdin is not None
        assert parent.stdout.readline() == "2\n"
        parent.stdin.write("ring\n")
        parent.stdin.flush()
        assert parent.stdout.readline() == "forked 1\n"
        new_bell().ring()
        assert parent.stdout.readline() == "closed 0\n"
    assert parent.returncode == 0


def test_hidden_pipes_are_removed_after_a_day(new_bell: Callable[[], Bell], folder: Path) -> None:
    """What a killed process left goes when another one listens; a new one and a file stay."""
    folder.mkdir()
    for name in (".old", ".new"):
        os.mkfifo(folder / name)
    (folder / ".file").write_text("mine")
    for name in (".old", ".file"):
        os.utime(folder / name, (1, 1))
    new_bell().listen()
    assert sorted(each.name for each in folder.glob(".*")) == [".file", ".new"]
