"""The order of a task's versions."""

import itertools

import pytest

from taskmgr_core.stores.releases import current, rank


def test_versions_are_ranked_as_installers_choose() -> None:
    """Final versions by PEP 440 stand above pre-releases, and those above what it does not know."""
    descending = ["1!0.1", "10.0", "2.0.post1", "2.0+cu12", "2.0", "3.0rc1", "3.0.dev4", "nightly"]
    assert sorted(sorted(descending), key=rank, reverse=True) == descending


@pytest.mark.parametrize("spelled", [*itertools.permutations(["1.0", "1.0.0", "1"])])
def test_spellings_of_one_number_have_one_order(spelled: tuple[str, ...]) -> None:
    """Which of several spellings of a number is current does not depend on who came first."""
    assert current(spelled) == "1.0.0"
