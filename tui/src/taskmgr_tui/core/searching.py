"""What a user writes behind ``/``: which runs are to be listed."""

from __future__ import annotations

import re
from collections.abc import Collection
from datetime import UTC, datetime, timedelta

import attrs

from taskmgr_core.errors import InvalidValueError, nearest
from taskmgr_core.specs import RunStatus
from taskmgr_core.specs.runs import RUN_STATUSES

_SPAN = re.compile(r"(\d+)(s|m|h|d)")
_UNITS = {"s": "seconds", "m": "minutes", "h": "hours", "d": "days"}
_PARTS = re.compile(r'(?:in:)?"([^"]*)"?|(\S+)')
_RUN = re.compile(r"[0-9a-f][0-9a-f-]{5,35}")


@attrs.frozen
class Search:
    """Which runs.

    Attributes:
        status: only these; None for all.
        name: only runs of this pipeline or task; None for all.
        since, until: UTC seconds between which they were submitted; None for no bound.
        run: the run that is to be opened; empty for none.
        text: only runs with this text in an input; empty for all.
    """

    status: RunStatus | None = None
    name: str | None = None
    since: float | None = None
    until: float | None = None
    run: str = ""
    text: str = ""

    @property
    def before(self) -> str | None:
        """The id that is greater than those of all runs until then: a run's id begins with it."""
        if self.until is None:
            return None
        digits = f"{int(self.until * 1000):012x}"
        return f"{digits[:8]}-{digits[8:]}"

    def __str__(self) -> str:
        words = [self.status, self.name]
        for name, moment in (("since", self.since), ("until", self.until)):
            if moment is not None:
                words.append(f"{name}:{datetime.fromtimestamp(moment, UTC):%Y-%m-%dT%H:%M}")
        if self.text:
            spaced = len(self.text.split()) > 1 or self.text != self.text.strip()
            words.append(f'"{self.text}"' if spaced else f"in:{self.text}")
        return " ".join(filter(None, words))


def parsed(text: str, names: Collection[str], now: float) -> Search:
    """What is meant.

    Arguments:
        text: words with spaces between them: a status, a pipeline or task, a run's id or
            a part of it, ``since:`` and ``until:`` with a moment (``2026-11-22``,
            ``2026-11-22T14:00``, ``14:00``, or ``2h`` ago), and a text that is looked for in
            what runs were given: ``in:word``, or ``"several words"``. What is empty means all
            runs.
        names: the pipelines and tasks.
        now: UTC seconds.

    Raises:
        InvalidValueError: with the word that means nothing, and what was allowed.
    """
    search = Search()
    for quoted, word in _PARTS.findall(text):
        kind, colon, moment = word.partition(":")
        if not word:
            search = attrs.evolve(search, text=quoted or search.text)
        elif colon and kind == "in" and moment:
            search = attrs.evolve(search, text=moment)
        elif word in RUN_STATUSES:
            search = attrs.evolve(search, status=word)
        elif word in names:
            search = attrs.evolve(search, name=word)
        elif colon and kind == "since":
            search = attrs.evolve(search, since=_moment(moment, now))
        elif colon and kind == "until":
            search = attrs.evolve(search, until=_moment(moment, now))
        elif _RUN.fullmatch(word.lower()):
            search = attrs.evolve(search, run=word.lower())
        else:
            raise InvalidValueError(
                f"{word!r} is no status ({', '.join(RUN_STATUSES)}), run, pipeline or task, "
                f"nor since: or until: with a moment; {nearest(word, [*names, *RUN_STATUSES])}. "
                f"To look for it in what runs were given, write in:{word}"
            )
    return search


def _moment(text: str, now: float) -> float:
    span = _SPAN.fullmatch(text)
    if span:
        return now - timedelta(**{_UNITS[span[2]]: int(span[1])}).total_seconds()
    today = datetime.fromtimestamp(now, UTC).date()
    try:
        written = f"{today}T{text}" if re.fullmatch(r"\d\d:\d\d(:\d\d)?", text) else text
        found = datetime.fromisoformat(written)
    except ValueError:
        raise InvalidValueError(
            f"{text!r} is no moment; write 2026-11-22, 2026-11-22T14:00, 14:00 or 2h, all in UTC"
        ) from None
    return (found if found.tzinfo else found.replace(tzinfo=UTC)).timestamp()
