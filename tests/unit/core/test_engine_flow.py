"""The engine against a plain interpreter: failures that are borne, conditions, retries, handlers.

The interpreter does one step after the other and knows no events. The platform around the
engine loses, doubles and reorders them, and crashes anywhere.
"""

from collections import Counter
from collections.abc import Mapping

import attrs
from hypothesis import given
from hypothesis import strategies as st

from taskmgr_core.orchestrator.engine import (
    Command,
    MoveStep,
    Rule,
    RunState,
    apply,
    decide,
    is_fatal,
)
from taskmgr_core.specs import FINAL_RUN_STATUSES, FINAL_STEP_STATUSES, StepStatus

HANDLER = "900"


@attrs.frozen
class Plan:
    """A run as it is to go.

    Attributes:
        after, rules: as in ``RunState``, without the handler.
        outcomes: step -> what its last attempt comes to.
        retries: step -> how many attempts fail before.
        handled: whether there is a handler.
    """

    after: Mapping[str, tuple[str, ...]]
    rules: Mapping[str, Rule]
    outcomes: Mapping[str, StepStatus]
    retries: Mapping[str, int]
    handled: bool

    @property
    def begun(self) -> RunState:
        """The state of a new run."""
        handler = {HANDLER: Rule(handles_failure=True)} if self.handled else {}
        after = {**self.after, **dict.fromkeys(handler, ())}
        return RunState(after, dict.fromkeys(after, "pending"), rules={**self.rules, **handler})

    def interpreted(self) -> dict[str, StepStatus]:
        """What each step comes to if nothing stops the run: its status."""
        found: dict[str, StepStatus] = {}
        for step, earlier in self.after.items():
            rule = self.rules[step]
            missing = [
                each
                for each in earlier
                if not (
                    found[each] == "succeeded"
                    or (
                        each in rule.bears
                        and (found[each] == "skipped" or self.rules[each].on_error == "default")
                    )
                )
            ]
            found[step] = "skipped" if missing else self.outcomes[step]
        return found


@st.composite
def plans(draw: st.DrawFn) -> Plan:
    """Any acyclic graph of up to 7 steps with any rules and outcomes."""
    names = [f"{number:03}" for number in range(draw(st.integers(1, 7)))]
    after = {
        name: tuple(sorted(draw(st.sets(st.sampled_from(names[:index]))))) if index else ()
        for index, name in enumerate(names)
    }
    rules = {
        name: Rule(
            on_error=draw(st.sampled_from(["continue", "default", "fail"])),
            bears=tuple(sorted(draw(st.sets(st.sampled_from(after[name]))))) if after[name] else (),
        )
        for name in names
    }
    statuses: list[StepStatus] = ["succeeded", "succeeded", "failed", "skipped"]
    outcome = st.sampled_from(statuses)
    outcomes: dict[str, StepStatus] = {name: draw(outcome) for name in names}
    retries = {name: draw(st.integers(0, 2)) for name in names}
    return Plan(after, rules, outcomes, retries, draw(st.booleans()))


