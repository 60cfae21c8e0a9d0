"""Conditions of steps: expressions in CEL over ports, checked and asked. Pure.

CEL (the Common Expression Language) has no loops but over lists, no assignment and no way
out; the library stops an expression after 10,000 elements. So one always ends, and soon.
"""

from __future__ import annotations

import functools
import json
import re
from collections.abc import Iterator, Mapping, Sequence
from typing import TYPE_CHECKING, Any

import attrs

from taskmgr_core.errors import RunnerError
from taskmgr_core.orchestrator.compatibility import Schema

if TYPE_CHECKING:
    from cel_expr_python import cel

MOST_CHARACTERS = 2000
_LONGEST_SHOWN = 60

KEY = "KEY"
_KEYS = ("STRING", "INT", "UINT", "DOUBLE", "BOOL")

_STRINGS = re.compile(
    r"[rRbB]*(\"\"\".*?\"\"\"|'''.*?'''|\"(?:\\.|[^\"\\])*\"|'(?:\\.|[^'\\])*')", re.DOTALL
)
_NAMES = re.compile(r"(?<![\w.])[A-Za-z_]\w*")
_TOKENS = re.compile(f"{_STRINGS.pattern}|{_NAMES.pattern}", re.DOTALL)
_ERROR = re.compile(r"ERROR: <input>:(\d+):(\d+): (.*)")
_MISSING = re.compile(r"missing ('[^']+')")
_UNEXPECTED = re.compile(r"input '([^']*)'")
_NO_OVERLOAD = re.compile(r"no matching overload for '([^']+)' applied to '\((.*)\)'")
_UNDECLARED = re.compile(r"undeclared reference to '([^']+)'")
# What ``_literal`` writes, and what stands behind the brackets of a branch's condition.
_LITERAL = re.compile(r'"[^"]*"')
_CASE = re.compile(r' == "[^"]*"')
_NO_CASE = re.compile(r' in \[("[^"]*"(, "[^"]*")*)?\]\)')


def names_in(expression: str) -> tuple[str, ...]:
    """The names in an expression that may be ports: outside of texts, and not behind a dot."""
    return tuple(dict.fromkeys(_NAMES.findall(_STRINGS.sub(" '' ", expression))))


def renamed(expression: str, names: Mapping[str, str]) -> str:
    """An expression with other names for ports; texts in it stay as they are.

    Arguments:
        expression: as written.
        names: name -> what stands in its place.
    """
    return _TOKENS.sub(lambda found: names.get(found[0], found[0]), expression)


def problems_of(
    expression: str, schemas: Mapping[str, Schema | None], wanted: str = "BOOL"
) -> Iterator[str]:
    """What is wrong with an expression, as far as that can be said without values.

    Arguments:
        expression: as written.
        schemas: the ports that it may name, each with its JSON Schema where that is known.
        wanted: what it must give: ``BOOL``, ``STRING`` or ``KEY`` (any of what can be a key).
    """
    words = {"BOOL": "true or false", "STRING": "a text", KEY: "a text or a number"}
    if not expression.strip():
        yield f"it is empty; write an expression in CEL that gives {words[wanted]}"
        return
    if len(expression) > MOST_CHARACTERS:
        yield f"it has {len(expression)} characters; allowed are {MOST_CHARACTERS}"
        return
    kinds = {name: _type_of(schema) for name, schema in schemas.items()}
    try:
        compiled = _environment(tuple(sorted(kinds.items()))).compile(expression)
    except RuntimeError as error:
        yield from _told(str(error))
        return
    given = compiled.return_type().name()
    if given not in (*_KEYS, "DYN") if wanted == KEY else given not in (wanted, "DYN"):
        yield f"it gives {given.lower()}, and must give {words[wanted]}"


def unknown_name(problem: str) -> str | None:
    """The name that a problem says is not known; None for another problem."""
    found = _UNDECLARED.search(problem)
    return found[1] if found else None


def holds(expression: str, values: Mapping[str, Any], texts: Sequence[str] = ()) -> bool:
    """Whether a condition holds.

    Arguments:
        expression: one in which nothing was found wrong.
        values: the JSON value of each port that it names.
        texts: the expressions in it that have to give a text.

    Raises:
        RunnerError: with the code ``condition``: it cannot be told, or took too long.
    """
    try:
        found = _compiled(expression, tuple(sorted(values))).eval(data=dict(values))
    except (RuntimeError, TypeError, ValueError, OverflowError) as error:
        raise _failed(expression, str(error)) from error
    kind = found.type().name()
    if kind == "ERROR":
        for each in texts:
            _check_text(each, values)
        raise _failed(expression, str(found.value()))
    if kind != "BOOL":
        raise _failed(expression, f"it gave {kind.lower()}, not true or false")
    return bool(found.value())


