"""What becomes of a step whose worker was lost. Pure; every store records it alike."""

from __future__ import annotations

import attrs

from taskmgr_core.specs import Failure, Step


@attrs.frozen
class Loss:
    """What is recorded of a step that was taken back.

    Attributes:
        failures: why its attempts failed, this one included.
        failure: why it is not tried again; None when it is.
    """

    failures: tuple[Failure, ...]
    failure: Failure | None


def loss_of(step: Step, attempts: int) -> Loss:
    """The loss of a step's worker.

    Arguments:
        step: the step as its worker held it.
        attempts: lost with that many workers it is quarantined.
    """
    said = f"the worker {step.worker} stopped in the middle of attempt {step.attempt}"
    failure = Failure("worker-lost", said)
    failures = (*step.failures, failure)
    if step.lost + 1 < attempts:
        return Loss(failures, None)
    losses = [each for each in failures if each.code == "worker-lost"]
    quarantine = Failure(
        "quarantined",
        f"{step.lost + 1} workers stopped in the middle of this step, so it is not tried again; "
        "look at its log and the workers' logs, then submit the run again",
        details={"workers": "; ".join(each.message for each in losses)},
    )
    return Loss((*step.failures, quarantine), quarantine)
