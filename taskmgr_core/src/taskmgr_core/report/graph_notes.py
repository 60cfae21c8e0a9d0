"""What a card of a graph says of when its step is run, and how often."""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping

from taskmgr_core.orchestrator import conditions
from taskmgr_core.orchestrator.repeating import own_port
from taskmgr_core.report.formats import counted, shortened, with_failed
from taskmgr_core.specs import GraphStep, RepeatSpec, Source, Step, port_field

_CONDITION_LENGTH = 60
_CONSTANT_LENGTH = 24


def notes_of(step: GraphStep, state: Step | None) -> Iterator[str]:
    """A line for each thing there is to say; none for a step that is run once, in any case.

    Arguments:
        step: the step, whose ports are named as the run has them.
        state: of it in a run.
    """
    if step.handles_failure:
        yield "handles failures of the run"
    yield from _conditions(step)
    if step.map:
        yield f"map over {step.map}"
        # A line of its own: behind the name of a long port there is no room for it.
        if state is not None and state.elements is not None:
            yield with_failed(state.elements, "element", state.failed.count)
    if step.repeat is not None:
        yield from _repeated(step, step.repeat)


def _conditions(step: GraphStep) -> Iterator[str]:
    names = {name: _called(name, source) for name, source in step.reads.items()}
    for part in conditions.parts_of(step.when) if step.when else ():
        branch = conditions.branch_of(part)
        if branch is None:
            yield f"when {_told(part, names)}"
        else:
            case = "otherwise" if branch.otherwise else ", ".join(branch.texts)
            yield f"switch on {_told(branch.on, names)}: {shortened(case, _CONSTANT_LENGTH)}"


def _repeated(step: GraphStep, repeat: RepeatSpec) -> Iterator[str]:
    # Inside a pipeline the condition says the ports as they are called there.
    names = {name: own_port(step.id, name) for name in conditions.names_in(repeat.until)}
    yield f"repeat until {_told(repeat.until, names)}"
    fed = [
        f"{port_field(step.id, source)} to {port_field(step.id, target)}"
        for target, source in repeat.feed.items()
    ]
    feed = f", feed {shortened(', '.join(fed), _CONDITION_LENGTH)}" if fed else ""
    yield f"at most {counted(repeat.max, 'time')}{feed}"


def _called(name: str, source: Source) -> str:
    """A name in a condition as the run calls what it stands for."""
    if source.port or source == Source():
        return source.port or name
    return shortened(json.dumps(source.constant, ensure_ascii=False), _CONSTANT_LENGTH)


def _told(expression: str, names: Mapping[str, str]) -> str:
    return shortened(conditions.renamed(expression, names), _CONDITION_LENGTH)
