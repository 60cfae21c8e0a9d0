"""System calls of Linux that Python has no name for."""

from __future__ import annotations

import ctypes
import os
import struct
import sys
from functools import cache
from typing import Any

_SET_NO_NEW_PRIVILEGES = 38
_CAPABILITIES_VERSION = 0x20080522
_PAST_MODES = 1 << 1  # CAP_DAC_OVERRIDE


def system_call(number: int, *arguments: int | bytes | None) -> int:
    """Make a system call.

    Arguments:
        number: the call's.
        arguments: numbers, or what is passed by its address.

    Raises:
        OSError: it failed, or this is no Linux.
    """
    passed = [
        ctypes.c_long(each) if isinstance(each, int) else ctypes.c_char_p(each)
        for each in arguments
    ]
    result = int(_library().syscall(ctypes.c_long(number), *passed))
    if result < 0:
        number = ctypes.get_errno()
        raise OSError(number, os.strerror(number))
    return result


def no_new_privileges() -> None:
    """Have no program that this thread starts get more rights, as by its set-user-id bit.

    Raises:
        OSError: the kernel refuses, or this is no Linux.
    """
    arguments = [ctypes.c_ulong(each) for each in (1, 0, 0, 0)]
    if _library().prctl(_SET_NO_NEW_PRIVILEGES, *arguments):
        number = ctypes.get_errno()
        raise OSError(number, os.strerror(number))


def drop_capabilities() -> None:
    """Take from this thread, for good, what the kernel allows root beyond files.

    A worker that runs as root would hand on the right to look into every process, to load
    modules, to reboot. What is left is the right to open files past their modes: which
    files, others decide.

    Raises:
        OSError: the kernel refuses, or this is no Linux.
    """
    no_new_privileges()
    header = struct.pack("=Ii", _CAPABILITIES_VERSION, 0)
    held = ctypes.create_string_buffer(24)
    _capabilities("capget", header, held)
    permitted = struct.unpack("=6I", held.raw)[1] & _PAST_MODES
    _capabilities("capset", header, struct.pack("=6I", permitted, permitted, 0, 0, 0, 0))


def _capabilities(name: str, header: bytes, data: Any) -> None:
    if getattr(_library(), name)(ctypes.create_string_buffer(header), data):
        number = ctypes.get_errno()
        raise OSError(number, os.strerror(number))


@cache
def _library() -> Any:
    if sys.platform != "linux":
        raise OSError("only Linux can restrict a thread")
    library = ctypes.CDLL(None, use_errno=True)
    library.syscall.restype = ctypes.c_long
    return library
