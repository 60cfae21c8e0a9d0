"""What a thread and all that it starts may do with files: Landlock, the kernel's own sandbox.

Pure but for ``version`` and ``restrict_thread``. A right that the kernel does not know yet
is left out of what is asked of it (``Documentation/userspace-api/landlock.rst``).
"""

from __future__ import annotations

import contextlib
import enum
import os
import stat
import struct
from collections.abc import Iterable, Iterator
from functools import cache
from pathlib import Path

import attrs

from taskmgr_core.runners.kernel import no_new_privileges, system_call

# The same numbers on every architecture that names its system calls as the others do.
_CREATE_RULESET, _ADD_RULE, _RESTRICT_SELF = 444, 445, 446
_VERSION_FLAG = 1
_PATH_BENEATH = 1

_NETWORK_SINCE = 4
_SCOPES_SINCE = 6
_BIND_TCP, _CONNECT_TCP = 1, 2
_ABSTRACT_SOCKETS, _SIGNALS = 1, 2


class Right(enum.IntFlag):
    """What may be done with a file or beneath a folder, as the kernel numbers it."""

    EXECUTE = 1 << 0
    WRITE_FILE = 1 << 1
    READ_FILE = 1 << 2
    READ_FOLDER = 1 << 3
    REMOVE_FOLDER = 1 << 4
    REMOVE_FILE = 1 << 5
    MAKE_CHARACTER_DEVICE = 1 << 6
    MAKE_FOLDER = 1 << 7
    MAKE_FILE = 1 << 8
    MAKE_SOCKET = 1 << 9
    MAKE_FIFO = 1 << 10
    MAKE_BLOCK_DEVICE = 1 << 11
    MAKE_LINK = 1 << 12
    MOVE = 1 << 13
    TRUNCATE = 1 << 14
    CONTROL_DEVICE = 1 << 15


_NEW_RIGHTS = {2: Right.MOVE, 3: Right.TRUNCATE, 5: Right.CONTROL_DEVICE}
_OF_FILES = (
    Right.EXECUTE | Right.WRITE_FILE | Right.READ_FILE | Right.TRUNCATE | Right.CONTROL_DEVICE
)
_ALL = Right(sum(Right))
READ = Right.READ_FILE | Right.READ_FOLDER
RUN = READ | Right.EXECUTE
USE = READ | Right.WRITE_FILE | Right.CONTROL_DEVICE
# What Python does to keep the bytecode of a module: write aside, rename in.
CACHE = READ | Right.WRITE_FILE | Right.TRUNCATE | Right.MAKE_FILE | Right.REMOVE_FILE
WRITE = _ALL & ~(Right.MAKE_CHARACTER_DEVICE | Right.MAKE_BLOCK_DEVICE | Right.CONTROL_DEVICE)


@attrs.frozen
class Rule:
    """What is allowed with a file, or with all that is beneath a folder.

    Attributes:
        path: the file or folder; one that is not there allows nothing.
        rights: what is allowed.
    """

    path: Path
    rights: Right


def known_rights(version: int) -> Right:
    """The rights that a kernel's Landlock can keep back.

    Arguments:
        version: its ABI, from 1.
    """
    return Right(_ALL & ~sum(right for since, right in _NEW_RIGHTS.items() if version < since))


def ruleset(version: int, *, network: bool) -> bytes:
    """The kernel's ``struct landlock_ruleset_attr``: what is forbidden where no rule allows it.

    Arguments:
        version: the kernel's ABI; it takes no more than it knows.
        network: whether TCP is left alone.
    """
    ports = 0 if network else _BIND_TCP | _CONNECT_TCP
    fields = [int(known_rights(version))]
    if version >= _NETWORK_SINCE:
        fields.append(ports)
    if version >= _SCOPES_SINCE:
        fields.append(_ABSTRACT_SOCKETS | _SIGNALS)
    return struct.pack(f"={len(fields)}Q", *fields)


def applicable(rights: Right, version: int, *, folder: bool) -> Right:
    """What a rule may say of its rights: those that the kernel knows, and that a file can have."""
    known = rights & known_rights(version)
    return known if folder else known & _OF_FILES


@cache
def version() -> int:
    """The ABI of this kernel's Landlock; 0 where there is none, or it is switched off."""
    try:
        return max(0, system_call(_CREATE_RULESET, None, 0, _VERSION_FLAG))
    except OSError:
        return 0


def restrict_thread(rules: Iterable[Rule], *, network: bool) -> None:
    """Restrict the calling thread, for good, and every process that it starts.

    Other threads of the process are not touched.

    Arguments:
        rules: what it may do; nothing else with any file.
        network: whether it may use TCP, where the kernel can tell.

    Raises:
        OSError: the kernel refuses.
    """
    asked = ruleset(version(), network=network)
    descriptor = system_call(_CREATE_RULESET, asked, len(asked), 0)
    try:
        for rule in rules:
            _add(descriptor, rule)
        no_new_privileges()
        system_call(_RESTRICT_SELF, descriptor, 0)
    finally:
        os.close(descriptor)


def _add(ruleset_descriptor: int, rule: Rule) -> None:
    with contextlib.suppress(OSError), _opened(rule.path) as opened:
        folder = stat.S_ISDIR(os.fstat(opened).st_mode)
        rights = applicable(rule.rights, version(), folder=folder)
        content = struct.pack("=Qi", rights, opened)
        if rights:
            system_call(_ADD_RULE, ruleset_descriptor, _PATH_BENEATH, content, 0)


@contextlib.contextmanager
def _opened(path: Path) -> Iterator[int]:
    descriptor = os.open(path, os.O_PATH | os.O_CLOEXEC)
    try:
        yield descriptor
    finally:
        os.close(descriptor)
