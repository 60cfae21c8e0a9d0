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


@task
def join(
    number: int,
    number_1: int = 0,
    number_2: int = 0,
    number_3: int = 0,
    number_4: int = 0,
    number_5: int = 0,
    number_6: int = 0,
    number_7: int = 0,
    number_8: int = 0,
    number_9: int = 0,
    number_10: int = 0,
    number_11: int = 0,
    number_12: int = 0,
    number_13: int = 0,
    number_14: int = 0,
    number_15: int = 0,
) -> int:
    """Take up to sixteen numbers."""
    return sum(
        (
            number,
            number_1,
            number_2,
            number_3,
            number_4,
            number_5,
            number_6,
            number_7,
            number_8,
            number_9,
            number_10,
            number_11,
            number_12,
            number_13,
            number_14,
            number_15,
        )
    )


@hookimpl
def taskmgr_tasks() -> list[object]:
    """Announce the tasks."""
    return [noop, gather, join]
