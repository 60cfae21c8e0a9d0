"""Random pipelines that can run, and a plain interpreter of what they come to.

The interpreter goes through a pipeline as it is written, one step after the other, and knows
neither graphs nor events.
"""

from collections.abc import Mapping
from typing import Any

import attrs
from hypothesis import strategies as st
from pipeline_examples import defaulted, field, version_of

from taskmgr_core.documents import structure
from taskmgr_core.orchestrator.graph import compile_pipeline
from taskmgr_core.specs import Graph, PipelineSpec, StepSpec, StepStatus

ANYTHING = (defaulted("a", Any, 0), defaulted("b", Any, 0))
_LIST = version_of("s", ANYTHING, (field("r", list[Any]),))
TASKS = {
    "t": version_of("t", ANYTHING, (field("r", Any),)),
    "s": attrs.evolve(_LIST, task=attrs.evolve(_LIST.task, streams=True)),
}
MADE = "made"
"""The output of every step that gives one, in a result."""
HANDLER = {"id": "h", "task": "t", "inputs": {"input_h_a": "failure"}}
COUNTS = st.sampled_from([0, 0, 1, 2])
ON_ERROR = st.sampled_from(["fail", "fail", "continue", "default"])


@attrs.frozen
class Fate:
    """What comes of the attempts at a step.

    Attributes:
        ends: whether the last attempt succeeds: at the step, at each element or iteration.
        retries: how many attempts fail before, each time.
        breaks: after how many items an attempt fails that yields.
    """

    ends: tuple[bool, ...]
    retries: int
    breaks: int


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

    def stand_in(self, spec: PipelineSpec, step_id: str) -> Any:
        """What stands for the output of a step that gave none; None where nothing does."""
        step = next(each for each in spec.steps if each.id == step_id)
        if step.default:
            return [] if step.map else step.default["r"]
        branches = [
            each for found in spec.switch for each in (*found.cases.values(), found.otherwise)
        ]
        chosen = any(step_id in branch for branch in branches)
        if not step.pipeline or step.when or chosen:
            return None
        inner = next(each for each in self.pipelines if each.pipeline == step.pipeline)
        return self.stand_in(inner, str(inner.result["r"]).split("_")[1])


def written_step(
    draw: st.DrawFn, number: int, earlier: list[Any], inner: Mapping[str, bool]
) -> Any:
    """Any step behind some others; ``inner`` says which pipelines there are, and if they need n."""
    name = str(number)
    sources = ["n", {"value": 1}, *(f"output_{each['id']}_r" for each in earlier)]
    streams = [f"output_{each['id']}_r" for each in earlier if each.get("task") == "s"]
    step: dict[str, Any] = {"id": name, "on_error": draw(ON_ERROR)}
    # A step that takes what another one yields takes nothing else, now and then.
    takes = bool(streams) and draw(st.booleans())
    condition = "" if takes else draw(st.sampled_from(["", "", "true", "false"]))
    if condition and draw(st.booleans()):
        read = draw(st.sampled_from([each for each in sources if isinstance(each, str)]))
        condition = f"{condition} || {read} in [dyn(1)] && false"
    if condition:
        step["when"] = condition
    if step["on_error"] == "default" or draw(st.booleans()):
        step["default"] = {"r": [7]}  # of a pipeline it may be a list
    if draw(st.booleans()) and inner:
        listed = draw(st.sampled_from(streams if takes else ["xs", *streams]))
        step |= {
            "pipeline": draw(st.sampled_from([*inner])),
            "inputs": {f"input_{name}_xs": listed},
        }
        if inner[step["pipeline"]] or draw(st.booleans()):
            others = [each for each in sources if each != listed]
            step["inputs"][f"input_{name}_n"] = draw(st.sampled_from(others))
        return step
    source = draw(st.sampled_from(["n", *streams] if takes else sources))
    step |= {"task": "t", "inputs": {f"input_{name}_a": source}}
    kind = "map" if takes else draw(st.sampled_from(["once", "map", "loop", "stream", "stream"]))
    if kind == "stream":
        step["task"] = "s"
    elif kind == "map":
        step["map"] = draw(st.sampled_from(streams if takes else ["xs", *streams]))
        step["parallel"] = draw(st.integers(1, 2))
        step["inputs"][f"input_{name}_b"] = step["map"]
    elif kind == "loop":
        step["repeat"] = {
            "until": f"iteration == {draw(st.integers(0, 3))}",
            "max": draw(st.integers(1, 3)),
            "feed": {f"input_{name}_b": f"output_{name}_r"},
            "on_max": draw(st.sampled_from(["fail", "continue"])),
        }
    return step


