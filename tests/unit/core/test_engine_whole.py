"""Compiler and engine against a plain interpreter of what is written: everything at once.

Maps, loops, conditions, retries, failures that are borne, handlers, and pipelines in one another.
The interpreter goes through the pipeline as it is written, one step after the other, and knows
neither graphs nor events. What is compared with it is the compiled graph, run by the engine in a
world that loses, doubles and reorders events and crashes anywhere.
"""

from collections import Counter
from collections.abc import Iterator, Mapping
from typing import Any

import attrs
from hypothesis import given
from hypothesis import strategies as st
from pipeline_examples import defaulted, field, version_of

from taskmgr_core.documents import structure
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
from taskmgr_core.orchestrator.graph import compile_pipeline
from taskmgr_core.specs import (
    FINAL_RUN_STATUSES,
    FINAL_STEP_STATUSES,
    SPLIT_STATUSES,
    Graph,
    GraphStep,
    PipelineSpec,
    StepSpec,
    StepStatus,
)

ANYTHING = (defaulted("a", Any, 0), defaulted("b", Any, 0))
TASKS = {"t": version_of("t", ANYTHING, (field("r", Any),))}
HANDLER = {"id": "h", "task": "t", "inputs": {"input_h_a": "failure"}}
ON_ERROR = st.sampled_from(["fail", "fail", "continue", "default"])


@attrs.frozen
class Fate:
    """What comes of the attempts at a step.

    Attributes:
        ends: whether the last attempt succeeds: at the step, at each element or iteration.
        retries: how many attempts fail before, each time.
    """

    ends: tuple[bool, ...]
    retries: int


@attrs.frozen
class Case:
    """What is run, and what comes of it.

    Attributes:
        pipelines: all that there are; the last one is run.
        fates: flat id of a step -> what comes of it.
        elements: how many elements the list has that is mapped.
    """

    pipelines: tuple[PipelineSpec, ...]
    fates: Mapping[str, Fate]
    elements: int
    graph: Graph


def written_step(draw: st.DrawFn, number: int, earlier: list[str], inner: list[str]) -> Any:
    """Any step behind some others."""
    name = str(number)
    sources = ["n", {"value": 1}, *(f"output_{each}_r" for each in earlier)]
    step: dict[str, Any] = {"id": name, "on_error": draw(ON_ERROR)}
    condition = draw(st.sampled_from(["", "", "true", "false"]))
    if condition and draw(st.booleans()):
        read = draw(st.sampled_from([each for each in sources if isinstance(each, str)]))
        condition = f"{condition} || {read} in [dyn(1)] && false"
    if condition:
        step["when"] = condition
    if step["on_error"] == "default" or draw(st.booleans()):
        step["default"] = {"r": [7]}  # of a pipeline it may be a list
    if inner and draw(st.integers(0, 2)) == 0:
        step |= {"pipeline": draw(st.sampled_from(inner)), "inputs": {f"input_{name}_xs": "xs"}}
        if draw(st.booleans()):
            step["inputs"][f"input_{name}_n"] = draw(st.sampled_from(sources))
        return step
    step |= {"task": "t", "inputs": {f"input_{name}_a": draw(st.sampled_from(sources))}}
    kind = draw(st.sampled_from(["once", "map", "loop"]))
    if kind == "map":
        step |= {"map": "xs", "parallel": draw(st.integers(1, 2))}
        step["inputs"][f"input_{name}_b"] = "xs"
    elif kind == "loop":
        step["repeat"] = {
            "until": f"iteration == {draw(st.integers(0, 3))}",
            "max": draw(st.integers(1, 3)),
            "feed": {f"input_{name}_b": f"output_{name}_r"},
            "on_max": draw(st.sampled_from(["fail", "continue"])),
        }
    return step


@st.composite
def cases(draw: st.DrawFn) -> Case:
    """Up to three pipelines of up to three steps each, those that come later with earlier ones."""
    specs: list[PipelineSpec] = []
    for index in range(draw(st.integers(1, 3))):
        steps: list[Any] = []
        inner = [each.pipeline for each in specs]
        for number in range(draw(st.integers(1, 3))):
            steps.append(written_step(draw, number, [each["id"] for each in steps], inner))
        given_result = f"output_{draw(st.sampled_from(steps))['id']}_r"
        document = {
            "pipeline": f"p{index}", "inputs": {"n": "any", "xs": "any"},
            "steps": draw(st.permutations(steps)), "result": {"r": given_result},
        }  # fmt: skip
        specs.append(structure(document, PipelineSpec))
    if draw(st.booleans()):
        specs[-1] = attrs.evolve(specs[-1], on_failure=structure(HANDLER, StepSpec))
    graph = compile_pipeline(specs[-1], TASKS, {each.pipeline: each for each in specs})
    ends = st.tuples(*(st.sampled_from([True, True, False]) for _ in range(3)))
    fates = {
        each.id: Fate(draw(ends), draw(st.integers(0, 1)))
        for each in graph.steps
        if not each.handles_failure
    }
    return Case(tuple(specs), fates, draw(st.integers(0, 3)), graph)


