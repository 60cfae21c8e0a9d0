"""The dashboard on a long history and under load: keys, processor, memory, what a look costs."""

from __future__ import annotations

import os
import statistics
import sys
import tempfile
import time
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path

import psutil

from benchmarks.figures import Figure, median
from benchmarks.history import filled
from benchmarks.processes import running
from benchmarks.terminal import Program, Screen

RUNS, FEW_RUNS = 100_000, 100
CHANGES = 200.0  # steps that end in a second
ROUNDS = 12
WATCHED_SECONDS = 12.0
TASKMGR = Path(sys.executable).with_name("taskmgr")
ESCAPE = "\x1b[27u"  # as terminals send it that tell it from the beginning of other keys
TAB, ENTER = "\t", "\r"

Shown = Callable[[Screen], object]
Press = tuple[str, str, Shown]  # what it is called, the keys, what the screen shows then
