"""What hook plugins, as those of a company's policy, say about a publication."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from typing import Any

import attrs

from taskmgr_core.errors import PublishError
from taskmgr_core.hooks import Answer, Hooks
from taskmgr_core.lockfile import parse_lock
from taskmgr_core.publishing.wheels import Wheel
from taskmgr_core.specs import TaskSpec
from taskmgr_plugins.events import Publication

HOOK = "taskmgr_check_publish"


def publication_of(
    wheel: Wheel, lock: bytes, tasks: Sequence[TaskSpec], *, signed: bool
) -> Publication:
    """What the checks are given.

    Arguments:
        wheel: the plugin's.
        lock: as it is published.
        tasks: as they were loaded.
        signed: whether it is going to be signed.
    """
    dependencies: dict[str, tuple[str, ...]] = {}
    for each in parse_lock(lock.decode()):
        dependencies[each.name] = (*dependencies.get(each.name, ()), each.version)
    return Publication(
        distribution=wheel.distribution,
        version=wheel.version,
        wheel=wheel.path,
        licence=wheel.licence,
        requires_python=str(wheel.requires_python),
        dependencies=dependencies,
        tasks=tuple(attrs.asdict(each) for each in tasks),
        signed=signed,
    )


def refuse_by_hooks(hooks: Hooks, publication: Publication) -> None:
    """Ask every hook plugin.

    Raises:
        PublishError: with all that all of them have found, and the names of those that could
            not be asked: what they would have found nobody knows.
    """
    problems = [
        f"{answer.plugin}: {problem}"
        for answer in hooks.ask(HOOK, publication)
        for problem in _problems(answer)
    ]
    if problems:
        told = "".join(f"\n- {each}" for each in problems)
        raise PublishError(
            f"{publication.distribution} {publication.version} is refused by the checks of this "
            f"platform:{told}"
        )


def _problems(answer: Answer) -> Iterable[str]:
    cure = f"correct it, or leave it out with TASKMGR_HOOKS=-{answer.plugin}"
    if answer.problem:
        yield f"could not check: {answer.problem}; {cure}"
    for given in answer.given:
        yield from _texts(given, cure)


def _texts(given: Any, cure: str) -> Iterable[str]:
    """The problems in what one implementation has returned."""
    if isinstance(given, list | tuple | set | frozenset) and all(
        isinstance(each, str) for each in given
    ):
        yield from filter(None, given)
    elif given is not None:
        yield f"could not check: it returned {given!r:.80}, and no list of texts; {cure}"
