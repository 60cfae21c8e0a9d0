"""Field values and the edges between them: the lineage of a run."""

from __future__ import annotations

from typing import Any

import attrs


@attrs.frozen
class FieldValue:
    """The recorded value of one port of one run.

    Attributes:
        port: a pipeline input's name or a port id.
        digest: sha256 of the canonical JSON; of the file itself for a value
            that is one artifact.
        size: bytes of the JSON, or of the file.
        type: ``Image``, ``array``, ``string``, ...
        producer: the step that made it; empty for a pipeline input.
        document: the JSON value; None where ``source`` has it.
        source: the port whose value this one is; empty where it is its own.
        artifacts: digests of all files inside the value.
    """

    port: str
    digest: str
    size: int
    type: str
    producer: str
    document: Any
    source: str = ""
    artifacts: tuple[str, ...] = ()

    # As ``attrs.evolve`` does it, in less than half of its time: they are many.

    def taken_on(self, port: str, kind: str) -> FieldValue:
        """As what an input port takes from this one.

        Arguments:
            port: the input port.
            kind: what its type is called there.
        """
        return FieldValue(
            port,
            self.digest,
            self.size,
            kind,
            self.producer,
            self.document,
            self.port,
            self.artifacts,
        )

    def on(self, port: str) -> FieldValue:
        """The same on another port."""
        return FieldValue(
            port,
            self.digest,
            self.size,
            self.type,
            self.producer,
            self.document,
            self.source,
            self.artifacts,
        )


@attrs.frozen
class Edge:
    """A lineage edge of one run: ``target`` was made from ``source`` (port ids)."""

    source: str
    target: str
