"""Every implementation of the stores and the queue, opened by a place that another process can use.

A contract test knows nothing of them but the interface: one that is added here is
tested by all of it.
"""

from collections.abc import Callable, Mapping
from pathlib import Path

import attrs

from taskmgr_core.queue.base import Queue
from taskmgr_core.queue.bell import Bell
from taskmgr_core.queue.embedded import EmbeddedQueue
from taskmgr_core.stores.artifacts import ArtifactStore
from taskmgr_core.stores.directory import DirectoryArtifacts
from taskmgr_core.stores.metadata import MetadataStore
from taskmgr_core.stores.mongodb import MongoMetadata
from taskmgr_core.stores.s3 import S3Artifacts, S3Location
from taskmgr_core.stores.sqlite import SqliteMetadata


def _sqlite(where: str) -> MetadataStore:
    return SqliteMetadata(Path(where) / "metadata.sqlite3")


def _mongodb(where: str) -> MetadataStore:
    return MongoMetadata(where.partition(" ")[0])


def _directory(where: str) -> ArtifactStore:
    return DirectoryArtifacts(Path(where) / "artifacts")


def _s3(where: str) -> ArtifactStore:
    url, _, folder = where.partition(" ")
    return S3Artifacts(S3Location.from_url(url), Path(folder) / "cache")


def _embedded(where: str, metadata: MetadataStore) -> Queue:
    return EmbeddedQueue(metadata, Bell(Path(where) / "bells"))


METADATA: Mapping[str, Callable[[str], MetadataStore]] = {
    "sqlite": _sqlite,
    "mongodb": _mongodb,
}
ARTIFACTS: Mapping[str, Callable[[str], ArtifactStore]] = {
    "directory": _directory,
    "s3": _s3,
}
# The server that an implementation needs; its address stands before the folder.
SERVERS: Mapping[str, str] = {"mongodb": "mongodb_server", "s3": "s3_server"}
METADATA_SERVERS = [kind for kind in METADATA if kind in SERVERS]
# A queue with the metadata store that it is used with.
QUEUES: Mapping[str, tuple[str, Callable[[str, MetadataStore], Queue]]] = {
    "embedded": ("sqlite", _embedded)
}


@attrs.frozen
class Place:
    """Where an implementation keeps its data.

    Attributes:
        kind: a key of one of the tables above.
        where: a folder, or an address and a folder with a blank in between.
    """

    kind: str
    where: str

    def metadata(self) -> MetadataStore:
        """Open the metadata store, as each process does for itself."""
        store = METADATA[self.kind](self.where)
        store.initialize()
        return store

    def artifacts(self) -> ArtifactStore:
        """Open the artifact store, as each process does for itself."""
        store = ARTIFACTS[self.kind](self.where)
        store.initialize()
        return store

    def queue(self) -> tuple[MetadataStore, Queue]:
        """Open a queue and the metadata store it works with, as each process does for itself."""
        metadata_kind, make = QUEUES[self.kind]
        metadata = Place(metadata_kind, self.where).metadata()
        return metadata, make(self.where, metadata)
