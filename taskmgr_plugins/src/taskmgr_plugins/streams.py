"""Tasks that yield: what they are declared as, and how their items are drawn."""

from __future__ import annotations

import collections.abc
import json
import threading
import time
from collections.abc import Callable, Iterator
from typing import Any, get_args, get_origin

from taskmgr_plugins.errors import InvalidOutputError

# What a task may be ahead of whoever takes its items.
MOST_ITEMS = 32
MOST_CHARACTERS = 1_000_000

_YIELDING = (
    collections.abc.Iterator,
    collections.abc.Generator,
    collections.abc.AsyncIterator,
    collections.abc.AsyncGenerator,
)


def item_yielded(annotation: Any) -> Any:
    """The type of the items where a result is annotated as a stream of them; None for no stream.

    Arguments:
        annotation: as written, such as ``Iterator[Image]``.
    """
    arguments = get_args(annotation)
    return arguments[0] if get_origin(annotation) in _YIELDING and arguments else None


def drawn(value: Any, settled: Callable[[Any], Any]) -> Iterator[Any]:
    """The items that a task yields, one at a time, each when it is asked for.

    Arguments:
        value: what the task returned: a generator, or an asynchronous one.
        settled: waits for what is awaitable.

    Raises:
        InvalidOutputError: it is no stream.
        Exception: whatever the task raises.
    """
    if isinstance(value, collections.abc.AsyncIterator):
        while True:
            try:
                item = settled(anext(value))
            except StopAsyncIteration:
                return
            yield item
    if not isinstance(value, collections.abc.Iterator):
        raise InvalidOutputError(
            f"the task returned {type(value).__name__}, not the iterator that it declares; yield "
            "the items"
        )
    yield from value


class Buffer:
    """Items between the thread that makes them and the one that passes them on.

    It holds so many: who makes more waits until some are taken.
    """

    def __init__(self) -> None:
        self._changed = threading.Condition()
        self._items: list[Any] = []
        self._characters = 0
        self._ended = False

    def put(self, item: Any) -> float:
        """Add the JSON of an item.

        Returns:
            The seconds for which there was no room.
        """
        size = len(json.dumps(item))
        started = time.perf_counter()
        with self._changed:
            self._changed.wait_for(self._has_room)
            self._items.append(item)
            self._characters += size
            self._changed.notify_all()
        return time.perf_counter() - started

    def end(self) -> None:
        """There will be no more."""
        with self._changed:
            self._ended = True
            self._changed.notify_all()

    def take(self) -> list[Any]:
        """Wait for items, and take all that are there; none when there will be no more."""
        with self._changed:
            self._changed.wait_for(lambda: self._items or self._ended)
            items, self._items, self._characters = self._items, [], 0
            self._changed.notify_all()
            return items

    def _has_room(self) -> bool:
        return len(self._items) < MOST_ITEMS and self._characters < MOST_CHARACTERS
