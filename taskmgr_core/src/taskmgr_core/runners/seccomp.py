"""No network for a thread and all that it starts: a filter of system calls.

It refuses every kind of socket but those between processes of the machine (``AF_UNIX``),
and so UDP, raw and kernel sockets too, which Landlock does not know. It needs neither
privileges nor user namespaces, which many machines and containers do not give.
"""

from __future__ import annotations

import ctypes
import errno
import platform
import struct
import sys
from functools import cache

import attrs

from taskmgr_core.runners.kernel import no_new_privileges, system_call

_SET_MODE_FILTER, _GET_ACTION = 1, 2
# A filter of ours must not slow down the rest: kernels before 5.16 would.
_SPECULATION_ALLOWED = 4
_ALLOW, _REFUSE = 0x7FFF0000, 0x00050000

_LOAD, _EQUAL, _AT_LEAST, _RETURN = 0x20, 0x15, 0x35, 0x06
_NUMBER, _ARCHITECTURE, _FIRST_ARGUMENT = 0, 4, 16
_AF_UNIX = 1
_X32 = 0x40000000


@attrs.frozen
class Machine:
    """The numbers of one architecture, as its kernel has them.

    Attributes:
        architecture: its ``AUDIT_ARCH``.
        seccomp, socket: system calls.
        io_uring: the system call that sets up what could make sockets past the filter.
    """

    architecture: int
    seccomp: int
    socket: int
    io_uring: int = 425


MACHINES = {
    "x86_64": Machine(0xC000003E, 317, 41),
    "aarch64": Machine(0xC00000B7, 277, 198),
    "riscv64": Machine(0xC00000F3, 277, 198),
}


def program(machine: Machine) -> bytes:
    """The filter: ``struct sock_filter`` after ``struct sock_filter``.

    The calls of another architecture (32 bits on 64) have other numbers: all are refused.
    """
    refuse = _REFUSE | errno.EACCES
    absent = _REFUSE | errno.ENOSYS
    instructions = [
        (_LOAD, 0, 0, _ARCHITECTURE),
        (_EQUAL, 1, 0, machine.architecture),
        (_RETURN, 0, 0, absent),
        (_LOAD, 0, 0, _NUMBER),
        (_AT_LEAST, 1, 0, _X32),
        (_EQUAL, 0, 1, machine.io_uring),
        (_RETURN, 0, 0, absent),
        (_EQUAL, 0, 3, machine.socket),
        (_LOAD, 0, 0, _FIRST_ARGUMENT),
        (_EQUAL, 1, 0, _AF_UNIX),
        (_RETURN, 0, 0, refuse),
        (_RETURN, 0, 0, _ALLOW),
    ]
    return b"".join(struct.pack("=HBBI", *each) for each in instructions)


@cache
def available() -> bool:
    """Whether this kernel takes such filters, on an architecture that is known here."""
    machine = _this_machine()
    if machine is None:
        return False
    try:
        system_call(machine.seccomp, _GET_ACTION, 0, struct.pack("=I", _REFUSE))
    except OSError:
        return False
    return True


def restrict_thread() -> None:
    """Keep the network from the calling thread, for good, and every process that it starts.

    Raises:
        OSError: the kernel refuses.
    """
    machine = _this_machine()
    if machine is None:
        raise OSError(errno.ENOSYS, f"no filter is known for {platform.machine()}")
    content = ctypes.create_string_buffer(program(machine))
    # struct sock_fprog: how many instructions, and where.
    passed = struct.pack("@HP", (len(content) - 1) // 8, ctypes.addressof(content))
    no_new_privileges()
    system_call(machine.seccomp, _SET_MODE_FILTER, _SPECULATION_ALLOWED, passed)


def _this_machine() -> Machine | None:
    known = sys.platform == "linux" and sys.maxsize > 2**32
    return MACHINES.get(platform.machine()) if known else None
