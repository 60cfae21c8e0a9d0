"""Reads pipeline files: JSON and YAML, with every fault and its place."""

from __future__ import annotations

import json
import re
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

import yaml

from taskmgr_core.documents import InvalidDocumentError
from taskmgr_core.drafts import draft
from taskmgr_core.errors import NotFoundError, Problem
from taskmgr_core.orchestrator.assembling import Versions
from taskmgr_core.orchestrator.graph import Pipelines, problems_of_draft
from taskmgr_core.specs import PipelineSpec

_TAGS = "tag:yaml.org,2002:"
# YAML 1.1 reads 010 as eight, 1:30 as ninety and no as false.
_JSON_SCALARS = {
    _TAGS + "bool": re.compile(r"(true|false)\Z"),
    _TAGS + "int": re.compile(r"-?(0|[1-9][0-9]*)\Z"),
    _TAGS + "float": re.compile(r"-?(0|[1-9][0-9]*)(\.[0-9]+([eE][-+]?[0-9]+)?|[eE][-+]?[0-9]+)\Z"),
}


def load_pipeline(
    path: Path, versions: Versions | None = None, pipelines: Pipelines | None = None
) -> PipelineSpec:
    """Read a pipeline file.

    Arguments:
        path: a ``.json``, ``.yaml`` or ``.yml`` file in UTF-8.
        versions: the published tasks, as for ``compile_pipeline``: what can be read of
            a file that has faults is checked against them, to tell all at once.
        pipelines: the published pipelines, likewise.

    Raises:
        NotFoundError: there is no such file.
        InvalidDocumentError: it is no pipeline, with the line and column of a
            fault in the syntax, or the place of each fault in the structure.
    """
    what = f"the pipeline file {path}"
    if not path.is_file():
        kind = "is a folder, not a file" if path.is_dir() else "is not there"
        raise NotFoundError(f"{what} {kind}; give a {_suffixes()} file")
    try:
        text = path.read_bytes().decode("utf-8-sig")
    except UnicodeDecodeError as error:
        raise _fault(what, f"it is not UTF-8 text: byte {error.start} is wrong") from error
    except OSError as error:
        raise _fault(what, f"it cannot be read: {error.strerror}") from error
    return parse_pipeline(text, path.suffix, what, versions, pipelines)


def parse_pipeline(
    text: str,
    suffix: str,
    what: str = "the pipeline",
    versions: Versions | None = None,
    pipelines: Pipelines | None = None,
) -> PipelineSpec:
    """Read a pipeline from text.

    Arguments:
        text: the content of a pipeline file.
        suffix: ``.json``, ``.yaml`` or ``.yml``.
        what: what it is, for messages.
        versions, pipelines: as for ``load_pipeline``.

    Raises:
        InvalidDocumentError: as ``load_pipeline``.
    """
    parse = _PARSERS.get(suffix.lower())
    if parse is None:
        raise _fault(what, f"its suffix {suffix!r} is not known; allowed are {_suffixes()}")
    document = parse(text, what)
    if not isinstance(document, Mapping):
        raise _fault(
            what, "it must be an object with the keys pipeline, inputs, steps and perhaps result"
        )
    found = draft(document, PipelineSpec)
    if not found.problems:
        return found.value
    if versions is None:
        raise InvalidDocumentError(what, found.problems)
    further = problems_of_draft(found.value, versions, found.holes, pipelines)
    raise InvalidDocumentError(what, (*found.problems, *further))


def _parse_json(text: str, what: str) -> Any:
    def unique(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
        found = dict(pairs)
        if len(found) < len(pairs):
            raise _doubled(text, [name for name, _ in pairs], what)
        return found

    def refuse(constant: str) -> Any:
        raise _fault(what, f"{constant} is not a number of JSON")

    try:
        return json.loads(text, object_pairs_hook=unique, parse_constant=refuse)
    except json.JSONDecodeError as error:
        raise _fault(what, f"line {error.lineno}, column {error.colno}: {error.msg}") from error
    except RecursionError as error:
        raise _fault(what, "it is nested too deeply") from error


def _doubled(text: str, names: list[str], what: str) -> InvalidDocumentError:
    doubled = next(name for index, name in enumerate(names) if name in names[:index])
    key = re.compile(re.escape(json.dumps(doubled, ensure_ascii=False)) + r"\s*:")
    lines = sorted({text.count("\n", 0, each.start()) + 1 for each in key.finditer(text)})
    shown = ", ".join(str(line) for line in lines)
    where = f" (it stands on line {shown})" if shown else ""
    return _fault(what, f"the key {doubled!r} is twice in one object{where}")


def _parse_yaml(text: str, what: str) -> Any:
    try:
        return yaml.load(text, Loader=_PipelineLoader)  # noqa: S506 - derived from SafeLoader
    except yaml.MarkedYAMLError as error:
        mark = error.problem_mark or error.context_mark
        place = f"line {mark.line + 1}, column {mark.column + 1}: " if mark else ""
        raise _fault(what, f"{place}{error.problem or error.context}") from error
    except yaml.YAMLError as error:
        raise _fault(what, f"it is no YAML: {error}") from error
    except RecursionError as error:
        raise _fault(what, "it is nested too deeply") from error
    except ValueError as error:  # an explicit tag on a text that does not suit it
        raise _fault(what, f"a value does not suit its tag: {error}") from error


class _PipelineLoader(yaml.SafeLoader):
    """YAML with JSON's meaning: each key once; ``001``, ``no`` and dates are text."""

    yaml_implicit_resolvers = {  # noqa: RUF012 - read by the base class
        first: [
            (tag, _JSON_SCALARS.get(tag, pattern))
            for tag, pattern in resolvers
            if tag != _TAGS + "timestamp"
        ]
        for first, resolvers in yaml.SafeLoader.yaml_implicit_resolvers.items()
    }

    def construct_mapping(self, node: yaml.MappingNode, deep: bool = False) -> dict[Any, Any]:
        """A mapping whose keys differ; all of them are texts."""
        seen = set()
        for key, _ in node.value:
            if not isinstance(key, yaml.ScalarNode):
                raise yaml.constructor.ConstructorError(
                    None, None, "a key must be a text", key.start_mark
                )
            if key.value in seen:
                raise yaml.constructor.ConstructorError(
                    None, None, f"the key {key.value!r} is twice in one object", key.start_mark
                )
            seen.add(key.value)
        self.flatten_mapping(node)
        for key, _ in node.value:
            key.tag = _TAGS + "str"
        return super().construct_mapping(node, deep)


def _fault(what: str, message: str) -> InvalidDocumentError:
    return InvalidDocumentError(what, (Problem("", message),))


def _suffixes() -> str:
    *others, last = _PARSERS
    return f"{', '.join(others)} or {last}"


_PARSERS: Mapping[str, Callable[[str, str], Any]] = {
    ".json": _parse_json,
    ".yaml": _parse_yaml,
    ".yml": _parse_yaml,
}