# the interpreter


@attrs.frozen
class Given:
    """What a step gives: nothing of it is a value where it is None; ``borne`` is its on_error."""

    status: StepStatus
    borne: str


@attrs.define
class Interpreter:
    """Goes through pipelines as they are written."""

    case: Case
    statuses: dict[str, StepStatus] = attrs.field(factory=dict)
    fatal: set[str] = attrs.field(factory=set)

    def pipeline(
        self, spec: PipelineSpec, has: Mapping[str, bool], prefix: str, around: tuple[str, ...]
    ) -> Given:
        """What the result of a pipeline comes to.

        Arguments:
            spec: the pipeline.
            has: its inputs -> whether there is a value, or none was wanted.
            prefix: what stands before the ids of its steps.
            around: the ``on_error`` of the steps that it stands in, innermost first.
        """
        found: dict[str, Given] = {}
        for step in sorted(spec.steps, key=lambda each: each.id):
            found[step.id] = self.step(step, spec, found, has, prefix, around)
        result = spec.result["r"]
        assert isinstance(result, str)
        return found[result.split("_")[1]]

    def step(self, step: StepSpec, spec: PipelineSpec, found: Mapping[str, Given],
             has: Mapping[str, bool], prefix: str, around: tuple[str, ...]) -> Given:  # fmt: skip
        """What a step comes to."""
        defaults = {each.id: bool(each.default) for each in spec.steps}

        def there(source: Any) -> bool:
            if not isinstance(source, str):
                return True
            if source in has:
                return has[source]
            producer = source.split("_")[1]
            given = found[producer]
            if given.status == "succeeded":
                return True
            return defaults[producer] and (given.status == "skipped" or given.borne == "default")

        words = step.when.split(" ")
        holds = there(words[2]) if len(words) > 2 else True
        asked = words[0] != "false"
        inner = next((each for each in self.case.pipelines if each.pipeline == step.pipeline), None)
        if inner is not None:
            if not (asked and holds):
                return self.left_out(inner, f"{prefix}{step.id}.")
            own = {"xs": there("xs"), "n": there(step.inputs.get(f"input_{step.id}_n"))}
            return self.pipeline(inner, own, f"{prefix}{step.id}.", (step.on_error, *around))
        flat = f"{prefix}{step.id}"
        can = holds and all(there(each) for each in step.inputs.values())
        status = self.outcome(step, self.case.fates[flat]) if can and asked else "skipped"
        self.statuses[flat] = status
        borne = next((each for each in (step.on_error, *around) if each != "fail"), "fail")
        if status == "failed" and borne == "fail":
            self.fatal.add(flat)
        return Given(status, borne)

    def left_out(self, spec: PipelineSpec, prefix: str) -> Given:
        """No step of a pipeline is run."""
        for step in spec.steps:
            inner = [each for each in self.case.pipelines if each.pipeline == step.pipeline]
            for each in inner:
                self.left_out(each, f"{prefix}{step.id}.")
            if not inner:
                self.statuses[f"{prefix}{step.id}"] = "skipped"
        return Given("skipped", "fail")

    def outcome(self, step: StepSpec, fate: Fate) -> StepStatus:
        """What the attempts come to, were they made one after the other."""
        if step.map:
            fails = step.on_error == "fail" and not all(fate.ends[: self.case.elements])
            return "failed" if fails else "succeeded"
        if step.repeat is None:
            return "succeeded" if fate.ends[0] else "failed"
        any_good = False
        for iteration in range(step.repeat.max):
            good = fate.ends[iteration]
            any_good = any_good or good
            if not good and step.on_error == "fail":
                return "failed"
            asked = good or step.on_error == "default"
            if asked and step.repeat.until == f"iteration == {iteration}":
                return "succeeded"
        gives = any_good or step.on_error == "default"
        return "succeeded" if step.repeat.on_max == "continue" and gives else "failed"


