"""Fields as datasets: what a run was given is one, and what each of its steps has made.

A dataset is named after the pipeline and not after the run, so that a receiver sees how a
pipeline's values depend on one another; which values they were, the version says.
"""

from __future__ import annotations

import hashlib
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from typing import Any

import attrs
from openlineage.client.event_v2 import InputDataset, OutputDataset
from openlineage.client.generated.base import DatasetFacet
from openlineage.client.generated.column_lineage_dataset import (
    ColumnLineageDatasetFacet,
    Fields,
    InputField,
    Transformation,
)
from openlineage.client.generated.dataset_version_dataset import DatasetVersionDatasetFacet
from openlineage.client.generated.schema_dataset import (
    SchemaDatasetFacet,
    SchemaDatasetFacetFields,
)

from taskmgr_core.lineage import upstream
from taskmgr_core.orchestrator.compatibility import type_name
from taskmgr_core.specs import (
    Edge,
    FieldValue,
    Graph,
    GraphStep,
    condition_port,
    output_port,
)

# How deep the fields of objects in objects are told.
_DEPTH = 4
_MOST_FIELDS = 200


@attrs.frozen
class Place:
    """A field of a dataset.

    Attributes:
        dataset: the dataset's name.
        field: the field's.
    """

    dataset: str
    field: str


@attrs.frozen
class Datasets:
    """The datasets of a run.

    Attributes:
        namespace: of jobs and datasets.
        producer: who tells.
        graph: the run's.
        values: those that are recorded.
        edges: those that are recorded.
    """

    namespace: str
    producer: str
    graph: Graph
    values: Mapping[str, FieldValue] = attrs.field(factory=dict)
    edges: tuple[Edge, ...] = ()

    def given(self) -> list[InputDataset]:
        """What the run was given."""
        return self._inputs(self.graph.inputs)

    def result(self) -> list[OutputDataset]:
        """What the run has made: the fields of its result, each with the inputs it is made from."""
        ports: dict[str, None] = {}
        for each in self.graph.result.values():
            ports.update(dict.fromkeys([each] if isinstance(each, str) else each.ports.values()))
        places = {port: place for port in ports if (place := self.place(port)) is not None}
        return [
            self._output(name, of_it, lambda port: self._origins(upstream(self.edges, port)))
            for name, of_it in _by_dataset(places)
        ]

    def taken(self, step: GraphStep) -> list[InputDataset]:
        """What a step was given."""
        return self._inputs(dict.fromkeys(sorted(step.sources)))

    def made(self, step: GraphStep) -> list[OutputDataset]:
        """What a step has made, each field with those that it is made from."""
        ports = [output_port(step.id, name) for name in step.outputs]
        places = {port: Place(step_dataset(self.graph, step), _field(port)) for port in ports}
        return [
            self._output(name, of_it, self._sources, step) for name, of_it in _by_dataset(places)
        ]

    def place(self, port: str) -> Place | None:
        """Where the value of a port is; None for an input port, which repeats another's."""
        if port in self.graph.inputs:
            return Place(f"{self.graph.name}.inputs", port)
        for step in self.graph.steps:
            for name in step.outputs:
                if port == output_port(step.id, name):
                    return Place(step_dataset(self.graph, step), name)
        return None

    def _inputs(self, ports: Iterable[str]) -> list[InputDataset]:
        places = {port: place for port in ports if (place := self.place(port)) is not None}
        return [
            InputDataset(self.namespace, name, facets=self._facets(of_it))
            for name, of_it in _by_dataset(places)
        ]

    def _output(
        self,
        name: str,
        ports: Mapping[str, Place],
        origins: Callable[[str], list[Place]],
        step: GraphStep | None = None,
    ) -> OutputDataset:
        fields = {
            place.field: Fields(inputFields=found)
            for port, place in ports.items()
            if (found := [self._input_field(each) for each in origins(port)])
        }
        facets = self._facets(ports)
        conditions = self._conditions(step) if step is not None else []
        if fields or conditions:
            facets["columnLineage"] = ColumnLineageDatasetFacet(
                fields=fields, dataset=conditions, producer=self.producer
            )
        return OutputDataset(self.namespace, name, facets=facets)

    def _sources(self, port: str) -> list[Place]:
        """The fields of other datasets that a value was made from, through the input ports."""
        inner = {edge.source for edge in self.edges if edge.target == port}
        outer = [edge.source for edge in self.edges if edge.target in inner]
        return self._origins(outer)

    def _origins(self, ports: Iterable[str]) -> list[Place]:
        found = [self.place(port) for port in ports]
        return list(dict.fromkeys(each for each in found if each is not None))

    def _conditions(self, step: GraphStep) -> list[InputField]:
        """What a step's condition was found from, on which everything in its outputs depends."""
        target = condition_port(step.id)
        places = self._origins(edge.source for edge in self.edges if edge.target == target)
        return [self._input_field(each, "INDIRECT", "CONDITIONAL") for each in places]

    def _input_field(
        self, place: Place, kind: str = "DIRECT", subtype: str = "TRANSFORMATION"
    ) -> InputField:
        how = [Transformation(type=kind, subtype=subtype)]
        return InputField(self.namespace, place.dataset, place.field, how)

    def _facets(self, ports: Mapping[str, Place]) -> dict[str, DatasetFacet]:
        fields = [
            field_of(place.field, self.graph.schemas.get(port, {}), number)
            for number, (port, place) in enumerate(ports.items(), 1)
        ]
        facets: dict[str, DatasetFacet] = {
            "schema": SchemaDatasetFacet(fields=fields, producer=self.producer)
        }
        if all(port in self.values for port in ports):
            facets["version"] = DatasetVersionDatasetFacet(
                version_of([self.values[port] for port in ports]), producer=self.producer
            )
        return facets


