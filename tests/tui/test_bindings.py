"""Every key of every screen and widget is pressed, and does what it is bound for."""

from __future__ import annotations

import importlib
import pkgutil
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from functools import partial
from typing import Any

import attrs
import pytest
from driving import SMALL, Driven, driven, told
from recorded_home import filled, run_id
from test_half_blocks import photographed
from textual.binding import Binding
from textual.css.query import NoMatches
from textual.widgets import Input, Tree

import taskmgr_tui
from taskmgr_tui.app import Dashboard
from taskmgr_tui.core import listing
from taskmgr_tui.screens.field import FieldScreen
from taskmgr_tui.screens.lineage import LineageScreen
from taskmgr_tui.screens.run import RunScreen
from taskmgr_tui.screens.tasks import TaskScreen
from taskmgr_tui.screens.trying import TryScreen
from taskmgr_tui.widgets.tables import Table
from taskmgr_tui.widgets.tabs import Tabs

NEXT = "right_square_bracket"
LOW = (80, 12)  # so few lines that texts have to be scrolled

SECONDS = 3.0

# All keys are pressed before the first test: on a machine that does much else it takes a while.
pytestmark = [pytest.mark.timeout(300), pytest.mark.long]

Seen = Callable[[Any], object]


@attrs.frozen
class Case:
    """A key, and what it does.

    Attributes:
        place: where it is pressed.
        way: keys that are pressed there before it.
        seen: what it changes, as it is told of the app.
        then: what that is afterwards; before it is something else.
        size: of the terminal.
        ready: whether the key can do it already.
    """

    place: Callable[[Dashboard], object]
    way: Sequence[str]
    seen: Seen
    then: object
    size: tuple[int, int] = SMALL
    ready: Seen = lambda _: True


def screen(app: Any) -> str:
    """The class of the screen on top."""
    return type(app.screen).__name__


def tab(app: Any) -> str:
    """The tab that is shown."""
    return app.screen.query_one(Tabs).active if app.screen.query(Tabs) else ""


def row(app: Any) -> int:
    """Where the cursor of the table is."""
    return int(app.screen.query(Table).first().cursor_row)


def line(app: Any) -> int:
    """Where the cursor of the tree is."""
    return int(app.screen.query(Tree).first().cursor_line)


def scrolled(app: Any) -> str:
    """How far a text is scrolled."""
    shown = app.focused
    at, most = round(shown.scroll_offset.y), round(shown.max_scroll_y)
    return "top" if at == 0 else "end" if at == most else "middle"


def sideways(app: Any) -> bool:
    """Whether a table is scrolled to the right."""
    return bool(app.screen.query(Table).first().scroll_offset.x > 0)


def asked_anew(app: Any) -> bool:
    """Whether the screen shows another answer than when this was asked first."""
    first = vars(app).setdefault("first_answer", app.screen.told)
    return app.screen.told is not first


def asked(app: Any) -> str:
    """The first word of a question."""
    return app.screen.text.split()[0] if screen(app) == "Question" else ""


def typing(app: Any) -> bool:
    """Whether a field has the keys."""
    return isinstance(app.focused, Input)


def field(app: Any) -> str:
    """Which field of a form has the keys."""
    return str(app.focused.parent.id)


def first_fault(app: Any) -> str:
    """What is wrong with the first field of a form."""
    return str(app.screen.query(".fault").first().render())


def long(app: Any) -> bool:
    """Whether the text is there and has to be scrolled."""
    return bool(app.focused.max_scroll_y > 2)


def notified(app: Any) -> str:
    """What was told last, without the numbers of runs."""
    texts = [each.message for each in app._notifications]
    return texts[-1].partition(" is ")[2] or texts[-1] if texts else ""


# places


def stay(_: Dashboard) -> None:
    """Where the dashboard is."""


def overview(_: Dashboard) -> None:
    """The first screen."""


def runs(app: Dashboard) -> None:
    """All runs."""
    app.action_runs()


def failed(app: Dashboard) -> None:
    """The run that has failed, on its failure."""
    app.push_screen(RunScreen(app.watcher, run_id(6)))


def graph(app: Dashboard) -> None:
    """The graph of a run."""
    app.push_screen(RunScreen(app.watcher, run_id(1)))


def lineage(app: Dashboard) -> None:
    """A lineage."""
    app.push_screen(LineageScreen(app.watcher, run_id(6), "output_002_kept"))


def value(app: Dashboard) -> None:
    """A value in full."""
    app.push_screen(FieldScreen(app.watcher.run(run_id(6)).values[0]))