# the world


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
            if command in decide(self.state):
                self.carry_out(command)

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
        if index is not None:
            each = self.split[step_id][index]
            if (each.status, each.attempt) == ("running", attempt):
                self.end(step, index, each)
        elif (self.steps[step_id], self.attempts[step_id]) == ("running", attempt):
            self.steps[step_id] = self.outcome(step, attempt)

    def end(self, step: GraphStep, index: int, each: Instance) -> None:
        """An attempt at an instance ends."""
        fate = self.case.fates[step.id]
        if each.attempt <= fate.retries:
            each.status = "ready" if self.steps[step.id] in SPLIT_STATUSES else "skipped"
            return
        good = fate.ends[index]
        each.status = "succeeded" if good else "failed"
        if step.repeat is not None and (good or step.on_error != "fail"):
            asked = good or step.on_error == "default"
            enough = asked and step.repeat.until == f"iteration == {index}"
            each.owes = not enough and index + 1 < step.repeat.max

    def outcome(self, step: GraphStep, attempt: int) -> StepStatus:
        """What an attempt at a step itself comes to."""
        if step.handles_failure:
            return "succeeded"
        fate = self.case.fates[step.id]
        asked = step.when and step.id not in self.split
        if asked and not conditions.holds(step.when, dict.fromkeys(step.reads)):
            return "skipped"
        if step.map or step.repeat:
            return self.gathered(step) if step.id in self.split else self.begun(step)
        if attempt <= fate.retries:
            return "ready"
        return "succeeded" if fate.ends[0] else "failed"

    def begun(self, step: GraphStep) -> StepStatus:
        """A step is split."""
        count = self.case.elements if step.map else 1
        if not count:
            return "succeeded"
        self.split[step.id] = [Instance() for _ in range(count)]
        return "mapping" if step.map else "looping"

    def gathered(self, step: GraphStep) -> StepStatus:
        """What the instances come to."""
        found = [each.status for each in self.split[step.id]]
        if step.map:
            fails = step.on_error == "fail" and "failed" in found
            return "failed" if fails else "succeeded"
        assert step.repeat is not None
        if found[-1] != "succeeded" and (step.on_error == "fail" or len(found) < step.repeat.max):
            return "failed"
        asked = found[-1] == "succeeded" or step.on_error == "default"
        enough = asked and step.repeat.until == f"iteration == {len(found) - 1}"
        gives = "succeeded" in found or step.on_error == "default"
        return "succeeded" if gives and (enough or step.repeat.on_max == "continue") else "failed"

    def crash(self, choice: int) -> None:
        """A worker is lost with what it ran."""
        running: list[tuple[str, Instance | None]] = [
            (step, None) for step, status in self.steps.items() if status == "running"
        ]
        running += [
            (step, each) for step, found in self.split.items() for each in found
            if each.status == "running"
        ]  # fmt: skip
        if running:
            step, instance = running[choice % len(running)]
            if instance is None:
                self.steps[step] = "ready"
            else:
                instance.status = "ready"

    def cancel(self, _: int) -> None:
        """Somebody asks to cancel the run."""
        self.cancelled = self.cancelled or self.status == "running"

    def run_to_the_end(self) -> None:
        """From here on everything works: the run must end."""
        for _ in range(24 * len(self.steps) + 12):
            if self.status in FINAL_RUN_STATUSES:
                break
            self.act("settle", 1)
            self.act("claim", 0)
            for number in range(len(self.claims)):
                self.act("finish", number)
        assert self.status in FINAL_RUN_STATUSES
        assert decide(self.state) == ()
        for found in self.split.values():
            assert all(each.status in FINAL_STEP_STATUSES and not each.owes for each in found)


def _state_of(found: list[Instance]) -> MapState:
    statuses = {each.status for each in found}
    return MapState(
        waiting=bool(statuses & {"pending", "ready"}) or any(each.owes for each in found),
        running="running" in statuses,
        failed="failed" in statuses,
    )


ACTIONS = ("decide", "deliver", "settle", "settle", "claim", "claim", "finish", "finish", "crash")


def happening(*actions: str) -> st.SearchStrategy[list[tuple[str, int]]]:
    """What happens, in any order."""
    return st.lists(st.tuples(st.sampled_from(actions), st.integers(0, 99)), max_size=60)


@given(cases(), happening(*ACTIONS))
def test_run_comes_to_what_is_written(case: Case, events: list[tuple[str, int]]) -> None:
    """Whatever happens: the statuses of the interpreter, up to a failure that stops the run."""
    world, plain = World(case), Interpreter(case)
    for action, choice in events:
        world.act(action, choice)
    world.run_to_the_end()
    plain.pipeline(case.pipelines[-1], {"n": True, "xs": True}, "", ())
    found = {step: status for step, status in world.steps.items() if step != "h"}
    assert found.keys() == plain.statuses.keys()
    assert world.status == ("failed" if plain.fatal else "succeeded")
    if plain.fatal:
        assert any(found[step] == "failed" for step in plain.fatal)
        assert all(found[step] in (plain.statuses[step], "skipped") for step in found)
    else:
        assert found == plain.statuses
    if "h" in world.steps:
        assert world.steps["h"] == ("succeeded" if plain.fatal else "skipped")


@given(cases(), happening(*ACTIONS, "cancel"))
def test_cancelled_run_begins_nothing_more(case: Case, events: list[tuple[str, int]]) -> None:
    """Cancelled at any moment: it ends, and no element or iteration begins after that."""
    world = World(case)
    for action, choice in events:
        world.act(action, choice)
    world.act("cancel", 0)
    world.act("settle", 1)
    begun = len(world.claims)
    assert not list(world.ready())
    world.run_to_the_end()
    assert len(world.claims) == begun
