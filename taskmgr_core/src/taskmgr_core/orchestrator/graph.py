"""Compiles a pipeline as written into the graph that runs: everything checked, nothing started."""

from __future__ import annotations

import re
from collections.abc import Callable, Collection, Iterator, Mapping, Sequence
from types import MappingProxyType
from typing import Any

import attrs

from taskmgr_core.drafts import is_inside
from taskmgr_core.errors import InvalidPipelineError, NotFoundError, Problem, nearest
from taskmgr_core.orchestrator.assembling import (
    Versions,
    fallbacks_of,
    graph_step,
    handler_last,
    joined_in,
    misfits,
    missing,
    no_port,
    optional,
    untaken,
    version_of,
)
from taskmgr_core.orchestrator.branching import Condition, conditions_of, steps_of
from taskmgr_core.orchestrator.declared import problems_of_result
from taskmgr_core.orchestrator.feeding import fed
from taskmgr_core.orchestrator.handling import (
    REPORT_SCHEMA,
    problems_of_handler,
    problems_of_policy,
    with_fallback,
)
from taskmgr_core.orchestrator.inlining import (
    MOST_LEVELS,
    inlined,
    interface_of,
    joined_of,
    problems_of_inner,
    problems_of_mapped_inputs,
    too_deep,
    too_many,
)
from taskmgr_core.orchestrator.limiting import key_reads, problems_of_limit
from taskmgr_core.orchestrator.mapping import mapped_schema, problems_of_map, with_makers
from taskmgr_core.orchestrator.ordering import circles, ordered
from taskmgr_core.orchestrator.ports import PlacedStep, Ports, port_step
from taskmgr_core.orchestrator.repeating import problems_of_repeat
from taskmgr_core.orchestrator.validation import Validator
from taskmgr_core.specs import (
    FAILURE_PORT,
    SUMMARY_ENTRY,
    Graph,
    PipelineSpec,
    ResultSpec,
    Source,
    StepSpec,
    TaskVersion,
    input_port,
    output_port,
)
from taskmgr_plugins.errors import TaskDefinitionError
from taskmgr_plugins.schemas import known_types, named_type

Pipelines = Mapping[str, PipelineSpec] | Callable[[str], PipelineSpec]

SINGLE_STEP = "001"

_STEP_ID = re.compile(r"[A-Za-z0-9]+\Z")
_PIPELINE_NAME = re.compile(r"[A-Za-z0-9][A-Za-z0-9_.-]*\Z")


def compile_pipeline(
    spec: PipelineSpec, versions: Versions, pipelines: Pipelines = MappingProxyType({})
) -> Graph:
    """Check a pipeline and fix what it runs.

    Arguments:
        spec: the pipeline as written.
        versions: task name -> its version; or a function of a task's name and
            a version (None for the current one), as ``MetadataStore.version``.
        pipelines: the name of a pipeline that a step may name -> the pipeline; or a function
            of the name, as ``MetadataStore.pipeline``.

    Returns:
        The graph, with exact versions; the steps in topological order, and
        otherwise as written.

    Raises:
        InvalidPipelineError: with every problem and its place.
    """
    return _compilation(spec, _Known(versions, pipelines)).graph()


def compile_task(version: TaskVersion) -> Graph:
    """The graph of a run of one task: its fields are the inputs and the result.

    Raises:
        InvalidPipelineError: a field has the name of a port.
    """
    task, step = version.task, SINGLE_STEP
    mapping = {input_port(step, field.name): field.name for field in task.inputs}
    spec = PipelineSpec(
        pipeline=task.name,
        inputs={field.name: field.schema for field in task.inputs},
        steps=(StepSpec(id=step, task=task.name, inputs=mapping),),
        result={field.name: output_port(step, field.name) for field in task.outputs},
    )
    compilation = _Compilation(spec, _Known({task.name: version}, None))
    compilation.check_names(reserved=lambda name: port_step(name) == step)
    return compilation.graph()


def problems_of_draft(
    spec: PipelineSpec,
    versions: Versions,
    holes: Collection[str],
    pipelines: Pipelines | None = None,
) -> tuple[Problem, ...]:
    """What is wrong with a pipeline that cannot be read whole, as far as that can be said.

    Arguments:
        spec: what can be read of it; see ``draft``.
        versions: as for ``compile_pipeline``.
        holes: the places that cannot be read.
        pipelines: as for ``compile_pipeline``; None where it is not known which there are.
    """
    return _compilation(spec, _Known(versions, pipelines), holes).problems()


