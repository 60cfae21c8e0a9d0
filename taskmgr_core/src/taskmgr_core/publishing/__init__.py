"""Publishing a plugin: from its folder to registered, immutable task versions."""

from taskmgr_core.publishing.publisher import Published, Publisher

__all__ = ["Published", "Publisher"]