def step_dataset(graph: Graph, step: GraphStep) -> str:
    """The name of what a step makes, which is that of its job."""
    return f"{graph.name}.{step.id}_{step.task}"


def version_of(values: Sequence[FieldValue]) -> str:
    """A digest that is the same where the values are: a value's own where it is one."""
    if len(values) == 1:
        return values[0].digest
    together = "\n".join(f"{each.port} {each.digest}" for each in values)
    return "sha256:" + hashlib.sha256(together.encode()).hexdigest()


def field_of(name: str, schema: Any, number: int | None = None) -> SchemaDatasetFacetFields:
    """A field and the fields in it, from a JSON Schema."""
    return _field_of(name, schema, schema, number, _DEPTH)


def _field_of(
    name: str, schema: Any, whole: Any, number: int | None, depth: int
) -> SchemaDatasetFacetFields:
    found = _resolved(schema, whole)
    inner = _resolved(found.get("items", {}), whole) if found.get("type") == "array" else found
    properties = inner.get("properties", {}) if depth else {}
    return SchemaDatasetFacetFields(
        name=name,
        type=type_name(schema) if schema is found else type_name(found),
        description=found.get("description"),
        ordinal_position=number,
        fields=[
            _field_of(each, of_it, whole, place, depth - 1)
            for place, (each, of_it) in enumerate(list(properties.items())[:_MOST_FIELDS], 1)
        ],
    )


def _resolved(schema: Any, whole: Any) -> Mapping[str, Any]:
    """A schema, or the one that it refers to."""
    if not isinstance(schema, Mapping):
        return {}
    reference = schema.get("$ref", "")
    if isinstance(reference, str) and reference.startswith("#/$defs/"):
        found = whole.get("$defs", {}).get(reference.removeprefix("#/$defs/"))
        return found if isinstance(found, Mapping) else {}
    return schema


def _by_dataset(places: Mapping[str, Place]) -> Iterator[tuple[str, dict[str, Place]]]:
    names = dict.fromkeys(place.dataset for place in places.values())
    for name in names:
        yield name, {port: place for port, place in places.items() if place.dataset == name}


def _field(port: str) -> str:
    return port.split("_", 2)[2]
