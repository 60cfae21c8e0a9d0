"""The command ``taskmgr``. Commands only translate: what they do, the client does."""

from taskmgr_core.cli.application import main

__all__ = ["main"]
