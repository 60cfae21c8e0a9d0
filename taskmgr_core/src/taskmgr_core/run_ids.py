"""How runs are named."""

import uuid_utils


def new_run_id() -> str:
    """An id for a run: a UUID of version 7, whose order is that of time."""
    return str(uuid_utils.uuid7())


def earliest_id(seconds: float) -> str:
    """What is smaller than every id of a run from some moment on, and larger than those before.

    Arguments:
        seconds: UTC seconds since 1970.
    """
    milliseconds = f"{max(int(seconds * 1000), 0):012x}"
    return f"{milliseconds[:8]}-{milliseconds[8:]}"
