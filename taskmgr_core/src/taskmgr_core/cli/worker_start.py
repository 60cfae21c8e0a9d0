"""Starting a worker: its logs, its pid file, its life as a daemon, and its end."""

from __future__ import annotations

import contextlib
import logging
import os
import signal
import socket
import threading
import time
from collections.abc import Callable, Iterator, Mapping
from pathlib import Path
from types import FrameType
from typing import TYPE_CHECKING

import attrs

from taskmgr_core.addresses import secrets_of
from taskmgr_core.cli.daemon import PidFile, detach
from taskmgr_core.errors import ConflictError, nearest
from taskmgr_core.logs import LogFormat, Logging
from taskmgr_core.report.formats import counted
from taskmgr_core.settings import Settings
from taskmgr_core.specs.resources import as_text
from taskmgr_core.worker.configuration import WorkerConfiguration

if TYPE_CHECKING:
    from taskmgr_core.wiring import Platform
    from taskmgr_core.worker.worker import WorkerProcess

LOOK_SECONDS = 0.2
DEFAULT_NAME = "worker"

_LOGGER = logging.getLogger("taskmgr.worker")


@attrs.frozen
class WorkerStart:
    """A worker that is to be started.

    Attributes:
        settings: the platform's.
        said: what this worker does.
        level: what it tells; None for the setting.
        format: plain or json.
        log_folder: for its logs; None for none, or for a daemon the home's.
        pidfile: for its process's id; None for none, or for a daemon one in the home.
        bounds: the fewest and the most slots; None for a fixed number, or the setting.
        resources: what it offers; None for the setting.
    """

    settings: Settings
    said: WorkerConfiguration
    level: str | None
    format: LogFormat
    log_folder: Path | None
    pidfile: Path | None
    bounds: tuple[int, int] | None = None
    resources: Mapping[str, int] | None = None

    @property
    def name(self) -> str:
        """What its files are called."""
        return self.said.worker_id or DEFAULT_NAME

    def run(self, platform: Callable[[], Platform], *, daemon: bool) -> None:
        """Start it, and stay until it has left; as a daemon until it is ready.

        Arguments:
            platform: makes the platform, in the process that stays.
            daemon: whether it goes on in another process, without the terminal.

        Raises:
            ConflictError: another worker has its name, its pid file or its logs.
        """
        ready = detach() if daemon else None
        with contextlib.ExitStack() as held:
            for path in self._held(daemon):
                file = PidFile(path, f"the worker {self.name!r}")
                file.take()
                held.callback(file.give_back)
            logs = self._logging(daemon)
            logs.begin()
            started = self._detached(logs, ready) if ready else _nothing
            self._serve(platform(), started, logs.paths.get("worker"))

    def _held(self, daemon: bool) -> Iterator[Path]:
        """The files that this worker alone may hold."""
        if self.pidfile is not None:
            yield self.pidfile
        # A name is one worker's at a time; workers without one share the machine's.
        if daemon or self.said.worker_id:
            yield self.settings.home / "workers" / f"{self.name}.pid"
        folder = self._folder(daemon)
        if folder is not None:
            # Two that write, and rotate, the same files would lose lines.
            yield folder / f".{self.name}.pid"

    def _folder(self, daemon: bool) -> Path | None:
        return self.log_folder or (self.settings.home / "logs" if daemon else None)

    def _logging(self, daemon: bool) -> Logging:
        settings = self.settings
        addresses = (settings.metadata_url, settings.artifacts_url, settings.broker_url)
        return Logging(
            level=(self.level or settings.log_level).lower(),
            format=self.format,
            folder=self._folder(daemon),
            name=self.name,
            file_bytes=settings.log_file_mb * 1_000_000,
            files=settings.log_files,
            secrets=frozenset().union(*map(secrets_of, addresses)),
        )

    def _detached(self, logs: Logging, ready: Callable[[Path], None]) -> Callable[[], None]:
        def let_go() -> None:
            errors = logs.paths["system"].with_suffix(".err")
            attrs.evolve(logs, stderr=False).begin()
            os.chdir(self.settings.home)
            ready(errors)

        return let_go

    def _serve(self, platform: Platform, started: Callable[[], None], log: Path | None) -> None:
        fixed = self.said.max_concurrent_tasks
        slots = self.bounds or ((fixed, fixed) if fixed else self.settings.slot_bounds)
        queues = self.said.queues
        worker = platform.worker(slots, queues, said=self.said, resources=self.resources, log=log)
        stops = _Stops()
        stops.listen()
        try:
            self._check_name(platform)
            worker.start()
            _LOGGER.info(
                "worker %s: %s, %s%s, home %s",
                worker.id,
                _slots(*slots),
                f"queues {', '.join(queues)}" if queues else "every queue",
                f", offers {as_text(worker.offered)}" if worker.offered else "",
                self.settings.home,
            )
            self._check_tasks(platform)
            started()
            while not (stops.count or worker.told.leave or worker.trouble):
                time.sleep(LOOK_SECONDS)
            _leave(worker, stops)
            if worker.trouble is not None:
                raise worker.trouble
        finally:
            platform.hooks.close()
            platform.tracer.close(self.settings.hook_seconds)
            platform.queue.close()
            platform.metadata.close()

    def _check_name(self, platform: Platform) -> None:
        """Refuse a name that a living worker of another machine has."""
        if not self.said.worker_id:
            return
        since = time.time() - self.settings.lost_after
        for each in platform.metadata.workers():
            name = each.id.rsplit("-", 2)[0]
            alive_elsewhere = each.host != socket.gethostname() and each.heartbeat >= since
            if name == self.said.worker_id and alive_elsewhere:
                raise ConflictError(
                    f"the worker {each.id} on {each.host} has the worker_id {name!r} and is "
                    "alive; stop it, or give this one another worker_id"
                )

    def _check_tasks(self, platform: Platform) -> None:
        """Say which of the tasks that it names are not there (yet)."""
        named = {*self.said.active_tasks, *self.said.timeouts}
        if not named:
            return
        known = {each.name for each in platform.metadata.latest_versions()}
        for task in sorted(named - known):
            _LOGGER.warning("no task %r is published; %s", task, nearest(task, known))


def _nothing() -> None:
    """A worker of a terminal needs no letting go."""


def _slots(fewest: int, most: int) -> str:
    return counted(most, "slot") if fewest == most else f"{fewest} to {most} slots"


def _leave(worker: WorkerProcess, stops: _Stops) -> None:
    if worker.trouble is None and worker.told.leave != "now":
        _LOGGER.info("finishing what runs; once more and it is given back")
    asked = 1 if stops.count else 0  # the next signal gives back, also when told from afar
    leaving = threading.Thread(target=worker.stop, name="leaving", daemon=True)
    leaving.start()
    given_back = False
    while leaving.is_alive():
        if not given_back and (stops.count > asked or worker.told.leave == "now"):
            given_back = True
            _LOGGER.info("giving back what runs")
            worker.stop(grace=0)
        leaving.join(LOOK_SECONDS)
    _LOGGER.info("left")


class _Stops:
    """Counts the signals that ask for the end.

    The handler only counts: it may interrupt whatever the main thread is doing,
    and must not take a lock that this thread may hold.
    """

    def __init__(self) -> None:
        self.count = 0

    def listen(self) -> None:
        """From now on; only the main thread can."""
        for number in (signal.SIGINT, signal.SIGTERM):
            signal.signal(number, self._take)

    def _take(self, _: int, __: FrameType | None) -> None:
        self.count += 1
