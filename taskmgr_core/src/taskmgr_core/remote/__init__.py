"""The client over HTTP, for programs that reach a platform by its REST API alone."""

from taskmgr_core.remote.asynchronous import AsyncRemoteClient
from taskmgr_core.remote.client import RemoteClient
from taskmgr_core.remote.failures import RemoteError

__all__ = ["AsyncRemoteClient", "RemoteClient", "RemoteError"]
