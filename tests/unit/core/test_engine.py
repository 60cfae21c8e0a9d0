"""The engine under any graph and any order, loss and repetition of what happens."""

from collections import Counter
from collections.abc import Mapping

import attrs
from hypothesis import given
from hypothesis import strategies as st

from taskmgr_core.orchestrator.engine import Command, EndRun, MoveStep, RunState, apply, decide
from taskmgr_core.specs import FINAL_RUN_STATUSES, FINAL_STEP_STATUSES, StepStatus

After = Mapping[str, tuple[str, ...]]


@st.composite
def graphs(draw: st.DrawFn) -> After:
    """Any acyclic graph of up to 8 steps."""
    names = [f"{number:03}" for number in range(draw(st.integers(0, 8)))]
    return {
        name: tuple(draw(st.sets(st.sampled_from(names[:index])))) if index else ()
        for index, name in enumerate(names)
    }


@attrs.define
class Platform:
    """What stores and workers do around the engine: claims, crashes, late and lost messages."""

    after: After
    failing: frozenset[str] = frozenset()
    state: RunState = attrs.field(init=False)
    attempts: Counter[str] = attrs.field(factory=Counter)
    claims: list[tuple[str, int, str]] = attrs.field(factory=list)
    values: dict[str, str] = attrs.field(factory=dict)
    recorded: Counter[str] = attrs.field(factory=Counter)
    undelivered: list[Command] = attrs.field(factory=list)

    def __attrs_post_init__(self) -> None:
        self.state = RunState(after=self.after, steps=dict.fromkeys(self.after, "pending"))

    def act(self, action: str, choice: int) -> None:
        """Let one thing happen, if it can."""
        before = self.state
        getattr(self, action)(choice)
        assert_final_stays(before, self.state)

    def decide(self, _: int) -> None:
        """A decision is taken; what follows from it may come late, twice or never."""
        self.undelivered += decide(self.state)

    def deliver(self, choice: int) -> None:
        """One of the commands is carried out; it may come again."""
        if self.undelivered:
            self.state = apply(self.state, self.undelivered[choice % len(self.undelivered)])

    def settle(self, _: int) -> None:
        """A decision is taken and carried out at once."""
        for command in decide(self.state):
            self.state = apply(self.state, command)

    def claim(self, choice: int) -> None:
        """A worker takes a ready step; its inputs must be there."""
        ready = self.having("ready")
        if ready:
            step = ready[choice % len(ready)]
            assert all(self.state.steps[each] == "succeeded" for each in self.after[step])
            inputs = ",".join(self.values[each] for each in sorted(self.after[step]))
            self.attempts[step] += 1
            self.claims.append((step, self.attempts[step], f"{step}({inputs})"))
            self.state = apply(self.state, MoveStep(step, "ready", "running"))

    def finish(self, choice: int) -> None:
        """A worker reports; perhaps it did already, perhaps it was given up long ago."""
        if not self.claims:
            return
        step, attempt, value = self.claims[choice % len(self.claims)]
        if self.state.steps[step] != "running" or self.attempts[step] != attempt:
            return
        self.recorded[step] += 1
        if step not in self.failing:
            self.values[step] = value
        outcome: StepStatus = "failed" if step in self.failing else "succeeded"
        self.state = apply(self.state, MoveStep(step, "running", outcome))

    def crash(self, choice: int) -> None:
        """A worker is lost; its step is ready again."""
        running = self.having("running")
        if running:
            lost = running[choice % len(running)]
            self.state = apply(self.state, MoveStep(lost, "running", "ready"))

    def cancel(self, _: int) -> None:
        """Somebody asks to cancel the run."""
        self.state = attrs.evolve(self.state, cancel_requested=True)

    def having(self, status: str) -> list[str]:
        """The steps with a status."""
        return [step for step, each in self.state.steps.items() if each == status]

    def run_to_the_end(self) -> None:
        """From here on everything works: the run must end."""
        for _ in range(3 * len(self.after) + 3):
            for action in ("settle", "claim"):
                self.act(action, 0)
            for number in range(len(self.claims)):
                self.act("finish", number)
        assert self.state.status in FINAL_RUN_STATUSES
        assert set(self.state.steps.values()) <= FINAL_STEP_STATUSES
        assert decide(self.state) == ()


def assert_final_stays(before: RunState, after: RunState) -> None:
    """A terminal state is final."""
    if before.status in FINAL_RUN_STATUSES:
        assert after.status == before.status
    for step, status in before.steps.items():
        if status in FINAL_STEP_STATUSES:
            assert after.steps[step] == status


def events(*actions: str) -> st.SearchStrategy[list[tuple[str, int]]]:
    """What happens, in any order."""
    return st.lists(st.tuples(st.sampled_from(actions), st.integers(0, 100)), max_size=60)


ANYTHING = events("decide", "deliver", "settle", "claim", "claim", "finish", "finish", "crash")


