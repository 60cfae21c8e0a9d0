"""What steps have made of their inputs, kept to be taken again."""

from __future__ import annotations

import attrs

from taskmgr_core.specs.values import FieldValue


@attrs.frozen
class CacheEntry:
    """The outputs of a step that succeeded.

    Attributes:
        key: what they follow from; see ``worker.caching``.
        task, version: which made them.
        source: the run and the step that did, as ``<run>/<step>``.
        outputs: a value for each output; its ``port`` is the name of the field.
        seconds: how long it took to make them.
        expires_at: UTC seconds until which it is kept, if nobody takes it; None for ever.
    """

    key: str
    task: str
    version: str
    source: str
    outputs: tuple[FieldValue, ...]
    seconds: float
    expires_at: float | None = None

    @property
    def size(self) -> int:
        """Bytes of the outputs, those of their files included."""
        return sum(each.size for each in self.outputs)


@attrs.frozen
class CacheUse:
    """What is kept of a task, and what that has spared.

    Attributes:
        entries: how many.
        size: bytes of their outputs, with the files in them that are whole values.
        hits: how often one of them was taken.
        saved: seconds that it took to make what was taken, each time it was.
    """

    task: str
    entries: int
    size: int
    hits: int
    saved: float
