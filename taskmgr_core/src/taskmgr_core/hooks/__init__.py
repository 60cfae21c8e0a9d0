"""The hooks of the platform: who implements them, and how they are called without waiting."""

from taskmgr_core.hooks.choice import Choice
from taskmgr_core.hooks.dispatching import Answer, Hooks

__all__ = ["Answer", "Choice", "Hooks"]
