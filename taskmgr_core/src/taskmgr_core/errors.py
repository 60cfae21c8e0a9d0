"""The errors of the platform, one tree under ``TaskmgrError``.

A message names the bad value, what was allowed and what to do.
"""

import errno
from collections.abc import Iterable, Mapping

import attrs

from taskmgr_plugins.errors import (
    InvalidValueError,
    TaskmgrError,
    is_disk_full,
    nearest,
)

__all__ = [
    "ArtifactError",
    "ConflictError",
    "EnvironmentBuildError",
    "InvalidPipelineError",
    "InvalidValueError",
    "NotFoundError",
    "Problem",
    "PublishError",
    "RunnerError",
    "SettingsError",
    "StoreError",
    "TaskmgrError",
    "advice_for",
    "is_disk_full",
    "nearest",
    "with_advice",
]


MAKE_ROOM = "make room and try again; `taskmgr env gc --size 0` removes virtualenvs"
MAKE_WRITABLE = "change the owner or the permissions, or set TASKMGR_HOME to another folder"


def advice_for(error: BaseException) -> str:
    """What to do about a file or folder that cannot be written; empty where nobody knows."""
    if is_disk_full(error):
        return MAKE_ROOM
    forbidden = (errno.EROFS, errno.EACCES, errno.EPERM)
    if isinstance(error, OSError) and error.errno in forbidden:
        return MAKE_WRITABLE
    return ""


def with_advice(message: str, error: BaseException) -> str:
    """A message, and what to do about the error behind it where that is known."""
    return "; ".join(filter(None, [message, advice_for(error)]))


class SettingsError(TaskmgrError):
    """A setting has a value that it cannot have."""


class NotFoundError(TaskmgrError):
    """A name or id that is not known; the message has the nearest one."""

    @classmethod
    def named(cls, kind: str, name: str, known: Iterable[str]) -> "NotFoundError":
        """``no task 'x'; did you mean 'y'?``"""
        return cls(f"no {kind} {name!r}; {nearest(name, known)}")


class ConflictError(TaskmgrError):
    """Something else is stored there already."""


class PublishError(TaskmgrError):
    """A plugin or pipeline cannot be published as it is."""


class EnvironmentBuildError(TaskmgrError):
    """The virtualenv of a task version could not be built."""


class ArtifactError(TaskmgrError):
    """An artifact is absent, or its content is not what its digest says."""


class StoreError(TaskmgrError):
    """The metadata store cannot be read or written: damaged, full, in the way."""


@attrs.frozen
class Problem:
    """One thing that is wrong, and where.

    Attributes:
        place: as in ``steps[2].inputs.faces``.
        message: what is wrong and what would be right.
    """

    place: str
    message: str

    def __str__(self) -> str:
        return f"{self.place}: {self.message}" if self.place else self.message


class InvalidPipelineError(TaskmgrError):
    """A pipeline that cannot run, with every problem at once.

    Arguments:
        name: the pipeline's name.
        problems: all that is wrong with it.
    """

    def __init__(self, name: str, problems: Iterable[Problem]) -> None:
        self.problems = tuple(problems)
        lines = "".join(f"\n  {each}" for each in self.problems)
        super().__init__(f"the pipeline {name!r} cannot run:{lines}")


class RunnerError(TaskmgrError):
    """An attempt failed.

    Arguments:
        message: what happened.
        code: ``task-error``, ``invalid-input``, ``invalid-output``, ``crashed``,
            ``timeout``, ``memory``, ``disk-full``, ``cancelled``, ``environment`` or
            ``internal``.
        traceback: the task's own, or empty.
        retryable: whether another attempt may go better.
        details: further facts, such as the exit status.
    """

    def __init__(
        self,
        message: str,
        code: str,
        *,
        traceback: str = "",
        retryable: bool = True,
        details: Mapping[str, str] | None = None,
    ) -> None:
        super().__init__(message)
        self.code = code
        self.traceback = traceback
        self.retryable = retryable
        self.details = dict(details or {})
