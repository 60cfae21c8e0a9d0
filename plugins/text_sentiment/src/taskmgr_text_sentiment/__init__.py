"""The plugin of the task ``text_sentiment``."""

from collections.abc import Callable, Sequence
from typing import Any

from taskmgr_plugins import hookimpl
from taskmgr_text_sentiment.sentiment import TextSentiment, text_sentiment

__all__ = ["TextSentiment", "taskmgr_tasks", "text_sentiment"]


@hookimpl
def taskmgr_tasks() -> Sequence[Callable[..., Any]]:
    """The plugin's one task."""
    return [text_sentiment]
