"""Pages of runs, newest first, as the store gives them."""

from __future__ import annotations

from collections.abc import Sequence

import attrs

from taskmgr_core.report.formats import duration, shortened
from taskmgr_core.specs import RunSummary
from taskmgr_core.watching import Watcher
from taskmgr_tui.core.cells import Cell, state
from taskmgr_tui.core.searching import Search
from taskmgr_tui.core.times import ago

PAGE = 50
COLUMNS = ("run", "name", "state", "steps", "age", "time", "error")
NUMBERS = frozenset({"steps", "age", "time"})
ERROR_LENGTH = 120


@attrs.frozen
class Listing:
    """A page of runs.

    Attributes:
        runs: newest first.
        next: the id that the page behind it begins below; None where this is the last.
        at: UTC seconds.
        partly: whether no more runs were looked at because so many were already.
    """

    runs: Sequence[RunSummary]
    next: str | None
    at: float
    partly: bool = False


def look(watcher: Watcher, search: Search, before: str | None) -> Listing:
    """Read a page: one bounded query served by an index, and what is bounded in number.

    Arguments:
        watcher: asked.
        search: which runs.
        before: the ``next`` of the page before; None for the first.
    """
    if search.text:
        return _with_text(watcher, search, before)
    found = watcher.runs(
        status=search.status,
        name=search.name,
        before=before or search.before,
        limit=PAGE + 1,
    )
    # The ids are in the order of time: the first that is too old ends the list.
    young = [each for each in found if search.since is None or each.created_at >= search.since]
    more = len(young) > PAGE
    return Listing(young[:PAGE], young[PAGE - 1].id if more else None, watcher.clock())


def _with_text(watcher: Watcher, search: Search, before: str | None) -> Listing:
    """The store looks into the inputs; a page may be short, and another one behind it."""
    found = watcher.with_input(
        search.text,
        status=search.status,
        name=search.name,
        before=before or search.before,
        limit=PAGE,
    )
    young = [each for each in found.runs if search.since is None or each.created_at >= search.since]
    ended = len(young) < len(found.runs) or _is_older(found.next, search.since)
    following = None if ended else found.next
    partly = following is not None and len(found.runs) < PAGE
    return Listing(young, following, watcher.clock(), partly)


def _is_older(run: str | None, since: float | None) -> bool:
    """Whether a run, by its id, is older than a moment."""
    return run is not None and since is not None and run < (Search(until=since).before or "")


def rows(listing: Listing) -> dict[str, tuple[Cell, ...]]:
    """The runs as a table shows them."""
    return {each.id: _row(each, listing.at) for each in listing.runs}


def _row(run: RunSummary, now: float) -> tuple[Cell, ...]:
    done = run.steps.get("succeeded", 0)
    shown = state(run.status)
    if run.cancel_requested and run.status == "running":
        shown = Cell("⊘ cancelling", "odd")
    ended = now if run.finished_at is None else run.finished_at
    return (
        Cell(run.id[-8:]),
        Cell(run.name),
        shown,
        Cell(f"{done}/{sum(run.steps.values())}"),
        Cell(ago(run.created_at, now)),
        Cell(duration(max(ended - run.created_at, 0))),
        Cell(shortened(run.failure.message, ERROR_LENGTH) if run.failure else "", "bad"),
    )
