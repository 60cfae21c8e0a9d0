"""What tasks declare, checked before they are registered.

The SDK in a plugin's virtualenv checks as well, but which SDK that is the plugin chooses.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator

from taskmgr_core.errors import PublishError
from taskmgr_core.orchestrator.validation import Validator
from taskmgr_core.specs import TaskSpec
from taskmgr_plugins.tasks import (
    cache_fault,
    max_concurrent_fault,
    queue_fault,
    rate_fault,
    resources_fault,
)


def check_declarations(tasks: Iterable[TaskSpec]) -> None:
    """Refuse tasks that could be registered but never be used as they say.

    Arguments:
        tasks: what a plugin announces.

    Raises:
        PublishError: with everything that is wrong.
    """
    validator = Validator()
    wrong = [
        f"the task {task.name} {problem}"
        for task in tasks
        for problem in _problems(task, validator)
    ]
    if wrong:
        raise PublishError("\n  ".join(["the plugin cannot be published:", *wrong]))


def _problems(task: TaskSpec, validator: Validator) -> Iterator[str]:
    faults = (
        queue_fault(task.queue),
        resources_fault(task.resources),
        cache_fault(task.cache),
        max_concurrent_fault(task.max_concurrent),
        rate_fault(task.rate),
    )
    yield from (f"declares a {fault}" for fault in faults if fault)
    for field in task.inputs:
        if not field.required:
            for each in validator.validate(field.default, field.schema, field.name):
                yield f"has a default that does not fit: {each}"