@attrs.define
class _Known:
    """What the steps of a pipeline may name: tasks, and pipelines, each compiled once."""

    versions: Versions
    pipelines: Pipelines | None
    _graphs: dict[str, Graph | InvalidPipelineError] = attrs.field(factory=dict, init=False)

    def graph(self, trail: tuple[str, ...]) -> Graph:
        """The graph of the last of some pipelines, each of which is in the one before.

        Raises:
            NotFoundError: there is no such pipeline.
            InvalidPipelineError: it cannot run.
        """
        name = trail[-1]
        if name not in self._graphs:
            try:
                self._graphs[name] = _compilation(self._spec(name), self, trail=trail).graph()
            except InvalidPipelineError as error:
                self._graphs[name] = error
        found = self._graphs[name]
        if isinstance(found, InvalidPipelineError):
            raise found
        return found

    def _spec(self, name: str) -> PipelineSpec:
        if callable(self.pipelines):
            return self.pipelines(name)
        found = (self.pipelines or {}).get(name)
        if found is None:
            raise NotFoundError.named("pipeline", name, self.pipelines or {})
        return found


def _compilation(
    spec: PipelineSpec, known: _Known, holes: Collection[str] = (), trail: tuple[str, ...] = ()
) -> _Compilation:
    compilation = _Compilation(spec, known, holes, trail)
    compilation.check_names(reserved=lambda name: port_step(name) is not None)
    compilation.check_result_names()
    return compilation


@attrs.frozen
class _Connected:
    """The parts of a pipeline: looked up, and each input port led back to its source."""

    inputs: Mapping[str, Mapping[str, Any] | None]
    steps: Sequence[PlacedStep]
    ports: Ports
    sources: Mapping[str, Mapping[str, Source]]
    after: Mapping[str, tuple[str, ...]]
    order: Sequence[str]
    conditions: Mapping[str, Condition]


