"""What the tests of plugins get from the platform: names for annotations and errors.

They are loaded when they are asked for: pytest imports this package in every run of whoever has
installed the platform.
"""

from __future__ import annotations

import importlib
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from taskmgr_core.testing.clock import Clock
    from taskmgr_core.testing.isolated import RunIsolated
    from taskmgr_core.testing.platforms import TemporaryPlatform
    from taskmgr_core.testing.runs import FailedRunError, TestRun, assert_lineage

__all__ = [
    "Clock",
    "FailedRunError",
    "RunIsolated",
    "TemporaryPlatform",
    "TestRun",
    "assert_lineage",
]

_MODULES = {
    "Clock": "clock",
    "FailedRunError": "runs",
    "RunIsolated": "isolated",
    "TemporaryPlatform": "platforms",
    "TestRun": "runs",
    "assert_lineage": "runs",
}


def __getattr__(name: str) -> Any:
    if name not in _MODULES:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    return getattr(importlib.import_module(f"{__name__}.{_MODULES[name]}"), name)
