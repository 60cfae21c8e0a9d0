"""Warm runner processes: started in a task's own virtualenv, kept with the model loaded."""

from taskmgr_core.runners.handle import _CODES as _CODES
from taskmgr_core.runners.handle import (
    LOAD_SECONDS,
    START_SECONDS,
    Limits,
    Runner,
    call_frame,
)
from taskmgr_core.runners.launching import Interpreter, RunnerLauncher

__all__ = [
    "LOAD_SECONDS",
    "START_SECONDS",
    "Interpreter",
    "Limits",
    "Runner",
    "RunnerLauncher",
    "call_frame",
]