def written_switch(draw: st.DrawFn, steps: list[Any]) -> Any:
    """Any choice between steps that stand behind what it reads."""
    text = draw(st.sampled_from(["a", "b", "c"]))
    read = draw(st.integers(-1, len(steps) - 1))
    behind = [each["id"] for each in steps[read + 1 :]]
    on = f"'{text}'"
    if read >= 0 or draw(st.booleans()):
        port = "n" if read < 0 else f"output_{read}_r"
        on = f"{port} in [dyn(1)] ? 'z' : '{text}'"
    cases_of: dict[str, list[str]] = {"a": [], "b": []}
    switch: dict[str, Any] = {"on": on, "cases": cases_of, "otherwise": []}
    for each in behind:
        branch = draw(st.sampled_from(["", "", "a", "b", "otherwise"]))
        if branch:
            (switch["otherwise"] if branch == "otherwise" else cases_of[branch]).append(each)
    return switch


@st.composite
def cases(draw: st.DrawFn) -> Case:
    """Two or three pipelines of up to three steps each, later ones with earlier ones in them."""
    specs: list[PipelineSpec] = []
    inner: dict[str, bool] = {}
    for index in range(draw(st.integers(2, 3))):
        steps: list[Any] = []
        for number in range(draw(st.integers(1, 3))):
            steps.append(written_step(draw, number, steps, inner))
        given_result = f"output_{draw(st.sampled_from(steps))['id']}_r"
        document = {
            "pipeline": f"p{index}", "inputs": {"n": "any", "xs": "any"},
            "steps": draw(st.permutations(steps)), "result": {"r": given_result},
            "switch": [written_switch(draw, steps) for _ in range(draw(COUNTS))],
        }  # fmt: skip
        specs.append(structure(document, PipelineSpec))
        graph = compile_pipeline(specs[-1], TASKS, {each.pipeline: each for each in specs})
        inner[specs[-1].pipeline] = "n" not in graph.optional
    if draw(st.booleans()):
        specs[-1] = attrs.evolve(specs[-1], on_failure=structure(HANDLER, StepSpec))
    graph = compile_pipeline(specs[-1], TASKS, {each.pipeline: each for each in specs})
    ends = st.tuples(*(st.sampled_from([True, True, False]) for _ in range(3)))
    elements = draw(st.integers(0, 3))
    fates = {
        each.id: Fate(draw(ends), draw(st.integers(0, 1)), draw(st.integers(0, elements)))
        for each in graph.steps
        if not each.handles_failure
    }
    return Case(tuple(specs), fates, elements, graph)


@attrs.frozen
class Items:
    """A list that steps may be run for.

    Attributes:
        there: whether there is one in the end.
        count: how many elements it has.
        producer: the flat id of the step that yields it; empty for one that is given.
        came: how many of them were there when that broke off; 0 where it did not.
    """

    there: bool
    count: int
    producer: str = ""
    came: int = 0


@attrs.frozen
class Given:
    """What a step gives: nothing of it is a value where it is None; ``borne`` is its on_error."""

    status: StepStatus
    borne: str

    @property
    def is_replaced(self) -> bool:
        """Whether what stands for what was not given is taken instead."""
        return self.status == "skipped" or (self.status == "failed" and self.borne == "default")


@attrs.define
class Scope:
    """A pipeline that is gone through.

    Attributes:
        case: that it is in.
        spec: the pipeline.
        has: its inputs -> whether there is a value, or none was wanted.
        xs: the list among them.
        prefix: what stands before the ids of its steps.
        around: the ``on_error`` of the steps that it stands in, innermost first.
        found: what its steps have come to so far.
    """

    case: Case
    spec: PipelineSpec
    has: Mapping[str, bool]
    xs: Items
    prefix: str = ""
    around: tuple[str, ...] = ()
    found: dict[str, Given] = attrs.field(factory=dict)

    def there(self, source: Any) -> bool:
        """Whether an input gets a value."""
        if not isinstance(source, str):
            return True
        if source in self.has:
            return self.has[source]
        producer = source.split("_")[1]
        given = self.found[producer]
        if given.status == "succeeded":
            return True
        return given.is_replaced and self.case.stand_in(self.spec, producer) is not None

    def items(self, port: str) -> Items:
        """The list on a port that steps may be run for."""
        if port == "xs":
            return self.xs
        step = port.split("_")[1]
        flat, status = f"{self.prefix}{step}", self.found[step].status
        came = self.case.fates[flat].breaks if status == "failed" else 0
        count = self.case.elements if status == "succeeded" else 1  # that of the default
        return Items(self.there(port), count, flat, came)


