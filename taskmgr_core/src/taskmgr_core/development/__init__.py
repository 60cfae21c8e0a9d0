"""A task that is run again at each save, in the virtualenv and process that it will have."""

from taskmgr_core.development.loop import Development, Round
from taskmgr_core.development.saved import Change

__all__ = ["Change", "Development", "Round"]
