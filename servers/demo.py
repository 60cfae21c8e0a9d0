"""``make demo BACKEND=servers``: the demonstration on a team's servers, with two workers.

The servers whose addresses are in the environment are used and left alone; the others are
started here. Whatever was started is stopped again, however this ends.
"""

from __future__ import annotations

import argparse
import contextlib
import json
import os
import re
import shlex
import signal
import subprocess
import sys
import time
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any

import attrs

from servers.child import Child, Command
from servers.errors import ServerError
from servers.services import ROOT, SETTINGS, Services

WORKERS = 2
INTERRUPTED = 130
_START_SECONDS = 60.0
_LOOK_SECONDS = 0.05
_TASKMGR = Path(sys.executable).with_name("taskmgr")
_STARTED = re.compile(r"\bworker (\S+): \d+ slot")


def main() -> int:
    """Run the demonstration; its exit code, or 1 when fewer than two workers did the work."""
    options = _options()
    signal.signal(signal.SIGTERM, signal.default_int_handler)
    try:
        return _demonstrate(options.folder.absolute(), options.demo)
    except KeyboardInterrupt:
        _say("interrupted; everything that was started is stopped")
        return INTERRUPTED
    except ServerError as error:
        _say(f"error: {error}")
        return 1


def _options() -> argparse.Namespace:
    parser = argparse.ArgumentParser(prog="make demo BACKEND=servers", description=__doc__)
    parser.add_argument(
        "--folder", type=Path, default=ROOT / "build" / "demo-servers", help="for the servers' data"
    )
    parser.add_argument("demo", nargs="*", help="passed on to taskmgr demo, behind --")
    return parser.parse_args()


def _demonstrate(folder: Path, words: Sequence[str]) -> int:
    began = time.monotonic()
    with _addresses(folder) as addresses:
        home = os.environ.get("TASKMGR_HOME") or str(ROOT / ".taskmgr")
        terminal = Terminal({**addresses, "TASKMGR_HOME": home})
        terminal.run("init")
        with _workers(terminal, folder) as workers:
            _say(f"ready after {time.monotonic() - began:.1f} s: workers {', '.join(workers)}")
            code = terminal.run("demo", *words, check=False)
            return code or _tell_who_worked(terminal, workers)


@attrs.frozen
class Terminal:
    """The program ``taskmgr`` in the checkout, on some servers.

    Attributes:
        settings: the variables with their addresses.
    """

    settings: Mapping[str, str] = attrs.field(repr=False)

    def run(self, *words: str, check: bool = True) -> int:
        """Run a command and show what it prints; its exit code.

        Raises:
            ServerError: it failed, and ``check`` is true.
        """
        code = self._run(words, None).returncode
        if check and code:
            raise ServerError(f"taskmgr {' '.join(words)} ended with exit code {code}")
        return code

    def json(self, *words: str) -> Any:
        """What a command prints with ``--json``.

        Raises:
            ServerError: it failed.
        """
        done = self._run((*words, "--json"), subprocess.PIPE)
        if done.returncode:
            raise ServerError(f"taskmgr {' '.join(words)} ended with exit code {done.returncode}")
        return json.loads(done.stdout)

    def _run(self, words: Sequence[str], out: int | None) -> subprocess.CompletedProcess[str]:
        environment = {**os.environ, **self.settings}
        return subprocess.run(
            [_TASKMGR, *words], cwd=ROOT, env=environment, stdout=out, text=True, check=False
        )


@contextlib.contextmanager
def _addresses(folder: Path) -> Iterator[Mapping[str, str]]:
    """The setting of each server with its address; those without one are started."""
    given = {name: os.environ[name] for name in SETTINGS if os.environ.get(name)}
    wanted = [kind for name, kind in SETTINGS.items() if name not in given]
    with Services(folder).started(wanted) as servers:
        for server in servers.values():
            _say(f"{server.name}: {server.version}, started in {folder}")
        for name in given:
            _say(f"{name} is set: that server is used")
        yield given | {
            name: servers[kind].url for name, kind in SETTINGS.items() if kind in servers
        }
    if wanted:
        _say(
            "the servers are stopped, their data is kept; to look at the run: "
            f"""eval "$(make services ARGS='--detach --folder {shlex.quote(_short(folder))}')\""""
        )


@contextlib.contextmanager
def _workers(terminal: Terminal, folder: Path) -> Iterator[list[str]]:
    """The ids of workers in processes of their own; told to leave at the end."""
    start = Command((str(_TASKMGR), "worker", "start", "--slots", "1"), terminal.settings)
    with contextlib.ExitStack() as stack:
        children = []
        for number in range(1, WORKERS + 1):
            child = Child(f"worker {number}", start, folder / f"worker-{number}")
            child.log.unlink(missing_ok=True)  # of the time before
            stack.callback(child.stop)
            child.start()
            children.append(child)
        yield [_id_of(child) for child in children]


def _id_of(worker: Child) -> str:
    """The id of a worker, which it tells once it works."""
    deadline = time.monotonic() + _START_SECONDS
    while time.monotonic() < deadline:
        told = _STARTED.search(worker.log.read_text(errors="replace"))
        if told:
            return told[1]
        if not worker.running:
            raise ServerError(f"{worker.name} ended while it started{worker.last_words()}")
        time.sleep(_LOOK_SECONDS)
    raise ServerError(f"{worker.name} did not start in time{worker.last_words()}")


def _tell_who_worked(terminal: Terminal, workers: Sequence[str]) -> int:
    """Which worker ran which step of the last run; 1 when one of them ran none."""
    (run,) = terminal.json("runs", "--limit", "1")["runs"]
    steps = terminal.json("show", run["run_id"])["steps"]
    for worker in workers:
        ran = [f"{each['id']} {each['task']}" for each in steps if each["worker"] == worker]
        _say(f"worker {worker} ran {', '.join(ran) or 'no step'}")
    if {each["worker"] for each in steps} >= set(workers):
        return 0
    _say(f"error: not all of the {len(workers)} workers ran a step; see `taskmgr show`")
    return 1


def _short(folder: Path) -> str:
    """As it is typed in the checkout."""
    return str(folder.relative_to(ROOT) if folder.is_relative_to(ROOT) else folder)


def _say(line: str) -> None:
    print(f"demo: {line}", file=sys.stderr, flush=True)


if __name__ == "__main__":
    sys.exit(main())
