"""Which version of a task a new run gets."""

from __future__ import annotations

from collections.abc import Mapping

import attrs


@attrs.frozen
class Choice:
    """What new runs of a task get.

    Attributes:
        stable: the version that they get; None for the highest that is published.
        candidate: the version that a part of them gets instead; None for no part.
        percent: how many of a hundred runs get the candidate.
        pinned: whether neither a rollout nor a rollback may change it.
    """

    stable: str | None = None
    candidate: str | None = None
    percent: int = 0
    pinned: bool = False


@attrs.frozen
class Route:
    """What operators have said of the versions of a task.

    Attributes:
        task: its name.
        choice: what new runs get.
        yanked: versions that no new run gets unless it names them -> the reason.
        earlier: the choices before, the last one first, for a rollback.
        revision: how often it was changed; what was changed meanwhile is not overwritten.
            -1 stands for whatever is there, to replace a record that cannot be read.
    """

    task: str
    choice: Choice = Choice()
    yanked: Mapping[str, str] = attrs.field(factory=dict)
    earlier: tuple[Choice, ...] = ()
    revision: int = 0
