"""The engine and the elements of steps that are run for each of a list, at any moment's worst."""

from collections.abc import Mapping

import attrs
from hypothesis import given
from hypothesis import strategies as st

from taskmgr_core.orchestrator.engine import (
    DropElements,
    MapState,
    MoveStep,
    Rule,
    RunState,
    apply,
    decide,
)
from taskmgr_core.specs import FINAL_RUN_STATUSES, StepStatus

PRODUCER, STEP = "000", "001"


OPEN = {"pending", "ready", "running"}


@attrs.define
class Store:
    """A store with a list's producer, a step that is run for each element, and one behind it.

    Attributes:
        grows: whether each element is there as soon as the producer yields it.
        outcomes: what the last attempt at each element comes to.
        retries: how many attempts at each fail before.
        parallel: how many elements at the same time.
        on_error: of the step.
    """

    outcomes: tuple[StepStatus, ...]
    retries: tuple[int, ...]
    parallel: int
    on_error: str
    grows: bool
    yielded: int = 0
    elements: list[StepStatus] = attrs.field(factory=list)
    tried: list[int] = attrs.field(factory=list)
    begun: bool = False
    steps: dict[str, StepStatus] = attrs.field(
        factory=lambda: dict[str, StepStatus](
            {PRODUCER: "pending", STEP: "pending", "002": "pending"}
        )
    )
    status: str = "running"
    cancelled: bool = False

    @property
    def state(self) -> RunState:
        """What the engine is told."""
        found = MapState(
            waiting="pending" in self.elements or "ready" in self.elements,
            running="running" in self.elements,
            failed="failed" in self.elements,
        )
        return RunState(
            {PRODUCER: (), STEP: (PRODUCER,), "002": (STEP,)},
            self.steps,
            status=self.status,  # type: ignore[arg-type]
            cancel_requested=self.cancelled,
            rules={STEP: Rule(on_error=self.on_error, parallel=self.parallel)},
            maps={STEP: found} if self.steps[STEP] == "mapping" else {},
        )

    def settle(self, _: int) -> None:
        """A decision is carried out, and elements that may begin are ready."""
        for command in decide(self.state):
            if isinstance(command, DropElements):
                self.elements = [
                    "skipped" if each in ("pending", "ready") else each for each in self.elements
                ]
            after = apply(self.state, command)
            self.steps, self.status = dict(after.steps), after.status
        self.fill()

    def fill(self) -> None:
        """As many as may be at the same time, in order."""
        if self.steps[STEP] == "mapping":
            active = sum(each in ("ready", "running") for each in self.elements)
            for index, each in enumerate(self.elements):
                if each == "pending" and active < self.parallel:
                    self.elements[index] = "ready"
                    active += 1

    def claim(self, choice: int) -> None:
        """A worker takes a step, or an element."""
        for step, status in self.steps.items():
            if status == "ready":
                # Nothing of it waits or runs when it gathers.
                assert step == PRODUCER or not OPEN & set(self.elements)
                self.steps[step] = "running"
                self.yielded = 0  # by the attempt that begins, if it is one of the producer
                return
        ready = [index for index, each in enumerate(self.elements) if each == "ready"]
        if ready:
            index = ready[choice % len(ready)]
            self.elements[index] = "running"
            self.tried[index] += 1
        assert sum(each in ("ready", "running") for each in self.elements) <= self.parallel

    def finish(self, choice: int) -> None:
        """Something that runs comes to its end."""
        if self.steps[PRODUCER] == "running" and choice % 2:
            self._finish_producer()
            return
        running = [index for index, each in enumerate(self.elements) if each == "running"]
        if running:
            index = running[choice % len(running)]
            again = self.tried[index] <= self.retries[index]
            self.elements[index] = "ready" if again else self.outcomes[index]
            if again and self.steps[STEP] != "mapping":
                self.elements[index] = "skipped"
        elif self.steps[STEP] == "running":
            self._finish_step()
        elif self.steps["002"] == "running":
            self.steps["002"] = "succeeded"
        elif self.steps[PRODUCER] == "running":
            self._finish_producer()

    def pass_on(self, _: int) -> None:
        """The producer yields its next element; it is ended where nobody takes it."""
        left = self.yielded < len(self.outcomes) and self.steps[PRODUCER] == "running"
        gathers = not self.cancelled and self.steps[STEP] in ("ready", "running")
        if not self.grows or not left or gathers:  # it is held up until it is said what failed
            return
        if self.cancelled or self.steps[STEP] not in ("pending", "mapping"):
            self.steps[PRODUCER] = "cancelled"
            return
        self.steps[STEP], self.begun = "mapping", True
        if self.yielded == len(self.elements):
            self.elements.append("pending")
            self.tried.append(0)
        self.yielded += 1
        self.fill()

    def _finish_producer(self) -> None:
        for _ in self.outcomes:
            self.pass_on(0)
        left = self.grows and self.yielded < len(self.outcomes)
        if self.steps[PRODUCER] == "running" and not left:
            self.steps[PRODUCER] = "succeeded"

    def _finish_step(self) -> None:
        if not self.begun:
            self.begun = True
            self.elements = ["pending"] * len(self.outcomes)
            self.tried = [0] * len(self.outcomes)
            self.steps[STEP] = "mapping" if self.outcomes else "succeeded"
            return
        fails = self.on_error == "fail" and "failed" in self.elements
        self.steps[STEP] = "failed" if fails else "succeeded"

    def crash(self, choice: int) -> None:
        """A worker is lost with what it ran."""
        running = [index for index, each in enumerate(self.elements) if each == "running"]
        if running:
            self.elements[running[choice % len(running)]] = "ready"
        for step, status in self.steps.items():
            if status == "running":
                self.steps[step] = "ready"

    def cancel(self, _: int) -> None:
        """Somebody asks to cancel the run."""
        self.cancelled = True

    def run_to_the_end(self) -> None:
        """From here on everything works: the run must end."""
        for _ in range(8 * len(self.outcomes) + 15):
            for action in (self.settle, self.pass_on, self.claim, self.finish):
                action(0)
        assert self.status in FINAL_RUN_STATUSES
        assert not OPEN & set(self.elements)


