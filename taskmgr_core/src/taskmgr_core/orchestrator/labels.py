"""Labels of result entries: ``{attributes.gender} {attributes.age:.0f}``.

A template has dotted names and format specifications and nothing else: no
attribute of a Python object is ever read, nothing is evaluated.
"""

from __future__ import annotations

import json
import re
import string
from collections.abc import Mapping
from typing import Any

import attrs

from taskmgr_core.errors import InvalidValueError

UNKNOWN = "?"

# Widths and precisions of four digits and more would only fill memory.
_NOT_IN_FORMAT = re.compile(r"[{}]|[0-9]{4}")
_PART = re.compile(r"[^\s.\[\]{}!:]+\Z")


@attrs.frozen
class Placeholder:
    """A place in a template.

    Attributes:
        path: the names that lead to the value.
        format: a format specification as in ``format(value, ".0%")``.
    """

    path: tuple[str, ...]
    format: str

    def __str__(self) -> str:
        return "{" + ".".join(self.path) + (f":{self.format}" if self.format else "") + "}"


def parse_label(template: str) -> tuple[str | Placeholder, ...]:
    """The texts and placeholders of a template, in order.

    Raises:
        InvalidValueError: it has something else in its braces.
    """
    parts: list[str | Placeholder] = []
    try:
        for text, name, format_, conversion in string.Formatter().parse(template):
            parts += [text] if text else []
            if name is not None:
                parts.append(_placeholder(name, format_ or "", conversion))
    except ValueError as error:
        raise InvalidValueError(
            f"the label {template!r} cannot be read ({error}); write {{{{ and }}}} for braces"
        ) from error
    return tuple(parts)


def render_label(template: str, entry: Mapping[str, Any]) -> str:
    """Fill a template from an entry of a joined result.

    Arguments:
        template: as in ``ResultSpec.label``.
        entry: the entry: JSON objects inside one another.

    Returns:
        The text; a value that is missing or null is ``?``, one that its
        format does not suit stands there unformatted.

    Raises:
        InvalidValueError: the template cannot be read.
    """
    return "".join(
        part if isinstance(part, str) else _rendered(_looked_up(entry, part.path), part.format)
        for part in parse_label(template)
    )


def _placeholder(name: str, format_: str, conversion: str | None) -> Placeholder:
    path = tuple(name.split("."))
    shown = f"{{{name}{'!' + conversion if conversion else ''}{':' + format_ if format_ else ''}}}"
    if conversion or not all(_PART.match(part) for part in path):
        raise InvalidValueError(
            f"{shown} is no placeholder; allowed are dotted names with a format, "
            "as {detection.confidence:.0%}"
        )
    if _NOT_IN_FORMAT.search(format_):
        raise InvalidValueError(
            f"{shown}: the format {format_!r} is not allowed; "
            "a width or precision has at most 3 digits"
        )
    return Placeholder(path, format_)


def _looked_up(entry: Any, path: tuple[str, ...]) -> Any:
    for name in path:
        if not isinstance(entry, Mapping) or name not in entry:
            return None
        entry = entry[name]
    return entry


def _rendered(value: Any, format_: str) -> str:
    if value is None:
        return UNKNOWN
    if isinstance(value, Mapping | list):
        return json.dumps(value, ensure_ascii=False)
    try:
        return format(value, format_)
    except ValueError:
        return str(value)
