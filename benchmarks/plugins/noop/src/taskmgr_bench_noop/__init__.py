"""A task that does nothing."""

from taskmgr_plugins import hookimpl, task


@task
def noop(number: int = 0) -> int:
    """Give the number back."""
    return number


@hookimpl
def taskmgr_tasks() -> list[object]:
    """Announce the task."""
    return [noop]
