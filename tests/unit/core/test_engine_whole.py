"""Compiler and engine against a plain interpreter of what is written: everything at once.

Maps, loops, conditions, retries, failures that are borne, handlers, and pipelines in one another.
What is compared with the interpreter is the compiled graph, run by the engine in a world that
loses, doubles and reorders events and crashes anywhere.
"""

from collections import Counter
from collections.abc import Iterator
from typing import Any

import attrs
from hypothesis import given
from hypothesis import strategies as st
from pipeline_cases import MADE, Case, Interpreter, cases

from taskmgr_core.orchestrator import conditions
from taskmgr_core.orchestrator.engine import (
    Command,
    DropElements,
    MapState,
    RunState,
    apply,
    decide,
    rule_of,
)
from taskmgr_core.orchestrator.repeating import end_of, follows, is_enough
from taskmgr_core.results import absent, assemble
from taskmgr_core.specs import (
    FINAL_RUN_STATUSES,
    FINAL_STEP_STATUSES,
    SPLIT_STATUSES,
    GraphStep,
    Step,
    StepStatus,
)


@attrs.define
class Instance:
    """An element or an iteration, as a store has it."""

    status: StepStatus = "pending"
    attempt: int = 0
    owes: bool = False


@attrs.define
class World:
    """Stores and workers around the engine, at their worst."""

    case: Case
    steps: dict[str, StepStatus] = attrs.field(factory=dict)
    status: Any = "running"
    split: dict[str, list[Instance]] = attrs.field(factory=dict)
    attempts: Counter[str] = attrs.field(factory=Counter)
    claims: list[tuple[str, int | None, int]] = attrs.field(factory=list)
    undelivered: list[Command] = attrs.field(factory=list)
    cancelled: bool = False
    yielded: Counter[str] = attrs.field(factory=Counter)
    fed: set[str] = attrs.field(factory=set)
    lost: Counter[tuple[str, int | None]] = attrs.field(factory=Counter)
    ended: Counter[tuple[str, int | None]] = attrs.field(factory=Counter)

    def __attrs_post_init__(self) -> None:
        self.steps = dict.fromkeys((each.id for each in self.case.graph.steps), "pending")

    @property
    def state(self) -> RunState:
        """What the engine is told."""
        steps = self.case.graph.steps
        return RunState(
            {each.id: each.after for each in steps},
            self.steps,
            status=self.status,
            cancel_requested=self.cancelled,
            rules={each.id: rule_of(each) for each in steps},
            maps={
                step: _state_of(self.split[step])
                for step, status in self.steps.items()
                if status in SPLIT_STATUSES
            },
        )

    def act(self, action: str, choice: int) -> None:
        """Let one thing happen, if it can; what has ended stays as it is."""
        before, status = dict(self.steps), self.status
        getattr(self, action)(choice)
        for step, found in before.items():
            assert found not in FINAL_STEP_STATUSES or self.steps[step] == found
        assert status not in FINAL_RUN_STATUSES or self.status == status

    def decide(self, _: int) -> None:
        """A decision whose commands come late, twice, in any order, or never."""
        self.undelivered += decide(self.state)

    def deliver(self, choice: int) -> None:
        """One of the commands is carried out, if it is still what would be decided."""
        if self.undelivered:
            command = self.undelivered[choice % len(self.undelivered)]
            wanted = decide(self.state)
            # A store never moves a step on before it has dropped what does not begin any more.
            dropped = [each for each in wanted if isinstance(each, DropElements)]
            for each in (*dropped, command) if command in wanted else ():
                self.carry_out(each)

    def settle(self, choice: int) -> None:
        """A decision is carried out at once; a crash may prevent that what may begin is ready."""
        for command in decide(self.state):
            self.carry_out(command)
        if choice % 4:
            self.fill()

    def carry_out(self, command: Command) -> None:
        """A store does what the engine says."""
        if isinstance(command, DropElements):
            for each in self.split[command.step]:
                each.owes = False
                if each.status in ("pending", "ready"):
                    each.status = "skipped"
        after = apply(self.state, command)
        self.steps, self.status = dict(after.steps), after.status

    def fill(self) -> None:
        """The iteration that is owed is made, and as many are ready as may be."""
        for step in self.case.graph.steps:
            if self.steps[step.id] not in SPLIT_STATUSES:
                continue
            found = self.split[step.id]
            if found and found[-1].owes:
                found[-1].owes = False
                found.append(Instance())
            active = sum(each.status in ("ready", "running") for each in found)
            for each in found:
                if each.status == "pending" and active < rule_of(step).parallel:
                    each.status, active = "ready", active + 1
            assert active <= rule_of(step).parallel

    def ready(self) -> Iterator[tuple[str, int | None]]:
        """What may be claimed."""
        for step, status in self.steps.items():
            if status == "ready":
                yield step, None
            for index, each in enumerate(self.split.get(step, ())):
                if each.status == "ready":
                    yield step, index

    def claim(self, choice: int) -> None:
        """A worker takes a step, or an instance of one."""
        found = list(self.ready())
        if not found:
            return
        step, index = found[choice % len(found)]
        if index is None:
            assert all(each.status in FINAL_STEP_STATUSES for each in self.split.get(step, ()))
            self.steps[step] = "running"
            self.attempts[step] += 1
            self.yielded[step] = 0
            self.claims.append((step, None, self.attempts[step]))
        else:
            each = self.split[step][index]
            each.status, each.attempt = "running", each.attempt + 1
            self.claims.append((step, index, each.attempt))

    def finish(self, choice: int) -> None:
        """A worker reports, perhaps again, perhaps of a claim that it lost."""
        if not self.claims:
            return
        step_id, index, attempt = self.claims[choice % len(self.claims)]
        step = self.case.graph.step(step_id)
        if not self.is_held(step_id, index, attempt):
            return
        if index is not None:
            self.end(step, index, self.split[step_id][index])
            status = self.split[step_id][index].status
        else:
            status = self.steps[step_id] = self.outcome(step, attempt)
        self.ended[step_id, index] += status in ("succeeded", "failed")

    def is_held(self, step: str, index: int | None, attempt: int) -> bool:
        """Whether what was claimed still runs, and nobody has claimed it since."""
        if index is None:
            return (self.steps[step], self.attempts[step]) == ("running", attempt)
        found = self.split[step][index]
        return (found.status, found.attempt) == ("running", attempt)

    def end(self, step: GraphStep, index: int, each: Instance) -> None:
        """An attempt at an instance ends."""
        fate = self.case.fates[step.id]
        if each.attempt <= fate.retries:
            each.status = "ready" if self.steps[step.id] in SPLIT_STATUSES else "skipped"
            return
        good = fate.ends[index]
        each.status = "succeeded" if good else "failed"
        if step.repeat is not None:
            asks = good or step.on_error == "default"
            enough = asks and is_enough(step.repeat.until, index, {}, {})
            each.owes = follows(step, index, succeeded=good, enough=enough)

    def outcome(self, step: GraphStep, attempt: int) -> StepStatus:
        """What an attempt at a step itself comes to."""
        if step.handles_failure:
            return "succeeded"
        fate = self.case.fates[step.id]
        if step.id not in self.split and not asked(step):
            return "skipped"
        while step.feeds and self.yielded[step.id] < self.to_yield(step):
            if self.gathers(step):
                return "running"
            if not self.extend(step):
                return "cancelled"
        if step.map or step.repeat:
            return self.gathered(step) if step.id in self.split else self.begun(step)
        if attempt <= fate.retries:
            return "ready"
        return "succeeded" if fate.ends[0] else "failed"

    def begun(self, step: GraphStep) -> StepStatus:
        """A step is split."""
        count = self.case.elements if step.map and self.has_list(step) else 1
        if not count:
            return "succeeded"
        self.split[step.id] = [Instance() for _ in range(count)]
        return "mapping" if step.map else "looping"

    def gathered(self, step: GraphStep) -> StepStatus:
        """What the instances come to."""
        found = [each.status for each in self.split[step.id]]
        if step.map:
            broken = step.id in self.fed and not self.has_list(step)
            fails = step.on_error == "fail" and ("failed" in found or broken)
            return "failed" if fails else "succeeded"
        assert step.repeat is not None
        asks = found[-1] == "succeeded" or step.on_error == "default"
        enough = asks and is_enough(step.repeat.until, len(found) - 1, {}, {})
        end = end_of(step, len(found), succeeded=found[-1] == "succeeded", enough=enough)
        gives = "succeeded" in found or step.on_error == "default"
        return "succeeded" if end == "gives" and gives else "failed"

    def has_list(self, step: GraphStep) -> bool:
        """Whether there is the list that a step is run for, and not what stands for it."""
        producer = step.map.removeprefix("output_").removesuffix("_r")
        return step.map == "xs" or self.steps[producer] == "succeeded"

    def to_yield(self, step: GraphStep) -> int:
        """How many items the attempt yields that runs."""
        fate = self.case.fates[step.id]
        good = self.attempts[step.id] > fate.retries and fate.ends[0]
        return self.case.elements if good else fate.breaks

    def pass_on(self, choice: int) -> None:
        """Something that runs yields its next item."""
        running = [each for each in self.case.graph.steps if self.yielding(each.id)]
        if running:
            step = running[choice % len(running)]
            if not self.extend(step):
                self.steps[step.id] = "cancelled"

    def yielding(self, step_id: str) -> bool:
        """Whether a step runs that has items left."""
        step = self.case.graph.step(step_id)
        runs = bool(step.feeds) and self.steps[step_id] == "running" and asked(step)
        return runs and not self.gathers(step) and self.yielded[step_id] < self.to_yield(step)

    def gathers(self, step: GraphStep) -> bool:
        """Whether what yields is held up until another step has said what failed it."""
        taking = (self.steps[each.step] for each in step.feeds)
        return not self.cancelled and any(each in ("ready", "running") for each in taking)

    def extend(self, step: GraphStep) -> bool:
        """A store takes the next item that a step yields; whether anybody wants more."""
        index, wanted = self.yielded[step.id], False
        self.yielded[step.id] += 1
        for feed in step.feeds:
            if self.steps[feed.step] == "pending" and not self.cancelled:
                self.steps[feed.step], self.split[feed.step] = "mapping", []
                self.fed.add(feed.step)
            if self.steps[feed.step] == "mapping":
                wanted = True
                if index == len(self.split[feed.step]):
                    self.split[feed.step].append(Instance())
        self.fill()
        return wanted

    def crash(self, choice: int) -> None:
        """A worker is lost with what it ran."""
        running: list[tuple[str, int | None]] = [
            (step, None) for step, status in self.steps.items() if status == "running"
        ]
        running += [
            (step, index) for step, found in self.split.items()
            for index, each in enumerate(found) if each.status == "running"
        ]  # fmt: skip
        if running:
            step, index = running[choice % len(running)]
            self.lost[step, index] += 1
            if index is None:
                self.steps[step] = "ready"
            else:
                self.split[step][index].status = "ready"

    def cancel(self, _: int) -> None:
        """Somebody asks to cancel the run."""
        self.cancelled = self.cancelled or self.status == "running"

    def run_to_the_end(self, *, newest: bool = False) -> None:
        """From here on everything works: the run must end.

        Arguments:
            newest: what was claimed last ends first, so that what is yielded is taken at once.
        """
        for _ in range(30 * len(self.steps) + 12):
            if self.status in FINAL_RUN_STATUSES:
                break
            self.act("settle", 1)
            self.act("claim", 0)
            live = [number for number, each in enumerate(self.claims) if self.is_held(*each)]
            if newest and live and self.yielding(self.claims[live[-1]][0]):
                self.act("pass_on", 0)
                continue
            for number in live[-1:] if newest else live:
                self.act("finish", number)
        assert self.status in FINAL_RUN_STATUSES
        assert decide(self.state) == ()
        for found in self.split.values():
            assert all(each.status in FINAL_STEP_STATUSES and not each.owes for each in found)


