"""The fixtures for tests of tasks that need the platform.

pytest loads this module in every run of whoever has installed the platform: all else is
imported when a fixture is asked for.
"""

from __future__ import annotations

from functools import lru_cache
from typing import TYPE_CHECKING, Any

import pytest

if TYPE_CHECKING:
    from taskmgr_core.orchestrator.validation import Validator


@lru_cache(maxsize=1)
def _validator() -> Validator:
    from taskmgr_core.orchestrator.validation import Validator

    return Validator()


@pytest.hookimpl(optionalhook=True)
def pytest_taskmgr_problems(document: Any, schema: dict[str, Any], place: str) -> list[str]:
    """What is wrong with a document by its schema, as a worker would find it."""
    return [str(each) for each in _validator().validate(document, schema, place)]
