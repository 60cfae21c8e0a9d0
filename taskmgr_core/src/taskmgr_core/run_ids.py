"""How runs are named."""

import re

import uuid_utils

_WHOLE = re.compile(r"[0-9a-f]{8}-(?:[0-9a-f]{4}-){3}[0-9a-f]{12}\Z")


def new_run_id() -> str:
    """An id for a run: a UUID of version 7, whose order is that of time."""
    return str(uuid_utils.uuid7())


def is_run_id(text: str) -> bool:
    """Whether a run may have this id; if not, it is the beginning or the end of one."""
    return _WHOLE.match(text) is not None


def earliest_id(seconds: float) -> str:
    """What is smaller than every id of a run from some moment on, and larger than those before.

    Arguments:
        seconds: UTC seconds since 1970.
    """
    milliseconds = f"{max(int(seconds * 1000), 0):012x}"
    return f"{milliseconds[:8]}-{milliseconds[8:]}"
