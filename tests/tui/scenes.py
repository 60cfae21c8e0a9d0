"""A tour of the dashboard: by which keys one comes to each picture."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from driving import SMALL, Driven, driven, press, svg_of

from taskmgr_core.watching import Watcher

LARGE = (110, 30)
NEXT = "right_square_bracket"
BEFORE = "left_square_bracket"

# Each picture with the keys that lead to it from the one before; the tour begins with the overview.
TOUR: Sequence[tuple[str, tuple[str, ...]]] = (
    ("overview", ()),
    ("help", ("question_mark",)),
    ("runs", ("escape", "2")),
    ("run-failure", ("s", "s", "s", "enter")),
    ("run-graph", (NEXT,)),
    ("run-timeline", (NEXT,)),
    ("run-fields", (NEXT,)),
    ("field", ("j", "enter")),
    ("run-log", ("escape", NEXT, NEXT)),
    ("lineage", (BEFORE, BEFORE, "l")),
    ("tasks", ("3",)),
    ("task", ("j", "j", "j", "j", "enter")),
    ("task-fields", (NEXT,)),
    ("task-virtualenvs", (NEXT,)),
    ("workers", ("4",)),
)
FORM = "small-form"
SMALL_TOUR: Sequence[tuple[str, tuple[str, ...]]] = (
    ("small-overview", ()),
    ("small-run", ("2", "s", "s", "s", "enter")),
    ("small-light", ("d",)),
    ("small-tasks", ("d", "3")),
    (FORM, ("j", "t", "tab", "tab", "4", "tab")),
    ("small-workers", ("4",)),
    ("small-log", ("l",)),
)


def pictures(watcher: Watcher) -> Mapping[str, str]:
    """Every picture, as SVG, by its name."""
    return {
        **_toured(watcher, TOUR, LARGE),
        **_toured(watcher, SMALL_TOUR, SMALL),
    }


def _toured(
    watcher: Watcher, tour: Sequence[tuple[str, tuple[str, ...]]], size: tuple[int, int]
) -> dict[str, str]:
    async def play(pilot: Driven) -> dict[str, str]:
        drawn = {}
        for name, keys in tour:
            await press(pilot, *keys)
            if name == FORM:
                await _from_its_beginning(pilot)
            drawn[name] = svg_of(pilot.app)
        return drawn

    found: dict[str, str] = driven(watcher, play, size)
    return found


async def _from_its_beginning(pilot: Driven) -> None:
    """A form moves by a line when its focus moves before its fault is laid out."""
    for each in pilot.app.screen.query("*"):
        if each.scroll_y > 0:
            each.scroll_home(animate=False)
    await pilot.pause(0.05)