def asked_of(step: StepSpec, spec: PipelineSpec) -> tuple[list[str], bool]:
    """The ports that the conditions of a step read, and whether they hold: values are null."""
    words = (step.when or "").split(" ")
    reads, asked = ([words[2]] if len(words) > 2 else []), words[0] != "false"
    for switch in spec.switch:
        branches = {each: text for text, found in switch.cases.items() for each in found}
        if step.id not in branches and step.id not in switch.otherwise:
            continue
        text = switch.on.split("'")[-2]
        chosen = branches.get(step.id, text if text not in switch.cases else "")
        asked = asked and chosen == text
        if "?" in switch.on:
            reads.append(switch.on.split(" ")[0])
    return reads, asked


@attrs.define
class Interpreter:
    """Goes through pipelines as they are written.

    Attributes:
        case: what is gone through.
        statuses: flat id of a step -> its status.
        fatal: the steps for which the run has failed.
        result: what the run shows as its only entry, where it succeeds.
    """

    case: Case
    statuses: dict[str, StepStatus] = attrs.field(factory=dict)
    fatal: set[str] = attrs.field(factory=set)
    result: Any = None

    def run(self) -> None:
        """Go through the whole case."""
        items = Items(there=True, count=self.case.elements)
        spec = self.case.pipelines[-1]
        given = self.pipeline(Scope(self.case, spec, {"n": True, "xs": True}, items))
        shown = str(spec.result["r"]).split("_")[1]
        stands = self.case.stand_in(spec, shown) if given.is_replaced else None
        self.result = MADE if given.status == "succeeded" else stands

    def pipeline(self, scope: Scope) -> Given:
        """What the result of a pipeline comes to."""
        for step in sorted(scope.spec.steps, key=lambda each: each.id):
            scope.found[step.id] = self.step(step, scope)
        result = scope.spec.result["r"]
        assert isinstance(result, str)
        return scope.found[result.split("_")[1]]

    def step(self, step: StepSpec, scope: Scope) -> Given:
        """What a step comes to."""
        reads, asked = asked_of(step, scope.spec)
        holds = all(scope.there(each) for each in reads)
        inner = next((each for each in self.case.pipelines if each.pipeline == step.pipeline), None)
        flat = f"{scope.prefix}{step.id}"
        if inner is not None:
            if not (asked and holds):
                return self.left_out(inner, f"{flat}.")
            xs = scope.items(str(step.inputs[f"input_{step.id}_xs"]))
            has = {"xs": xs.there, "n": scope.there(step.inputs.get(f"input_{step.id}_n"))}
            around = (step.on_error, *scope.around)
            return self.pipeline(Scope(self.case, inner, has, xs, f"{flat}.", around))
        can = holds and all(scope.there(each) for each in step.inputs.values())
        items = scope.items(step.map) if step.map else scope.xs
        if step.map and items.came and self.is_fed(flat, items.producer):
            status = self.broken(step, flat, items)
        else:
            fate = self.case.fates[flat]
            status = self.outcome(step, fate, items.count) if can and asked else "skipped"
        self.statuses[flat] = status
        borne = next((each for each in (step.on_error, *scope.around) if each != "fail"), "fail")
        if status == "failed" and borne == "fail":
            self.fatal.add(flat)
        return Given(status, borne)

    def is_fed(self, flat: str, producer: str) -> bool:
        """Whether a step began with what had come; which can, has tests of its own."""
        return any(each.step == flat for each in self.case.graph.step(producer).feeds)

    def broken(self, step: StepSpec, flat: str, items: Items) -> StepStatus:
        """What a step comes to that was run for each item until there came no more."""
        if step.on_error == "fail":
            return "failed"
        return self.outcome(step, self.case.fates[flat], items.came)

    def left_out(self, spec: PipelineSpec, prefix: str) -> Given:
        """No step of a pipeline is run."""
        for step in spec.steps:
            inner = [each for each in self.case.pipelines if each.pipeline == step.pipeline]
            for each in inner:
                self.left_out(each, f"{prefix}{step.id}.")
            if not inner:
                self.statuses[f"{prefix}{step.id}"] = "skipped"
        return Given("skipped", "fail")

    def outcome(self, step: StepSpec, fate: Fate, count: int) -> StepStatus:
        """What the attempts come to, were they made one after the other."""
        if step.map:
            fails = step.on_error == "fail" and not all(fate.ends[:count])
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
