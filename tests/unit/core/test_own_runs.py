"""Which runs the worker of a process serves: those waited for, and some that were submitted."""

from collections.abc import Callable

import pytest

from taskmgr_core import serving
from taskmgr_core.serving import BESIDE, OwnRuns


@pytest.fixture
def ended() -> set[str]:
    """The runs that have ended."""
    return set()


@pytest.fixture
def own(ended: set[str]) -> OwnRuns:
    """No runs yet."""
    return OwnRuns(ended.__contains__)


@pytest.fixture
def look(own: OwnRuns, monkeypatch: pytest.MonkeyPatch) -> Callable[[], bool]:
    """A look that is due."""
    monkeypatch.setattr(serving, "LOOK_SECONDS", 0.0)
    return own.look


def test_what_is_waited_for_is_served_until_it_is_left(own: OwnRuns) -> None:
    """It is news once, also where nobody submitted it here."""
    assert own.wait_for("a")
    assert not own.wait_for("a")
    assert own.served() == ("a",)
    own.leave("a")
    assert own.served() == ()


def test_what_was_submitted_is_served_beside_it(own: OwnRuns) -> None:
    """The oldest first, and no news when it is waited for; each is served once."""
    for each in "abc":
        own.submitted(each)
    assert own.served() == ("a", "b", "c")
    assert not own.wait_for("b")
    assert own.served() == ("b", "a", "c")
    own.leave("b")
    own.wait_for("d")
    own.submitted("d")
    assert own.served() == ("d", "a", "c")


def test_place_is_free_for_what_is_submitted_next(own: OwnRuns) -> None:
    """Up to the number that is served beside; what is waited for has one anyway."""
    assert own.takes("a")
    for number in range(BESIDE):
        own.submitted(f"{number:03}")
    assert not own.takes("a")
    own.wait_for("a")
    assert own.takes("a")


def test_few_are_served_at_once(own: OwnRuns) -> None:
    """One beyond them is news when it is waited for, and one that moves up into its place."""
    runs = [f"{number:03}" for number in range(BESIDE + 2)]
    for each in runs:
        own.submitted(each)
    assert own.served() == tuple(runs[:BESIDE])
    assert own.wait_for(runs[-1])
    assert own.wait_for(runs[0])  # its place goes to the next
    assert own.served() == (runs[-1], *runs[: BESIDE + 1])


def test_place_of_one_that_has_ended_goes_to_another(
    own: OwnRuns, ended: set[str], look: Callable[[], bool]
) -> None:
    """Found by a look; it is news only where another takes the place."""
    runs = [f"{number:03}" for number in range(BESIDE + 1)]
    for each in runs:
        own.submitted(each)
    assert not look()
    ended.update(runs[:2])
    assert look()
    assert own.served() == tuple(runs[2:])
    ended.update(runs[2:])
    assert not look()
    assert own.served() == ()


def test_looks_are_some_times_a_second(own: OwnRuns, ended: set[str]) -> None:
    """However often it is asked to, it asks the store no more often."""
    own.submitted("a")
    assert not own.look()
    ended.add("a")
    assert not own.look()
    assert own.served() == ("a",)


def test_those_that_nobody_asks_for_are_forgotten(
    own: OwnRuns, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A process that submits for years remembers the last ones."""
    monkeypatch.setattr(serving, "REMEMBERED", 3)
    for each in "abcdef":
        own.submitted(each)
    assert own.served() == ("d", "e", "f")
