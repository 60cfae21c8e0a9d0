"""A task that is fine; its plugin is not."""

from taskmgr_plugins import hookimpl, task


@task
def echo(text: str) -> str:
    """Give back what was given."""
    return text


@hookimpl
def taskmgr_tasks() -> list[object]:
    """Announce the task."""
    return [echo]
