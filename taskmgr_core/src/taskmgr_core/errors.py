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
from taskmgr_plugins.texts import MESSAGE_CHARACTERS, TRACEBACK_CHARACTERS, bounded

__all__ = [
    "ArtifactError",
    "AuthenticationError",
    "ConflictError",
    "DamagedRecordError",
    "EnvironmentBuildError",
    "InvalidPipelineError",
    "InvalidValueError",
    "NotFoundError",
    "PermissionDeniedError",
    "Problem",
    "PublishError",
    "QueueError",
    "RecordTooLargeError",
    "RunnerError",
    "RunnerProtocolError",
    "SettingsError",
    "SignatureError",
    "SigningKeyError",
    "StoreAwayError",
    "StoreError",
    "StoreGoneError",
    "StoreUnavailableError",
    "TaskmgrError",
    "advice_for",
    "is_away",
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


def not_installed(extra: str, distribution: str, error: ModuleNotFoundError) -> SettingsError:
    """What is asked for needs an extra of taskmgr-core that is not installed.

    Arguments:
        extra: its name.
        distribution: what it installs.
        error: of the import.
    """
    return SettingsError(
        f"{distribution} is not installed here ({error}); install it beside taskmgr: "
        f"pip install 'taskmgr-core[{extra}]'"
    )


class NotFoundError(TaskmgrError):
    """A name or id that is not known; the message has the nearest one."""

    @classmethod
    def named(cls, kind: str, name: str, known: Iterable[str]) -> "NotFoundError":
        """``no task 'x'; did you mean 'y'?``"""
        return cls(f"no {kind} {name!r}; {nearest(name, known)}")


class ConflictError(TaskmgrError):
    """Something else is stored there already."""


class AuthenticationError(TaskmgrError):
    """Nobody knows who asks: no token, or one that is unknown, expired or revoked."""


class PermissionDeniedError(TaskmgrError):
    """Whoever asks is known and may not do this, or not in this workspace."""


class PublishError(TaskmgrError):
    """A plugin or pipeline cannot be published as it is."""


class SigningKeyError(TaskmgrError):
    """A key cannot be used as is asked: absent, revoked, damaged, readable by others."""


class SignatureError(TaskmgrError):
    """A task version is not signed as this machine requires; nothing of it is installed or run."""


class EnvironmentBuildError(TaskmgrError):
    """The virtualenv of a task version could not be built."""


class ArtifactError(TaskmgrError):
    """An artifact is absent, or its content is not what its digest says."""


class StoreUnavailableError(ArtifactError):
    """The artifact store does not answer: what is asked of it may go well later."""


class StoreError(TaskmgrError):
    """The metadata store cannot be read or written: damaged, full, in the way."""


class QueueError(TaskmgrError):
    """The broker cannot be reached; what is ready stays recorded in the metadata store."""


class StoreAwayError(StoreError):
    """The metadata store's server does not answer: what is asked of it may go well later."""


def is_away(error: BaseException | None) -> bool:
    """Whether a server that does not answer, and may later, is what an error goes back to."""
    while error is not None:
        if isinstance(error, StoreUnavailableError | StoreAwayError):
            return True
        error = error.__cause__
    return False


class RecordTooLargeError(TaskmgrError):
    """A record is larger than the metadata store takes; it is the record's fault, for good."""


class StoreGoneError(StoreError):
    """The metadata store that was opened is not there any more: removed, moved, replaced.

    Trying again is of no use; whoever has it open has to open it anew.
    """


class DamagedRecordError(TaskmgrError):
    """One record of the metadata store cannot be read; all others can.

    Arguments:
        what: the record, such as ``the stored graph of run 0197...``.
        problem: what is wrong with it.
        cure: what to do; empty for a record that other records stand in for.
    """

    def __init__(self, what: str, problem: str, cure: str = "") -> None:
        self.fault = f"{what} is damaged: {problem}"
        self.cure = cure
        super().__init__(f"{self.fault}; {cure}" if cure else self.fault)


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

    Of long texts the beginning and the end are kept: the task said them, or the runner.

    Arguments:
        message: what happened.
        code: ``task-error``, ``invalid-input``, ``invalid-output``, ``crashed``,
            ``timeout``, ``memory``, ``limit``, ``disk-full``, ``cancelled``, ``environment``,
            ``signature`` or ``internal``.
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
        super().__init__(bounded(message, MESSAGE_CHARACTERS))
        self.code = code
        self.traceback = bounded(traceback, TRACEBACK_CHARACTERS)
        self.retryable = retryable
        self.details = bounded_details(details or {})


class RunnerProtocolError(RunnerError):
    """A runner whose SDK, that of its virtualenv, speaks another protocol than this worker.

    Arguments:
        distribution: the plugin's.
        theirs: the runner's protocol and SDK, as it told them.
        ours: the oldest and the newest protocol that this worker speaks.
    """

    def __init__(
        self, distribution: str, theirs: tuple[object, object], ours: tuple[int, int]
    ) -> None:
        number, sdk = theirs
        oldest, newest = ours
        spoken = f"{newest}" if oldest == newest else f"{oldest} to {newest}"
        newer = isinstance(number, int) and number > newest
        cure = (
            "upgrade and restart this worker, or publish the plugin again with its taskmgr: the "
            f"worker needs a taskmgr-core that brings taskmgr-plugins {sdk} or later"
            if newer
            else "publish the plugin again with this taskmgr: its version, wheel and lock stay, "
            "and its virtualenv gets the SDK that fits"
        )
        super().__init__(
            f"the virtualenv of {distribution} has taskmgr-plugins {sdk}, which speaks runner "
            f"protocol {number}, and this worker speaks {spoken}; {cure}",
            "environment",
            retryable=False,
        )


def bounded_details(details: Mapping[str, str]) -> dict[str, str]:
    """Further facts about an error, each no longer than a traceback may be."""
    return {name: bounded(text, TRACEBACK_CHARACTERS) for name, text in details.items()}
