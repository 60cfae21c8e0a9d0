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
    if draw(st.booleans()) and inner:
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
    """Two or three pipelines of up to three steps each, later ones with earlier ones in them."""
    specs: list[PipelineSpec] = []
    for index in range(draw(st.integers(2, 3))):
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
