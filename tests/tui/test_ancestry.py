"""Lineage as the dashboard walks it: equal values are one, files lead into other runs."""

from __future__ import annotations

from recorded_home import NOW, Home, run_id

from taskmgr_tui.core import ancestry


def ports(known: ancestry.Ancestry, digests: list[str]) -> list[str]:
    """The first port of each value."""
    return [next(iter(known.nodes[each].places)).port for each in digests]


def test_value_leads_up_to_the_file_and_down_to_what_it_made(recorded: Home) -> None:
    """Inside a run the recorded edges are followed, aliases of a value being the value itself."""
    known, kept = ancestry.begun(recorded.watcher(), run_id(6), "output_002_kept")
    (numbers,) = known.around(kept, "up")
    assert ports(known, [numbers]) == ["output_001_numbers"]
    assert ports(known, known.around(numbers, "up")) == ["table"]
    assert ports(known, known.around(kept, "down")) == ["output_004_picture"]


def test_file_of_many_runs_is_one_node(recorded: Home) -> None:
    """The table that nine runs were given is one node with nine places."""
    known, table = ancestry.begun(recorded.watcher(), run_id(6), "table")
    node = known.nodes[table]
    assert {each.run for each in node.places} == {run_id(n) for n in (1, 2, 3, 4, 5, 6, 8, 9, 10)}
    assert node.up == {}


def test_file_that_a_run_made_leads_into_the_run_it_was_given(recorded: Home) -> None:
    """From the seventh run's input up into the first run, which made it."""
    known, plot = ancestry.begun(recorded.watcher(), run_id(7), "table")
    assert {each.run for each in known.nodes[plot].places} == {run_id(1), run_id(7)}
    assert ports(known, known.around(plot, "up")) == ["output_002_kept"]


def test_equal_numbers_do_not_lead_into_other_runs(own: Home) -> None:
    """Only files do: that two runs had an equal value says nothing about its origin."""
    own.whole(12, NOW - 10, (4.5, 1.0))
    known, kept = ancestry.begun(own.watcher(), run_id(1), "output_002_kept")
    assert {each.run for each in known.nodes[kept].places} == {run_id(1)}
    assert known.open_files(kept) == []


def test_extending_a_copy_leaves_what_is_shown_alone(recorded: Home) -> None:
    """What a thread reads further is not in the nodes that the screen shows."""
    known, kept = ancestry.begun(recorded.watcher(), run_id(6), "output_002_kept")
    table = known.around(known.around(kept, "up")[0], "up")[0]
    assert known.open_files(table) == [table]
    more = known.copy()
    more.extend(recorded.watcher(), table)
    assert len(more.nodes[table].places) == 9
    assert len(known.nodes[table].places) == 1
    assert more.open_files(table) == []
