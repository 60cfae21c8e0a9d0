"""What the platform's part of the fixtures adds to the SDK's, which does not know it."""

from __future__ import annotations

from typing import Any

import pytest


@pytest.hookspec(firstresult=True)
def pytest_taskmgr_problems(document: Any, schema: dict[str, Any], place: str) -> list[str] | None:
    """What is wrong with the document of a field, by its JSON Schema.

    The SDK checks a value by its annotation; keywords such as ``minimum``, which the annotation
    adds to the schema, are checked by the platform.

    Arguments:
        document: the JSON value.
        schema: the JSON Schema.
        place: the field's name.

    Returns:
        A line for each fault; None when nobody could tell.
    """
