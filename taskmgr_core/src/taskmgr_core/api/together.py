"""Submits that come at the same time, carried out together: one look-up, one sync of the disk.

Who comes while others are submitted is submitted with all who came meanwhile. A request that is
alone waits for nobody.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Sequence
from typing import TypeAlias

import attrs
from anyio import CapacityLimiter
from anyio.to_thread import run_sync

from taskmgr_core.api.idempotency import Key, Outcome, each_once
from taskmgr_core.client import Client
from taskmgr_core.submitting import Wanted

MOST_TOGETHER = 64
# While the disk syncs one group, the next one is checked.
GROUPS_AT_ONCE = 2
# Of this process. More would wait for one another and for Python's lock, and reads with them.
THREADS = 4
# What is larger, or names stored files, may take long to check: it holds up no others.
LIGHT_BYTES = 32_768
_DIGEST = b"sha256:"


def is_light(body: bytes) -> bool:
    """Whether a submission of JSON is checked at once, without a look at any file."""
    return len(body) <= LIGHT_BYTES and _DIGEST not in body


@attrs.frozen
class Submit:
    """What one request wants.

    Attributes:
        wanted: the run.
        key: its idempotency key, where it has one.
        note: told the id of a run that was recorded by this; it may wait.
    """

    wanted: Wanted
    key: Key | None
    note: Callable[[str], None]


_Waiting: TypeAlias = tuple[Submit, "asyncio.Future[tuple[str, bool]]"]


@attrs.define
class _Lane:
    """The submits of one workspace that wait, and how many tasks carry them out."""

    waiting: list[_Waiting] = attrs.field(factory=list)
    tasks: int = 0


class Together:
    """Submits for requests of one event loop."""

    def __init__(self) -> None:
        self._lanes: dict[str, _Lane] = {}
        self._tasks: set[asyncio.Task[None]] = set()  # the loop itself may forget them
        self._threads = CapacityLimiter(THREADS)

    @property
    def threads(self) -> CapacityLimiter:
        """What every submit takes a thread from, alone or together."""
        return self._threads

    async def submit(
        self, workspace: str, client_of: Callable[[], Client], submit: Submit
    ) -> tuple[str, bool]:
        """Submit a run.

        Arguments:
            workspace: whose it is; what is submitted together is of one.
            client_of: gives the client of that workspace; called in another thread.
            submit: what is wanted.

        Returns:
            The run's id, and whether it was there already, by the same key.

        Raises:
            TaskmgrError: it is refused, or cannot be recorded.
        """
        future: asyncio.Future[tuple[str, bool]] = asyncio.get_running_loop().create_future()
        lane = self._lanes.setdefault(workspace, _Lane())
        lane.waiting.append((submit, future))
        if lane.tasks < GROUPS_AT_ONCE:
            lane.tasks += 1
            task = asyncio.create_task(self._carry_out(workspace, lane, client_of))
            self._tasks.add(task)
            task.add_done_callback(self._tasks.discard)
        return await future

    async def _carry_out(
        self, workspace: str, lane: _Lane, client_of: Callable[[], Client]
    ) -> None:
        try:
            while lane.waiting:
                group, lane.waiting = lane.waiting[:MOST_TOGETHER], lane.waiting[MOST_TOGETHER:]
                # Whose connection has ended wants nothing any more.
                await self._answer([each for each in group if not each[1].done()], client_of)
        finally:
            # Before anybody else runs: who comes next has to know that nobody looks any more.
            lane.tasks -= 1
            if not lane.tasks and not lane.waiting:
                del self._lanes[workspace]

    async def _answer(self, group: Sequence[_Waiting], client_of: Callable[[], Client]) -> None:
        outcomes: Sequence[Outcome]
        try:
            submits = [submit for submit, _ in group]
            outcomes = await run_sync(_submitted, client_of, submits, limiter=self._threads)
        except Exception as error:  # noqa: BLE001 - all who wait are told
            outcomes = [error] * len(group)
        for (_, future), outcome in zip(group, outcomes, strict=True):
            if future.done():
                continue
            if isinstance(outcome, Exception):
                future.set_exception(outcome)
            else:
                future.set_result(outcome)


def _submitted(client_of: Callable[[], Client], submits: Sequence[Submit]) -> list[Outcome]:
    client = client_of()

    def submit(chosen: Sequence[tuple[int, str]]) -> list[str | Exception]:
        return client.submit_together(
            [attrs.evolve(submits[place].wanted, run_id=run_id) for place, run_id in chosen]
        )

    keys = [each.key for each in submits]
    outcomes = each_once(client.metadata, keys, submit)
    for each, outcome in zip(submits, outcomes, strict=True):
        if not isinstance(outcome, Exception) and not outcome[1]:
            each.note(outcome[0])
    return outcomes
