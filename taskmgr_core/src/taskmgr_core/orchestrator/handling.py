"""What a pipeline says about steps that fail, checked: pure."""

from __future__ import annotations

import math
from collections.abc import Collection, Iterator, Mapping, Sequence
from typing import Any

import attrs

from taskmgr_core.errors import Problem, nearest
from taskmgr_core.orchestrator.ports import PlacedStep, Ports, port_step
from taskmgr_core.orchestrator.retries import problems_of_retry
from taskmgr_core.orchestrator.validation import Validator
from taskmgr_core.specs import FAILURE_PORT, PipelineSpec, Source, input_port

ON_ERROR = ("fail", "continue", "default")
REPORT_SCHEMA: Mapping[str, Any] = {"type": "object"}
"""The report on a run that failed; see ``worker.failure_report``."""

After = Mapping[str, tuple[str, ...]]
Sources = Mapping[str, Mapping[str, Source]]


def problems_of_policy(step: PlacedStep, validator: Validator) -> Iterator[Problem]:
    """What is wrong with what a step says of its attempts, of failing and of its outputs."""
    spec, place = step.spec, step.place
    if spec.retry is not None:
        for part, message in problems_of_retry(spec.retry):
            yield Problem(f"{place}.retry.{part}", message)
    if spec.timeout is not None and not _is_time(spec.timeout):
        yield Problem(f"{place}.timeout", _no_time(spec.timeout))
    if spec.on_error not in ON_ERROR:
        known = nearest(spec.on_error, ON_ERROR)
        yield Problem(f"{place}.on_error", f"{spec.on_error!r} is not known; {known}")
    if step.task is not None:
        yield from _problems_of_default(step, validator)


def _problems_of_default(step: PlacedStep, validator: Validator) -> Iterator[Problem]:
    fields = {field.name: field for field in step.outputs}
    for name, document in step.spec.default.items():
        place = f"{step.place}.default.{name}"
        if name in fields:
            yield from validator.validate(document, fields[name].schema, place)
        else:
            yield Problem(
                place,
                f"{name!r} is no output of step {step.id!r} ({step.runs}); {nearest(name, fields)}",
            )
    missing = [name for name in fields if name not in step.spec.default]
    if step.spec.on_error == "default" and missing:
        yield Problem(
            f"{step.place}.default",
            f"on_error is 'default', and there is none for the output {missing[0]!r}; "
            "give each output a value",
        )


def problems_of_handler(
    spec: PipelineSpec, steps: Sequence[PlacedStep], sources: Sources, after: After
) -> Iterator[Problem]:
    """What is wrong with the time of the whole run, and with what is run when it fails."""
    if spec.timeout is not None and not _is_time(spec.timeout):
        yield Problem("timeout", _no_time(spec.timeout))
    if spec.on_failure is None:
        return
    if FAILURE_PORT in spec.inputs:
        yield Problem(
            f"inputs.{FAILURE_PORT}",
            f"beside on_failure the name {FAILURE_PORT!r} is the report's; rename it",
        )
    handlers = {step.id for step in steps if step.handles_failure}
    for step in steps:
        for field, source in sources[step.id].items():
            place = step.input_place(input_port(step.id, field))
            if source.port == FAILURE_PORT and not step.handles_failure:
                yield Problem(place, f"only the step on_failure may take {FAILURE_PORT!r}")
            elif step.handles_failure and source.port and _is_of_step(source.port, steps):
                yield Problem(
                    place,
                    f"{source.port} may have no value when the run has failed; allowed are "
                    f"{FAILURE_PORT!r}, pipeline inputs and constants",
                )
        if not step.handles_failure and handlers.intersection(after[step.id]):
            yield Problem(step.place, "it takes an output of the step on_failure, which runs last")
    if spec.on_failure.on_error != "fail" or spec.on_failure.default:
        yield Problem("on_failure", "on_error and default have no meaning here; leave them out")


def with_fallback(source: Source | None, ports: Ports) -> Source | None:
    """A source with what stands for it where its step gave nothing."""
    if source is None or not source.port:
        return source
    fallback = ports.default_of(source.port)
    return attrs.evolve(source, fallback=fallback) if fallback != source.fallback else source


def bears(sources: Collection[Source], after: Sequence[str]) -> tuple[str, ...]:
    """The steps before a step that may end without outputs, all of whose ports have a fallback.

    Arguments:
        sources: what the step takes and what its condition reads.
        after: the steps before it.
    """
    needed = {port_step(source.port) for source in sources if not source.fallback}
    return tuple(step for step in after if step not in needed)


def _is_of_step(port: str, steps: Sequence[PlacedStep]) -> bool:
    return any(port.startswith(f"output_{step.id}_") for step in steps)


def _is_time(seconds: float) -> bool:
    return seconds > 0 and math.isfinite(seconds)


def _no_time(seconds: float) -> str:
    return f"{seconds} is not allowed; it must be more than 0 seconds"
