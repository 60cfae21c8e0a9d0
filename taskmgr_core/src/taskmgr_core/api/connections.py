"""A connection of a client: its requests arrive in time, and it can be ended at once."""

from __future__ import annotations

import asyncio
from typing import Any

from uvicorn.protocols.http.httptools_impl import HttpToolsProtocol

from taskmgr_core.api.limits import ABORT, FULL

HEADER_SECONDS = 15.0


class Connection(HttpToolsProtocol):
    """uvicorn's connection, with a limit to the time in which the head of a request arrives.

    uvicorn ends a connection that is idle, and one that says a byte from time to time never.
    """

    _deadline: asyncio.TimerHandle | None = None

    def connection_made(self, transport: Any) -> None:
        """Expect the first request."""
        super().connection_made(transport)
        self._expect()

    def connection_lost(self, exc: Exception | None) -> None:
        """Expect nothing more."""
        self._arrived()
        super().connection_lost(exc)

    def on_message_begin(self) -> None:
        """A further request begins."""
        super().on_message_begin()
        self._expect()

    def on_headers_complete(self) -> None:
        """The head of a request is there."""
        self._arrived()
        told = {ABORT: self.transport.abort, FULL: self._is_full}
        self.scope["extensions"] = told  # type: ignore[typeddict-item]
        super().on_headers_complete()

    def _is_full(self) -> bool:
        return self.flow.write_paused

    def _expect(self) -> None:
        if self._deadline is None:
            self._deadline = self.loop.call_later(HEADER_SECONDS, self.transport.abort)

    def _arrived(self) -> None:
        if self._deadline is not None:
            self._deadline.cancel()
            self._deadline = None
