"""Which version of a task a new run gets, and what operators may make of it: pure decisions.

A run gets exact versions when it is submitted; nothing here changes one that is there.
"""

from __future__ import annotations

import hashlib

import attrs
from packaging.version import InvalidVersion, Version

from taskmgr_core.errors import ConflictError
from taskmgr_core.specs import Choice, Route

EARLIER = 20  # choices that a rollback can go back through
WHOLE = 100

_FINAL, _PRE_RELEASE, _UNREADABLE = 2, 1, 0
_Rank = tuple[int, Version, str]


def rank(version: str) -> _Rank:
    """What versions are ordered by: the greatest of a task's is the one that new runs get.

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


def series(version: str) -> tuple[int, ...] | None:
    """What versions have in common that promise to fit each other: ``2`` of 2.1, ``0.3`` of 0.3.5.

    Arguments:
        version: as it is recorded.

    Returns:
        None for what PEP 440 does not know.
    """
    try:
        parsed = Version(version)
    except InvalidVersion:
        return None
    return (parsed.major,) if parsed.major else (0, parsed.minor)


def share_of(run_id: str) -> float:
    """Where a run falls among all runs, at least 0 and below 100: the same for all its tasks.

    Arguments:
        run_id: its id.
    """
    digest = hashlib.sha256(run_id.encode()).digest()
    return int.from_bytes(digest[:8], "big") / 2**64 * WHOLE


def chosen(versions: frozenset[str], route: Route, share: float | None = None) -> str | None:
    """The version that a run gets that names none.

    Arguments:
        versions: all that are published.
        route: what operators have said.
        share: where the run falls, see ``share_of``; None leaves a candidate out.

    Returns:
        None when every version is yanked, or there is none.
    """
    allowed = versions - route.yanked.keys()
    choice = route.choice
    if share is not None and share < choice.percent and choice.candidate in allowed:
        return choice.candidate
    if choice.stable in allowed:
        return choice.stable
    # What the part of the runs gets that tries it out is not for all yet.
    others = allowed - {choice.candidate} if len(allowed) > 1 and choice.percent else allowed
    return max(others, key=rank, default=None)


def rolled_out(route: Route, current: str, version: str, percent: int) -> Route:
    """The route under which a part of the new runs, or all, get a version.

    Arguments:
        route: as it is.
        current: the version that runs get now which get no candidate.
        version: the one to roll out; published.
        percent: 1 to 100; with 100 it is the one that all get from now on.

    Raises:
        ConflictError: the task is pinned, or the version yanked.
    """
    _refuse_pinned(route)
    _refuse_yanked(route, version)
    if percent >= WHOLE or version == current:
        return _changed(route, Choice(stable=version))
    return _changed(route, Choice(stable=current, candidate=version, percent=percent))


def rolled_back(route: Route, current: str, versions: frozenset[str]) -> Route:
    """The route as it was before its last change; where none was, the version before this one.

    Arguments:
        route: as it is.
        current: the version that runs get now which get no candidate.
        versions: all that are published.

    Raises:
        ConflictError: the task is pinned, or there is nothing to go back to.
    """
    _refuse_pinned(route)
    if route.choice.percent:  # the candidate is taken away, whoever gets the other goes on
        return _changed(route, Choice(stable=current))
    for passed, choice in enumerate(route.earlier):
        before = chosen(versions, attrs.evolve(route, choice=choice))
        if before not in (None, current):
            return attrs.evolve(
                route, choice=Choice(stable=before), earlier=route.earlier[passed + 1 :]
            )
    lower = [each for each in versions - route.yanked.keys() if rank(each) < rank(current)]
    if not lower:
        raise ConflictError(
            f"there is no version of {route.task!r} to go back to: {current} is the lowest that "
            "is not yanked; publish another one, or name one: taskmgr rollout "
            f"{route.task} VERSION"
        )
    return _changed(route, Choice(stable=max(lower, key=rank)))


def pinned(route: Route, version: str) -> Route:
    """The route under which all new runs get one version until it is let go.

    Raises:
        ConflictError: the version is yanked.
    """
    _refuse_yanked(route, version)
    return _changed(route, Choice(stable=version, pinned=True))


def let_go(route: Route) -> Route:
    """The route without a pin, a candidate or a chosen version: the highest one counts."""
    return _changed(route, Choice())


def yanked(route: Route, version: str, reason: str) -> Route:
    """The route under which no new run gets a version unless it names it.

    Raises:
        ConflictError: the task is pinned to it.
    """
    if route.choice.pinned and route.choice.stable == version:
        raise ConflictError(
            f"{route.task!r} is pinned to {version}; first let it go: "
            f"taskmgr pin {route.task} --off"
        )
    return attrs.evolve(route, yanked={**route.yanked, version: reason})


def unyanked(route: Route, version: str) -> Route:
    """The route under which a version is as any other again."""
    left = {each: reason for each, reason in route.yanked.items() if each != version}
    return attrs.evolve(route, yanked=left)


def _changed(route: Route, choice: Choice) -> Route:
    if choice == route.choice:
        return route
    return attrs.evolve(route, choice=choice, earlier=(route.choice, *route.earlier)[:EARLIER])


def _refuse_pinned(route: Route) -> None:
    if route.choice.pinned:
        raise ConflictError(
            f"{route.task!r} is pinned to {route.choice.stable}; let it go first: "
            f"taskmgr pin {route.task} --off"
        )


def _refuse_yanked(route: Route, version: str) -> None:
    if version in route.yanked:
        raise ConflictError(
            f"{route.task} {version} is yanked: {route.yanked[version]}; choose another version, "
            f"or take that back: taskmgr yank {route.task} {version} --undo"
        )
