"""Values for a JSON Schema: a usual one, odd ones that fit, and wrong ones; the same always.

Files are ``Content`` where the value will have a reference to them. A keyword that is not
understood here is no harm: whoever uses the values asks the validator which of them fit.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from itertools import islice
from typing import Any

import attrs

from taskmgr_core.testing.contract.contents import BYTES, Content, array, picture
from taskmgr_plugins.converter import NPY
from taskmgr_plugins.schemas import TYPE_KEY

LONG_TEXT = 20_000
MANY = 500
_SIDE = 64

_FORMATS = {
    "date": "2024-02-29",
    "date-time": "2024-02-29T23:59:59Z",
    "time": "23:59:59Z",
    "duration": "P1D",
    "email": "ada@example.org",
    "hostname": "example.org",
    "ipv4": "192.0.2.1",
    "ipv6": "2001:db8::1",
    "uri": "https://example.org/",
    "uuid": "00000000-0000-4000-8000-000000000000",
}
_TEXTS = (
    ("empty", ""),
    ("a space", " "),
    ("a line end", "\n"),
    ("a NUL", "\0"),
    ("an emoji of several characters", "\U0001f469\u200d\U0001f52c"),
    ("combining marks", "e\u0301\u0308" * 20),
    ("right to left", "\u05e9\u05dc\u05d5\u05dd \u202e42"),
    ("a path", "../../etc/passwd"),
    ("braces", "{0!r:>{width}} %s $x <b>"),
    ("very long", "word " * (LONG_TEXT // 5)),
    ("one very long word", "x" * LONG_TEXT),
)
_NUMBERS = (0, 1, -1, 0.5, -1e308, 1e308, 5e-324, 2**31, 2**53 + 1, -(2**63))
_WHOLE = (0, 1, -1, 2**31, -(2**31) - 1, 2**63, -(2**63) - 1, 10**30)
_OTHERS: tuple[Any, ...] = (None, True, 7, 1.5, "wrong", [], ["wrong"], {}, {"wrong": 1})
_KINDS: Mapping[str, tuple[type, ...]] = {
    "null": (type(None),),
    "boolean": (bool,),
    "integer": (int,),
    "number": (int, float),
    "string": (str,),
    "array": (list,),
    "object": (dict,),
}


@attrs.frozen
class Case:
    """A value, and what is odd about it."""

    what: str
    value: Any


Schema = Mapping[str, Any]


def usual(schema: Schema) -> Any:
    """A value as somebody would give it; it fits unless the schema says more than is known here."""
    for key in ("const", "default"):
        if key in schema:
            return schema[key]
    for key in ("examples", "enum"):
        if schema.get(key):
            return schema[key][0]
    if branches := _branches(schema):
        return usual(branches[0])
    return _usual_of(_kind(schema))(schema)


def extremes(schema: Schema) -> Iterator[Case]:
    """Values at the edges of what fits."""
    for key in ("examples", "enum"):
        for each in schema.get(key, ()):
            yield Case(f"{each!r}", each)
    if "const" in schema or "enum" in schema:
        return
    for branch in _branches(schema):
        yield Case(f"as {_kind(branch)}", usual(branch))
        yield from extremes(branch)
    if not _branches(schema):
        yield from _EXTREMES[_kind(schema)](schema)


def wrongs(schema: Schema) -> Iterator[Case]:
    """Values of another kind, with a part missing, and files that are damaged."""
    members = _branches(schema) or [schema]
    if "enum" in schema or "const" in schema:
        yield Case("no member", "no member of this")
    kinds = tuple(kind for each in members for kind in _kinds(each))
    if kinds:
        yield from (Case(_shown(each), each) for each in _OTHERS if not _is(each, kinds))
    for each in members:
        yield from _damaged(each)
        yield from _inner_wrongs(each)


def thinned(cases: Sequence[Case], most: int) -> list[Case]:
    """So many of the cases, evenly from all of them."""
    if len(cases) <= most:
        return list(cases)
    return [cases[at * len(cases) // most] for at in range(most)]


def _branches(schema: Schema) -> list[Schema]:
    """The alternatives of a union, what stands beside them in each."""
    for key in ("anyOf", "oneOf"):
        if schema.get(key):
            beside = {name: each for name, each in schema.items() if name != key}
            return [{**beside, **each} for each in schema[key]]
    kinds = schema.get("type")
    return [{**schema, "type": each} for each in kinds] if isinstance(kinds, list) else []


def _kind(schema: Schema) -> str:
    named = schema.get(TYPE_KEY)
    if named in ("Image", "File", "Array", "Box", "Points"):
        return str(named)
    if "type" in schema:
        return str(schema["type"])
    implied = {"properties": "object", "items": "array", "minLength": "string", "minimum": "number"}
    return next((kind for key, kind in implied.items() if key in schema), "any")


def _kinds(schema: Schema) -> tuple[type, ...]:
    """The Python types of its values; none where any will do."""
    if "enum" in schema:
        return tuple({type(each) for each in schema["enum"]})
    kind = _kind(schema)
    named = {"Image": "object", "File": "object", "Array": "object", "Box": "object"}
    return _KINDS.get({**named, "Points": "array"}.get(kind, kind), ())


def _is(value: Any, kinds: tuple[type, ...]) -> bool:
    return isinstance(value, kinds) and (bool in kinds or not isinstance(value, bool))


# usual


def _usual_of(kind: str) -> Callable[[Schema], Any]:
    known: Mapping[str, Callable[[Schema], Any]] = {
        "Image": lambda _: picture(_SIDE, _SIDE * 3 // 4),
        "File": lambda _: Content("usual.txt", b"one\ntwo\n"),
        "Array": lambda _: array("<f4", (8, 8), b"\0\0\x80\x3f"),
        "Box": lambda _: {"x": 4, "y": 4, "width": 24, "height": 24},
        "Points": lambda _: [[8, 8], [24, 8], [16, 16], [10, 24], [22, 24]],
        "null": lambda _: None,
        "boolean": lambda _: True,
        "integer": lambda schema: int(_number(schema, whole=True)),
        "number": lambda schema: _number(schema, whole=False),
        "string": _text,
        "array": _list,
        "object": _object,
    }
    return known.get(kind, lambda _: "usual")


def _number(schema: Schema, *, whole: bool) -> float:
    step = schema.get("multipleOf", 1 if whole else 0)
    small = 1 if whole else 0.25
    low = schema.get("minimum", schema.get("exclusiveMinimum", None))
    high = schema.get("maximum", schema.get("exclusiveMaximum", None))
    if low is not None and high is not None:
        found = (low + high) / 2 if not whole else (low + high) // 2
    elif low is not None:
        found = low + small
    elif high is not None:
        found = high - small
    else:
        found = 3 if whole else 2.5
    return float(found // step * step) if step and not whole else found


def _text(schema: Schema) -> str:
    text = _FORMATS.get(str(schema.get("format", "")), "The quick brown fox, and a fine day.")
    low, high = schema.get("minLength", 0), schema.get("maxLength", len(text))
    longest: int = max(low, high)
    found: str = text + "x" * max(0, low - len(text))
    return found[:longest]


def _list(schema: Schema) -> list[Any]:
    first = [usual(each) for each in schema.get("prefixItems", ())]
    wanted = max(schema.get("minItems", 0), min(2, schema.get("maxItems", 2)))
    rest = max(0, wanted - len(first)) if "items" in schema or not first else 0
    return first + [usual(schema.get("items", {})) for _ in range(rest)]


def _object(schema: Schema) -> dict[str, Any]:
    found = {name: usual(each) for name, each in schema.get("properties", {}).items()}
    more = schema.get("additionalProperties")
    if not found and isinstance(more, Mapping):
        return {"one": usual(more), "two": usual(more)}
    return found


# extremes


def _texts(schema: Schema) -> Iterator[Case]:
    longest = min(schema.get("maxLength", LONG_TEXT), LONG_TEXT)
    shortest = schema.get("minLength", 0)
    yield from (Case(what, each) for what, each in _TEXTS if shortest <= len(each) <= longest)
    yield Case("as long as allowed", "x" * longest)
    yield Case("as short as allowed", "x" * shortest)


def _numbers(schema: Schema, candidates: Sequence[float]) -> Iterator[Case]:
    bounds = [schema[key] for key in ("minimum", "maximum") if key in schema]
    step = schema.get("multipleOf")
    low, high = schema.get("minimum"), schema.get("maximum")
    for each in dict.fromkeys([*bounds, *candidates]):
        fits = (low is None or each >= low) and (high is None or each <= high)
        if fits and (step is None or each % step == 0):
            yield Case(f"{each!r}", each)


def _lists(schema: Schema) -> Iterator[Case]:
    items = schema.get("items", {})
    longest, shortest = schema.get("maxItems", MANY), schema.get("minItems", 0)
    one = usual(items)
    if "prefixItems" not in schema:
        for what, count in (("empty", 0), ("of one", 1), ("of many", min(longest, MANY))):
            if shortest <= count <= longest and not (count == MANY and _has_file(one)):
                yield Case(what, [one] * count)
    for at, each in enumerate(schema.get("prefixItems", ())):
        for case in extremes(each):
            whole = _list(schema)
            yield Case(f"[{at}] {case.what}", [*whole[:at], case.value, *whole[at + 1 :]])
    if "items" in schema:
        count = max(1, shortest)
        yield from (Case(f"[0] {case.what}", [case.value] * count) for case in extremes(items))


def _objects(schema: Schema) -> Iterator[Case]:
    whole, required = _object(schema), schema.get("required", ())
    properties = schema.get("properties", {})
    if len(required) < len(properties):
        least = {name: each for name, each in whole.items() if name in required}
        yield Case("with what is required only", least)
    more = schema.get("additionalProperties")
    if not properties and more is None:
        yield Case("empty", {})
        yield Case("with an empty key", {"": None})
        yield Case("nested", {"a": {"b": [{"c": []}]}})
    if isinstance(more, Mapping):
        yield Case("empty", {})
        yield Case("with an empty key", {"": usual(more)})
        for case in extremes(more):
            yield Case(f".one {case.what}", {"one": case.value})
    for name, inner in properties.items():
        for case in extremes(inner):
            yield Case(f".{name} {case.what}", {**whole, name: case.value})


def _pictures(_: Schema) -> Iterator[Case]:
    for what, made in (
        ("of one pixel", picture(1, 1)),
        ("one pixel high", picture(4000, 1)),
        ("one pixel wide", picture(1, 4000)),
        ("in gray", picture(_SIDE, _SIDE, "gray")),
        ("with transparency", picture(_SIDE, _SIDE, "rgba")),
        ("with 16 bits", picture(_SIDE, _SIDE, "rgb", 16)),
        ("large", picture(1600, 1200, "gray")),
    ):
        yield Case(what, made)


def _files(_: Schema) -> Iterator[Case]:
    yield Case("empty", Content("empty", b""))
    yield Case("of bytes", Content("bytes.bin", bytes(range(256)) * 256))
    yield Case("with an odd name", Content("a b\u00e9\U0001f469.tar.gz", b"x"))


def _arrays(_: Schema) -> Iterator[Case]:
    nan, one = b"\0\0\xc0\x7f", b"\0\0\x80\x3f"
    for what, made in (
        ("empty", array("<f4", (0,), one)),
        ("without a dimension", array("<f4", (), one)),
        ("of NaN", array("<f4", (8, 8), nan)),
        ("of whole numbers", array("<i8", (8, 8), b"\xff" * 8)),
        ("of booleans", array("|b1", (8, 8), b"\x01")),
        ("of five dimensions", array("<f4", (1, 2, 1, 2, 1), one)),
        ("large", array("<f4", (1000, 250), one)),
    ):
        yield Case(what, made)


def _boxes(_: Schema) -> Iterator[Case]:
    for what, box in (
        ("of no size", (0, 0, 0, 0)),
        ("of negative size", (10, 10, -5, -5)),
        ("off the picture", (-1e6, -1e6, 10, 10)),
        ("far larger than the picture", (-1e9, -1e9, 2e9, 2e9)),
        ("of a fraction of a pixel", (1.5, 1.5, 1e-9, 1e-9)),
        ("of the largest numbers", (1e308, 1e308, 1e308, 1e308)),
    ):
        yield Case(what, dict(zip(("x", "y", "width", "height"), box, strict=True)))


def _points(_: Schema) -> Iterator[Case]:
    yield Case("none", [])
    yield Case("one", [[0, 0]])
    yield Case("five times the same", [[3, 3]] * 5)
    yield Case("of the largest numbers", [[1e308, -1e308]] * 5)
    yield Case("many", [[at, at] for at in range(MANY)])


def _anything(_: Schema) -> Iterator[Case]:
    for each in _OTHERS:
        yield Case(_shown(each), each)


_EXTREMES: Mapping[str, Callable[[Schema], Iterator[Case]]] = {
    "Image": _pictures,
    "File": _files,
    "Array": _arrays,
    "Box": _boxes,
    "Points": _points,
    "string": _texts,
    "integer": lambda schema: _numbers(schema, _WHOLE),
    "number": lambda schema: _numbers(schema, _NUMBERS),
    "boolean": lambda _: iter([Case("true", True), Case("false", False)]),
    "null": lambda _: iter([Case("null", None)]),
    "array": _lists,
    "object": _objects,
    "any": _anything,
}


# wrongs


def _damaged(schema: Schema) -> Iterator[Case]:
    kind = _kind(schema)
    if kind == "Image":
        whole = picture(_SIDE, _SIDE)
        yield Case("an empty file", Content("empty.png", b"", whole.media_type))
        half = whole.content[: len(whole.content) // 2]
        yield Case("half of a picture", Content("half.png", half, whole.media_type))
        yield Case("a text named as a picture", Content("text.png", b"no picture", BYTES))
        yield Case("a JPEG's first bytes", Content("begun.jpg", b"\xff\xd8\xff\xe0" + bytes(64)))
    if kind == "Array":
        good = array("<f4", (8, 8), b"\0\0\x80\x3f")
        yield Case("half of an array", Content("half.npy", good.content[:150], NPY))
        yield Case("a text named as an array", Content("text.npy", b"no array", BYTES))
        inline = {"dtype": "<f4", "shape": [9, 9], "base64": "AAAA"}
        yield Case("an array of another size", {"$array": inline})
    if kind in ("Image", "File", "Array"):
        yield Case("a file that was not given", {"$artifact": "sha256:" + "0" * 64})


def _inner_wrongs(schema: Schema) -> Iterator[Case]:
    kind = _kind(schema)
    if kind == "array" and "items" in schema:
        for case in islice(wrongs(schema["items"]), 40):
            yield Case(f"[0] {case.what}", [case.value, *_list(schema)[1:]])
    if kind not in ("object", "Box"):
        return
    whole = usual(schema)
    for name in schema.get("required", ()):
        yield Case(f"without {name}", {key: each for key, each in whole.items() if key != name})
    for name, inner in schema.get("properties", {}).items():
        for case in islice(wrongs(inner), 12):
            yield Case(f".{name} {case.what}", {**whole, name: case.value})


def _has_file(value: Any) -> bool:
    if isinstance(value, Mapping):
        return any(map(_has_file, value.values()))
    return isinstance(value, Content) or (isinstance(value, list) and any(map(_has_file, value)))


def _shown(value: Any) -> str:
    names = {None: "null", True: "true"}
    return names.get(value, repr(value)) if isinstance(value, bool | None) else repr(value)
