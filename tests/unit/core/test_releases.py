"""Which version of a task is meant."""

import pytest

from taskmgr_core.errors import NotFoundError
from taskmgr_core.specs import Choice, Route
from taskmgr_core.stores.releases import current, wanted

ROUTE = Route("echo", Choice(stable="1.0"), {"2.0": "shifted boxes"})


def test_named_version_is_meant_even_if_it_is_yanked() -> None:
    """Who names a version gets it; who names none gets what the route says."""
    assert wanted(["1.0", "2.0"], ROUTE, "2.0") == "2.0"
    assert wanted(["1.0", "2.0"], ROUTE, None) == "1.0"


def test_version_that_is_not_there_is_told_with_the_nearest() -> None:
    """A misspelt version is refused, and the one that was meant is offered."""
    with pytest.raises(NotFoundError, match=r"'echo' has no version '1.1'; did you mean '1.0'"):
        wanted(["1.0", "2.0"], ROUTE, "1.1")


def test_task_of_yanked_versions_alone_is_listed_and_not_run() -> None:
    """Where all are yanked the highest is shown, and a run is refused with the reasons."""
    assert current(["2.0"], ROUTE) == "2.0"
    with pytest.raises(NotFoundError, match=r"every version .* is yanked \(2\.0: shifted boxes\)"):
        wanted(["2.0"], ROUTE, None)
