"""The metadata store: what every implementation promises.

One contract suite runs over all implementations. Every method is one
operation: it is carried out as a whole or not at all, and what it has returned
from is durable where it says so.

A record that cannot be read raises ``DamagedRecordError`` when it is asked for; it
is left out of lists of tasks, pipelines, workers and uses with a warning, and holds
up no other (see ``stores.records``).
"""

from __future__ import annotations

from collections.abc import Callable, Collection, Iterator, Mapping, Sequence
from typing import Literal, Protocol

import attrs

from taskmgr_core.errors import DamagedRecordError
from taskmgr_core.orchestrator.engine import Decide
from taskmgr_core.specs import (
    Claim,
    Edge,
    Element,
    FailedElements,
    FieldValue,
    Hold,
    LogLine,
    Orders,
    Outcome,
    Overview,
    ReadyStep,
    Run,
    RunStatus,
    RunSummary,
    Step,
    StepTimes,
    Waiting,
    Worker,
)
from taskmgr_core.specs.resources import NO_RESOURCES
from taskmgr_core.stores.accounts import AccountStore
from taskmgr_core.stores.cache import CacheStore
from taskmgr_core.stores.catalog import CatalogStore
from taskmgr_core.stores.counters import CounterStore
from taskmgr_core.stores.creating import RunCreator
from taskmgr_core.stores.limits import LimitStore
from taskmgr_core.stores.progress import Covers, Progress, Taking, every
from taskmgr_core.stores.requests import RequestStore
from taskmgr_core.stores.schedules import ScheduleStore
from taskmgr_core.stores.searching import LOOKED, Found

# Seconds that a step may be ready and unclaimed before somebody looks whether it was forgotten.
UNCLAIMED_SECONDS = 5.0
# What is counted for a screen is counted up to here.
COUNTED = 10_000
# Of a step that is run for what another one yields while that still does: it says what failed it.
GATHERING = ("ready", "running")


def first_look(now: float, not_before: float = 0.0) -> float:
    """When to look after a step that became ready: once it is due, or soon after it was told.

    Arguments:
        now: UTC seconds at which it became ready.
        not_before: UTC seconds before which it is not due.
    """
    return not_before if not_before > now else now + UNCLAIMED_SECONDS


def deadline_of(run: Run) -> float | None:
    """The UTC seconds at which the time of a run is over; None for never."""
    return None if run.graph.timeout is None else run.created_at + run.graph.timeout


@attrs.frozen
class Fed:
    """How far the steps are that are run for what a step yields.

    Attributes:
        recorded: False when the claim was no longer held and nothing was recorded.
        wanted: whether any of them still takes items, or is about to say why not.
        full: whether to wait: for that, or since as many items wait for one of them as may.
        ready: the elements that have become ready.
        differs: the index of an item that was recorded before with another value.
    """

    recorded: bool
    wanted: bool = False
    full: bool = False
    ready: tuple[ReadyStep, ...] = ()
    differs: int | None = None


@attrs.frozen
class RunFilter:
    """Which runs to list, newest first.

    Attributes:
        status: only these statuses; None for all.
        name: only runs of this pipeline or task.
        before: only runs with smaller ids: the last id of the page before.
        limit: how many at most.
    """

    status: RunStatus | None = None
    name: str | None = None
    before: str | None = None
    limit: int = 50


# How something with a digest stands in a run. A file is a file, alone or inside a larger
# value; a value is any other JSON. It is given where it is an input of the run, or a
# constant or default of a step; it is made where it is an output of a step.
Role = Literal["given file", "made file", "given value", "made value"]


def roles_of(value: FieldValue) -> dict[str, Role]:
    """Each digest that a recorded value has, or has inside, and its role there.

    A value that repeats another port's (``source``) has none: the other has it.
    """
    if value.source:
        return {}
    whole: Role = "made value" if value.producer else "given value"
    inside: Role = "made file" if value.producer else "given file"
    return {value.digest: whole, **dict.fromkeys(value.artifacts, inside)}


