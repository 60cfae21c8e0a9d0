"""The text of a lock: requirements pinned with ``==`` and hashes, and nothing else."""

from __future__ import annotations

import re
from collections.abc import Iterator

import attrs
from packaging.requirements import InvalidRequirement, Requirement
from packaging.utils import canonicalize_name

from taskmgr_core.errors import InvalidValueError
from taskmgr_core.sdk_wheel import RESERVED_PREFIX, is_reserved

_HASH = re.compile(r"--hash=sha256:([0-9a-f]{64})\Z")
_COMMENT = re.compile(r"(?:^|\s)#.*")


class LockError(InvalidValueError):
    """A lock holds what no lock may hold; the message names the line."""


@attrs.frozen
class LockedRequirement:
    """One entry of a lock.

    Attributes:
        name: the distribution, normalised.
        version: the exact version.
        marker: where it applies; empty for everywhere.
        hashes: the sha256 digests (64 hexadecimal digits) of the files allowed.
    """

    name: str
    version: str
    marker: str
    hashes: tuple[str, ...]


def parse_lock(text: str) -> tuple[LockedRequirement, ...]:
    """Read a lock and check each entry.

    Raises:
        LockError: an entry is not pinned with ``==`` or has no sha256 hash, an
            option or an address stands in it, or it has a name that is reserved for
            our own distributions and plugins, which never come from an index.
    """
    return tuple(_entry(line) for line in _lines(text))


def _lines(text: str) -> Iterator[str]:
    joined = re.sub(r"\\\r?\n", " ", text)
    for line in joined.splitlines():
        content = _COMMENT.sub("", line).strip()
        if content:
            yield content


def _entry(line: str) -> LockedRequirement:
    words = line.split()
    options = [word for word in words if word.startswith("-")]
    hashes = tuple(found[1] for word in options if (found := _HASH.match(word)))
    requirement = _requirement(" ".join(word for word in words if word not in options), line)
    if len(hashes) < len(options):
        raise LockError(
            f"the line {_short(line)!r}: only --hash=sha256:<64 digits> may stand there"
        )
    if not hashes:
        raise LockError(f"{requirement.name} has no sha256 hash")
    if is_reserved(requirement.name):
        raise LockError(
            f"{requirement.name} is taskmgr's own, as all names with {RESERVED_PREFIX}, and comes "
            "from its own store only"
        )
    return LockedRequirement(
        name=canonicalize_name(requirement.name),
        version=_pin(requirement, line),
        marker=str(requirement.marker or ""),
        hashes=hashes,
    )


def _requirement(text: str, line: str) -> Requirement:
    try:
        requirement = Requirement(text)
    except InvalidRequirement as error:
        raise LockError(f"the line {_short(line)!r} is no pinned requirement") from error
    if requirement.url:
        raise LockError(f"{requirement.name} comes from an address; allowed is name==version")
    return requirement


def _pin(requirement: Requirement, line: str) -> str:
    specifiers = list(requirement.specifier)
    if len(specifiers) != 1 or specifiers[0].operator != "==" or "*" in specifiers[0].version:
        raise LockError(f"the line {_short(line)!r} does not pin one version with ==")
    return specifiers[0].version


def _short(line: str) -> str:
    return line if len(line) <= 80 else line[:77] + "..."