def tasks(app: Dashboard) -> None:
    """The tasks."""
    app.action_tasks()


def task(app: Dashboard) -> None:
    """A task in three versions."""
    app.push_screen(TaskScreen(app.watcher, "read_table"))


def form(app: Dashboard) -> None:
    """The form of a task."""
    app.push_screen(TryScreen(app.watcher, "clean"))


def workers(app: Dashboard) -> None:
    """The workers."""
    app.action_workers()


def pictures(app: Dashboard) -> None:
    """A run with a picture."""
    app.push_screen(RunScreen(app.watcher, run_id(11)))


def keys(app: Dashboard) -> None:
    """The help."""
    app.action_keys()


# In this order; a case that stays goes on where the one before it has left the dashboard.
CASES: Mapping[str, Case] = {
    "Dashboard d": Case(overview, (), lambda app: app.current_theme.dark, False),
    "Dashboard slash": Case(overview, (), typing, True),
    "Dashboard question_mark": Case(overview, (), screen, "Help"),
    "Help escape": Case(stay, (), screen, "OverviewScreen"),
    "Help question_mark": Case(stay, ("question_mark",), screen, "OverviewScreen"),
    "Help q": Case(stay, ("question_mark",), screen, "OverviewScreen"),
    "Help enter": Case(stay, ("question_mark",), screen, "OverviewScreen"),
    "Dashboard 2": Case(stay, (), screen, "RunsScreen"),
    "Dashboard 3": Case(stay, (), screen, "TasksScreen"),
    "Table enter": Case(stay, (), screen, "TaskScreen"),
    "View escape": Case(stay, (), screen, "TasksScreen"),
    "TasksScreen t": Case(stay, (), screen, "TryScreen"),
    "TryScreen ctrl+r": Case(stay, (), lambda app: "missing" in first_fault(app), True),
    "TryScreen tab": Case(stay, (), field, "field-lowest"),
    "Dashboard 4": Case(overview, (), screen, "WorkersScreen"),
    "WorkersScreen l": Case(stay, (), screen, "LogScreen"),
    "WorkersScreen x": Case(stay, ("escape",), asked, "Drain"),
    "Question n": Case(stay, (), screen, "WorkersScreen"),
    "WorkersScreen X": Case(stay, (), asked, "Stop"),
    "Question escape": Case(stay, (), screen, "WorkersScreen"),
    "Dashboard 1": Case(stay, (), screen, "OverviewScreen"),
    "Table j": Case(runs, (), row, 1),
    "Table k": Case(stay, ("j",), row, 1),
    "Table G": Case(stay, (), row, 3),
    "Table g": Case(stay, (), row, 0),
    "Table down": Case(stay, (), row, 1),
    "Table up": Case(stay, (), row, 0),
    "Table pagedown": Case(stay, (), row, 3),
    "Table pageup": Case(stay, (), row, 0),
    "Table ctrl+end": Case(stay, (), row, 3),
    "Table ctrl+home": Case(stay, (), row, 0),
    "RunsScreen n": Case(stay, (), lambda app: len(app.screen._before), 1),
    "RunsScreen p": Case(stay, (), lambda app: len(app.screen._before), 0),
    "RunsScreen s": Case(stay, (), lambda app: str(app.screen.search), "running"),
    "RunsScreen slash": Case(stay, (), typing, True),
    "Steering t": Case(runs, (), lambda app: "no task or pipeline" in notified(app), True),
    "Steering c": Case(stay, (), screen, "Question"),
    "Question y": Case(stay, (), screen, "RunsScreen"),
    "FieldScreen escape": Case(value, (), screen, "OverviewScreen"),
    "FieldScreen q": Case(value, (), screen, "OverviewScreen"),
    "FieldScreen enter": Case(value, (), screen, "OverviewScreen"),
    "RunScreen right_square_bracket": Case(failed, (), tab, "graph"),
    "RunScreen left_square_bracket": Case(stay, (), tab, "failure"),
    "RunScreen v": Case(stay, (), notified, "no picture was given or made"),
    "RunScreen l": Case(stay, (), screen, "LineageScreen"),
    "View r": Case(stay, (), asked_anew, True),
    "LineageTree l": Case(stay, (), lambda app: app.focused.cursor_node.is_expanded, False),
    "LineageScreen o": Case(stay, (), screen, "RunScreen"),
    "KeyTree j": Case(graph, ("j",), line, 1),
    "KeyTree k": Case(stay, (), line, 0),
    "KeyTree G": Case(stay, (), lambda app: line(app) == app.focused.last_line, True),
    "KeyTree g": Case(stay, (), line, 0),
    "KeyTree h": Case(stay, ("j", "j", "j", "j"), line, 2),
    "KeyTree enter": Case(stay, ("g", "j"), screen, "FieldScreen"),
    "TaskScreen right_square_bracket": Case(task, (), tab, "fields", LOW),
    "Texts j": Case(stay, (), scrolled, "middle", LOW, long),
    "Texts G": Case(stay, (), scrolled, "end", LOW),
    "Texts k": Case(stay, (), scrolled, "middle", LOW),
    "Texts g": Case(stay, (), scrolled, "top", LOW),
    "TaskScreen left_square_bracket": Case(stay, (), tab, "versions", LOW),
    "TaskScreen t": Case(stay, (), screen, "TryScreen", LOW),
    "HalfBlocks j": Case(pictures, (NEXT, NEXT, NEXT), scrolled, "middle", LOW, long),
    "HalfBlocks G": Case(stay, (), scrolled, "end", LOW),
    "HalfBlocks k": Case(stay, (), scrolled, "middle", LOW),
    "HalfBlocks g": Case(stay, (), scrolled, "top", LOW),
    "Table right": Case(runs, (), sideways, True, (40, 12)),
    "Table left": Case(stay, (), sideways, False, (40, 12)),
    "Table h": Case(stay, ("right",), sideways, False, (40, 12)),
    "Dashboard q": Case(overview, (), lambda app: app._exit, True),
}


