"""This machine's platform, and which wheels fit a Python of it."""

from __future__ import annotations

import platform
import sys
from collections.abc import Iterator, Sequence

from packaging.tags import Tag, compatible_tags, cpython_tags, platform_tags
from packaging.utils import InvalidWheelFilename, parse_wheel_filename
from packaging.version import InvalidVersion

from taskmgr_core.uv import Interpreter


def this_platform() -> str:
    """The platform of this machine, as ``linux-x86_64``."""
    return f"{sys.platform}-{platform.machine()}"


def tags_of(python: Interpreter) -> Iterator[Tag]:
    """What wheels may be made for, the best first.

    Arguments:
        python: a CPython of this machine, which need not be the one that runs us.
    """
    return tags_for(python.minor, list(platform_tags()))


def tags_for(python: str, platforms: Sequence[str]) -> Iterator[Tag]:
    """What wheels may be made for under a CPython on a platform, the best first.

    Arguments:
        python: as ``3.11``.
        platforms: the platform's tags, the best first.
    """
    numbers = [int(part) for part in python.split(".")]
    interpreter = "cp" + python.replace(".", "")
    yield from cpython_tags(numbers, abis=[interpreter], platforms=platforms)
    yield from compatible_tags(numbers, interpreter, platforms)


def fits(filename: str, tags: frozenset[Tag]) -> bool:
    """Whether a wheel is made for one of the tags.

    Arguments:
        filename: the wheel's; one that cannot be read fits nothing.
        tags: as ``tags_of`` gives them.
    """
    try:
        _, _, _, found = parse_wheel_filename(filename)
    except (InvalidWheelFilename, InvalidVersion):
        return False
    return not found.isdisjoint(tags)
