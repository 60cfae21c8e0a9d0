"""Warm runner processes: started in a task's own virtualenv, kept with the model loaded."""

from taskmgr_core.runners.handle import _CODES as _CODES
from taskmgr_core.runners.handle import (
    START_SECONDS,
    Limits,
    Runner,
    batch_frame,
    call_frame,
)
from taskmgr_core.runners.isolation import Isolation, Needs, in_force, missing_here
from taskmgr_core.runners.launching import Interpreter, RunnerLauncher

__all__ = [
    "START_SECONDS",
    "Interpreter",
    "Isolation",
    "Limits",
    "Needs",
    "Runner",
    "RunnerLauncher",
    "batch_frame",
    "call_frame",
    "in_force",
    "missing_here",
]