def _check_text(expression: str, values: Mapping[str, Any]) -> None:
    """Refuse what a switch looks at where that is no text."""
    found = _compiled(expression, tuple(sorted(values))).eval(data=dict(values))
    kind = found.type().name()
    if kind not in ("STRING", "ERROR"):
        given = _shown(values[expression] if expression in values else found.value())
        of_type = "" if kind == "NULL" else f" ({kind.partition('<')[0].lower()})"
        raise _failed(expression, f"it gave {given}{of_type}, not a text", "switch")


def key_of(expression: str, values: Mapping[str, Any]) -> Any:
    """What an expression gives, as JSON.

    Arguments:
        expression: one in which nothing was found wrong.
        values: as for ``holds``.

    Raises:
        RunnerError: with the code ``condition``: it cannot be told, or gives no text or number.
    """
    if expression in values and not isinstance(values[expression], Mapping | list):
        return values[expression]
    try:
        found = _compiled(expression, tuple(sorted(values))).eval(data=dict(values))
    except (RuntimeError, TypeError, ValueError, OverflowError) as error:
        raise _failed(expression, str(error), "key") from error
    kind = found.type().name()
    if kind == "ERROR":
        raise _failed(expression, str(found.value()), "key")
    if kind not in _KEYS:
        raise _failed(expression, f"it gave {kind.lower()}, not a text or a number", "key")
    return found.value()


def joined(expressions: Iterator[str]) -> str:
    """One condition that holds where all of some do."""
    found = list(expressions)
    return found[0] if len(found) == 1 else " && ".join(f"({each})" for each in found)


def case_of(expression: str, case: str) -> str:
    """The condition that an expression gives a text."""
    return f"{_as_text(expression)} == {_literal(case)}"


def no_case_of(expression: str, cases: Mapping[str, Any]) -> str:
    """The condition that an expression gives none of some texts."""
    return f"!({_as_text(expression)} in [{', '.join(map(_literal, cases))}])"


def _as_text(expression: str) -> str:
    """An expression that cannot be told where another gives no text: CEL adds text to text only."""
    return f'({expression} + "")' if expression.isidentifier() else f'(({expression}) + "")'


@attrs.frozen
class Branch:
    """A condition that a switch has made of what it says.

    Attributes:
        on: the expression that gives a text.
        texts: those of its cases that are meant, as literals.
        otherwise: whether the condition holds where it gives none of them.
    """

    on: str
    texts: tuple[str, ...]
    otherwise: bool


def parts_of(expression: str) -> list[str]:
    """The conditions that ``joined`` has made one condition of; itself where it has not."""
    plain = _without_texts(expression)
    parts: list[str] = []
    begin = 0
    while plain.startswith("(", begin):
        end = _closing(plain, begin)
        parts.append(expression[begin + 1 : end])
        if end == len(plain) - 1 and len(parts) > 1:
            return [inner for each in parts for inner in parts_of(each)]
        if not plain.startswith(" && ", end + 1):
            break
        begin = end + len(" && ") + 1
    return [expression]


def branch_of(expression: str) -> Branch | None:
    """The branch whose condition an expression is, see ``case_of`` and ``no_case_of``."""
    otherwise = expression.startswith("!((")
    begin = 2 if otherwise else 0
    plain = _without_texts(expression)
    if not plain.startswith("(", begin):
        return None
    end = _closing(plain, begin)
    found = (_NO_CASE if otherwise else _CASE).fullmatch(expression, end + 1)
    if found is None:
        return None
    on = _not_as_text(expression[begin + 1 : end])
    return Branch(on, tuple(_LITERAL.findall(found[0])), otherwise)


def _without_texts(expression: str) -> str:
    """An expression of the same length, in whose texts there are no brackets."""
    return _STRINGS.sub(lambda found: "_" * len(found[0]), expression)


