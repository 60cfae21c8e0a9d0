"""A task that yields: its items are drawn page by page, and passed on while it goes on.

The runner goes no further than it is asked, so whoever does not ask holds the task up. That
is done while too many items wait for the steps that take them. The slot of a task that is held
up is of no use to it: meanwhile it runs what waits, or a worker of one slot would wait for ever.
"""

from __future__ import annotations

import contextlib
import time
from collections.abc import Callable, Collection, Mapping
from pathlib import Path
from typing import Any

import attrs

from taskmgr_core.errors import RunnerError
from taskmgr_core.orchestrator.compatibility import type_name
from taskmgr_core.orchestrator.validation import Validator
from taskmgr_core.output import OutputLines
from taskmgr_core.runners import Limits, Runner
from taskmgr_core.specs import Claim, Edge, FieldSpec, FieldValue, ReadyStep, element_port
from taskmgr_core.specs import output_port as port_of
from taskmgr_core.stores.artifacts import ArtifactStore
from taskmgr_core.stores.metadata import Fed, MetadataStore
from taskmgr_core.values import fetched, is_written_aside, put_aside, recorded, take_files

LOOK_SECONDS = 0.05
MAXIMUM_LOOK_SECONDS = 0.5


def _nobody(run_id: str, steps: Collection[ReadyStep]) -> None:
    """Tell nobody."""


@attrs.frozen
class Neighbours:
    """What the worker around an attempt does for it.

    Attributes:
        announce: says that steps have become ready.
        help: runs one step of a run and of some tasks, if one is due; whether there was one.
    """

    announce: Callable[[str, Collection[ReadyStep]], object] = _nobody
    help: Callable[[str, Collection[str]], bool] = lambda _run, _tasks: False


ALONE = Neighbours()


@attrs.define
class Yielded:
    """What a task yields, on its way to the steps that take it.

    Attributes:
        claim: of its step.
        field: its only output, a list.
        artifacts: where files are stored.
        metadata: where items are recorded.
        validator: checks them.
        inline_bytes: larger ones are put aside as files.
        neighbours: the worker's.
        cancelled: asked while it is held up; true ends that.
    """

    claim: Claim
    field: FieldSpec
    artifacts: ArtifactStore
    metadata: MetadataStore
    validator: Validator
    inline_bytes: int
    neighbours: Neighbours
    cancelled: Callable[[], bool]
    documents: list[Any] = attrs.field(factory=list, init=False)

    @property
    def port(self) -> str:
        """The port of the list."""
        return port_of(self.claim.graph_step.id, self.field.name)

    @property
    def edges(self) -> tuple[Edge, ...]:
        """From the list to each item that was passed on."""
        if not self.claim.graph_step.feeds:
            return ()
        count = len(self.documents)
        return tuple(Edge(self.port, element_port(self.port, index)) for index in range(count))

    def take(self, items: list[Any], folder: Path, known: Collection[str]) -> None:
        """Store some items and pass them on; wait while those that take them are behind.

        Arguments:
            items: their JSON, files in the folder.
            folder: the runner's working folder; the files that are stored go.
            known: the digests that the items may refer to by themselves.

        Raises:
            RunnerError: an item does not fit, differs from that of an earlier attempt, or
                nobody takes items any more.
        """
        written = take_files(items, folder, self.artifacts, known)
        aside = [is_written_aside(each) for each in items]
        _remove(items, folder)
        first = len(self.documents)
        self._check(written, aside, first)
        self.documents += written
        if not self.claim.graph_step.feeds or not written:
            return
        kind = type_name(self.field.schema.get("items", {}))
        producer = self.claim.graph_step.id
        values = [
            put_aside(
                recorded(element_port(self.port, index), document, kind, producer),
                self.inline_bytes,
                self.artifacts,
            )
            for index, document in enumerate(written, first)
        ]
        self._pass_on(first, values)

    def _check(self, items: list[Any], aside: list[bool], first: int) -> None:
        schema = self.field.schema.get("items", {})
        problems = [
            problem
            for index, document in enumerate(items)
            if not aside[index]
            for problem in self.validator.validate(
                document, schema, f"{self.field.name}[{first + index}]"
            )
        ]
        if problems:
            raise RunnerError(
                f"the task {self.claim.graph_step.task} yielded what its schema does not allow: "
                + "; ".join(str(each) for each in problems[:10]),
                "invalid-output",
                retryable=False,
            )

    def _pass_on(self, first: int, values: list[FieldValue]) -> None:
        run_id, feeds = self.claim.step.run, self.claim.graph_step.feeds
        fed = self._extended(first, values)
        if fed.ready:
            self.neighbours.announce(run_id, fed.ready)
        pause = LOOK_SECONDS
        while fed.full:
            if self.cancelled():
                raise Limits.ended()
            if self.neighbours.help(run_id, [each.task for each in feeds]):
                pause = LOOK_SECONDS
            else:
                time.sleep(pause)
                pause = min(2 * pause, MAXIMUM_LOOK_SECONDS)
            fed = self._extended(first, [])

    def _extended(self, first: int, values: list[FieldValue]) -> Fed:
        fed = self.metadata.extend(self.claim, first, values, time.time())
        if fed.differs is not None:
            raise RunnerError(
                f"item {fed.differs} of {self.port} is another than in an earlier attempt, and "
                "steps have taken that already; a task that yields must yield the same each time, "
                "or have no steps mapped over it",
                "broken-stream",
                retryable=False,
            )
        if not fed.recorded or not fed.wanted:
            raise RunnerError("nobody takes what it yields any more", "cancelled", retryable=False)
        return fed


