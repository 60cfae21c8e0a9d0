"""The root of every error of taskmgr, and those that a task's author meets."""

from collections.abc import Iterable
from difflib import get_close_matches


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


class ProtocolError(TaskmgrError):
    """The other end of the pipe speaks another protocol, or stopped in mid-frame."""


def nearest(name: str, known: Iterable[str]) -> str:
    """Say which known name was probably meant, for the end of a message.

    Arguments:
        name: what was given.
        known: the names that would have been right.

    Returns:
        ``did you mean 'x'?`` or the list of known names.
    """
    names = sorted(known)
    close = get_close_matches(name, names, n=1, cutoff=0.6)
    if close:
        return f"did you mean {close[0]!r}?"
    if not names:
        return "there are none"
    shown = ", ".join(repr(each) for each in names[:12])
    return f"known: {shown}" + (", ..." if len(names) > 12 else "")
