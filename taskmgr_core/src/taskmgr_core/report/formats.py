"""Numbers, times, sizes and names as people read them."""

from __future__ import annotations

import math
import re
from datetime import UTC, datetime

ELLIPSIS = "…"

# What neither XML 1.0 nor HTML can hold: most control characters and lone surrogates.
_UNPRINTABLE = re.compile(r"[\x00-\x08\x0b\x0c\x0e-\x1f\x7f-\x9f\ud800-\udfff\ufffe\uffff]")


def printable(text: str) -> str:
    """The text with every character that a document cannot hold replaced by ``U+FFFD``."""
    return _UNPRINTABLE.sub("\ufffd", text)


def duration(seconds: float) -> str:
    """Seconds as ``0.8 ms``, ``182 ms``, ``1.25 s``, ``2 min 5 s`` or ``1 h 2 min``."""
    if seconds < 0:
        return f"-{duration(-seconds)}"
    if seconds < 0.9995:
        return _milliseconds(seconds * 1000)
    if seconds < 59.95:
        return f"{seconds:.3g} s" if seconds < 9.995 else f"{seconds:.1f} s"
    minutes, rest = divmod(round(seconds), 60)
    if minutes < 60:
        return f"{minutes} min {rest} s" if rest else f"{minutes} min"
    hours, minutes = divmod(minutes, 60)
    return f"{hours} h {minutes} min" if minutes else f"{hours} h"


def _milliseconds(milliseconds: float) -> str:
    if milliseconds == 0 or milliseconds >= 9.95:
        return f"{milliseconds:.0f} ms"
    return f"{max(milliseconds, 0.01):.2g} ms"


def size(count: int) -> str:
    """Bytes as ``640 B``, ``83 kB`` or ``1.2 MB`` (powers of 1000)."""
    amount = float(count)
    for unit in ("B", "kB", "MB", "GB"):
        if amount < 999.5:
            return f"{amount:.3g} {unit}"
        amount /= 1000
    return f"{amount:.4g} TB"


def moment(seconds: float) -> str:
    """UTC seconds since 1970 as ``2026-11-22 10:14:03 UTC``."""
    return f"{datetime.fromtimestamp(seconds, UTC):%Y-%m-%d %H:%M:%S} UTC"


def machine_moment(seconds: float) -> str:
    """UTC seconds since 1970 for the ``datetime`` attribute: ``2026-11-22T10:14:03+00:00``."""
    return datetime.fromtimestamp(seconds, UTC).isoformat(timespec="seconds")


def number(value: float, digits: int = 4) -> str:
    """A number with so many significant digits, but all of those before the point."""
    if isinstance(value, int):
        return str(value)
    if not math.isfinite(value) or abs(value) >= 1e15:
        return f"{value:.{digits}g}"
    if value == int(value):
        return str(int(value))
    return f"{value:.{max(digits, len(str(int(abs(value)))))}g}"


def short_digest(digest: str) -> str:
    """The first 12 digits of a digest, without the name of its algorithm."""
    return digest.rpartition(":")[2][:12]


def words(name: str) -> str:
    """A field's name as words: ``faces_array`` is ``faces array``."""
    return name.replace("_", " ").strip() or name


def shortened(text: str, limit: int) -> str:
    """The text on one line, cut to that many characters with an ellipsis.

    Only as much is looked at as can be shown, so that a text of megabytes costs nothing.
    """
    beginning = text[: limit * 4 + 4]
    line = " ".join(printable(beginning).split())
    if len(line) <= limit and len(beginning) == len(text):
        return line
    return line[: max(limit - 1, 0)].rstrip() + ELLIPSIS


def with_failed(count: int, noun: str, failed: int) -> str:
    """``3 elements``, or ``3 elements, 2 failed``."""
    return counted(count, noun) + (f", {failed} failed" if failed else "")


def counted(count: int, noun: str, plural: str = "") -> str:
    """``1 step``, ``3 steps``."""
    return f"{count} {noun if count == 1 else plural or noun + 's'}"
