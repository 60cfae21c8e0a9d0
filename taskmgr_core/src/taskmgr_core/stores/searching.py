"""Runs by a text in their inputs: what is asked and what comes of it, in every store."""

from __future__ import annotations

import json
from collections.abc import Sequence

import attrs

from taskmgr_core.specs import RunSummary

# So many runs are looked at for one answer, however long the history is.
LOOKED = 2000


@attrs.frozen
class Found:
    """An answer.

    Attributes:
        runs: those that have the text, the newest first.
        next: the id of the last run that was looked at: further ones are below it; None where
            all were looked at.
    """

    runs: Sequence[RunSummary]
    next: str | None


def needle(text: str) -> str:
    """A text as it stands in a recorded value, which is JSON; without the quotes around it."""
    return json.dumps(text, ensure_ascii=False)[1:-1]