class MetadataStore(CatalogStore, RunCreator, Protocol):
    """Tasks, pipelines, runs, steps, values, edges, workers and logs."""

    @property
    def schedules(self) -> ScheduleStore:
        """Schedules, and what they have fired."""

    @property
    def counters(self) -> CounterStore:
        """What processes have counted."""

    @property
    def requests(self) -> RequestStore:
        """Requests that must not be answered twice."""

    @property
    def accounts(self) -> AccountStore:
        """Tokens, workspaces and the audit log; those of the platform are in its default store."""

    @property
    def cache(self) -> CacheStore:
        """What steps have made of their inputs, to be taken again."""

    @property
    def limits(self) -> LimitStore:
        """How many steps run at once and begin in a time."""

    def initialize(self) -> None:
        """Create what is not there yet: tables, indexes. Safe to call again."""

    def server_version(self) -> str:
        """The version of what keeps the records, asked of it.

        Raises:
            StoreError: it does not answer.
        """

    def close(self) -> None:
        """Release connections; nothing recorded is lost."""

    def faults(self) -> list[str]:
        """What is wrong with the store, and what to do; nothing when it is as it should be."""

    def damaged(self) -> Iterator[DamagedRecordError]:
        """Every record that cannot be read; it reads them all, a page in memory at a time."""

    # runs

    def run(self, run_id: str) -> Run:
        """A run, by its id, an unambiguous beginning of it, or its last eight characters.

        Raises:
            NotFoundError: no such run, or several.
            DamagedRecordError: its graph cannot be read.
        """

    def summary(self, run_id: str) -> RunSummary:
        """A run without its graph, named as for ``run``: all that most of what is done needs.

        Raises:
            NotFoundError: no such run, or several.
        """

    def runs(self, wanted: RunFilter) -> list[RunSummary]:
        """Runs, newest first."""

    def runs_with_input(self, wanted: RunFilter, text: str, looked: int = LOOKED) -> Found:
        """Runs with a text in an input, which is JSON; letters of ASCII in either case.

        What is too large to be recorded in its value (see ``inline_bytes``) is not looked at;
        of a file its name, kind and digest are.

        Arguments:
            wanted: which runs are looked at, and how many are given at most.
            text: as it is written in a text, a number or a file's name.
            looked: how many runs are looked at, at most: what it costs grows with them alone.
        """

    def steps(self, run_id: str) -> list[Step]:
        """The steps of a run, in the graph's order."""

    def request_cancel(self, run_id: str, decide: Decide, now: float) -> Progress:
        """Record that a run is to be cancelled, and what follows. Durable."""

    # claims

    def claim(
        self,
        worker: str,
        queues: Collection[str],
        now: float,
        runs: Collection[str] | None = None,
        tasks: Collection[str] = (),
        free: Mapping[str, int] = NO_RESOURCES,
        covers: Covers = every,
    ) -> Claim | None:
        """Claim the next step that is due: highest priority, then longest ready.

        Arguments:
            worker: the worker's id.
            queues: the queues it serves; empty for all.
            now: UTC seconds.
            runs: only steps of these runs; None for all.
            tasks: only steps of these tasks; empty for all.
            free: the units of resources that it has free; a step that needs others is
                left out, and holds up none.
            covers: asked of a task and its version before a step of it is claimed; where it
                says no, the next step is looked for.

        Returns:
            The claim, or None when nothing is due. No two workers get the same attempt.
        """

    def claim_step(
        self,
        run_id: str,
        step_id: str,
        worker: str,
        now: float,
        *,
        again: bool = False,
        needs: Mapping[str, int] = NO_RESOURCES,
    ) -> Claim | None:
        """Claim one step that somebody was told of.

        Arguments:
            run_id: the run's full id.
            step_id: the step's.
            worker: the claiming worker's id.
            now: UTC seconds.
            again: whether the answer to the same claim may have been lost; then an
                attempt that the worker holds already is given, too.
            needs: the resources that the worker holds for it, exactly those of the step.

        Returns:
            The claim; None when it is not due, not ready any more, or needs others.
        """

    def take_unclaimed(
        self, now: float, next_look: Callable[[ReadyStep], float], limit: int = 100
    ) -> list[ReadyStep]:
        """Steps that are due and that nobody has claimed for a while, to be announced again.

        Their messages may have been lost, or were never sent; a retry whose delay is
        over is among them at once. Each is told to one caller.

        Arguments:
            now: UTC seconds.
            next_look: says of each when (UTC seconds) it is to be told again if it is
                still not claimed.
            limit: how many at most.
        """

    def finish(
        self, claim: Claim, outcome: Outcome, decide: Decide, now: float,
        taking: Taking | None = None,
    ) -> Progress:  # fmt: skip
        """Record what came of an attempt, if the claim is still held. Durable.

        The values, the edges, the step's status and everything that ``decide``
        says follows from it are recorded together; what others may take of it, too. Where a
        store can take the next step together with it, it does (``taking``).
        """

    def extend(self, claim: Claim, first: int, items: Sequence[FieldValue], now: float) -> Fed:
        """Record what a running step yields, for those that it feeds, if its claim is still held.

        Items that are there already, from an attempt that was lost, stay as they are. Not
        durable: what a power cut takes is yielded again.

        Arguments:
            claim: of the step; its ``feeds`` become ``mapping`` with the first item.
            first: the index of the first item.
            items: the values, on ports such as ``output_001_result[3]``; none to look how far
                those are that take them.
            now: UTC seconds.
        """

    def next_due(self, queues: Collection[str], now: float) -> float | None:
        """Seconds until a delayed step is due; None when there is none."""

    def release_lost(
        self, silent: Mapping[str, float], attempts: int, decide: Decide, now: float
    ) -> list[Step]:
        """Make the steps of silent workers ready again.

        Arguments:
            silent: the lost workers, each with the beat that it stopped at (0 for one
                that has none); one that has beaten since is left alone.
            attempts: a step lost with that many workers fails, quarantined.
            decide: the engine.
            now: UTC seconds.

        Returns:
            The steps that were released, as they were.
        """

    def holders(self) -> list[str]:
        """The workers that hold steps, whether or not they have a beat."""

    def status(self, run_id: str) -> RunStatus:
        """A run's status, by its full id.

        Raises:
            NotFoundError: no such run.
        """

    def reconcile(self, run_id: str, decide: Decide, now: float) -> Progress:
        """Carry out what the engine says for the recorded state."""

    def expire(self, decide: Decide, now: float) -> dict[str, Progress]:
        """Stop the runs whose time is over, see ``Graph.timeout``: run -> what it led to."""

    def elements(self, run_id: str, step_id: str, first: int, limit: int) -> list[Element]:
        """What came of a step for the elements of a list from one on, in their order."""

    def failed_elements(self, run_id: str, step_id: str, limit: int) -> FailedElements:
        """How many elements or iterations of a step failed, from an index, and the first of them.

        Arguments:
            run_id: the run's full id.
            step_id: the step's.
            limit: how many are told one by one at most.
        """

    # lineage

    def values(self, run_id: str, ports: Collection[str] | None = None) -> list[FieldValue]:
        """The recorded values of a run (of these ports, when given)."""

    def edges(self, run_id: str) -> list[Edge]:
        """The lineage edges of a run."""

    def digest(self, beginning: str) -> str:
        """The digest of a recorded value or file that begins so.

        Arguments:
            beginning: ``sha256:`` and some hexadecimal digits.

        Raises:
            NotFoundError: there is none, or there are several.
        """

    def next_runs(
        self,
        digests: Collection[str],
        roles: Collection[Role],
        beyond: str | None,
        *,
        older: bool,
    ) -> dict[str, str]:
        """For each digest the next run in which it has one of the roles (see ``roles_of``).

        Costs the same however many runs there are.

        Arguments:
            digests: of values and files.
            roles: any of them will do.
            beyond: the id of a run, which itself does not count; None to begin with
                the first, or with the last.
            older: whether the next is the newest that is older, by its id; else the
                oldest that is newer.

        Returns:
            Digest -> the run's id, without those for which there is none.
        """

    def runs_using(
        self,
        versions: Collection[tuple[str, str]],
        beyond: str | None,
        *,
        older: bool,
        limit: int,
    ) -> list[str]:
        """The runs with a step of one of some versions of tasks; from an index.

        Arguments:
            versions: task and version.
            beyond: the id of a run, which itself does not count; None to begin with the
                last, or with the first.
            older: whether to list those that are older, the newest first; else those
                that are newer, the oldest first.
            limit: how many at most.
        """

    def mentioned(self) -> Iterator[str]:
        """Every digest that a record mentions, damaged or not, some more than once.

        It reads all but the logs.
        """

    # workers

    def beat(self, worker: Worker) -> Orders:
        """Record that a worker lives: one write.

        Returns:
            What it is told to do.
        """

    def order(self, worker_id: str, orders: Orders) -> bool:
        """Tell a worker what to do; whether it is known.

        What is left empty stays as it was, and a worker that is to leave now is not told
        any more to take its time.
        """

    def orders(self, worker_id: str) -> Orders:
        """What a worker is told to do; nothing for one that is not known."""

    def remove_worker(self, worker_id: str) -> None:
        """Record that a worker has stopped."""

    def workers(self) -> list[Worker]:
        """Every worker that has not said that it stopped."""

    def holds(self, worker_id: str) -> list[Hold]:
        """The steps that this worker holds; what it runs besides was taken from it."""

    # load

    def overview(self, since: float) -> Overview:
        """How much is to do and was done lately. Each count ends at ``COUNTED``.

        Arguments:
            since: UTC seconds from which on ended runs count.
        """

    def waiting(self, now: float) -> tuple[Waiting, ...]:
        """What waits, by queue and needs, ordered by them; up to ``COUNTED`` steps.

        Arguments:
            now: UTC seconds.
        """

    def latest_times(self, runs: int, known: Collection[str] = ()) -> list[StepTimes]:
        """The times of the steps of the newest runs, the newest run first.

        A step for each element of a list is one step: its elements are not told of.

        Arguments:
            runs: how many runs at most; what it costs grows with them, not with the history.
            known: of these runs nothing is told; they count among the newest all the same.
        """

    # logs

    def append_log(self, lines: Sequence[LogLine]) -> None:
        """Record lines; their ``number`` is given by the store."""

    def log(self, run_id: str, after: int = 0, limit: int = 1000) -> list[LogLine]:
        """Lines of a run with greater numbers, in order."""
