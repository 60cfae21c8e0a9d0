"""What changes of runs that somebody follows: one thread looks for all streams of a process.

A stream holds no thread and no more than ``BUFFERED`` frames: one that cannot keep up forgets
them, and reads the log from where it was, a page at a time, as its client takes it.
"""

from __future__ import annotations

import asyncio
import contextlib
import json
import logging
import threading
import time
from collections import deque
from collections.abc import AsyncIterator, Mapping
from typing import Any, Literal

import attrs
from anyio.to_thread import run_sync

from taskmgr_core.api.models.runs import LogLineView, RunView
from taskmgr_core.client import Client
from taskmgr_core.errors import NotFoundError, TaskmgrError
from taskmgr_core.specs import FINAL_RUN_STATUSES, LogLine, RunSummary

PAGE = 500
BUFFERED = 1000
SHORTEST_PAUSE_SECONDS = 0.05
LOOK_SECONDS = 0.25
# The thread looks for at most a third of its time, however many runs are followed.
PAUSE_FOR_EACH_LOOK = 2.0
QUIET_SECONDS = 15.0

Event = Literal["log", "run", "end"]
_LOGGER = logging.getLogger(__name__)


@attrs.frozen
class Frame:
    """Something that a stream is told, as it goes over the wire.

    Attributes:
        event: a line of the log, a run as it is now, or the same for the last time.
        number: of the line; 0 for others.
        content: the frame of server-sent events.
    """

    event: Event
    number: int
    content: bytes


QUIET = Frame("run", 0, b": quiet\n\n")
# What is kept for some days only may go while it is followed.
GONE = Frame("end", 0, b"event: end\ndata: null\n\n")


def log_frame(line: LogLine) -> Frame:
    """A line of a log; its number is the id to go on from."""
    text = json.dumps(attrs.asdict(LogLineView.of(line)), ensure_ascii=False)
    return Frame("log", line.number, f"id: {line.number}\nevent: log\ndata: {text}\n\n".encode())


def run_frame(run: RunSummary, event: Event) -> Frame:
    """A run as it is."""
    text = json.dumps(_whole(RunView.of(run)), ensure_ascii=False)
    return Frame(event, 0, f"event: {event}\ndata: {text}\n\n".encode())


def _whole(view: Any) -> Mapping[str, Any]:
    found: Mapping[str, Any] = attrs.asdict(view)
    return found


@attrs.define(eq=False)
class Follower:
    """One stream.

    Attributes:
        cursor: the number of the last line that it has given on.
        behind: whether lines behind the cursor have to be read from the store.
    """

    cursor: int
    behind: bool = True
    frames: deque[Frame] = attrs.field(factory=deque)
    changed: asyncio.Event = attrs.field(factory=asyncio.Event)

    def put(self, frames: list[Frame]) -> None:
        """Be told of something, in the loop's thread."""
        self.frames.extend(frames)
        if len(self.frames) > BUFFERED:
            kept = [each for each in self.frames if each.event != "log"][-2:]
            self.frames.clear()
            self.frames.extend(kept)
            self.behind = True
        self.changed.set()


@attrs.define(eq=False)
class _Feed:
    """A run that somebody follows: how far it was looked at."""

    run_id: str
    last: int
    seen: RunSummary | None = None
    trouble: str = ""
    followers: list[Follower] = attrs.field(factory=list)


