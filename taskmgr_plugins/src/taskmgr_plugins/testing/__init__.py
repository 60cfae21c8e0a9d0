"""Fixtures and helpers for the tests of a plugin: what ``taskmgr-plugins[testing]`` gives.

pytest finds the fixtures by itself; the names here are for annotations and for what is
called without a fixture. They are loaded when they are asked for, so that a run of pytest
that needs none of them is as quick as before.
"""

from __future__ import annotations

import importlib
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from taskmgr_plugins.testing.artifacts import MakeArtifact
    from taskmgr_plugins.testing.calling import RunTask
    from taskmgr_plugins.testing.comparing import assert_outputs
    from taskmgr_plugins.testing.samples import SampleImage

__all__ = ["MakeArtifact", "RunTask", "SampleImage", "assert_outputs"]

_MODULES = {
    "MakeArtifact": "artifacts",
    "RunTask": "calling",
    "SampleImage": "samples",
    "assert_outputs": "comparing",
}


def __getattr__(name: str) -> Any:
    if name not in _MODULES:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    return getattr(importlib.import_module(f"{__name__}.{_MODULES[name]}"), name)
