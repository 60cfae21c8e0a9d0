"""The dashboard on a long history and under load: keys, processor, memory, what a look costs."""

from __future__ import annotations

import statistics
import sys
import tempfile
import time
from collections.abc import Callable, Iterator, Sequence
from functools import partial
from pathlib import Path

import attrs
import psutil

from benchmarks.figures import Figure, median
from benchmarks.history import filled
from benchmarks.looks import refresh_figures
from benchmarks.processes import running
from benchmarks.terminal import Program, Screen

RUNS, FEW_RUNS = 100_000, 100
CHANGES = 200  # steps that end in a second
ROUNDS = 10
WATCHED_SECONDS = 10.0
TASKMGR = Path(sys.executable).with_name("taskmgr")
ESCAPE = "\x1b[27u"  # as terminals send it that tell it from the beginning of another key
BELLS = "bells"
SETTLE_SECONDS = 0.15  # between keys
ROW_NAME = 24  # columns that tell a row from the others
_PROCESS_CLOCK = 2  # of the kernel's kinds of clocks that a process has: what its threads ran
SLOWEST = 4

Shown = Callable[[Screen], object]


@attrs.frozen
class Key:
    """A key, and what the screen shows once it has done what it does.

    Attributes:
        opens: whether it opens a screen, which has to be made and asked for first.
    """

    text: str
    shown: Shown
    opens: bool = False


def measure() -> list[Figure]:
    """On 100,000 runs, while 200 steps a second end."""
    with tempfile.TemporaryDirectory(prefix="taskmgr-bench-") as name:
        long, short = Path(name) / "long", Path(name) / "short"
        begun = time.perf_counter()
        filled(long, RUNS)
        filling = time.perf_counter() - begun
        filled(short, FEW_RUNS)
        looks = refresh_figures(short, long)
        writer = [sys.executable, "-m", "benchmarks.history", str(long), str(CHANGES)]
        with running([writer], {}, quiet=True):
            watched = _watched(long)
    return [
        *watched,
        *looks,
        Figure("history_fill_s", filling, "s", note=f"{RUNS:,} runs made in bulk"),
    ]


def _watched(home: Path) -> list[Figure]:
    """Use the dashboard as a user does, then only look at it."""
    times: dict[bool, list[float]] = {True: [], False: []}
    spent: list[tuple[str, float]] = []
    begun = time.perf_counter()
    with Program([str(TASKMGR), "top"], {"TASKMGR_HOME": str(home)}) as program:
        program.until(lambda screen: "Queues" in screen, "the first screen")
        first = time.perf_counter() - begun
        program.until(_overview, "the overview")
        told = time.perf_counter() - begun
        for _ in range(ROUNDS):
            for number, key in enumerate(_session(program)):
                program.idle(SETTLE_SECONDS)
                before = _worked(program.process.pid)
                program.press(key.text)
                times[key.opens].append(program.until(key.shown, repr(key.text)) * 1000)
                name = f"{key.text!r} ({number})"
                spent.append((name, _worked(program.process.pid) - before))
        process = psutil.Process(program.process.pid)
        shares = {name: _share(program, process, keys) for name, keys in _PLACES.items()}
        megabytes = process.memory_info().rss / 1e6
        closing = program.close("q")
        kept = program.restored
    left = [each.name for each in (home / BELLS).glob(f"{program.process.pid}-*")]
    assert kept, "the terminal is not as it was"
    assert not left, f"left behind: {left}"
    return [*_key_figures(times, spent), *_cost_figures(shares, megabytes, first, told, closing)]


def _session(program: Program) -> Iterator[Key]:
    """Look through the runs that failed, into one of them, and back to the overview."""
    yield Key("2", lambda screen: "all runs" in screen and _ids(screen), opens=True)
    for status in ("running", "succeeded", "failed"):
        yield Key("s", partial(_only, status=status))
    for step in ("j", "j", "j", "k", "j", "k"):
        yield Key(step, _cursor_moved(program, 1 if step == "j" else -1))
    yield Key("n", _turned(program.screen))
    yield Key("G", _cursor_elsewhere(program))
    yield Key("p", _turned(program.screen))
    yield Key("\r", lambda screen: "ZeroDivisionError" in screen, opens=True)
    yield Key("]", lambda screen: "inputs of the run" in screen)
    yield Key("]", lambda screen: "computes" in screen)
    yield Key("]", lambda screen: "digest" in screen)
    yield Key("j", _cursor_moved(program, 1))
    yield Key("k", _cursor_moved(program, -1))
    yield Key("[", lambda screen: "computes" in screen)
    yield Key("?", lambda screen: "the palette" in screen, opens=True)
    yield Key(ESCAPE, lambda screen: "the palette" not in screen)
    yield Key(ESCAPE, lambda screen: "only failed" in screen)
    yield Key("1", _overview)
    for _ in range(3):
        yield Key("\t", _focus_moved(program.screen))


_PLACES = {"overview": "1", "runs": "2", "failed runs": "2sss"}


