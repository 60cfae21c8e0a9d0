"""What is shown of a run, line by line."""

from __future__ import annotations

import attrs
import pytest
from recorded_home import NOW, Home, run_id

from taskmgr_tui.core import rundown
from taskmgr_tui.core.cells import Cell


def plain(cells: list[Cell]) -> str:
    """The text of a line."""
    return "".join(each.text for each in cells)


@pytest.mark.parametrize("width", [40, 76, 196])
@pytest.mark.parametrize("number", [1, 6, 7, 8, 10])
def test_timeline_fits_its_width(recorded: Home, number: int, width: int) -> None:
    """No line is wider than there is room, and every step has one."""
    view = rundown.look(recorded.watcher(), run_id(number), 0)
    lines = [plain(each) for each in rundown.timeline(view, width)]
    assert max(map(len, lines[:-1])) <= width
    for step in ("001 read_table", "002 clean", "003 mean", "004 plot"):
        assert sum(step in line for line in lines) == 1


def test_bars_lie_where_the_time_went(recorded: Home) -> None:
    """A step that began after another one ended has its bar to the right of the other's."""
    view = rundown.look(recorded.watcher(), run_id(1), 0)
    _, first, second, *_ = [plain(each) for each in rundown.timeline(view, 100)]
    assert first.rindex("█") < second.index("░")


def test_step_that_is_running_is_drawn_until_now(recorded: Home) -> None:
    """Its bar ends at the end of the line, and one that waits for it has none."""
    view = rundown.look(recorded.watcher(), run_id(8), 0)
    _, _, running, waiting, *_ = [plain(each) for each in rundown.timeline(view, 100)]
    assert running.rstrip().endswith("█")
    assert "█" not in waiting


def test_ports_show_what_they_have(recorded: Home) -> None:
    """A port with a value, one that waits for it, and one that never gets it have other signs."""
    going = rundown.cards(rundown.look(recorded.watcher(), run_id(8), 0))
    ports = {port: plain(cells) for card in going for port, cells in card.ports.items()}
    assert ports["output_001_numbers"] == "✓ ← numbers  [7.0, 8.0]"
    assert ports["output_002_kept"] == "· ← kept  no value"
    failed = rundown.cards(rundown.look(recorded.watcher(), run_id(6), 0))
    assert plain(failed[3].ports["output_003_mean"]) == "✗ ← mean  no value"
    assert [card.depth for card in failed] == [0, 1, 2, 3, 3]


def test_cached_and_waiting_steps_say_so(recorded: Home) -> None:
    """A card says whose outputs a step has, and which limit keeps it from being run."""
    view = rundown.look(recorded.watcher(), run_id(1), 0)
    first, second, third, *rest = view.detail.steps
    steps = (
        attrs.evolve(first, cached_from="0197/001"),
        attrs.evolve(second, status="ready", waits_for="2 at once of task:clean"),
        attrs.evolve(third, origin="0198"),
        *rest,
    )
    cards = rundown.cards(attrs.evolve(view, detail=attrs.evolve(view.detail, steps=steps)))
    titles = [plain(each.title) for each in cards]
    assert "cached from 0197/001" in titles[1]
    assert "waits: 2 at once of task:clean" in titles[2]
    assert "taken over from 0198" in titles[3]
    assert "cached" not in titles[3]


def test_failure_names_what_the_step_was_given(recorded: Home) -> None:
    """The last attempt is first, with its traceback and its inputs, each with its origin."""
    view = rundown.look(recorded.watcher(), run_id(6), 0)
    lines = [plain(each) for each in rundown.failure_text(view)]
    assert lines[0] == "✗ 003 mean 1.2.0, attempt 2: task-error"
    assert "ZeroDivisionError: division by zero" in lines
    assert "  numbers = []  from output_002_kept" in lines
    assert lines.index("✗ 003 mean 1.2.0, attempt 1: timeout") > lines.index(lines[0])


def test_log_goes_on_behind_what_is_known(recorded: Home) -> None:
    """Only the lines behind the last known one are read again."""
    first = rundown.look(recorded.watcher(), run_id(6), 0).lines
    assert [each.text for each in first][:2] == ["2 rows", "kept 0 of 2 numbers"]
    again = rundown.look(recorded.watcher(), run_id(6), first[0].number).lines
    assert list(again) == list(first[1:])
    assert NOW - 50 < first[0].time < NOW
