"""What every metadata store holds the versions of a task to: which is meant, what is the same.

Pure, so that the stores differ in how they keep versions and in nothing else.
"""

from __future__ import annotations

from collections.abc import Collection

import attrs

from taskmgr_core.errors import NotFoundError, nearest
from taskmgr_core.orchestrator.routing import chosen, rank
from taskmgr_core.specs import Route, StoredFile, TaskVersion


def wanted(
    known: Collection[str], route: Route, version: str | None, share: float | None = None
) -> str:
    """The version of a task that is meant.

    Arguments:
        known: all that are published of it, at least one.
        route: what operators have said of them.
        version: the one that was named, if one was; it may be yanked.
        share: where the run falls, see ``routing.share_of``.

    Raises:
        NotFoundError: there is no such version, or every one is yanked.
    """
    if version is not None:
        if version not in known:
            known_ones = nearest(version, list(known))
            raise NotFoundError(f"task {route.task!r} has no version {version!r}; {known_ones}")
        return version
    found = chosen(frozenset(known), route, share)
    if found is None:
        reasons = "; ".join(f"{each}: {why}" for each, why in sorted(route.yanked.items()))
        raise NotFoundError(
            f"every version of task {route.task!r} is yanked ({reasons}); publish another one, "
            "name one of these all the same, or take one back: "
            f"taskmgr yank {route.task} VERSION --undo"
        )
    return found


def current(known: Collection[str], route: Route) -> str:
    """The version by which a task is listed: what runs get, or the highest of yanked ones."""
    return chosen(frozenset(known), route) or max(known, key=rank)


def renewed(stored: TaskVersion | None, published: TaskVersion) -> TaskVersion | None:
    """What is to be recorded when the same content is published again.

    Arguments:
        stored: as it is recorded; None when that is damaged.
        published: as it was published now.

    Returns:
        None when all stays. A signed version as it was signed, whole. Else, with another
        SDK or Python, or further vendored wheels, the release that is recorded, with those,
        and the task as it is declared under them; a signature that it had was over others,
        and is gone.
    """
    if stored is None or content(stored) != content(published):
        return published
    if published.signature is not None:
        return published if published != stored else None
    new = published.release
    vendored = together(stored.release.vendored, new.vendored)
    release = attrs.evolve(stored.release, sdk=new.sdk, python=new.python, vendored=vendored)
    same_sdk = stored.release.sdk.digest == new.sdk.digest
    if same_sdk and (release.python, vendored) == (stored.release.python, stored.release.vendored):
        return None
    return TaskVersion(published.task, release)


def together(*wheels: tuple[StoredFile, ...]) -> tuple[StoredFile, ...]:
    """The vendored wheels of several machines, each once.

    Arguments:
        wheels: those of each.
    """
    found = {each.digest: each for every in wheels for each in every}
    return tuple(sorted(found.values(), key=lambda each: (each.name, each.digest)))


def content(version: TaskVersion) -> str:
    """What makes two publishes the same: the digests of the wheel, the lock and the models."""
    release = version.release
    files = (release.wheel, release.lock, *sorted(release.models, key=lambda each: each.name))
    return " ".join(each.digest for each in files)
