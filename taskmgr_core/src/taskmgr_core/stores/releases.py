"""What every metadata store holds the versions of a task to: their order, what is the same.

Pure, so that the stores differ in how they keep versions and in nothing else.
"""

from __future__ import annotations

from collections.abc import Iterable

import attrs
from packaging.version import InvalidVersion, Version

from taskmgr_core.specs import TaskVersion

_FINAL, _PRE_RELEASE, _UNREADABLE = 2, 1, 0
_Rank = tuple[int, Version, str]


def rank(version: str) -> _Rank:
    """What versions are ordered by: the greatest of a task's is its current one.

    As installers choose: every final version is above every pre-release or
    development release, else PEP 440 orders them. Two spellings of one number
    (``1.0`` and ``1.0.0``) keep one order, too.

    Arguments:
        version: as it is recorded. What PEP 440 does not know is below all others.
    """
    try:
        parsed = Version(version)
    except InvalidVersion:
        return (_UNREADABLE, Version("0"), version)
    return (_PRE_RELEASE if parsed.is_prerelease else _FINAL, parsed, version)


def current(versions: Iterable[str]) -> str:
    """The version that a task without a version means; there must be one.

    Arguments:
        versions: all that are published of one task.
    """
    return max(versions, key=rank)


def renewed(stored: TaskVersion | None, published: TaskVersion) -> TaskVersion | None:
    """What is to be recorded when the same content is published again.

    Arguments:
        stored: as it is recorded; None when that is damaged.
        published: as it was published now.

    Returns:
        None when all stays. A signed version as it was signed, whole. Else, with another
        SDK or Python, the release that is recorded, with those, and the task as it is
        declared under them; a signature that it had was over others, and is gone.
    """
    if stored is None or content(stored) != content(published):
        return published
    if published.signature is not None:
        return published if published != stored else None
    new = published.release
    if (stored.release.sdk.digest, stored.release.python) == (new.sdk.digest, new.python):
        return None
    return TaskVersion(published.task, attrs.evolve(stored.release, sdk=new.sdk, python=new.python))


def content(version: TaskVersion) -> str:
    """What makes two publishes the same: the digests of the wheel, the lock and the models."""
    release = version.release
    files = (release.wheel, release.lock, *sorted(release.models, key=lambda each: each.name))
    return " ".join(each.digest for each in files)
