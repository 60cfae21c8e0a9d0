"""A full disk as the worker meets it."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

from taskmgr_core.specs import RunDetail


def test_full_disk_fails_the_attempt_and_is_retried(
    run: Callable[..., RunDetail], tmp_path: Path
) -> None:
    """The code names the disk, and an attempt that comes when there is room succeeds."""
    detail = run("fill", note=str(tmp_path / "note"))
    assert detail.result == {"result": "filled"}
    (failure,) = detail.steps[0].failures
    assert failure.code == "disk-full"
    assert "the disk is full: [Errno 28] No space left on device" in failure.message
    assert 'write_text("there is no room")' in failure.traceback
