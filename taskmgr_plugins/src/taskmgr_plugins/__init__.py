"""What a task author needs: tasks, field types, the hook marker and errors."""

from taskmgr_plugins.errors import InvalidInputError, TaskDefinitionError, TaskmgrError
from taskmgr_plugins.fields import Array, Box, File, Image, On, Points
from taskmgr_plugins.hookspecs import hookimpl
from taskmgr_plugins.tasks import MLTask, Model, Task, task
from taskmgr_plugins.value_types import ValueType

__all__ = [
    "Array",
    "Box",
    "File",
    "Image",
    "InvalidInputError",
    "MLTask",
    "Model",
    "On",
    "Points",
    "Task",
    "TaskDefinitionError",
    "TaskmgrError",
    "ValueType",
    "hookimpl",
    "task",
]