def _closing(plain: str, begin: int) -> int:
    """Where the bracket is closed that is opened there; the end where it is not."""
    depth = 0
    for index in range(begin, len(plain)):
        depth += (plain[index] == "(") - (plain[index] == ")")
        if depth == 0:
            return index
    return len(plain)


def _not_as_text(expression: str) -> str:
    """What ``_as_text`` was given; itself where an earlier taskmgr has recorded it without."""
    plain = expression.removesuffix(' + ""')
    closed = plain.startswith("(") and _closing(_without_texts(plain), 0) == len(plain) - 1
    return plain[1:-1] if closed and plain != expression else plain


def _literal(text: str) -> str:
    plain = (
        f"\\U{ord(each):08x}" if each in '"\\' or not each.isprintable() else each for each in text
    )
    return f'"{"".join(plain)}"'


def _shown(value: Any) -> str:
    shown = json.dumps(value, ensure_ascii=False, default=str)
    return shown if len(shown) <= _LONGEST_SHOWN else f"{shown[: _LONGEST_SHOWN - 3]}..."


def _failed(expression: str, why: str, what: str = "condition") -> RunnerError:
    reason = why.split("\n", 1)[0].removesuffix(" [INTERNAL]").removesuffix(" [INVALID_ARGUMENT]")
    if "budget" in reason:
        reason = "it looks at more than 10,000 elements; shorten the list before"
    return RunnerError(
        f"the {what} {expression!r} cannot be told: {reason}", "condition", retryable=False
    )


def _told(message: str) -> Iterator[str]:
    found = _ERROR.findall(message)
    for line, column, text in found:
        place = f"column {column}" if line == "1" else f"line {line}, column {column}"
        said = text.removesuffix(" [INVALID_ARGUMENT]").removesuffix(" (in container '')")
        if said.startswith("Syntax error"):
            # What else the parser stumbles over follows from the first.
            yield f"{place}: Syntax error: {_syntax(said)}"
            return
        yield f"{place}: {_overload(said)}"
    if not found:
        yield message.split("\n", 1)[0]


def _syntax(said: str) -> str:
    """A fault of the parser, without all that it would have taken there."""
    missing = _MISSING.search(said)
    if missing:
        return f"{missing[1]} is missing" + (" at the end" if "<EOF>" in said else "")
    found = _UNEXPECTED.search(said)
    if found is None:
        return said
    if found[1] == "<EOF>":
        return "it ends where a value is missing"
    return f"{found[1]!r} is not expected there; a value, a name or a bracket is"


def _overload(said: str) -> str:
    """An operator or a function that does not take what it is given, with what to do."""
    found = _NO_OVERLOAD.search(said)
    if found is None:
        return said
    name = found[1].strip("_").removeprefix("@")
    if "(" in found[2]:  # lists and objects are not converted
        return f"{name!r} does not take ({found[2]})"
    given = found[2].replace(", ", " and ")
    return (
        f"{name!r} does not take {given}; convert one of them, as by int(...), double(...) or "
        "string(...)"
    )


def _type_of(schema: Schema | None) -> str:
    """The type that CEL checks a port with; what may be of several is checked when it is there."""
    kind = schema.get("type") if isinstance(schema, Mapping) else None
    if kind == "array" and isinstance(schema, Mapping):
        items = schema.get("items")
        return f"list<{_type_of(items if isinstance(items, Mapping) else None)}>"
    plain = {"boolean": "bool", "string": "string", "integer": "int", "object": "map<string, dyn>"}
    return plain.get(kind, "dyn") if isinstance(kind, str) else "dyn"


@functools.lru_cache(128)
def _compiled(expression: str, names: tuple[str, ...]) -> cel.Expression:
    return _environment(tuple((name, "dyn") for name in names)).compile(expression)


def _environment(kinds: tuple[tuple[str, str], ...]) -> cel.Env:
    from cel_expr_python import cel  # only pipelines with conditions need it

    return cel.NewEnv(variables={name: _cel_type(kind) for name, kind in kinds})


def _cel_type(kind: str) -> cel.Type:
    from cel_expr_python import cel

    if kind.startswith("list<"):
        return cel.Type.List(_cel_type(kind[5:-1]))
    plain = {"bool": cel.Type.BOOL, "string": cel.Type.STRING, "int": cel.Type.INT}
    if kind == "map<string, dyn>":
        return cel.Type.Map(cel.Type.STRING, cel.Type.DYN)
    return plain.get(kind, cel.Type.DYN)
