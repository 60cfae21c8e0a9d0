"""What recording an outcome leads to, and what a worker takes with it."""

from __future__ import annotations

from collections.abc import Callable, Collection

import attrs

from taskmgr_core.specs import Claim, ReadyStep, RunStatus

# Whether a version of a task can be run by who asks for a step.
Covers = Callable[[str, str], bool]


def every(task: str, version: str) -> bool:  # noqa: ARG001
    """Every version can be run."""
    return True


@attrs.frozen
class Taking:
    """What a worker runs next, if there is such a step; see ``MetadataStore.claim``.

    Attributes:
        worker: the claiming worker's id.
        queues: the queues that it serves; empty for all.
        runs: only steps of these runs; None for all.
        tasks: only steps of these tasks; empty for all.
        covers: whether a version of a task can be run by the worker.
        follows: whether only what has become ready by the outcome.
        step: the run and step that a message told of, which needs no resources; then only that.
        also: whether another slot of the worker waits: then a second step is claimed where one has
            become ready by the outcome. A store that takes nothing with a record need not.
    """

    worker: str
    queues: Collection[str] = ()
    runs: Collection[str] | None = None
    tasks: Collection[str] = ()
    covers: Covers = every
    follows: bool = False
    step: tuple[str, str] | None = None
    also: bool = False


@attrs.frozen
class Progress:
    """What a recorded outcome led to.

    Attributes:
        recorded: False when the claim was no longer held and nothing was recorded.
        ready: the steps that have become ready.
        run_status: the run's status now.
        ended: whether it was this that ended the run; of several at once only one did.
        looked: whether the next step was looked for with it.
        claim: the next step, claimed with it; None where there was none, or nobody looked.
        also: a second one, claimed for another slot.
    """

    recorded: bool
    ready: tuple[ReadyStep, ...] = ()
    run_status: RunStatus = "running"
    ended: bool = False
    looked: bool = False
    claim: Claim | None = None
    also: Claim | None = None
