"""Any graphs under any order of claims, outcomes, doubles and lost workers."""

from collections import Counter

import attrs
import pytest
import uuid_utils
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from implementations import METADATA_SERVERS
from samples import NOW, first_step, graph, graph_step, silent, success

from taskmgr_core.orchestrator.engine import decide
from taskmgr_core.specs import FINAL_STEP_STATUSES, Claim, Failure, GraphStep, Outcome, Run, Worker
from taskmgr_core.stores.metadata import MetadataStore

WORKERS = ("w0", "w1", "w2")
ACTIONS = ("claim", "claim", "finish", "finish", "retry", "repeat", "lose", "reconcile", "beat")
ENDINGS = ("fail", "cancel")
SILENCE = 5.0
NEVER = 1000

# One store serves all examples: each has a queue, workers and runs of its own.
CHECKS = [HealthCheck.function_scoped_fixture, HealthCheck.too_slow]
THOROUGH = settings(max_examples=2 * settings().max_examples, suppress_health_check=CHECKS)
# A server takes some milliseconds for each operation.
BRIEF = settings(max_examples=max(1, settings().max_examples // 4), suppress_health_check=CHECKS)

in_a_file = pytest.mark.parametrize("metadata_place", ["sqlite"], indirect=True)
on_a_server = pytest.mark.parametrize("metadata_place", METADATA_SERVERS, indirect=True)


Steps = tuple[GraphStep, ...]


@st.composite
def graphs(draw: st.DrawFn) -> Steps:
    """Any acyclic graph of up to six steps, of any priorities."""
    names = [f"{number:03}" for number in range(1, draw(st.integers(1, 6)) + 1)]
    return tuple(
        graph_step(
            name,
            sorted(draw(st.sets(st.sampled_from(names[:index])))) if index else (),
            priority=draw(st.integers(0, 9)),
        )
        for index, name in enumerate(names)
    )


Schedule = list[tuple[str, int]]


def schedules(*actions: str) -> st.SearchStrategy[Schedule]:
    """Any order of these actions, each with a choice of whom it concerns."""
    return st.lists(st.tuples(st.sampled_from(actions), st.integers(0, 5)), max_size=40)


@attrs.define
class Platform:
    """Workers on one store, what each of them holds, and what it was told was recorded."""

    metadata: MetadataStore
    lost_attempts: int = NEVER
    suffix: str = attrs.field(factory=lambda: str(uuid_utils.uuid7()))
    runs: list[Run] = attrs.field(factory=list)
    now: float = NOW
    held: list[Claim] = attrs.field(factory=list)
    past: list[tuple[Claim, Outcome]] = attrs.field(factory=list)
    claims: Counter[tuple[str, str, int]] = attrs.field(factory=Counter)
    succeeded: dict[tuple[str, str], int] = attrs.field(factory=dict)

    def submit(self, steps: tuple[GraphStep, ...]) -> None:
        """A new run, on a queue that no other example serves."""
        own = tuple(attrs.evolve(each, queue=self.suffix) for each in steps)
        run = Run(str(uuid_utils.uuid7()), "sample", "pipeline", graph(*own), "running", self.now)
        self.metadata.create_run(run, [first_step(run, each, self.now) for each in own], [])
        self.runs.append(run)

    def act(self, action: str, choice: int) -> None:
        """Let one thing happen."""
        self.now += 1.0
        getattr(self, action)(choice)

    def name(self, choice: int) -> str:
        """A worker's name, of this example only."""
        return f"{WORKERS[choice % len(WORKERS)]}-{self.suffix}"

    def beat(self, choice: int) -> None:
        """A worker says that it lives."""
        worker = Worker(self.name(choice), "host", 1, 1, (self.suffix,), NOW, self.now)
        self.metadata.beat(worker)

    def claim(self, choice: int) -> None:
        """A worker claims what is due; all that it takes from has succeeded."""
        self.beat(choice)
        claim = self.metadata.claim(self.name(choice), [self.suffix], self.now)
        if claim is None:
            return
        step = claim.step
        self.claims[step.run, step.id, step.attempt] += 1
        assert all((step.run, each) in self.succeeded for each in claim.graph_step.after)
        assert set(claim.values) == {f"output_{each}_said" for each in claim.graph_step.after}
        self.held.append(claim)

    def finish(self, choice: int) -> None:
        """A worker's attempt succeeds, whether it still holds it or not."""
        if self.held:
            claim = self.held.pop(choice % len(self.held))
            self.record(claim, success(claim, claim.step.attempt))

    def retry(self, choice: int) -> None:
        """A worker's attempt fails and is to be tried again a little later."""
        if self.held:
            claim = self.held.pop(choice % len(self.held))
            boom = Failure("task-error", "boom")
            self.record(claim, Outcome("ready", failure=boom, not_before=self.now + choice))

    def fail(self, choice: int) -> None:
        """A worker's attempt fails for good."""
        if self.held:
            claim = self.held.pop(choice % len(self.held))
            self.record(claim, Outcome("failed", failure=Failure("task-error", "boom")))

    def cancel(self, choice: int) -> None:
        """Somebody wants a run to be cancelled."""
        run = self.runs[choice % len(self.runs)]
        self.metadata.request_cancel(run.id, decide, self.now)

    def repeat(self, choice: int) -> None:
        """An outcome is recorded again, or an older one arrives late."""
        if self.past:
            claim, outcome = self.past[choice % len(self.past)]
            assert not self.metadata.finish(claim, outcome, decide, self.now).recorded

    def lose(self, choice: int) -> None:
        """Time passes, one worker beats on, the steps of all others are taken back."""
        self.now += SILENCE
        self.beat(choice)
        silent_since = self.now - SILENCE / 2
        self.metadata.release_lost(
            silent(self.metadata, silent_since), self.lost_attempts, decide, self.now
        )

    def reconcile(self, choice: int) -> None:
        """Somebody asks what there is to do."""
        self.metadata.reconcile(self.runs[choice % len(self.runs)].id, decide, self.now)

    def record(self, claim: Claim, outcome: Outcome) -> None:
        """Record an outcome; only the holder of the last attempt may."""
        progress = self.metadata.finish(claim, outcome, decide, self.now)
        self.past.append((claim, outcome))
        key = (claim.step.run, claim.step.id)
        if progress.recorded and outcome.status == "succeeded":
            assert key not in self.succeeded, f"{key} succeeded twice"
            self.succeeded[key] = claim.step.attempt

    def drain(self) -> None:
        """Every worker goes on until there is nothing to do."""
        for _ in range(100):
            if all(self.metadata.run(run.id).status != "running" for run in self.runs):
                return
            self.now += SILENCE
            for choice in range(len(WORKERS)):
                self.act("claim", choice)
            while self.held:
                self.finish(0)
            silent_since = self.now - SILENCE
            self.metadata.release_lost(
                silent(self.metadata, silent_since), self.lost_attempts, decide, self.now
            )
        raise AssertionError("a run does not end")


def run_all(platform: Platform, steps: list[tuple[GraphStep, ...]], schedule: Schedule) -> None:
    """Submit runs, let everything of the schedule happen, then work until they end."""
    for each in steps:
        platform.submit(each)
    for action, choice in schedule:
        platform.act(action, choice)
    platform.drain()
    assert set(platform.claims.values()) <= {1}, "an attempt was given out twice"


def each_step_is_recorded_once(
    metadata: MetadataStore, first: Steps, second: Steps, schedule: Schedule
) -> None:
    """What both tests of that name claim."""
    platform = Platform(metadata)
    run_all(platform, [first, second], schedule)
    for run in platform.runs:
        assert metadata.run(run.id).status == "succeeded"
        recorded = metadata.steps(run.id)
        assert {each.status for each in recorded} == {"succeeded"}
        assert {(each.run, each.id): each.attempt for each in recorded} == {
            key: attempt for key, attempt in platform.succeeded.items() if key[0] == run.id
        }
        values = metadata.values(run.id)
        assert len({each.port for each in values}) == len(values)
        assert {each.producer: each.document for each in values if not each.source} == {
            each.id: each.attempt for each in recorded
        }
        edges = metadata.edges(run.id)
        assert len(set(edges)) == len(edges) == 2 * sum(len(each.after) for each in run.graph.steps)


def each_run_ends(metadata: MetadataStore, first: Steps, second: Steps, schedule: Schedule) -> None:
    """What both tests of that name claim."""
    platform = Platform(metadata, lost_attempts=2)
    run_all(platform, [first, second], schedule)
    for run in platform.runs:
        ended, recorded = metadata.run(run.id), metadata.steps(run.id)
        statuses = {each.status for each in recorded}
        assert statuses <= FINAL_STEP_STATUSES
        assert ended.finished_at is not None
        assert (ended.status == "succeeded") == (statuses == {"succeeded"})
        assert (ended.status == "failed") == (ended.failure is not None)
        assert ended.status != "failed" or "failed" in statuses
        assert {each.id for each in recorded if each.status == "succeeded"} == {
            step for run_id, step in platform.succeeded if run_id == run.id
        }
        assert metadata.reconcile(run.id, decide, platform.now).run_status == ended.status
        assert (metadata.run(run.id), metadata.steps(run.id)) == (ended, recorded)


@in_a_file
@THOROUGH
@given(first=graphs(), second=graphs(), schedule=schedules(*ACTIONS))
def test_every_run_ends_and_records_each_step_once(
    metadata: MetadataStore, first: Steps, second: Steps, schedule: Schedule
) -> None:
    """Whatever is lost, doubled or late: each step succeeds once, its values are the winner's."""
    each_step_is_recorded_once(metadata, first, second, schedule)


@in_a_file
@THOROUGH
@given(first=graphs(), second=graphs(), schedule=schedules(*ACTIONS, *ENDINGS))
def test_every_run_ends_whatever_fails(
    metadata: MetadataStore, first: Steps, second: Steps, schedule: Schedule
) -> None:
    """With failures, cancelling and quarantine, too, each run ends as its steps did, for good."""
    each_run_ends(metadata, first, second, schedule)


@on_a_server
@BRIEF
@given(first=graphs(), second=graphs(), schedule=schedules(*ACTIONS))
def test_every_run_ends_and_records_each_step_once_on_a_server(
    metadata: MetadataStore, first: Steps, second: Steps, schedule: Schedule
) -> None:
    """Whatever is lost, doubled or late: each step succeeds once, its values are the winner's."""
    each_step_is_recorded_once(metadata, first, second, schedule)


@on_a_server
@BRIEF
@given(first=graphs(), second=graphs(), schedule=schedules(*ACTIONS, *ENDINGS))
def test_every_run_ends_whatever_fails_on_a_server(
    metadata: MetadataStore, first: Steps, second: Steps, schedule: Schedule
) -> None:
    """With failures, cancelling and quarantine, too, each run ends as its steps did, for good."""
    each_run_ends(metadata, first, second, schedule)
