"""The recorded values of a run, resolved: what lies behind an alias or in an artifact."""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

import attrs

from taskmgr_core.errors import TaskmgrError
from taskmgr_core.specs import FieldValue, RunDetail, Source, input_port

OpenArtifact = Callable[[str], Path]


@attrs.frozen
class RecordedValues:
    """Looks up the values of one run.

    Attributes:
        detail: the run.
        open_artifact: gives the file with the content of a digest.
    """

    detail: RunDetail
    open_artifact: OpenArtifact
    _by_port: Mapping[str, FieldValue] = attrs.field(init=False)

    @_by_port.default
    def _index(self) -> Mapping[str, FieldValue]:
        return {value.port: value for value in self.detail.values}

    def origin(self, port: str) -> FieldValue | None:
        """The value that a port holds, where it was first recorded; None where it was not."""
        seen = {port}
        value = self._by_port.get(port)
        while value is not None and value.source and value.source not in seen:
            seen.add(value.source)
            value = self._by_port.get(value.source)
        return value

    def document(self, port: str) -> Any:
        """The JSON value of a port, read from its artifact where it was large.

        Returns:
            None where nothing is recorded or the artifact is gone.
        """
        value = self.origin(port)
        if value is None or not is_large_json(value.document):
            return None if value is None else value.document
        try:
            return json.loads(self.open_artifact(value.document["$artifact"]).read_bytes())
        except (TaskmgrError, OSError, ValueError, RecursionError):
            return None

    def input_value(self, step: str, field: str) -> tuple[str, Any]:
        """What a step got as an input.

        Returns:
            The port that first held it (empty for a constant) and the document.
        """
        port = input_port(step, field)
        if port not in self._by_port:
            source = self.detail.run.graph.step(step).inputs.get(field, Source())
            if not source.port:
                return "", source.constant
            port = source.port
        value = self.origin(port)
        return ("", None) if value is None else (value.port, self.document(value.port))


def is_large_json(document: Any) -> bool:
    """Whether the document only says in which artifact the JSON value lies."""
    return is_artifact(document) and document.get("media_type") == "application/json"


def is_artifact(document: Any) -> bool:
    """Whether the document refers to an artifact."""
    return isinstance(document, Mapping) and isinstance(document.get("$artifact"), str)