@st.composite
def stores(draw: st.DrawFn) -> Store:
    """Up to six elements with any outcomes."""
    statuses: list[StepStatus] = ["succeeded", "succeeded", "failed"]
    outcomes = draw(st.lists(st.sampled_from(statuses), max_size=6))
    retries = draw(st.lists(st.integers(0, 2), min_size=len(outcomes), max_size=len(outcomes)))
    return Store(
        tuple(outcomes),
        tuple(retries),
        draw(st.integers(1, 3)),
        draw(st.sampled_from(["fail", "continue", "default"])),
        draw(st.booleans()),
    )


def happening(*actions: str) -> st.SearchStrategy[list[tuple[str, int]]]:
    """What happens, in any order."""
    events = st.tuples(st.sampled_from(actions), st.integers(0, 9))
    return st.lists(events, min_size=20, max_size=60)


ACTIONS = ("settle", "claim", "claim", "finish", "finish", "crash", "pass_on")


@given(stores(), happening(*ACTIONS))
def test_elements_come_to_what_a_loop_comes_to(store: Store, events: list[tuple[str, int]]) -> None:
    """Whatever happens: each element its outcome, or up to a failure where that is fatal."""
    for action, choice in events:
        getattr(store, action)(choice)
    store.run_to_the_end()
    fatal = store.on_error == "fail" and "failed" in store.outcomes
    expected: Mapping[str, StepStatus] = (
        {STEP: "failed", "002": "skipped"} if fatal else {STEP: "succeeded", "002": "succeeded"}
    )
    assert {step: store.steps[step] for step in expected} == expected
    assert store.status == ("failed" if fatal else "succeeded")
    assert store.steps[PRODUCER] == "succeeded" or (fatal and store.grows)
    if fatal:
        # What yields is ended when an element has failed the run.
        pairs = zip(store.elements, store.outcomes, strict=not store.grows)
        assert all(found in (wanted, "skipped") for found, wanted in pairs)
        assert "failed" in store.elements
    else:
        assert tuple(store.elements) == store.outcomes
        assert [count >= 1 for count in store.tried] == [True] * len(store.outcomes)


@given(stores(), happening(*ACTIONS, "cancel"))
def test_cancelled_run_ends_with_its_elements(store: Store, events: list[tuple[str, int]]) -> None:
    """A run that is cancelled at any moment ends, and begins no element after that."""
    for action, choice in events:
        getattr(store, action)(choice)
        if store.cancelled:
            store.settle(0)
            assert not {"pending", "ready"} & set(store.elements)
    store.run_to_the_end()


def test_step_waits_for_elements_that_run() -> None:
    """What has failed drops what waits at once, and gathers only when nothing runs."""
    found = MapState(waiting=True, running=True, failed=True)
    state = RunState({STEP: ()}, {STEP: "mapping"}, maps={STEP: found})
    assert decide(state) == (DropElements(STEP),)
    still = attrs.evolve(state, maps={STEP: attrs.evolve(found, running=False)})
    assert decide(still) == (DropElements(STEP), MoveStep(STEP, "mapping", "ready"))
