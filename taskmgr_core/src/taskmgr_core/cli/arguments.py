"""The inputs of a run as users type them."""

from __future__ import annotations

import json
from collections.abc import Collection, Mapping, Sequence
from pathlib import Path
from typing import Any

from taskmgr_core.errors import InvalidValueError
from taskmgr_core.inputs import from_text, is_file

INPUTS_HELP = (
    "field=value, field=@FILE, a JSON object, or @FILE with one. A value is text for a text, "
    "a path for a picture or file, JSON for everything else; @@ is an @ that is meant as such. "
    "Where one input has to be given, its JSON or its file alone will do."
)


def read_inputs(
    schemas: Mapping[str, Mapping[str, Any]],
    words: Sequence[str],
    working: Path,
    optional: Collection[str] = (),
) -> dict[str, Any]:
    """The inputs that the words of a command line give; what comes later counts.

    Arguments:
        schemas: input name -> its JSON Schema.
        words: ``field=value``, ``field=@file``, a JSON object or ``@file``; or the value or
            file of the only input that has to be given.
        working: the folder that relative paths start from.
        optional: the inputs that need not be given.

    Raises:
        InvalidValueError: a word is none of these, or a file cannot be read.
    """
    given: dict[str, Any] = {}
    typed: set[str] = set()
    needed = {name: schema for name, schema in schemas.items() if name not in optional}
    for word in words:
        if word.startswith("@"):
            given.update(_object(_file_text(working, word[1:]), f"the file {word[1:]}"))
        elif word.lstrip().startswith("{"):
            given.update(_object(word, "the inputs"))
        elif word.endswith(".json") and _is_file(working, word):
            given.update(_object(_file_text(working, word), f"the file {word}"))
        else:
            name, value = _alone(needed, word, working) or _field(schemas, word, working)
            if name in typed:
                raise InvalidValueError(f"{name} is given twice; give it once")
            typed.add(name)
            given[name] = value
    return given


def _alone(
    needed: Mapping[str, Mapping[str, Any]], word: str, working: Path
) -> tuple[str, Any] | None:
    """The value of the only input that is needed: a file, or JSON that is no object."""
    if len(needed) != 1 or word.partition("=")[0] in needed:
        return None
    ((name, schema),) = needed.items()
    if _is_file(working, word):
        return name, _from_file(schema, working, word, name)
    try:
        value = json.loads(word)
    except (ValueError, RecursionError):
        return None
    # 3 as a text is more likely a slip than meant.
    return (name, value) if schema.get("type") != "string" or isinstance(value, str) else None


def _is_file(working: Path, word: str) -> bool:
    try:
        return (working / Path(word).expanduser()).is_file()
    except (OSError, RuntimeError, ValueError):  # a long text is no path
        return False


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
        return name, _typed(schema, name, text[1:])
    if text.startswith("@"):
        return name, _from_file(schema, working, text[1:], name)
    return name, _typed(schema, name, text)


def _typed(schema: Mapping[str, Any], name: str, text: str) -> Any:
    try:
        return from_text(schema, text)
    except InvalidValueError as error:
        raise InvalidValueError(f"{name}: {error}") from error


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
    except RecursionError as error:
        raise InvalidValueError(f"{name}: the file {path} is nested too deeply") from error


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
