"""Parts of a file, as RFC 9110 has clients ask for them: pure."""

from __future__ import annotations

import re

import attrs

_RANGE = re.compile(r"bytes\s*=\s*(\d{0,19})-(\d{0,19})\s*\Z", re.ASCII)


@attrs.frozen
class Span:
    """Some bytes of a file.

    Attributes:
        start: of the first.
        stop: behind the last.
        size: of the whole file.
    """

    start: int
    stop: int
    size: int

    @property
    def length(self) -> int:
        """How many bytes."""
        return self.stop - self.start

    @property
    def header(self) -> str:
        """The ``Content-Range``."""
        return f"bytes {self.start}-{self.stop - 1}/{self.size}"


class UnsatisfiableError(ValueError):
    """A range that begins behind the end of the file."""


def span_of(asked: str | None, size: int) -> Span | None:
    """The part that a client asks for.

    Arguments:
        asked: the header ``Range``.
        size: of the file, in bytes.

    Returns:
        None for the whole file: nothing was asked for, or what may be ignored, as several
        parts at once, other units, or what cannot be read.

    Raises:
        UnsatisfiableError: there is nothing of it.
    """
    found = _RANGE.match(asked or "")
    if found is None or not (found[1] or found[2]):
        return None
    if not found[1]:
        start, stop = max(size - int(found[2]), 0), size
    else:
        start, stop = int(found[1]), min(int(found[2]) + 1, size) if found[2] else size
        if found[2] and int(found[2]) < start:
            return None
    if start >= size or start >= stop:
        raise UnsatisfiableError(f"bytes */{size}")
    return Span(start, stop, size)


def is_known(tag: str, header: str | None) -> bool:
    """Whether an ``If-None-Match`` names an entity tag."""
    known = [each.strip().removeprefix("W/") for each in (header or "").split(",")]
    return tag in known or known == ["*"]