def _share(program: Program, process: psutil.Process, keys: str) -> float:
    """How much of a core it takes while nobody does anything but look, in percent."""
    for key in keys:
        program.press(key)
        program.idle(0.5)
    program.idle(1)
    before, begun = process.cpu_times(), time.perf_counter()
    program.idle(WATCHED_SECONDS)
    after = process.cpu_times()
    used = after.user + after.system - before.user - before.system
    return 100 * used / (time.perf_counter() - begun)


def _worked(process: int) -> float:
    """Milliseconds of a core that a process has had, with threads that have ended (Linux)."""
    return time.clock_gettime((~process << 3) | _PROCESS_CLOCK) * 1000


def _key_figures(
    times: dict[bool, list[float]], spent: Sequence[tuple[str, float]]
) -> list[Figure]:
    pressed = [*times[True], *times[False]]
    worst = f"median {median(pressed):.0f}, worst {max(pressed):.0f}"
    note = f"{len(pressed)} keys, {worst}; {psutil.getloadavg()[0]:.0f} processes wanted a core"
    works = [milliseconds for _, milliseconds in spent]
    cores = f"of a core, looks meanwhile included; median {median(works):.0f}; {_dearest(spent)}"
    return [
        Figure("tui_key_p95_ms", _p95(pressed), "ms", 50, note=note),
        Figure("tui_move_p95_ms", _p95(times[False]), "ms", note="that open no screen"),
        Figure("tui_open_p95_ms", _p95(times[True]), "ms", note="that open one"),
        Figure("tui_key_work_p95_ms", _p95(works), "ms", note=cores),
    ]


def _dearest(spent: Sequence[tuple[str, float]]) -> str:
    """The keys that took most, by the median of each, with their places in the session."""
    taken: dict[str, list[float]] = {}
    for name, milliseconds in spent:
        taken.setdefault(name, []).append(milliseconds)
    medians = sorted(((median(each), name) for name, each in taken.items()), reverse=True)
    return "most " + ", ".join(f"{name} {each:.0f}" for each, name in medians[:SLOWEST])


def _cost_figures(
    shares: dict[str, float], megabytes: float, first: float, told: float, closing: float
) -> list[Figure]:
    note = ", ".join(f"{name} {share:.1f}" for name, share in shares.items())
    return [
        Figure("tui_cpu_percent", max(shares.values()), "%", 25, note=f"of a core; {note}"),
        Figure("tui_rss_mb", megabytes, "MB", 150),
        Figure("tui_start_s", told, "s", note=f"to what is there; the empty screen {first:.2f}"),
        Figure("tui_close_s", closing, "s"),
    ]


def _p95(samples: Sequence[float]) -> float:
    return statistics.quantiles(samples, n=20)[-1]


# what a screen shows


def _overview(screen: Screen) -> bool:
    return "last minute" in screen and "read_table" in screen and "worker-4" in screen


def _only(screen: Screen, status: str) -> bool:
    """Whether runs are listed, and all of this state."""
    lines = _ids(screen)
    return f"only {status}" in screen and bool(lines) and all(status in each for each in lines)


def _ids(screen: Screen) -> list[str]:
    """The lines of runs."""
    found = str(screen).splitlines()
    names = ("face_processing", "text_sentiment", "weather")
    return [line for line in found if any(f" {name} " in line for name in names)]


def _cursor(screen: Screen) -> int:
    """The line of the table that the cursor is on: where it is drawn unlike the others."""
    top = max(screen.line_of(" run "), screen.line_of(" field "))
    styles = [line[2] for line in screen.styles[top + 1 :]]
    common = statistics.mode(styles[:-2])
    return next((top + 1 + at for at, style in enumerate(styles) if style != common), -1)


def _row(screen: Screen, line: int) -> str:
    """What tells the row on a line from others: a run's id, a field's name."""
    return "".join(screen.lines[line][:ROW_NAME]).strip() if line >= 0 else ""


def _current(program: Program) -> int:
    """The line of the cursor, once all is drawn."""
    program.idle(SETTLE_SECONDS)
    program.until(lambda screen: _cursor(screen) > 0, "the cursor")
    return _cursor(program.screen)


def _cursor_moved(program: Program, by: int) -> Shown:
    """The cursor is on the row beside; both go down together where others come."""
    wanted = _row(program.screen, _current(program) + by)
    return lambda now: _row(now, _cursor(now)) == wanted


def _turned(screen: Screen) -> Shown:
    """Of the runs that were listed none is."""
    before = {each[:ROW_NAME] for each in _ids(screen)}
    return lambda now: before.isdisjoint(each[:ROW_NAME] for each in _ids(now)) and _ids(now)


def _cursor_elsewhere(program: Program) -> Shown:
    before = _row(program.screen, _current(program))
    return lambda now: _row(now, _cursor(now)) not in (before, "")


def _focus_moved(screen: Screen) -> Shown:
    """Another table has the border of the one that gets the keys."""
    before = _borders(screen)
    return lambda now: _borders(now) != before and len(set(_borders(now))) > 1


def _borders(screen: Screen) -> list[str]:
    return [screen.styles[at][0] for at, line in enumerate(screen.lines) if line[0] == "╭"]
