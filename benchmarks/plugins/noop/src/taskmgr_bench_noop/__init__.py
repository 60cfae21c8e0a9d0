"""Tasks that do nothing."""

from taskmgr_plugins import hookimpl, task


@task
def noop(number: int = 0) -> int:
    """Give the number back."""
    return number


@task
def gather(left: int, right: int) -> int:
    """Take two numbers."""
    return left + right


@hookimpl
def taskmgr_tasks() -> list[object]:
    """Announce the tasks."""
    return [noop, gather]
