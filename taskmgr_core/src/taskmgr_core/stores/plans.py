"""Graphs as stores record them: the runs of one pipeline have equal ones, written out once."""

from __future__ import annotations

import json
import threading
from collections import OrderedDict
from collections.abc import Mapping

import attrs

from taskmgr_core import documents
from taskmgr_core.specs import Graph
from taskmgr_core.stores.records import REMEMBERED_LENGTH, rule_text

CAPACITY = 64


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
        around = documents.text_of(whole).removesuffix("}")
        return cls(f'{around},"steps":[{",".join(texts)}]}}', steps)


@attrs.define
class Plans:
    """Writes graphs out, and keeps what was written of those that were asked for last.

    Who submits a pipeline again and again does so with the same graph, the very object (see
    ``compiled``). Long ones are not kept. Threads may share it.

    Attributes:
        capacity: how many are kept.
    """

    capacity: int = CAPACITY
    # With its graph, which so is no other one of the same place in memory.
    _known: OrderedDict[int, tuple[Graph, Plan]] = attrs.field(
        factory=OrderedDict, init=False, repr=False
    )
    _lock: threading.Lock = attrs.field(factory=threading.Lock, init=False, repr=False)

    def of(self, graph: Graph) -> Plan:
        """The plan of a graph that nobody changes."""
        with self._lock:
            if (found := self._known.get(id(graph))) is not None:
                self._known.move_to_end(id(graph))
                return found[1]
        plan = Plan.of(graph)
        if len(plan.text) <= REMEMBERED_LENGTH:
            with self._lock:
                self._known[id(graph)] = graph, plan
                while len(self._known) > self.capacity:
                    self._known.popitem(last=False)
        return plan
