"""Any schema that annotations can become, its values, and schemas that are nearly the same."""

import copy
from collections.abc import Iterator
from typing import Any

from hypothesis import strategies as st

Schema = dict[str, Any]

SCALARS = st.sampled_from(["string", "integer", "number", "boolean", "null"])
CONSTANTS = st.sampled_from(["a", "b", 0, 1, 1.5, True, False, None])
PROPERTIES = st.sampled_from("xyz")


def _objects(children: st.SearchStrategy[Schema]) -> st.SearchStrategy[Schema]:
    def required(properties: dict[str, Schema]) -> st.SearchStrategy[Schema]:
        return st.sets(st.sampled_from(sorted(properties))).map(
            lambda names: {"type": "object", "properties": properties, "required": sorted(names)}
        )

    return st.dictionaries(PROPERTIES, children, min_size=1, max_size=3).flatmap(required)


def _containers(children: st.SearchStrategy[Schema]) -> st.SearchStrategy[Schema]:
    tuples = st.lists(children, min_size=1, max_size=3).map(
        lambda items: {
            "type": "array",
            "prefixItems": items,
            "minItems": len(items),
            "maxItems": len(items),
        }
    )
    return st.one_of(
        children.map(lambda items: {"type": "array", "items": items}),
        tuples,
        children.map(lambda values: {"type": "object", "additionalProperties": values}),
        st.lists(children, min_size=1, max_size=3).map(lambda members: {"anyOf": members}),
        _objects(children),
    )


SCHEMAS: st.SearchStrategy[Schema] = st.recursive(
    st.one_of(
        SCALARS.map(lambda kind: {"type": kind}),
        st.lists(CONSTANTS, min_size=1, max_size=3).map(lambda values: {"enum": values}),
        CONSTANTS.map(lambda value: {"const": value}),
        st.lists(SCALARS, min_size=1, max_size=2, unique=True).map(lambda kinds: {"type": kinds}),
    ),
    _containers,
    max_leaves=6,
)


def values_of(schema: Schema) -> st.SearchStrategy[Any]:
    """Values that fit a schema; objects with properties have no others."""
    if "anyOf" in schema:
        return st.one_of([values_of(each) for each in schema["anyOf"]])
    if "enum" in schema or "const" in schema:
        return st.sampled_from(schema.get("enum", [schema.get("const")]))
    kind = schema["type"]
    if isinstance(kind, list):
        return st.one_of([values_of({**schema, "type": each}) for each in kind])
    if kind == "array":
        prefix = schema.get("prefixItems")
        if prefix is not None:
            return st.tuples(*map(values_of, prefix)).map(list)
        return st.lists(values_of(schema["items"]), max_size=3)
    if kind == "object" and "properties" not in schema:
        return st.dictionaries(PROPERTIES, values_of(schema["additionalProperties"]), max_size=3)
    if kind == "object":
        values = {name: values_of(each) for name, each in schema["properties"].items()}
        required = {name: values.pop(name) for name in schema["required"]}
        return st.fixed_dictionaries(required, optional=values)
    scalars: dict[str, st.SearchStrategy[Any]] = {
        "string": st.sampled_from(["", "a", "zz"]),
        "integer": st.integers(-2, 2),
        "number": st.sampled_from([0, 1, -1.5, 0.5]),
        "boolean": st.booleans(),
        "null": st.none(),
    }
    return scalars[kind]


@st.composite
def changed(draw: st.DrawFn, schema: Schema) -> Schema:
    """The schema with one word in it changed: most often wider, at times another."""
    target = copy.deepcopy(schema)
    part = draw(st.sampled_from(list(_parts(target))))
    before = copy.deepcopy(part)
    kind = draw(st.sampled_from(["either", "required", "further", "number", "replace"]))
    if kind == "required" and part.get("required"):
        part["required"].pop()
    elif kind == "further" and "anyOf" not in part:
        part["additionalProperties"] = draw(SCHEMAS | st.booleans())
    elif kind == "number" and part.get("type") == "integer":
        part["type"] = "number"
    else:
        other = draw(SCHEMAS)
        part.clear()
        part.update(other if kind == "replace" else {"anyOf": [before, other]})
    return target


def _parts(schema: Any) -> Iterator[Schema]:
    """The schemas inside a schema, itself included."""
    if isinstance(schema, dict) and {"type", "enum", "const", "anyOf"} & schema.keys():
        yield schema
    inner = schema.values() if isinstance(schema, dict) else schema
    for each in inner if isinstance(schema, dict | list) else ():
        yield from _parts(each)
