"""A worker in a process of its own that dies in the middle of a step.

``python -m taskmgr_core.testing.doomed HOME TASK SETTINGS`` serves a home like any worker, until
it gets a step of the task: when its runner has the call, the worker is killed. It ends, too, when
its stdin is closed, so that it does not outlive the test that started it.
"""

from __future__ import annotations

import json
import os
import sys
import threading
from pathlib import Path

from taskmgr_core.testing.clock import Clock
from taskmgr_core.testing.faults import Faults
from taskmgr_core.testing.wired import WiredPlatform, settings_for


def main(arguments: list[str] | None = None) -> None:
    """Serve until the step comes."""
    home, task, settings = sys.argv[1:] if arguments is None else arguments
    faults = Faults()
    faults.add(task, "lost worker")
    platform = WiredPlatform(settings_for(Path(home), json.loads(settings)), faults, Clock())
    worker = platform.worker(platform.settings.slots_or_cores, ())
    watcher = threading.Thread(target=_end_with_stdin, daemon=True)
    watcher.start()
    worker.start()
    sys.stdout.write(f"{worker.id}\n")
    sys.stdout.flush()
    watcher.join()


def _end_with_stdin() -> None:
    while sys.stdin.read(1):
        pass
    os._exit(0)


if __name__ == "__main__":
    main()
