"""Reading lists of records of which some may be damaged."""

from __future__ import annotations

import logging
from collections.abc import Callable, Iterable
from typing import TypeVar

from taskmgr_core.documents import InvalidDocumentError

_LOGGER = logging.getLogger(__name__)

Record = TypeVar("Record")
T = TypeVar("T")


def intact(records: Iterable[Record], read: Callable[[Record], T]) -> list[T]:
    """What can be read of a list; a damaged record is left out, with a warning."""
    found = []
    for record in records:
        try:
            found.append(read(record))
        except InvalidDocumentError as error:
            _LOGGER.warning("a record is left out: %s", error)
    return found
