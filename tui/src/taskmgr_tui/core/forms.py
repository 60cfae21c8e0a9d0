"""A form for the inputs of a task: which kind of field each one gets, and what was meant."""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any, Literal

import attrs

from taskmgr_core.attending import tasks
from taskmgr_core.errors import Problem
from taskmgr_core.inputs import from_text, is_file
from taskmgr_core.specs import FieldSpec
from taskmgr_core.watching import Watcher
from taskmgr_plugins.schemas import TYPE_KEY

Kind = Literal["text", "number", "boolean", "choice", "file", "picture", "json"]

_KINDS: Mapping[str, Kind] = {
    "string": "text",
    "number": "number",
    "integer": "number",
    "boolean": "boolean",
}
_HINTS: Mapping[Kind, str] = {
    "text": "text",
    "number": "a number",
    "boolean": "",
    "choice": "",
    "file": "the path of a file, or a digest",
    "picture": "the path of a picture, or a digest",
    "json": "JSON",
}
_DEFAULT_LENGTH = 40


@attrs.frozen
class Entry:
    """A field of a form.

    Attributes:
        name: of the input.
        kind: how it is entered.
        type: what it takes, for people.
        schema: what its values have to fit.
        required: whether it must be given.
        default: the value of one that is not given, as JSON; empty where it is required.
        choices: what can be chosen: as it is shown -> the value.
    """

    name: str
    kind: Kind
    type: str
    schema: Mapping[str, Any]
    required: bool
    default: str = ""
    choices: Mapping[str, Any] = attrs.field(factory=dict)

    @property
    def hint(self) -> str:
        """What stands in the empty field."""
        return " ".join(filter(None, [_HINTS[self.kind], self.default and f"({self.default})"]))

    @property
    def preset(self) -> str:
        """What stands in it at first: a box that is ticked or not always has a value."""
        return "true" if self.kind == "boolean" and self.default == "true" else ""


def entries_of(fields: Sequence[FieldSpec]) -> list[Entry]:
    """The fields of a form, in the task's order."""
    return [_entry(each) for each in fields]


def _entry(field: FieldSpec) -> Entry:
    schema = _alone(field.schema)
    default = "" if field.required else _short(field.default)
    choices = {_shown(each): each for each in _choices(schema)}
    kind = "choice" if choices else _kind(schema)
    return Entry(
        field.name, kind, tasks.named(field.schema), field.schema, field.required, default, choices
    )


def _alone(schema: Mapping[str, Any]) -> Mapping[str, Any]:
    """A schema without null, where only one alternative is left then."""
    members = [each for each in schema.get("anyOf", ()) if each != {"type": "null"}]
    return members[0] if len(members) == 1 else schema


def _choices(schema: Mapping[str, Any]) -> Sequence[Any]:
    if "const" in schema:
        return [schema["const"]]
    found: Sequence[Any] = schema.get("enum", ())
    return found


def _kind(schema: Mapping[str, Any]) -> Kind:
    if schema.get(TYPE_KEY) == "Image":
        return "picture"
    if is_file(schema) or schema.get(TYPE_KEY) == "Array":
        return "file"
    return _KINDS.get(str(schema.get("type")), "json")


def _shown(value: Any) -> str:
    return value if isinstance(value, str) else json.dumps(value, ensure_ascii=False)


def _short(value: Any) -> str:
    text = json.dumps(value, ensure_ascii=False)
    return text if len(text) <= _DEFAULT_LENGTH else f"{text[: _DEFAULT_LENGTH - 1]}…"


def values_of(entries: Sequence[Entry], typed: Mapping[str, str]) -> dict[str, Any]:
    """The inputs that were meant; what was left empty is not given.

    Arguments:
        entries: the form.
        typed: name -> what stands in its field.
    """
    return {
        each.name: value_of(each, typed[each.name])
        for each in entries
        if typed.get(each.name, "") != ""
    }


def value_of(entry: Entry, text: str) -> Any:
    """What stands in one field, as a value."""
    if entry.kind == "choice":
        return entry.choices.get(text, text)
    if entry.kind in ("file", "picture"):
        return text.strip()
    return from_text(entry.schema, text)


def fault_of(entry: Entry, text: str, watcher: Watcher, folder: Path) -> str:
    """What is wrong with one field while it is typed; empty for nothing, and for no text yet.

    Arguments:
        entry: the field.
        text: what stands in it.
        watcher: has what checks values; no store is asked.
        folder: what relative paths start from.
    """
    if text == "":
        return ""
    if entry.kind in ("file", "picture"):
        return _file_fault(text.strip(), folder)
    found = watcher.faults(entry.schema, value_of(entry, text), entry.name)
    return "; ".join(_beside(entry.name, each) for each in found[:2])


def _file_fault(text: str, folder: Path) -> str:
    if text.startswith("sha256:"):
        return ""
    try:
        path = folder / Path(text).expanduser()
        if path.is_dir():
            return "is a folder; go on with a file in it"
        return "" if path.exists() else "does not exist"
    except (OSError, RuntimeError, ValueError) as error:
        return str(error)


def sorted_faults(
    entries: Sequence[Entry], problems: Sequence[Problem]
) -> tuple[dict[str, str], list[str]]:
    """What is wrong, beside each field, and what belongs beside none.

    Arguments:
        entries: the form.
        problems: as a submission was refused with; each begins with its input's name.
    """
    beside: dict[str, list[str]] = {}
    above = []
    for problem in problems:
        name = next((each.name for each in entries if _is_of(problem, each.name)), None)
        if name is None:
            above.append(str(problem))
        else:
            beside.setdefault(name, []).append(_beside(name, problem))
    return {name: "; ".join(texts) for name, texts in beside.items()}, above


def _is_of(problem: Problem, name: str) -> bool:
    text = str(problem)
    return text.startswith(name) and text[len(name) : len(name) + 1] in (":", "[", ".")


def _beside(name: str, problem: Problem) -> str:
    """A problem without the name of its field, beside which it stands."""
    return str(problem).removeprefix(name).lstrip(":. ")


# paths


PICTURES = frozenset({".bmp", ".gif", ".jpeg", ".jpg", ".png", ".tif", ".tiff", ".webp"})
MOST_PATHS = 200


def paths_of(text: str, folder: Path, *, pictures: bool) -> list[str]:
    """How a path that is being typed can go on: folders with a / behind them, then files.

    Arguments:
        text: what was typed.
        folder: what relative paths start from.
        pictures: only files that are called as pictures are.
    """
    beginning, slash, name = text.rpartition("/")
    try:
        place = folder / Path(beginning + slash).expanduser()
        found = [*_entries(place, name, pictures)]
    except (OSError, RuntimeError, ValueError):
        return []
    return [f"{beginning}{slash}{each}" for each in sorted(found, key=_order)[:MOST_PATHS]]


def _order(name: str) -> tuple[bool, str]:
    return (not name.endswith("/"), name.lower())


def _entries(place: Path, name: str, pictures: bool) -> Iterator[str]:
    for each in place.iterdir():
        if not each.name.startswith(name) or (each.name.startswith(".") and not name):
            continue
        if each.is_dir():
            yield f"{each.name}/"
        elif not pictures or each.suffix.lower() in PICTURES:
            yield each.name