class Changes:
    """Follows runs for any number of streams.

    Arguments:
        client: what is asked.
    """

    def __init__(self, client: Client) -> None:
        self._client = client
        self._feeds: dict[str, _Feed] = {}
        self._lock = threading.Lock()
        self._begun = threading.Event()
        self._closed = False
        self._thread: threading.Thread | None = None
        self._loop: asyncio.AbstractEventLoop | None = None

    @property
    def streams(self) -> int:
        """How many streams there are."""
        return sum(len(each.followers) for each in self._feeds.values())

    async def follow(self, run_id: str, after: int, *, logs: bool) -> AsyncIterator[bytes]:
        """What a stream is told of a run until it ends, some frames at a time.

        Arguments:
            run_id: its full id.
            after: only lines with greater numbers.
            logs: whether lines of the log are wanted.
        """
        follower = Follower(after, behind=logs)
        self._join(run_id, follower)
        try:
            while True:
                if follower.behind and logs:
                    found = await self._page(run_id, follower)
                elif follower.frames:
                    found = _wanted(follower, logs=logs)
                elif not await _told(follower):
                    found = [QUIET]
                else:
                    continue
                if found:
                    yield b"".join(each.content for each in found)
                    if found[-1].event == "end":
                        return
        finally:
            self._leave(run_id, follower)

    async def ended(self, run: str, seconds: float) -> None:
        """Wait until a run has ended, or the time is over.

        Arguments:
            run: named as for ``MetadataStore.run``.
            seconds: how long at most.
        """
        found = await run_sync(self._client.metadata.summary, run)
        if found.status in FINAL_RUN_STATUSES:
            return
        with contextlib.suppress(TimeoutError):
            async with asyncio.timeout(seconds):
                async for _ in self.follow(found.id, 0, logs=False):
                    pass

    def close(self) -> None:
        """Stop looking."""
        self._closed = True
        self._begun.set()
        self._client.queue.wake()

    async def _page(self, run_id: str, follower: Follower) -> list[Frame]:
        follower.behind = False  # before the look: what is forgotten meanwhile is looked for again
        lines = await run_sync(self._client.metadata.log, run_id, follower.cursor, PAGE)
        if lines:
            follower.cursor = lines[-1].number
        follower.behind = follower.behind or len(lines) == PAGE
        return [log_frame(each) for each in lines]

    def _join(self, run_id: str, follower: Follower) -> None:
        self._loop = asyncio.get_running_loop()
        with self._lock:
            feed = self._feeds.setdefault(run_id, _Feed(run_id, follower.cursor))
            feed.followers.append(follower)
            if feed.seen is not None:
                follower.put([run_frame(feed.seen, "run")])
            if self._thread is None:
                self._thread = threading.Thread(target=self._watch, name="changes", daemon=True)
                self._thread.start()
        self._begun.set()

    def _leave(self, run_id: str, follower: Follower) -> None:
        with self._lock:
            feed = self._feeds.get(run_id)
            if feed is not None and follower in feed.followers:
                feed.followers.remove(follower)
                if not feed.followers:
                    del self._feeds[run_id]

    def _watch(self) -> None:
        while not self._closed:
            if not self._feeds:
                self._begun.wait()
                self._begun.clear()
            seen, begun = self._client.queue.changes(), time.monotonic()
            with self._lock:
                feeds = list(self._feeds.values())
            for feed in feeds:
                try:
                    self._look(feed)
                except NotFoundError:
                    self._end(feed, [GONE])
                except TaskmgrError as error:
                    if feed.trouble != str(error):  # which may last: it is said once
                        _LOGGER.warning("run %s cannot be followed now: %s", feed.run_id, error)
                    feed.trouble = str(error)
                except Exception:
                    _LOGGER.exception("a bug of taskmgr; run %s is followed on", feed.run_id)
            took = time.monotonic() - begun
            time.sleep(max(SHORTEST_PAUSE_SECONDS, took * PAUSE_FOR_EACH_LOOK))
            self._client.queue.wait(seen, LOOK_SECONDS)

    def _look(self, feed: _Feed) -> None:
        run = self._client.metadata.summary(feed.run_id)
        ended = run.status in FINAL_RUN_STATUSES
        frames: list[Frame] = []
        while lines := self._client.metadata.log(feed.run_id, feed.last, PAGE):
            feed.last = lines[-1].number
            frames += map(log_frame, lines)
            if len(frames) > BUFFERED:
                self._tell(feed, frames)
                frames = []
            if len(lines) < PAGE and not ended:
                break
        if ended:
            frames.append(run_frame(run, "end"))
        elif run != feed.seen:
            frames.append(run_frame(run, "run"))
        feed.seen, feed.trouble = run, ""
        if ended:
            self._end(feed, frames)
        elif frames:
            self._tell(feed, frames)

    def _end(self, feed: _Feed, frames: list[Frame]) -> None:
        with self._lock:  # who comes now has it looked at once more
            if self._feeds.get(feed.run_id) is feed:
                del self._feeds[feed.run_id]
        self._tell(feed, frames)

    def _tell(self, feed: _Feed, frames: list[Frame]) -> None:
        loop = self._loop
        if loop is not None and not loop.is_closed():
            loop.call_soon_threadsafe(_deliver, feed, frames)


def _deliver(feed: _Feed, frames: list[Frame]) -> None:
    for each in feed.followers:
        each.put(frames)


def _wanted(follower: Follower, *, logs: bool) -> list[Frame]:
    """All that a follower has not given on yet."""
    found = []
    while follower.frames:
        frame = follower.frames.popleft()
        if frame.event != "log" or (logs and frame.number > follower.cursor):
            follower.cursor = max(follower.cursor, frame.number)
            found.append(frame)
    return found


async def _told(follower: Follower) -> bool:
    """Wait for frames; False when nothing has come for a while."""
    try:
        async with asyncio.timeout(QUIET_SECONDS):
            await follower.changed.wait()
    except TimeoutError:
        return False
    follower.changed.clear()
    return True
