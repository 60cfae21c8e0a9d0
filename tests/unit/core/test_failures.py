"""What is recorded of a failure."""

from taskmgr_core.specs import Failure
from taskmgr_plugins.texts import MESSAGE_CHARACTERS, TRACEBACK_CHARACTERS


def test_failure_is_bounded_wherever_it_comes_from() -> None:
    """Message, traceback and details of any length are recorded up to a size, with both ends."""
    endless = "first" + "x" * 1_000_000 + "last"
    failure = Failure("task-error", endless, endless, {"stderr": endless})
    kept = {failure.message: MESSAGE_CHARACTERS, failure.traceback: TRACEBACK_CHARACTERS}
    assert failure.details["stderr"] == failure.traceback
    for text, limit in kept.items():
        assert len(text) <= limit
        assert text.startswith("first")
        assert text.endswith("last")
        assert "characters left out" in text
