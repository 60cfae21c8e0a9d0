"""The root of every error of taskmgr, and those that a task's author meets."""

import errno
from collections.abc import Iterable


class TaskmgrError(Exception):
    """Something that a user can put right; its message says what and how."""


class TaskDefinitionError(TaskmgrError):
    """A task is declared in a way that cannot work: a missing annotation, a bad name."""


class InvalidValueError(TaskmgrError):
    """A value does not fit the field that it is meant for."""


class InvalidOutputError(InvalidValueError):
    """A task returned what does not fit its declared outputs."""


class InvalidInputError(TaskmgrError):
    """Raised by a task that cannot use its input; never retried.

    The run fails with this message and without a traceback, because the fault
    is in the input and not in the task.
    """


class DiskFullError(TaskmgrError):
    """There is no room on a disk, or a quota is used up; with room it may go well."""


class ProtocolError(TaskmgrError):
    """The other end of the pipe speaks another protocol, or stopped in mid-frame."""


def is_disk_full(error: BaseException | None) -> bool:
    """Whether a full disk, or a used-up quota, is what an error goes back to."""
    while error is not None:
        if isinstance(error, OSError) and error.errno in (errno.ENOSPC, errno.EDQUOT):
            return True
        inner = error.exceptions if isinstance(error, BaseExceptionGroup) else ()
        if isinstance(error, DiskFullError) or any(map(is_disk_full, inner)):
            return True
        error = error.__cause__ or (None if error.__suppress_context__ else error.__context__)
    return False


def nearest(name: str, known: Iterable[str]) -> str:
    """Say which known name was probably meant, for the end of a message.

    Arguments:
        name: what was given.
        known: the names that would have been right.

    Returns:
        ``did you mean 'x'?`` or the list of known names.
    """
    # Only what went wrong needs it, and every runner imports this module.
    from difflib import get_close_matches

    names = sorted(known)
    close = get_close_matches(name, names, n=1, cutoff=0.6)
    if close:
        return f"did you mean {close[0]!r}?"
    if not names:
        return "there are none"
    shown = ", ".join(repr(each) for each in names[:12])
    return f"known: {shown}" + (", ..." if len(names) > 12 else "")