def runs_once(world: World) -> None:
    """Whatever has ended was run, ended once, and was tried no more often than it had to be."""
    for step_id, fate in world.case.fates.items():
        found = world.split.get(step_id, [])
        own = [(index, each.status, each.attempt) for index, each in enumerate(found)]
        # One that was split is claimed to begin, where nothing is yielded for it, and to gather.
        whole = (None, world.steps[step_id], world.attempts[step_id])
        for index, status, attempts in (whole, *own):
            done = status in ("succeeded", "failed")
            assert world.ended[step_id, index] == done
            needed = 2 if found and index is None else fate.retries + 1
            assert done <= attempts <= needed + world.lost[step_id, index]


def shown(world: World) -> Any:
    """What the run shows as its result, of which every step that succeeded has made its part."""
    graph = world.case.graph
    made = {f"output_{step}_r": MADE for step, found in world.steps.items() if found == "succeeded"}
    steps = [Step("run", each, "t", "1.0.0", "", 0, found) for each, found in world.steps.items()]
    return assemble(graph, made, absent(graph, steps))["r"]


def asked(step: GraphStep) -> bool:
    """Whether the condition of a step holds; every value is null."""
    return not step.when or conditions.holds(step.when, dict.fromkeys(step.reads))


def _state_of(found: list[Instance]) -> MapState:
    statuses = {each.status for each in found}
    return MapState(
        waiting=bool(statuses & {"pending", "ready"}) or any(each.owes for each in found),
        running="running" in statuses,
        failed="failed" in statuses,
    )


