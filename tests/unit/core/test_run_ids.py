"""Ids of runs, whose order is that of time."""

from __future__ import annotations

import time
import uuid

from hypothesis import given
from hypothesis import strategies as st

from taskmgr_core.run_ids import earliest_id, is_run_id, new_run_id

MOMENTS = st.floats(0, 4_000_000_000)


@given(MOMENTS, MOMENTS)
def test_earliest_ids_are_in_the_order_of_time(one: float, other: float) -> None:
    """Those of the same thousandth of a second are the same."""
    order = int(one * 1000) - int(other * 1000)
    first, second = earliest_id(one), earliest_id(other)
    assert (first > second) - (first < second) == (order > 0) - (order < 0)


def test_id_is_between_those_of_the_moments_around_it() -> None:
    """As the ids of runs are made now; they are UUIDs."""
    found = new_run_id()
    assert uuid.UUID(found).version == 7
    now = time.time()
    assert earliest_id(now - 60) < found < earliest_id(now + 60)


@given(st.text(max_size=40))
def test_only_a_whole_id_is_one(text: str) -> None:
    """The beginning and the end of an id, and whatever else is typed, are none."""
    whole = new_run_id()
    assert is_run_id(whole)
    assert not any(map(is_run_id, (text, whole[:-1], whole[-8:], whole + "\n", whole.upper())))
