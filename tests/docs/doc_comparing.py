"""Compares what a command printed with what a page says that it prints.

A page shows what a terminal shows. These differ from day to day and are only
compared by their form: durations, moments, sizes from a kilobyte up, speedups,
the version of Python and the platform.
Ids and digests may be other ones, but each stands for the same thing on the
whole page. ``...`` on a line of its own stands for any lines, inside a line for
any text. Empty lines and the width of gaps do not count. What a page does not
tell of stderr is not asked for.
"""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence

import attrs

_ESCAPES = re.compile(r"\x1b\[[0-9;?]*[A-Za-z]")
_IDS = (
    r"[0-9a-f]{8}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{12}",
    r"[0-9a-f]{64}",
    r"[0-9a-f]{16}",
    r"[0-9a-f]{12}",
    r"[0-9a-f]{8}",
)
_FORMS = (
    r"\d{4}-\d\d-\d\d[ T]\d\d:\d\d:\d\d(?:[.,]\d+)?(?:\+00:00| UTC)?",
    r"\d+(?:\.\d+)? (?:µs|ms|s|min|h|d)\b",
    r"\d+(?:\.\d+)? (?:kB|MB|GB)\b",
    r"\d+\.\d\dx",
    r"Python 3\.\d+(?:\.\d+)?",
    r"(?:linux|darwin)-\w+",
)
_WILD = re.compile(r"\.\.\.")
_IS_ID = "|".join(rf"\b(?=[a-f-]*\d){each}\b" for each in _IDS)
_TOKEN = re.compile("|".join((f"(?P<id>{_IS_ID})", *_FORMS, r"\.\.\.")))

Bindings = Mapping[str, str]


@attrs.frozen
class Printed:
    """What a command printed.

    Attributes:
        out: the lines on stdout.
        err: the lines on stderr.
        status: its exit status.
    """

    out: tuple[str, ...]
    err: tuple[str, ...] = ()
    status: int = 0


def lines_of(text: str) -> tuple[str, ...]:
    """The lines of some output as they are compared."""
    plain = _ESCAPES.sub("", text).replace("\r\n", "\n").replace("\r", "\n")
    return tuple(words for line in plain.splitlines() if (words := " ".join(line.split())))


def bound(text: str, bindings: Bindings) -> str:
    """A command of a page with the real ids in place of the page's."""

    def replace(found: re.Match[str]) -> str:
        return bindings.get(found[0], found[0])

    return re.sub(_IS_ID, replace, text)


def match(expected: str, printed: Printed, bindings: Bindings) -> Bindings | None:
    """Compare the output of a command.

    Arguments:
        expected: as the page has it.
        printed: what came.
        bindings: the page's ids -> the real ones, as far as they are known.

    Returns:
        The bindings, with those that are new; None when it is not the same.
    """
    return _match(lines_of(expected), printed.out, printed.err, bindings)


def match_beginning(expected: str, lines: Sequence[str], bindings: Bindings) -> Bindings | None:
    """Compare what a program has printed so far; what it prints besides does not count."""
    return _match(lines_of(expected), (), lines, bindings)


def _match(
    expected: Sequence[str], out: Sequence[str], err: Sequence[str], bindings: Bindings
) -> Bindings | None:
    if not expected:
        return None if out else bindings
    first, rest = expected[0], expected[1:]
    if first == "...":
        ways = ((out[skipped:], err, bindings) for skipped in range(len(out) + 1))
        return _first(rest, ways)
    ways_on = [
        (out[1:], err, more)
        for line in out[:1]
        if (more := _match_line(first, line, bindings)) is not None
    ]
    ways_on += [
        (out, err[index + 1 :], more)
        for index, line in enumerate(err)
        if (more := _match_line(first, line, bindings)) is not None
    ]
    return _first(rest, ways_on)


def _first(expected: Sequence[str], ways: object) -> Bindings | None:
    for out, err, bindings in ways:  # type: ignore[attr-defined]
        found = _match(expected, out, err, bindings)
        if found is not None:
            return found
    return None


def _match_line(expected: str, line: str, bindings: Bindings) -> Bindings | None:
    names: list[str] = []
    pattern, end = "", 0
    for token in _TOKEN.finditer(expected):
        pattern += re.escape(expected[end : token.start()]) + _pattern(token, names, bindings)
        end = token.end()
    found = re.fullmatch(pattern + re.escape(expected[end:]), line)
    if found is None:
        return None
    return {**bindings, **dict(zip(names, found.groups(), strict=True))}


def _pattern(token: re.Match[str], names: list[str], bindings: Bindings) -> str:
    text = token[0]
    if text == "...":
        return ".*?"
    if token["id"] is None:
        return next(form for form in _FORMS if re.fullmatch(form, text))
    if text in bindings:
        return re.escape(bindings[text])
    if text in names:
        return rf"(?:\{names.index(text) + 1})"
    names.append(text)
    return f"({next(each for each in _IDS if re.fullmatch(each, text))})"
