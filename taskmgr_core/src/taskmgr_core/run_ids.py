"""How runs are named."""

import uuid_utils


def new_run_id() -> str:
    """An id for a run: a UUID of version 7, whose order is that of time."""
    return str(uuid_utils.uuid7())
