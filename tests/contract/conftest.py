"""Fixtures over every implementation: a place, and stores opened on it."""

from collections.abc import Callable, Iterator
from pathlib import Path

import attrs
import pytest
from children import Child, start
from implementations import ARTIFACTS, METADATA, QUEUES, SERVERS, Place

from servers import Share
from taskmgr_core.queue.base import Queue
from taskmgr_core.stores.artifacts import ArtifactStore
from taskmgr_core.stores.metadata import MetadataStore


@attrs.frozen
class QueueUser:
    """A queue as one process sees it, with the metadata store that it works with."""

    metadata: MetadataStore
    queue: Queue


@pytest.fixture
def start_child() -> Iterator[Callable[..., Child]]:
    """Starts processes (see ``children.start``), and ends those that a test leaves."""
    started: list[Child] = []

    def start_one(action: str, place: Place, *words: str) -> Child:
        started.append(start(action, place, *words))
        return started[-1]

    yield start_one
    for each in started:
        each.close()


def place_of(request: pytest.FixtureRequest, folder: Path) -> Place:
    """Where the wanted implementation keeps its data: a folder, and a part of a real server."""
    kind = request.param
    if kind not in SERVERS:
        return Place(kind, str(folder))
    share: Share = request.getfixturevalue(SERVERS[kind])
    return Place(kind, f"{share.url} {folder}")


@pytest.fixture(params=METADATA)
def metadata_place(request: pytest.FixtureRequest, tmp_path: Path) -> Place:
    """An empty metadata store's place."""
    return place_of(request, tmp_path)


@pytest.fixture
def open_metadata(metadata_place: Place) -> Iterator[Callable[[], MetadataStore]]:
    """Opens the same metadata store once more, as another process would."""
    opened: list[MetadataStore] = []

    def connect() -> MetadataStore:
        opened.append(metadata_place.metadata())
        return opened[-1]

    yield connect
    for each in opened:
        each.close()


@pytest.fixture
def metadata(open_metadata: Callable[[], MetadataStore]) -> MetadataStore:
    """An empty metadata store."""
    return open_metadata()


@pytest.fixture(params=ARTIFACTS)
def artifacts_place(request: pytest.FixtureRequest, tmp_path: Path) -> Place:
    """An empty artifact store's place."""
    return place_of(request, tmp_path)


@pytest.fixture
def artifacts(artifacts_place: Place) -> ArtifactStore:
    """An empty artifact store."""
    return artifacts_place.artifacts()


@pytest.fixture(params=QUEUES)
def queue_place(request: pytest.FixtureRequest, tmp_path: Path) -> Place:
    """A queue's place, nothing in it."""
    return Place(request.param, str(tmp_path))


@pytest.fixture
def open_queue(queue_place: Place) -> Iterator[Callable[[], QueueUser]]:
    """Opens the same queue once more, as another process would."""
    opened: list[QueueUser] = []

    def connect() -> QueueUser:
        opened.append(QueueUser(*queue_place.queue()))
        return opened[-1]

    yield connect
    for each in opened:
        each.queue.close()
        each.metadata.close()


@pytest.fixture
def user(open_queue: Callable[[], QueueUser]) -> QueueUser:
    """An empty queue."""
    return open_queue()
