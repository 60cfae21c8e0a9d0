"""What was read of records, kept for those who read the same again."""

from __future__ import annotations

import threading
from collections import OrderedDict
from collections.abc import Callable
from typing import Any

import attrs

EACH = 500


@attrs.define
class Memory:
    """Keeps what texts were read as, the latest that were asked for. Threads may share it.

    Attributes:
        capacity: how many characters of text it keeps at most; each counts for some more, as what
            was read takes room, too.
    """

    capacity: int
    _known: OrderedDict[tuple[Any, str | bytes], Any] = attrs.field(
        factory=OrderedDict, init=False, repr=False
    )
    _size: int = attrs.field(default=0, init=False)
    _lock: threading.Lock = attrs.field(factory=threading.Lock, init=False, repr=False)

    def get(self, text: str | bytes, kind: Any, read: Callable[[], Any]) -> Any:
        """What a text was read as, or is read as now.

        Arguments:
            text: the text.
            kind: as what.
            read: reads it; what it raises is raised, and not kept.
        """
        key = kind, text
        with self._lock:
            if key in self._known:
                self._known.move_to_end(key)
                return self._known[key]
        found = read()
        self.put(text, kind, found)
        return found

    def put(self, text: str | bytes, kind: Any, value: Any) -> None:
        """Keep what a text is to be read as."""
        key = kind, text
        with self._lock:
            if key not in self._known:
                self._size += _size_of(text)
            self._known[key] = value
            while self._size > self.capacity:
                (_, oldest), _ = self._known.popitem(last=False)
                self._size -= _size_of(oldest)


def _size_of(text: str | bytes) -> int:
    return len(text) + EACH
