"""Which version a new run gets."""

import itertools
import string
from collections.abc import Callable

import attrs
import pytest
from hypothesis import given
from hypothesis import strategies as st

from taskmgr_core.errors import ConflictError
from taskmgr_core.orchestrator import routing
from taskmgr_core.orchestrator.routing import chosen, rank, series, share_of
from taskmgr_core.specs import Choice, Route

VERSIONS = ("0.9", "1.0", "1.1", "2.0", "3.0rc1")
KNOWN = frozenset(VERSIONS)
ROUTE = Route("echo")

versions = st.sampled_from(VERSIONS)


@st.composite
def routes(draw: st.DrawFn) -> Route:
    """A route that some operators have made."""
    route = ROUTE
    for change in draw(st.lists(st.sampled_from(["out", "back", "pin", "off", "yank"]))):
        now = chosen(KNOWN, route) or "2.0"
        version = draw(versions)
        try:
            route = {
                "out": lambda r, n, v: routing.rolled_out(r, n, v, draw(st.integers(1, 100))),
                "back": lambda r, n, _: routing.rolled_back(r, n, KNOWN),
                "pin": lambda r, _, v: routing.pinned(r, v),
                "off": lambda r, _, __: routing.let_go(r),
                "yank": lambda r, _, v: routing.yanked(r, v, "broken"),
            }[change](route, now, version)
        except ConflictError:
            continue
    return route


def test_versions_are_ranked_as_installers_choose() -> None:
    """Final versions by PEP 440 stand above pre-releases, and those above what it does not know."""
    descending = ["1!0.1", "10.0", "2.0.post1", "2.0+cu12", "2.0", "3.0rc1", "3.0.dev4", "nightly"]
    assert sorted(sorted(descending), key=rank, reverse=True) == descending


@pytest.mark.parametrize("spelled", [*itertools.permutations(["1.0", "1.0.0", "1"])])
def test_spellings_of_one_number_have_one_order(spelled: tuple[str, ...]) -> None:
    """Which of several spellings of a number is current does not depend on who came first."""
    assert chosen(frozenset(spelled), ROUTE) == "1.0.0"


def test_versions_below_one_are_in_series_by_their_second_number() -> None:
    """A series is the first number, below 1.0 the first two; what is no version has none."""
    assert [series(each) for each in ("2.1.3", "2.9", "0.3.5", "0.4", "nightly")] == [
        (2,),
        (2,),
        (0, 3),
        (0, 4),
        None,
    ]


@given(routes(), st.floats(0, 100, exclude_max=True))
def test_no_run_gets_a_yanked_version(route: Route, share: float) -> None:
    """Whatever operators did, a run gets a version that is not yanked, or none if all are."""
    for found in (chosen(KNOWN, route, share), chosen(KNOWN, route)):
        assert found not in route.yanked
        assert found in KNOWN or route.yanked.keys() == KNOWN


@given(st.integers(1, 99), st.text(string.hexdigits))
def test_a_part_of_the_runs_gets_what_is_rolled_out(percent: int, run: str) -> None:
    """The runs below the percentage get the candidate, and no others."""
    route = routing.rolled_out(ROUTE, "1.0", "2.0", percent)
    share = share_of(run)
    assert 0 <= share < 100
    assert chosen(KNOWN, route, share) == ("2.0" if share < percent else "1.0")
    assert chosen(KNOWN, route) == "1.0"


def test_shares_are_spread_evenly() -> None:
    """Of many runs a tenth is in each tenth."""
    counts = [0] * 10
    for number in range(10_000):
        counts[int(share_of(f"run {number}") // 10)] += 1
    assert all(900 < count < 1100 for count in counts)


def test_rollout_to_all_stays_when_a_higher_one_is_published() -> None:
    """A version that was rolled out is not overtaken by one that is only published."""
    route = routing.rolled_out(ROUTE, "1.0", "1.1", 100)
    assert chosen(KNOWN, route) == "1.1"
    assert chosen(KNOWN | {"9.0"}, route, 0.0) == "1.1"
    assert chosen(KNOWN | {"9.0"}, routing.let_go(route)) == "9.0"


@given(routes(), versions, st.integers(1, 100))
def test_rollback_undoes_a_rollout(route: Route, version: str, percent: int) -> None:
    """After a rollout and a rollback all runs get what most of them got before."""
    before = chosen(KNOWN, route)
    if before is None or route.choice.pinned or version in (before, *route.yanked):
        return
    tried = routing.rolled_out(route, before, version, percent)
    now = chosen(KNOWN, tried)
    assert now is not None
    back = routing.rolled_back(tried, now, KNOWN)
    assert {chosen(KNOWN, back, share) for share in (0.0, 50.0, 99.9)} == {before}


def test_rollback_without_a_rollout_goes_one_version_down() -> None:
    """What was published last is left for the highest below it, and once more for the next."""
    once = routing.rolled_back(ROUTE, "2.0", KNOWN)
    assert chosen(KNOWN, once) == "1.1"
    with pytest.raises(ConflictError, match=r"no version of 'echo' to go back to: 3\.0rc1"):
        routing.rolled_back(ROUTE, "3.0rc1", frozenset({"3.0rc1"}))


@pytest.mark.parametrize(
    "change",
    [
        lambda route: routing.rolled_out(route, "1.0", "2.0", 10),
        lambda route: routing.rolled_back(route, "1.0", KNOWN),
    ],
)
def test_pin_holds_against_rollouts(change: Callable[[Route], Route]) -> None:
    """A pinned task refuses both, and says how it is let go."""
    with pytest.raises(ConflictError, match=r"'echo' is pinned to 1\.0.*taskmgr pin echo --off"):
        change(routing.pinned(ROUTE, "1.0"))


def test_yanked_version_cannot_be_chosen() -> None:
    """Neither a rollout nor a pin takes it; the reason and the way back are told."""
    route = routing.yanked(ROUTE, "1.0", "shifted boxes")
    for change in (
        lambda: routing.rolled_out(route, "2.0", "1.0", 5),
        lambda: routing.pinned(route, "1.0"),
    ):
        with pytest.raises(ConflictError, match=r"shifted boxes.*taskmgr yank echo 1\.0 --undo"):
            change()
    assert routing.unyanked(route, "1.0") == ROUTE
    with pytest.raises(ConflictError, match="pinned to"):
        routing.yanked(routing.pinned(ROUTE, "1.0"), "1.0", "broken")


@given(st.lists(versions, max_size=60))
def test_what_was_chosen_before_is_bounded(chosen_ones: list[str]) -> None:
    """However often the choice changes, what a rollback needs stays small."""
    route = ROUTE
    for each in chosen_ones:
        route = routing.rolled_out(route, "x", each, 100)
    assert len(route.earlier) <= routing.EARLIER


def test_candidate_that_is_yanked_is_taken_from_all() -> None:
    """A yanked candidate goes to no run any more, without a rollback."""
    route = routing.rolled_out(ROUTE, "1.0", "2.0", 50)
    route = attrs.evolve(route, yanked={"2.0": "broken"})
    assert chosen(KNOWN, route, 0.0) == "1.0"
    assert route.choice == Choice("1.0", "2.0", 50)
