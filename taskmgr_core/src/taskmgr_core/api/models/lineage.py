"""Lineage as the REST API says it."""

from __future__ import annotations

from collections.abc import Mapping

import attrs

from taskmgr_core.api.models.runs import EdgeView
from taskmgr_core.specs import FieldValue, RunDetail, RunStatus
from taskmgr_core.tracing import Page, Part


@attrs.frozen
class LineageValue:
    """A value without its content."""

    port: str
    type: str
    digest: str
    size: int
    producer: str | None
    source: str | None
    artifacts: tuple[str, ...]

    @classmethod
    def of(cls, value: FieldValue) -> LineageValue:
        """As it is recorded."""
        return cls(
            value.port,
            value.type,
            value.digest,
            value.size,
            value.producer or None,
            value.source or None,
            tuple(value.artifacts),
        )


@attrs.frozen
class RunLineage:
    """The values of a run and which was made from which."""

    run_id: str
    name: str
    status: RunStatus
    values: tuple[LineageValue, ...]
    edges: tuple[EdgeView, ...]

    @classmethod
    def of(cls, detail: RunDetail) -> RunLineage:
        """As it is recorded."""
        run = detail.run
        return cls(
            run.id,
            run.name,
            run.status,
            tuple(map(LineageValue.of, detail.values)),
            tuple(map(EdgeView.of, detail.edges)),
        )


@attrs.frozen
class LineagePart:
    """The part of a lineage that lies in one run."""

    run_id: str
    name: str
    through: tuple[str, ...]
    entered: tuple[LineageValue, ...]
    reached: tuple[LineageValue, ...]
    edges: tuple[EdgeView, ...]
    not_followed: tuple[str, ...]

    @classmethod
    def of(cls, part: Part, name: str) -> LineagePart:
        """As the walk has found it."""
        return cls(
            part.run,
            name,
            tuple(part.through),
            tuple(map(LineageValue.of, part.entered)),
            tuple(map(LineageValue.of, part.reached)),
            tuple(map(EdgeView.of, part.edges)),
            tuple(part.not_followed),
        )


@attrs.frozen
class LineagePage:
    """Parts of a lineage over many runs, in one direction; ``next`` is the cursor of more."""

    parts: tuple[LineagePart, ...]
    next: str | None

    @classmethod
    def of(cls, page: Page, names: Mapping[str, str]) -> LineagePage:
        """As the walk has found it.

        Arguments:
            page: the parts.
            names: the name of each run.
        """
        parts = tuple(LineagePart.of(each, names[each.run]) for each in page.parts)
        return cls(parts, page.next or None)


@attrs.frozen
class DigestLineage:
    """What a value or file came from, and what came of it, over all runs.

    A direction is null where only the next page of the other one was asked for.
    """

    digest: str
    made_from: LineagePage | None
    led_to: LineagePage | None