ACTIONS = ("decide", "deliver", "settle", "settle", "claim", "claim", "finish", "finish", "crash",
           "pass_on", "pass_on")  # fmt: skip


def happening(*actions: str) -> st.SearchStrategy[list[tuple[str, int]]]:
    """What happens, in any order."""
    return st.lists(st.tuples(st.sampled_from(actions), st.integers(0, 99)), max_size=60)


@given(cases(), happening(*ACTIONS), st.booleans())
def test_run_comes_to_what_is_written(
    case: Case, events: list[tuple[str, int]], newest: bool
) -> None:
    """Whatever happens: the statuses of the interpreter, up to a failure that stops the run."""
    world, plain = World(case), Interpreter(case)
    for action, choice in events:
        world.act(action, choice)
    world.run_to_the_end(newest=newest)
    plain.run()
    found = {step: status for step, status in world.steps.items() if step != "h"}
    assert found.keys() == plain.statuses.keys()
    assert world.status == ("failed" if plain.fatal else "succeeded")
    if plain.fatal:
        assert any(found[step] == "failed" for step in plain.fatal)
        # What yields for steps that have failed is told to end.
        feeding = {each.id for each in case.graph.steps if each.feeds}
        for step, status in found.items():
            ended = ("cancelled",) if step in feeding else ()
            assert status in (plain.statuses[step], "skipped", *ended)
    else:
        assert found == plain.statuses
        assert shown(world) == plain.result
    runs_once(world)
    if "h" in world.steps:
        assert world.steps["h"] == ("succeeded" if plain.fatal else "skipped")


@given(cases(), happening(*ACTIONS, "cancel"), happening("pass_on", "claim", "finish"))
def test_cancelled_run_begins_nothing_more(
    case: Case, events: list[tuple[str, int]], later: list[tuple[str, int]]
) -> None:
    """Cancelled at any moment: it ends, and no element or iteration begins after that."""
    world = World(case)
    for action, choice in events:
        world.act(action, choice)
    world.act("cancel", 0)
    world.act("settle", 1)
    begun = len(world.claims)
    assert not list(world.ready())
    for action, choice in later:
        world.act(action, choice)
        if action == "finish":  # a store decides with each end, and not with each item
            world.act("settle", 1)
    world.run_to_the_end()
    assert len(world.claims) == begun
