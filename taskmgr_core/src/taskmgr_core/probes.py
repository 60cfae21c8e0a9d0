"""The services of a platform, each as something that can be asked how it is."""

from __future__ import annotations

import socket
import time

from taskmgr_core.addresses import place_of
from taskmgr_core.health import Answer, Probe, timed
from taskmgr_core.settings import Settings
from taskmgr_core.stores.metadata import MetadataStore
from taskmgr_core.wiring import artifacts_of, metadata_of, queue_of

_INIT = "run: taskmgr init"
_HOOKS = "see: taskmgr hooks"
_START = "start one: taskmgr worker start"


def probes(settings: Settings, *, here: bool = False) -> list[Probe]:
    """What the services of a platform are asked by, each with connections of its own.

    Arguments:
        settings: as loaded.
        here: whether a worker of this machine has to be alive.
    """
    home = settings.home
    metadata = place_of(settings.metadata_url) or str(settings.database)
    artifacts = place_of(settings.artifacts_url) or str(home / "artifacts")
    broker = place_of(settings.broker_url) or str(home / "bells")
    return [
        Probe(
            "metadata",
            "MongoDB" if settings.metadata_url else "SQLite",
            metadata,
            lambda: _ask_metadata(settings),
        ),
        Probe(
            "artifacts",
            "S3" if settings.artifacts_url else "folder",
            artifacts,
            lambda: _ask_artifacts(settings),
        ),
        Probe(
            "broker",
            "Redis" if settings.broker_url else "embedded",
            broker,
            lambda: _ask_broker(settings),
        ),
        Probe("workers", "taskmgr", metadata, lambda: _ask_workers(settings, here=here)),
    ]


def _ask_metadata(settings: Settings) -> Answer:
    store = _opened(settings)
    version = store.server_version()
    seconds = timed(store.server_version)
    faults = store.faults() if settings.metadata_url else []
    if faults:
        return Answer(version, seconds, "fault", f"{len(faults)} indexes are missing", _INIT)
    return Answer(version, seconds)


def _ask_artifacts(settings: Settings) -> Answer:
    store = artifacts_of(settings, patience=0)
    if not settings.artifacts_url:
        store.initialize()
    version = store.server_version()
    return Answer(version, timed(store.server_version))


def _ask_broker(settings: Settings) -> Answer:
    if not settings.broker_url:
        return Answer(message="no server is needed: workers look into the metadata store")
    # Nothing is asked of the store here: that it is away is its own fault.
    queue = queue_of(settings, metadata_of(settings))
    version = queue.server_version()
    return Answer(version, timed(queue.server_version))


def _ask_workers(settings: Settings, *, here: bool) -> Answer:
    store = _opened(settings)
    started = time.perf_counter()
    workers = [each for each in store.workers() if not each.private]
    seconds = time.perf_counter() - started
    since = time.time() - settings.lost_after
    alive = [each for each in workers if each.heartbeat >= since]
    message = f"{len(alive)} alive, {sum(each.slots for each in alive)} slots"
    if lost := len(workers) - len(alive):
        message += f"; {lost} not heard of for a while"
    if here and not any(each.host == socket.gethostname() for each in alive):
        return Answer("", seconds, "fault", f"{message}; none on this machine", _START)
    served = alive or not settings.broker_url
    if not served:
        return Answer("", seconds, "fault", message, _START)
    unserved = sorted(
        {
            each.task.queue
            for each in store.latest_versions()
            if alive and not any(not one.queues or each.task.queue in one.queues for one in alive)
        }
    )
    troubled = [(each.id, one) for each in alive for one in each.hooks if not one.is_well]
    if troubled:
        worker, plugin = troubled[0]
        message += f"; hook plugin {plugin.name} is {plugin.state} on {worker}: {plugin.message}"
        return Answer("", seconds, "warn", message, _HOOKS)
    if unserved:
        message += f"; nobody serves the queues {', '.join(unserved)}"
        return Answer("", seconds, "warn", message, _START)
    return Answer("", seconds, "warn" if lost else "ok", message)


def _opened(settings: Settings) -> MetadataStore:
    store = metadata_of(settings)
    if not settings.metadata_url:
        store.initialize()
    return store