def bound() -> Iterator[str]:
    """Every key that a class of the dashboard binds."""
    for module in pkgutil.walk_packages(taskmgr_tui.__path__, "taskmgr_tui."):
        loaded = importlib.import_module(module.name)
        for each in vars(loaded).values():
            if isinstance(each, type) and each.__module__ == module.name:
                for binding in Binding.make_bindings(vars(each).get("BINDINGS", ())):
                    yield f"{each.__name__} {binding.key}"


@pytest.fixture(scope="module")
def played(tmp_path_factory: pytest.TempPathFactory) -> Mapping[str, Sequence[object]]:
    """What each case saw before its key and after it; of one that went wrong, that."""
    home = filled(tmp_path_factory.mktemp("bindings"))
    photographed(home)
    found: dict[str, Sequence[object]] = {}
    with pytest.MonkeyPatch.context() as patched:
        patched.setattr(listing, "PAGE", 4)
        for size in dict.fromkeys(each.size for each in CASES.values()):
            chosen = {name: each for name, each in CASES.items() if each.size == size}
            found |= driven(home.watcher(), partial(play_all, cases=chosen), size)
    home.client.close()
    return found


async def play_all(pilot: Driven, cases: Mapping[str, Case]) -> dict[str, Sequence[object]]:
    """One case after the other in one dashboard."""
    found: dict[str, Sequence[object]] = {}
    for name, case in cases.items():
        while case.place is not stay and len(pilot.app.screen_stack) > 2:
            await pilot.app.pop_screen()
        pilot.app.clear_notifications()
        await told(pilot)
        found[name] = await played_one(pilot, name.split()[1], case)
    return found


async def played_one(pilot: Driven, key: str, case: Case) -> Sequence[object]:
    """What one case saw before its key and after it."""
    assert isinstance(pilot.app, Dashboard)
    case.place(pilot.app)
    await told(pilot)
    await pilot.press(*case.way)
    before = await seen(pilot, case, lambda now: case.ready(pilot.app) and now != case.then)
    await pilot.press(key)
    return before, await seen(pilot, case, lambda now: now == case.then)


async def seen(pilot: Driven, case: Case, wanted: Callable[[object], object]) -> object:
    """What a case sees, once it is what is wanted, or has not become so for long."""
    deadline = time.monotonic() + SECONDS
    while True:
        try:
            now, right = case.seen(pilot.app), False
            right = bool(wanted(now))
        except (NoMatches, AttributeError) as error:  # the screen is not there yet
            now, right = str(error), False
        if right or time.monotonic() > deadline:
            return now
        await pilot.pause(0.01)


@pytest.mark.parametrize("name", CASES)
def test_key_does_what_it_is_bound_for(played: Mapping[str, Sequence[object]], name: str) -> None:
    """What it changes is different before it, and as it is to be behind it."""
    before, after = played[name]
    assert after == CASES[name].then
    assert before != after


def test_every_binding_has_a_case() -> None:
    """A key that is bound and not tried, or tried and not bound any more, is named."""
    assert sorted(bound()) == sorted(CASES)
