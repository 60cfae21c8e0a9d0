"""The inputs of a run as users type them."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from taskmgr_core.errors import InvalidValueError
from taskmgr_core.inputs import from_text, is_file

INPUTS_HELP = (
    "field=value, field=@FILE, a JSON object, or @FILE with one. A value is text for a text, "
    "a path for a picture or file, JSON for everything else; @@ is an @ that is meant as such."
)


def read_inputs(
    schemas: Mapping[str, Mapping[str, Any]], words: Sequence[str], working: Path
) -> dict[str, Any]:
    """The inputs that the words of a command line give; what comes later counts.

    Arguments:
        schemas: input name -> its JSON Schema.
        words: ``field=value``, ``field=@file``, a JSON object or ``@file``.
        working: the folder that relative paths start from.

    Raises:
        InvalidValueError: a word is none of these, or a file cannot be read.
    """
    given: dict[str, Any] = {}
    typed: set[str] = set()
    for word in words:
        if word.startswith("@"):
            given.update(_object(_file_text(working, word[1:]), f"the file {word[1:]}"))
        elif word.lstrip().startswith("{"):
            given.update(_object(word, "the inputs"))
        else:
            name, value = _field(schemas, word, working)
            if name in typed:
                raise InvalidValueError(f"{name} is given twice; give it once")
            typed.add(name)
            given[name] = value
    return given


def _field(schemas: Mapping[str, Mapping[str, Any]], word: str, working: Path) -> tuple[str, Any]:
    name, equals, text = word.partition("=")
    if not equals or not name.isidentifier():
        example = next((f"{each}={word}" for each in schemas), "field=value")
        raise InvalidValueError(
            f"{word!r} is no input; write field=value, a JSON object or @FILE"
            + (f" (perhaps {example})" if not equals else "")
        )
    schema = schemas.get(name, {})
    if text.startswith("@@"):
        return name, from_text(schema, text[1:])
    if text.startswith("@"):
        return name, _from_file(schema, working, text[1:], name)
    return name, from_text(schema, text)


def _from_file(schema: Mapping[str, Any], working: Path, path: str, name: str) -> Any:
    """A JSON file's value; of another file its text for a text, its path for a picture."""
    if not path.endswith(".json"):
        if is_file(schema):
            return path
        if schema.get("type") == "string":
            return _file_text(working, path)
    try:
        return json.loads(_file_text(working, path))
    except ValueError as error:
        raise InvalidValueError(f"{name}: the file {path} is not JSON: {error}") from error


def _file_text(working: Path, path: str) -> str:
    try:
        return (working / Path(path).expanduser()).read_text(encoding="utf-8-sig")
    except UnicodeDecodeError as error:
        raise InvalidValueError(f"the file {path} is not UTF-8 text: {error.reason}") from error
    except OSError as error:
        raise InvalidValueError(f"the file {path} cannot be read: {error.strerror}") from error


def _object(text: str, what: str) -> dict[str, Any]:
    try:
        document = json.loads(text)
    except ValueError as error:
        raise InvalidValueError(f"{what}: not JSON: {error}") from error
    except RecursionError as error:
        raise InvalidValueError(f"{what}: nested too deeply") from error
    if not isinstance(document, dict):
        raise InvalidValueError(f'{what}: it must be an object, as {{"field": value}}')
    return document
