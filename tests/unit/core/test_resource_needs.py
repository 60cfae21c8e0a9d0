"""Resources as text, their units, and the devices that runners see."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from taskmgr_core.errors import SettingsError
from taskmgr_core.queue.scaling import IDLE_SECONDS, Scaling
from taskmgr_core.queue.units import Units
from taskmgr_core.runners.devices import Devices
from taskmgr_core.specs.resources import as_text, fit, from_text, offer_from, subsets

NAMES = st.from_regex(r"[a-z][a-z0-9_]{0,5}", fullmatch=True)
NEEDS = st.dictionaries(NAMES, st.integers(1, 99), max_size=4)


@given(NEEDS)
def test_needs_survive_their_text(needs: dict[str, int]) -> None:
    """What is read from the text of needs is the same, and the same needs are one text."""
    assert from_text(as_text(needs)) == needs
    assert as_text(dict(reversed(needs.items()))) == as_text(needs)


@pytest.mark.parametrize("text", ["gpu=", "GPU", "+", "gpu+", "a=b", "\udc80", "gpu=1=2"])
def test_text_that_is_none_is_needed_of_nobody(text: str) -> None:
    """A damaged text reads as something that no worker offers."""
    assert not fit(from_text(text), {"gpu": 99, "a": 99})


@given(NEEDS, st.lists(NEEDS, max_size=6))
def test_units_are_held_by_one_at_a_time(
    offered: dict[str, int], wanted: list[dict[str, int]]
) -> None:
    """However they are taken, no unit is held twice, and all are free when all are given back."""
    units = Units(offered)
    held = [found for needs in wanted if (found := units.take(needs)) is not None]
    for name, count in offered.items():
        numbers = [number for each in held for number in each.get(name, ())]
        assert len(numbers) == len(set(numbers))
        assert set(numbers) <= set(range(count))
    for each in held:
        units.give_back(each)
    assert units.fit(offered)
    assert not units.short


def test_all_that_an_offer_serves_is_listed() -> None:
    """Every combination up to what is offered, unless there are too many."""
    found = subsets({"gpu": 2, "licence": 1}, 10)
    assert found is not None
    assert {as_text(each) for each in found} == {
        "gpu", "gpu=2", "licence", "gpu+licence", "gpu=2+licence",
    }  # fmt: skip
    assert subsets({"gpu": 99}, 10) is None
    assert list(subsets({}, 10) or ()) == []


@pytest.mark.parametrize(
    ("text", "found"), [("gpu=2, licence", {"gpu": 2, "licence": 1}), ("", {}), ("gpu", {"gpu": 1})]
)
def test_offer_is_read_as_it_is_written(text: str, found: dict[str, int]) -> None:
    """A list with commas; a name alone is one unit."""
    assert offer_from(text) == found


def test_runner_sees_the_devices_of_its_units() -> None:
    """Units are devices, those of the worker itself where it was given some; without any, none."""
    free = Devices.of({"gpu": 2, "licence": 1}, {})
    assert free.variables({"gpu": (1,), "licence": (0,)}) == {
        "CUDA_VISIBLE_DEVICES": "1",
        "HIP_VISIBLE_DEVICES": "1",
        "TASKMGR_RESOURCE_GPU": "1",
        "TASKMGR_RESOURCE_LICENCE": "0",
    }
    given_some = Devices.of({"gpu": 2}, {"CUDA_VISIBLE_DEVICES": "3, GPU-8f"})
    assert given_some.variables({"gpu": (0, 1)})["CUDA_VISIBLE_DEVICES"] == "3,GPU-8f"
    assert free.variables({})["CUDA_VISIBLE_DEVICES"] == ""
    assert Devices.of({}, {}).variables({}) == {}


def test_offer_beyond_the_given_devices_is_refused() -> None:
    """A worker cannot hand on devices that it was not given."""
    with pytest.raises(SettingsError, match="offer gpu=2, but CUDA_VISIBLE_DEVICES='5'"):
        Devices.of({"gpu": 2}, {"CUDA_VISIBLE_DEVICES": "5"})


def test_slots_follow_what_waits_within_their_bounds() -> None:
    """They grow at once to what waits, keep while they are used, shrink when idle for long."""
    now = [0.0]
    scaling = Scaling(1, 4, lambda: now[0])
    assert scaling.bounds == (1, 4)
    assert Scaling(3, 3).bounds is None
    assert scaling.slots(1, 1, 2) == 3
    assert scaling.slots(3, 3, 9) == 4
    now[0] = IDLE_SECONDS - 1
    assert scaling.slots(4, 0, 0) == 4
    now[0] = IDLE_SECONDS + 1
    assert scaling.slots(4, 2, 0) == 2
    assert scaling.slots(4, 0, 0) == 1
