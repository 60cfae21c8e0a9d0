"""Graphs as stores record them: the runs of one pipeline have equal ones, written out once."""

from __future__ import annotations

import json
import threading
from collections import OrderedDict
from collections.abc import Mapping

import attrs

from taskmgr_core import documents
from taskmgr_core.specs import Graph
from taskmgr_core.stores.records import remember, rule_text

CAPACITY = 64
LENGTH = 4_000_000


@attrs.frozen
class StepPlan:
    """What a new run records of a step beside its state.

    Attributes:
        after: the steps that it waits for, as JSON.
        text: the step of the graph, as JSON.
        rule: see ``records.rule_text``.
        takers: the steps that take its outputs, as JSON.
    """

    after: str
    text: str
    rule: str
    takers: str


@attrs.frozen
class Plan:
    """What a new run records of its graph.

    Attributes:
        text: the graph, as JSON.
        steps: step id -> its own part.
    """

    text: str
    steps: Mapping[str, StepPlan]

    @classmethod
    def of(cls, graph: Graph) -> Plan:
        """Write a graph out."""
        takers: dict[str, list[str]] = {step.id: [] for step in graph.steps}
        for step in graph.steps:
            for earlier in step.after:
                takers[earlier].append(step.id)
        # A step is written once, for its own record and for that of the graph.
        whole = documents.unstructure(graph)
        texts = [documents.text_of(each) for each in whole.pop("steps")]
        steps = {
            step.id: StepPlan(
                json.dumps(step.after), text, rule_text(step), json.dumps(takers[step.id])
            )
            for step, text in zip(graph.steps, texts, strict=True)
        }
        for step in graph.steps:  # who claims it in this process need not read it
            remember(steps[step.id].text, step)
        around = documents.text_of(whole).removesuffix("}")
        return cls(f'{around},"steps":[{",".join(texts)}]}}', steps)


@attrs.define
class Plans:
    """Writes graphs out, and keeps what was written of those that were asked for last.

    Who submits a pipeline again and again does so with the same graph, the very object (see
    ``compiled``); who waits for a run has often submitted it. Threads may share it.

    Attributes:
        capacity: how many are kept.
        length: how long their texts are at most, taken together.
    """

    capacity: int = CAPACITY
    length: int = LENGTH
    # With its graph, which so is no other one of the same place in memory.
    _known: OrderedDict[int, tuple[Graph, Plan]] = attrs.field(
        factory=OrderedDict, init=False, repr=False
    )
    _graphs: dict[str, Graph] = attrs.field(factory=dict, init=False, repr=False)
    _length: int = attrs.field(default=0, init=False)
    _lock: threading.Lock = attrs.field(factory=threading.Lock, init=False, repr=False)

    def of(self, graph: Graph) -> Plan:
        """The plan of a graph that nobody changes."""
        with self._lock:
            if (found := self._known.get(id(graph))) is not None:
                self._known.move_to_end(id(graph))
                return found[1]
        plan = Plan.of(graph)
        if len(plan.text) <= self.length:
            with self._lock:
                self._keep(graph, plan)
        return plan

    def graph(self, text: str) -> Graph | None:
        """The graph that was written so, if it is kept."""
        with self._lock:
            return self._graphs.get(text)

    def _keep(self, graph: Graph, plan: Plan) -> None:
        if id(graph) in self._known:  # another thread was quicker
            return
        self._known[id(graph)] = graph, plan
        self._graphs[plan.text] = graph
        self._length += len(plan.text)
        while len(self._known) > self.capacity or self._length > self.length:
            _, (_, oldest) = self._known.popitem(last=False)
            self._graphs.pop(oldest.text, None)
            self._length -= len(oldest.text)