def whole_list(yielded: Yielded, inline_bytes: int) -> FieldValue:
    """The list of all items, as later steps take it.

    Of items that were passed on each is recorded by itself, with its files. So where nobody
    takes the list it is a file that has them inside without naming them once more.
    """
    artifacts, step = yielded.artifacts, yielded.claim.graph_step
    found = [fetched(each, artifacts) for each in yielded.documents]
    value = recorded(yielded.port, found, type_name(yielded.field.schema), step.id)
    if not step.whole and value.size > inline_bytes:
        value = attrs.evolve(value, artifacts=())
    return put_aside(value, inline_bytes, artifacts)


def drawn(
    runner: Runner,
    frame: Mapping[str, Any],
    limits: Limits,
    output: OutputLines,
    take: Callable[[list[Any]], None],
) -> dict[str, float]:
    """Draw all that a task yields.

    Arguments:
        runner: where it is loaded.
        frame: what it is asked.
        limits: what it may take; the time in which it is held up does not count.
        output: takes what is written meanwhile.
        take: gets the items, a page at a time.

    Returns:
        The seconds that the task took.

    Raises:
        RunnerError: it failed, or took too long; or ``take`` raised.
    """
    left = limits.timeout
    asked = {**frame, "kind": "stream"}
    while True:
        started = time.monotonic()
        try:
            answer = runner.request(
                asked, limits=attrs.evolve(limits, timeout=max(left, 0.0)), output=output
            )
        except RunnerError as error:
            raise (limits.exceeded() if error.code == "timeout" else error) from None
        left -= time.monotonic() - started
        try:
            take(answer["items"])
        except BaseException:
            runner.close()  # it stands in the middle of its work
            raise
        if answer["ended"]:
            return dict(answer["seconds"])
        asked = {"kind": "more"}


def _remove(items: Any, folder: Path) -> None:
    """Remove the files that items have written, which are stored."""
    if isinstance(items, Mapping):
        if "$file" in items:
            with contextlib.suppress(OSError):
                (folder / Path(str(items["$file"])).name).unlink()
        else:
            _remove(list(items.values()), folder)
    elif isinstance(items, list):
        for each in items:
            _remove(each, folder)
