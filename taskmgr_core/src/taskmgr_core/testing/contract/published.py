"""The contract with those who use the version that is published: what would break whom."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence

from taskmgr_core.errors import NotFoundError
from taskmgr_core.orchestrator.changes import Change, changes
from taskmgr_core.orchestrator.routing import rank, series
from taskmgr_core.specs import PipelineSpec, StepSpec, TaskVersion, input_port, output_port
from taskmgr_core.stores.metadata import MetadataStore
from taskmgr_core.testing.contract.broken import ContractBrokenError, NotClaimedError
from taskmgr_core.testing.contract.names import FITS
from taskmgr_core.testing.contract.stand import Stand

_SHOWN_RUNS = 5


def fits(stand: Stand) -> None:
    """The task fits those who use its last published version, unless its number says otherwise.

    Raises:
        ContractBrokenError: it does not; with the pipelines and runs that use the field.
        NotClaimedError: none is published.
    """
    settings, metadata = stand.stage.platform.settings, stand.stage.platform.metadata
    mine = stand.stage.installed().release.version
    before = _before(metadata, stand.task, mine)
    if before is None:
        raise NotClaimedError(f"no earlier version is published in {settings.home}")
    if series(before.version) != series(mine):
        return
    found = [each for each in changes(before.task, stand.spec) if each.breaking]
    if not found:
        return
    told = [f"{each.place} {each.kind}: {each.text}" for each in found]
    told += users(metadata.pipelines(), stand.task, found)
    if runs := _runs(metadata, before):
        told.append(f"runs used {before.name} {before.version}: {runs}")
    raise ContractBrokenError(
        FITS,
        seen=f"{mine} does not fit who uses the published {before.version}:\n" + "\n".join(told),
        allowed="an input may take more than before and an output give what it gave, until the "
        "version says otherwise",
        change="take the change back, give a new input a default, or raise the "
        f"{'second' if series(mine) and mine.startswith('0.') else 'first'} number of the version "
        f"{mine} and change the pipelines",
    )


def users(pipelines: Iterable[PipelineSpec], task: str, found: Sequence[Change]) -> list[str]:
    """Who in which pipeline uses what has changed, a line for each.

    Arguments:
        pipelines: those that are published.
        task: the task's name.
        found: the changes of its inputs and outputs.
    """
    return [
        f"the pipeline {spec.pipeline} uses {each.place} in step {step.id}"
        for spec in pipelines
        for step in spec.steps
        if step.task == task
        for each in found
        if _uses(spec, step, each)
    ]


def _before(metadata: MetadataStore, task: str, mine: str) -> TaskVersion | None:
    """The highest published version that is not above this one."""
    try:
        known: Sequence[TaskVersion] = metadata.versions(task)
    except NotFoundError:
        return None
    earlier = [each for each in known if rank(each.version) <= rank(mine)]
    return max(earlier, key=lambda each: rank(each.version), default=None)


def _uses(spec: PipelineSpec, step: StepSpec, change: Change) -> bool:
    kind, _, field = change.place.partition(" ")
    if kind == "input":
        port = input_port(step.id, field)
        return port in step.inputs or change.kind == "added"
    port = output_port(step.id, field)
    return port in set(_sources(spec))


def _sources(spec: PipelineSpec) -> Iterator[str]:
    """Every port that something of a pipeline takes."""
    for step in spec.steps:
        yield from (each for each in step.inputs.values() if isinstance(each, str))
        yield from step.repeat.feed.values() if step.repeat else ()
    for result in spec.result.values():
        yield from [result] if isinstance(result, str) else result.ports.values()


def _runs(metadata: MetadataStore, before: TaskVersion) -> str:
    using = [(before.name, before.version)]
    found = metadata.runs_using(using, None, older=True, limit=_SHOWN_RUNS + 1)
    more = " and more" if len(found) > _SHOWN_RUNS else ""
    return ", ".join(found[:_SHOWN_RUNS]) + more
