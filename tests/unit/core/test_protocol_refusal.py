"""What is said where a worker and a runner do not understand one another."""

import pytest

from taskmgr_core.errors import RunnerProtocolError


@pytest.mark.parametrize(
    ("theirs", "ours", "said"),
    [
        (4, (2, 3), "speaks runner protocol 4, and this worker speaks 2 to 3; upgrade and restart"),
        (4, (3, 3), "this worker speaks 3; upgrade and restart this worker, or publish"),
        (4, (2, 3), "a taskmgr-core that brings taskmgr-plugins 1.2 or later"),
        (1, (2, 3), "this worker speaks 2 to 3; publish the plugin again with this taskmgr"),
        (None, (2, 2), "speaks runner protocol None, and this worker speaks 2; publish"),
    ],
)
def test_refusal_says_who_has_to_be_upgraded(
    theirs: object, ours: tuple[int, int], said: str
) -> None:
    """A newer runner wants a newer worker, an older one wants to be published again."""
    error = RunnerProtocolError("acme-tiny", (theirs, "1.2"), ours)
    assert said in str(error)
    assert str(error).startswith("the virtualenv of acme-tiny has taskmgr-plugins 1.2")
    assert (error.code, error.retryable) == ("environment", False)
