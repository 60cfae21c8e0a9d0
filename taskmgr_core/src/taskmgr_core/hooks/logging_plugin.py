"""The hook plugin that comes with taskmgr: it logs what a person may want to know."""

from __future__ import annotations

import logging

from taskmgr_plugins import hookimpl
from taskmgr_plugins.events import Notification

_LOGGER = logging.getLogger("taskmgr_core.notifications")

# Whoever has submitted a run sees how it ends.
_LEVELS = {"run-failed": logging.INFO}


@hookimpl
def taskmgr_notify(notification: Notification) -> None:
    """Log it."""
    level = _LEVELS.get(notification.kind, logging.WARNING)
    _LOGGER.log(level, "%s: %s", notification.kind, notification.message)