@attrs.define
class World:
    """Stores and workers around the engine, at their worst."""

    plan: Plan
    state: RunState = attrs.field(init=False)
    attempts: Counter[str] = attrs.field(factory=Counter)
    claims: list[tuple[str, int]] = attrs.field(factory=list)
    undelivered: list[Command] = attrs.field(factory=list)

    def __attrs_post_init__(self) -> None:
        self.state = self.plan.begun

    def act(self, action: str, choice: int) -> None:
        """Let one thing happen, if it can; what has ended stays as it is."""
        before = self.state
        getattr(self, action)(choice)
        for step, status in before.steps.items():
            if status in FINAL_STEP_STATUSES:
                assert self.state.steps[step] == status
        if before.status in FINAL_RUN_STATUSES:
            assert self.state.status == before.status

    def decide(self, _: int) -> None:
        """A decision whose commands come late, twice, in any order, or never."""
        self.undelivered += decide(self.state)

    def deliver(self, choice: int) -> None:
        """One of the commands is carried out, perhaps not for the first time."""
        if self.undelivered:
            command = self.undelivered[choice % len(self.undelivered)]
            # A store carries out a decision only on the state that it was taken on; a step
            # that is to be skipped or handled late was decided on an older one.
            self.state = apply(self.state, command) if command in decide(self.state) else self.state

    def settle(self, _: int) -> None:
        """A decision is taken and carried out at once, as far as a crash lets it."""
        for command in decide(self.state):
            self.state = apply(self.state, command)

    def claim(self, choice: int) -> None:
        """A worker takes a ready step."""
        ready = [step for step, status in self.state.steps.items() if status == "ready"]
        if ready:
            step = ready[choice % len(ready)]
            self.attempts[step] += 1
            self.claims.append((step, self.attempts[step]))
            self.state = apply(self.state, MoveStep(step, "ready", "running"))

    def finish(self, choice: int) -> None:
        """A worker reports, perhaps again, perhaps of a claim that it lost."""
        if not self.claims:
            return
        step, attempt = self.claims[choice % len(self.claims)]
        if self.state.steps[step] != "running" or self.attempts[step] != attempt:
            return
        again = attempt <= self.plan.retries.get(step, 0)
        last = self.plan.outcomes.get(step, "succeeded")
        self.state = apply(self.state, MoveStep(step, "running", "ready" if again else last))

    def crash(self, choice: int) -> None:
        """A worker is lost with its step."""
        running = [step for step, status in self.state.steps.items() if status == "running"]
        if running:
            lost = running[choice % len(running)]
            self.state = apply(self.state, MoveStep(lost, "running", "ready"))

    def expire(self, _: int) -> None:
        """The time of the run is over."""
        if self.state.status not in FINAL_RUN_STATUSES:
            self.state = attrs.evolve(self.state, expired=True)

    def run_to_the_end(self) -> None:
        """From here on everything works: the run must end."""
        for _ in range(6 * len(self.state.steps) + 6):
            self.act("settle", 0)
            self.act("claim", 0)
            for number in range(len(self.claims)):
                self.act("finish", number)
        assert self.state.status in FINAL_RUN_STATUSES
        assert decide(self.state) == ()


ACTIONS = ("decide", "deliver", "settle", "claim", "claim", "finish", "finish", "crash")
HAPPENING = st.lists(st.tuples(st.sampled_from(ACTIONS), st.integers(0, 99)), max_size=60)


@given(plans(), HAPPENING)
def test_run_comes_to_what_the_interpreter_says(
    plan: Plan, happening: list[tuple[str, int]]
) -> None:
    """Whatever happens: the statuses of the interpreter, up to a failure that stops the run."""
    world = World(plan)
    for action, choice in happening:
        world.act(action, choice)
    world.run_to_the_end()
    expected = plan.interpreted()
    fatal = any(is_fatal(plan.rules[step], status) for step, status in expected.items())
    found = {step: status for step, status in world.state.steps.items() if step != HANDLER}
    assert world.state.status == ("failed" if fatal else "succeeded")
    if fatal:
        assert any(is_fatal(plan.rules[step], status) for step, status in found.items())
        assert all(found[step] in (expected[step], "skipped") for step in found)
    else:
        assert found == expected
    if plan.handled:
        assert world.state.steps[HANDLER] == ("succeeded" if fatal else "skipped")


@given(plans(), st.lists(st.tuples(st.sampled_from((*ACTIONS, "expire")), st.integers(0, 99))))
def test_run_whose_time_is_over_fails_with_its_handler(
    plan: Plan, happening: list[tuple[str, int]]
) -> None:
    """A run that expires before its end has failed, and its handler has run."""
    world = World(plan)
    for action, choice in happening:
        world.act(action, choice)
    if world.state.status in FINAL_RUN_STATUSES:
        return
    world.expire(0)
    world.run_to_the_end()
    assert world.state.status == "failed"
    if plan.handled:
        assert world.state.steps[HANDLER] == "succeeded"


@given(plans(), HAPPENING)
def test_handler_runs_alone(plan: Plan, happening: list[tuple[str, int]]) -> None:
    """While the handler is ready or runs nothing else does, and nothing else begins after."""
    world = World(plan)
    for action, choice in happening:
        world.act(action, choice)
        if world.state.steps.get(HANDLER) in ("ready", "running", "succeeded"):
            others = {status for step, status in world.state.steps.items() if step != HANDLER}
            assert others <= FINAL_STEP_STATUSES