class _Compilation:
    """One pipeline on its way from what is written to what runs; gathers the problems.

    Of a draft some places cannot be read. What is found wrong there, or because of
    what may be there, is no problem of its own.
    """

    def __init__(
        self,
        spec: PipelineSpec,
        known: _Known,
        holes: Collection[str] = (),
        trail: tuple[str, ...] = (),
    ) -> None:
        self._spec = spec
        self._known = known
        self._holes = holes
        self._trail = trail or (spec.pipeline,)
        self._validator = Validator()
        self._problems: list[Problem] = []
        self._looked_up: dict[tuple[str, str | None], TaskVersion | str] = {}

    def check_names(self, reserved: Callable[[str], bool]) -> None:
        """Check the names of the pipeline and its inputs.

        Arguments:
            reserved: whether an input must not have a name, being a port's.
        """
        name = self._spec.pipeline
        if not _PIPELINE_NAME.match(name):
            self._report("pipeline", f"{name!r}: allowed are letters, digits, '_', '-' and '.'")
        for each in self._spec.inputs:
            if not each.isidentifier():
                self._report(
                    f"inputs.{each}",
                    f"{each!r} is no name; allowed are letters, digits and '_', a letter first",
                )
            elif reserved(each):
                self._report(f"inputs.{each}", f"{each!r} reads as the id of a port; rename it")

    def check_result_names(self) -> None:
        """Check that no entry of the result has the name of the one that is added."""
        if SUMMARY_ENTRY in self._spec.result:
            self._report(
                f"result.{SUMMARY_ENTRY}",
                f"every pipeline's result has an entry {SUMMARY_ENTRY!r} of its own; rename it",
            )

    def problems(self) -> tuple[Problem, ...]:
        """Every problem."""
        self._connected()
        return tuple(each for each in self._problems if not self._is_open(each.place))

    def graph(self) -> Graph:
        """The graph, or every problem."""
        spec, connected = self._spec, self._connected()
        if self._problems:
            raise InvalidPipelineError(spec.pipeline, self._problems)
        steps, sources = connected.steps, connected.sources
        placed = {step.id: step for step in steps}
        result = spec.result or untaken(connected.ports, steps, sources)
        graph = Graph(
            name=spec.pipeline,
            inputs={name: schema or {} for name, schema in connected.inputs.items()},
            optional=optional(
                connected.inputs, steps, sources, connected.conditions, connected.ports
            ),
            schemas=connected.ports.schemas(),
            steps=tuple(
                graph_step(
                    placed[each],
                    sources[each],
                    connected.after[each],
                    connected.conditions[each],
                    connected.ports,
                    spec.pipeline,
                )
                for each in connected.order
            ),
            result=joined_in(result, steps),
            timeout=spec.timeout,
            fallbacks=fallbacks_of(result, steps, connected.ports),
        )
        inner = {step.id: step.inner for step in steps if step.inner is not None}
        yielding = {step.id for step in steps if step.task is not None and step.task.streams}
        return fed(with_makers(inlined(graph, inner)), yielding)

    def _connected(self) -> _Connected:
        """Look everything up and connect it; what is wrong is reported."""
        inputs = self._input_schemas()
        steps = self._placed_steps()
        ports = Ports(
            inputs | ({FAILURE_PORT: REPORT_SCHEMA} if self._spec.on_failure else {}),
            steps,
            may_have_inputs=self._is_open("inputs"),
            may_have_steps=self._is_open("steps") or any(map(self._is_lost, self._step_places)),
        )
        sources = {step.id: self._sources(step, ports) for step in steps}
        for cycle in ports.alias_cycles:
            place = next(each.input_place(cycle[0]) for each in steps if cycle[0] in each.mapping)
            self._report(place, f"it takes its value from itself: {' -> '.join(cycle)}")
        for step in steps:
            self._problems += problems_of_inner(step)
            self._problems += problems_of_mapped_inputs(step, sources[step.id])
            if not step.spec.pipeline:
                self._problems += problems_of_map(step, sources[step.id], ports)
                self._problems += problems_of_repeat(step, ports)
                self._problems += problems_of_limit(step, ports)
        self._problems += too_many(steps)
        conditions = conditions_of(self._spec, steps, ports, self._problems)
        after = {
            step.id: self._after(step, sources[step.id], conditions[step.id], ports)
            for step in steps
        }
        for each in steps:
            self._problems += problems_of_policy(each, self._validator)
        self._problems += problems_of_handler(self._spec, steps, sources, after)
        order = handler_last(ordered(after), steps)
        for circle in circles(after, order):
            self._report(
                "steps",
                f"they wait for one another: {' -> '.join(circle)}; "
                "take an input of one of them from elsewhere",
            )
        self._problems += problems_of_result(self._checked_result(steps), ports.find_output)
        return _Connected(inputs, steps, ports, sources, after, order, conditions)

    @property
    def _step_places(self) -> Iterator[str]:
        return (f"steps[{index}]" for index in range(len(self._spec.steps)))

    def _is_open(self, place: str) -> bool:
        """Whether it cannot be read what stands in a place."""
        return is_inside(place, self._holes)

    def _is_lost(self, step_place: str) -> bool:
        """Whether it cannot be read which step stands in a place."""
        return self._is_open(f"{step_place}.id")

    def _checked_result(self, steps: Sequence[PlacedStep]) -> dict[str, str | ResultSpec]:
        """What is to be checked of it; of an entry that cannot be read whole its ports alone."""
        joined = {port for step in steps for port in joined_of(step)}
        found: dict[str, str | ResultSpec] = {}
        for name, entry in self._spec.result.items():
            if isinstance(entry, str) and entry in joined:
                continue  # it was checked where it is written
            place = f"result.{name}"
            if isinstance(entry, ResultSpec) and any(
                is_inside(hole, [place]) for hole in self._holes
            ):
                found |= {f"{name}.ports.{key}": port for key, port in entry.ports.items()}
            else:
                found[name] = entry
        return found

    def _report(self, place: str, message: str) -> None:
        self._problems.append(Problem(place, message))

    def _input_schemas(self) -> dict[str, Mapping[str, Any] | None]:
        """The schema of each pipeline input; None for one that has none that can be used."""
        found: dict[str, Mapping[str, Any] | None] = {}
        for name, given in self._spec.inputs.items():
            if isinstance(given, str):
                found[name] = self._named(given, f"inputs.{name}")
            else:
                wrong = self._validator.check_schema(given, f"inputs.{name}")
                self._problems += wrong
                found[name] = None if wrong else given
        return found

    def _named(self, given: str, place: str) -> Mapping[str, Any] | None:
        """The schema of a type that is named; None, and a problem, where it is not known."""
        try:
            found = named_type(given)
        except TaskDefinitionError as error:
            self._report(place, str(error))
            return None
        if found is None:
            self._report(place, f"no type {given!r}; {nearest(given, known_types())}")
        return found

    def _placed_steps(self) -> list[PlacedStep]:
        """The steps, without those whose id is taken or cannot be read."""
        if not self._spec.steps:
            self._report("steps", "there are none; a pipeline needs at least one")
        found: dict[str, PlacedStep] = {}
        chosen = {each for switch in self._spec.switch for each in steps_of(switch)}
        written = [PlacedStep(*each, None) for each in enumerate(self._spec.steps)]
        if self._spec.on_failure is not None:
            written.append(PlacedStep(len(written), self._spec.on_failure, None, True))
        for bare in written:
            step = bare.spec
            placed = attrs.evolve(self._found(bare), switched=step.id in chosen)
            if self._is_lost(placed.place):
                continue
            if not _STEP_ID.match(step.id):
                self._report(
                    f"{placed.place}.id", f"{step.id!r} is no id; allowed are letters and digits"
                )
            if step.id in found:
                taken = found[step.id].place
                self._report(f"{placed.place}.id", f"{step.id!r} is the id of {taken} already")
            found.setdefault(step.id, placed)
        return list(found.values())

    def _found(self, bare: PlacedStep) -> PlacedStep:
        """A step with the task, or the pipeline, that it names."""
        spec, place = bare.spec, bare.place
        if spec.task and spec.pipeline:
            self._report(f"{place}.pipeline", "a step has a task or a pipeline, not both")
        elif spec.task:
            return attrs.evolve(bare, version=self._version(spec, place))
        elif spec.pipeline:
            inner = self._inner(spec.pipeline, f"{place}.pipeline")
            if inner is not None:
                interface = interface_of(spec.pipeline, inner)
                return attrs.evolve(bare, inner=inner, interface=interface)
        elif not (self._is_open(f"{place}.task") or self._is_open(f"{place}.pipeline")):
            self._report(f"{place}.task", "missing; name a task, or a pipeline")
        return bare

    def _inner(self, name: str, place: str) -> Graph | None:
        """The graph of a pipeline that a step names; None, and problems, where it has none."""
        if self._known.pipelines is None:
            return None
        trail = (*self._trail, name)
        if name in self._trail:
            circle = " -> ".join(trail[trail.index(name) :])
            self._report(place, f"it would contain itself: {circle}; take one of these steps out")
        elif len(trail) - 1 > MOST_LEVELS:
            self._report(place, too_deep(name))
        else:
            try:
                return self._known.graph(trail)
            except NotFoundError as error:
                self._report(place, str(error))
            except InvalidPipelineError as error:
                for each in error.problems:
                    self._report(place, f"in {name!r}: {each}")
        return None

    def _version(self, step: StepSpec, place: str) -> TaskVersion | None:
        is_open = self._is_open(f"{place}.version")
        found = self._look_up(step.task, None if is_open else step.version)
        if not isinstance(found, str):
            return None if is_open else found
        task_known = step.version and not isinstance(self._look_up(step.task, None), str)
        self._report(f"{place}.version" if task_known else f"{place}.task", found)
        return None

    def _look_up(self, task: str, version: str | None) -> TaskVersion | str:
        """A version, or why there is none."""
        key = (task, version)
        if key not in self._looked_up:
            try:
                self._looked_up[key] = version_of(self._known.versions, task, version)
            except NotFoundError as error:
                self._looked_up[key] = str(error)
        return self._looked_up[key]

    def _sources(self, step: PlacedStep, ports: Ports) -> dict[str, Source]:
        """Where the value of each field comes from; what cannot be said is reported."""
        fields = {input_port(step.id, field.name): field for field in step.inputs}
        for port, reference in step.mapping.items():
            if step.task is not None and port not in fields:
                self._report(step.input_place(port), no_port(port, step, fields))
            problem = ports.problem_of(reference)
            if problem is not None:
                self._report(step.input_place(port), problem)
        found: dict[str, Source] = {}
        for port, field in fields.items():
            if port not in step.mapping:
                if field.required:
                    self._report(step.input_place(port), missing(step, field))
                continue
            source = with_fallback(ports.source(port), ports)
            if source is not None:
                schema = mapped_schema(step, source, ports)
                place = step.input_place(port)
                self._problems += misfits(source, field, schema, place, self._validator)
                found[field.name] = source
        return found

    def _after(
        self, step: PlacedStep, sources: Mapping[str, Source], condition: Condition, ports: Ports
    ) -> tuple[str, ...]:
        found: dict[str, None] = {}
        for source in key_reads(step, ports).values():
            producer = ports.producer(source.port)
            if producer is not None and producer != step.id and ports.has_step(producer):
                found[producer] = None
        for name, source in condition.reads.items():
            producer = ports.producer(source.port)
            if producer == step.id:
                self._report(f"{step.place}.when", f"{name} is made by the step itself")
            elif producer is not None and ports.has_step(producer):
                found[producer] = None
        for field, source in sources.items():
            producer = ports.producer(source.port)
            if producer == step.id:
                place = step.input_place(input_port(step.id, field))
                self._report(place, f"the step takes its own output {source.port}")
            elif producer is not None and ports.has_step(producer):
                found[producer] = None
        return tuple(found)
