"""The artifact store: immutable bytes under their digest. What every implementation promises."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Protocol

from taskmgr_core.specs import StoredFile
from taskmgr_core.stores.local_files import LocalFiles


class ArtifactStore(Protocol):
    """Files by digest (``sha256:`` and 64 hexadecimal digits). Never overwritten."""

    @property
    def files(self) -> LocalFiles:
        """The files of this machine."""

    @property
    def elsewhere(self) -> bool:
        """Whether each of them can be fetched again: then they are only copies."""

    def initialize(self) -> None:
        """Create what is not there yet. Safe to call again."""

    def server_version(self) -> str:
        """What the server calls itself, asked of it; empty where there is none.

        Raises:
            ArtifactError: it does not answer, or has nowhere to put anything.
        """

    def put_file(self, path: Path, name: str = "") -> StoredFile:
        """Store a file's content. Durable when it returns.

        Arguments:
            path: the file; it is copied, not moved.
            name: its name for users; by default the path's.
        """

    def put_bytes(self, content: bytes, name: str = "") -> StoredFile:
        """Store bytes. Durable when it returns."""

    def local_path(self, digest: str) -> Path:
        """A read-only file on this machine with the content, verified against its digest.

        Raises:
            ArtifactError: it is absent, or its content is not what the digest says.
        """

    def read(self, digest: str) -> bytes:
        """The content, verified.

        Raises:
            ArtifactError: as ``local_path``.
        """

    def exists(self, digest: str) -> bool:
        """Whether it is stored."""

    def link(self, digest: str, seconds: int) -> str:
        """An address under which anybody may fetch it for a while; empty where there is none.

        Raises:
            ArtifactError: it is no digest.
        """

    def faults(self, digest: str) -> list[str]:
        """What is wrong with it in the store and on this machine; every byte is read.

        Each names the place. None where all is well.
        """

    def digests(self) -> Iterator[str]:
        """Every digest in the store."""

    def remove(self, digest: str) -> None:
        """Remove it, if it is there."""