@given(graphs(), ANYTHING)
def test_run_without_failure_has_one_result(after: After, happening: list[tuple[str, int]]) -> None:
    """Whatever the order, losses and crashes: every step succeeds, recorded once, same values."""
    platform = Platform(after)
    for action, choice in happening:
        platform.act(action, choice)
    platform.run_to_the_end()
    expected: dict[str, str] = {}
    for step, earlier in after.items():
        expected[step] = f"{step}({','.join(expected[each] for each in sorted(earlier))})"
    assert platform.state.status == "succeeded"
    assert platform.values == expected
    assert platform.recorded == Counter(list(after))


@given(graphs(), ANYTHING, st.data())
def test_run_with_failing_steps_fails(
    after: After, happening: list[tuple[str, int]], data: st.DataObject
) -> None:
    """A run with a step that fails ends as failed, and nothing behind that step has run."""
    failing = (
        frozenset(data.draw(st.sets(st.sampled_from(sorted(after))))) if after else frozenset()
    )
    platform = Platform(after, failing=failing)
    for action, choice in happening:
        platform.act(action, choice)
    platform.run_to_the_end()
    assert platform.state.status == ("failed" if failing else "succeeded")
    assert max(platform.recorded.values(), default=1) == 1
    for step, earlier in after.items():
        if any(platform.state.steps[each] != "succeeded" for each in earlier):
            assert platform.attempts[step] == 0
            assert platform.state.steps[step] == "skipped"


@given(graphs(), events("decide", "deliver", "settle", "claim", "finish", "crash", "cancel"))
def test_run_with_cancellation_ends(after: After, happening: list[tuple[str, int]]) -> None:
    """A run that may be cancelled at any moment ends, cancelled unless it was done before."""
    platform = Platform(after)
    for action, choice in happening:
        platform.act(action, choice)
    platform.run_to_the_end()
    done = all(status == "succeeded" for status in platform.state.steps.values())
    if not done:
        assert platform.state.cancel_requested
        assert platform.state.status == "cancelled"


@given(graphs(), events("settle", "claim", "finish", "crash", "cancel"), st.data())
def test_decision_carried_out_at_once_starts_nothing_in_a_stopped_run(
    after: After, happening: list[tuple[str, int]], data: st.DataObject
) -> None:
    """Once a step has failed or a cancel is recorded, no further step begins."""
    failing = (
        frozenset(data.draw(st.sets(st.sampled_from(sorted(after))))) if after else frozenset()
    )
    platform = Platform(after, failing=failing)
    for action, choice in happening:
        platform.act("settle", 0)
        stopped = platform.state.cancel_requested or bool(platform.having("failed"))
        started = platform.attempts.total()
        platform.act(action, choice)
        assert not stopped or platform.attempts.total() == started


@given(graphs(), ANYTHING)
def test_decision_is_the_same_twice(after: After, happening: list[tuple[str, int]]) -> None:
    """What was decided and carried out is not decided again, and does nothing a second time."""
    platform = Platform(after)
    for action, choice in happening:
        platform.act(action, choice)
        commands = decide(platform.state)
        state = platform.state
        for command in commands:
            state = apply(state, command)
        assert decide(state) == ()
        for command in commands:
            assert apply(state, command) == state


def test_end_of_run_does_not_overtake_its_steps() -> None:
    """A run does not end while a step is not final, even if the command comes early."""
    state = RunState(after={"001": ()}, steps={"001": "pending"})
    assert apply(state, EndRun("succeeded")) == state


def test_cancelled_run_with_a_failed_step_is_cancelled() -> None:
    """Whoever cancelled a run finds it cancelled, whatever its last steps came to."""
    state = RunState({"001": ()}, {"001": "failed"}, cancel_requested=True)
    assert decide(state) == (EndRun("cancelled"),)
    assert decide(attrs.evolve(state, cancel_requested=False)) == (EndRun("failed"),)


def test_step_that_was_cancelled_stops_the_run() -> None:
    """A cancelled step leaves nothing to wait for: the others are skipped and the run ends."""
    state = RunState({"001": (), "002": ("001",)}, {"001": "cancelled", "002": "pending"})
    assert decide(state) == (MoveStep("002", "pending", "skipped"), EndRun("cancelled"))


def test_run_without_steps_succeeds() -> None:
    """A run of no steps is over at once."""
    assert decide(RunState(after={}, steps={})) == (EndRun("succeeded"),)


def test_step_becomes_ready_with_its_last_source() -> None:
    """A step is ready when all its sources have succeeded, and not before."""
    after = {"001": (), "002": (), "003": ("001", "002")}
    waiting = RunState(after, {"001": "succeeded", "002": "running", "003": "pending"})
    assert decide(waiting) == ()
    complete = RunState(after, {"001": "succeeded", "002": "succeeded", "003": "pending"})
    assert decide(complete) == (MoveStep("003", "pending", "ready"),)
