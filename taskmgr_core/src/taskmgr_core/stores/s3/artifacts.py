"""The artifact store in a bucket, with the files that were used lately on this machine."""

from __future__ import annotations

import hashlib
import re
from collections.abc import Iterator
from functools import cached_property
from pathlib import Path
from typing import IO, TYPE_CHECKING

import attrs
from filelock import FileLock

from taskmgr_core.errors import ArtifactError
from taskmgr_core.specs import StoredFile
from taskmgr_core.stores.digests import hexadecimal, is_digest
from taskmgr_core.stores.directory import DirectoryArtifacts
from taskmgr_core.stores.local_files import LocalFiles
from taskmgr_core.stores.s3.location import PART_BYTES, S3Location

if TYPE_CHECKING:
    from taskmgr_core.stores.s3.bucket import Bucket, Found

PATIENCE_SECONDS = 5.0
_PREFIX = "sha256/"
_LOCKS = ".fetching"
_MD5_ETAG = re.compile(r"[0-9a-f]{32}(-\d+)?\Z")
_BLOCK = 1 << 20


@attrs.define
class S3Artifacts:
    """One object ``sha256/<digits>`` for each digest, behind the prefix of its place.

    What is stored or fetched is kept in a folder of this machine too; also what could not
    be stored, which does no harm there: it has the content of its digest. Not to be
    shared with a process that was forked.

    Attributes:
        location: the bucket, and who may use it.
        folder: for the files of this machine; everything in it can be fetched again.
        patience: how long to go on while the store is away, in seconds.
    """

    location: S3Location
    folder: Path
    patience: float = PATIENCE_SECONDS
    _cache: DirectoryArtifacts = attrs.field(init=False, repr=False)

    def __attrs_post_init__(self) -> None:
        self._cache = DirectoryArtifacts(self.folder)

    @property
    def files(self) -> LocalFiles:
        """The files of this machine."""
        return self._cache.files

    @property
    def elsewhere(self) -> bool:
        """The bucket has all of them."""
        return True

    @cached_property
    def _bucket(self) -> Bucket:
        """The bucket; made with the first request.

        The client is slow to import, and most commands read and store no file.
        """
        from taskmgr_core.stores.s3.bucket import Bucket

        return Bucket(self.location, self.patience)

    def initialize(self) -> None:
        """Create the bucket and the folder.

        Raises:
            ArtifactError: the store refuses.
            StoreUnavailableError: the store is away.
        """
        self._cache.initialize()
        self._bucket.create()

    def server_version(self) -> str:
        """What the server calls itself.

        Raises:
            ArtifactError: it refuses, or has no such bucket.
            StoreUnavailableError: it is away.
        """
        return self._bucket.server()

    def put_file(self, path: Path, name: str = "") -> StoredFile:
        """Store a copy of a file's content.

        Raises:
            ArtifactError: the file cannot be read, or the store refuses.
            StoreUnavailableError: the store is away.
        """
        # Uploaded from the copy, which nobody changes between hashing and sending.
        return self._upload(self._cache.put_file(path, name))

    def put_bytes(self, content: bytes, name: str = "") -> StoredFile:
        """Store bytes.

        Raises:
            ArtifactError: the folder cannot be written, or the store refuses.
            StoreUnavailableError: the store is away.
        """
        return self._upload(self._cache.put_bytes(content, name))

    def local_path(self, digest: str) -> Path:
        """The file of this machine, fetched if it is not there, verified.

        Raises:
            ArtifactError: absent, or not what the digest says.
            StoreUnavailableError: it has to be fetched, and the store is away.
        """
        digits = hexadecimal(digest)
        try:
            return self._cache.local_path(digest)
        except ArtifactError:  # not here, or damaged here
            pass
        # One of all threads and processes of this machine fetches; the others wait for it.
        # A lock for some of the digests each: a lock for each would be a file for each.
        with FileLock(self._locks() / digits[:2], thread_local=False):
            try:
                return self._cache.local_path(digest)
            except ArtifactError:
                self._fetch(digest)
        return self._cache.local_path(digest)

    def read(self, digest: str) -> bytes:
        """The content, verified.

        Raises:
            ArtifactError: absent, or not what the digest says.
            StoreUnavailableError: it has to be fetched, and the store is away.
        """
        return self.local_path(digest).read_bytes()

    def exists(self, digest: str) -> bool:
        """Whether it is stored; the store is asked, not the folder.

        Raises:
            StoreUnavailableError: the store is away.
        """
        return self._bucket.look(self._name(digest)) is not None

    def link(self, digest: str, seconds: int) -> str:
        """An address that the store's own key has signed.

        Raises:
            ArtifactError: it is no digest.
            StoreUnavailableError: the store is away.
        """
        return self._bucket.link(self._name(digest), seconds)

    def faults(self, digest: str) -> list[str]:
        """What is wrong with the object, and with the file of this machine; both are read.

        Raises:
            StoreUnavailableError: the store is away.
        """
        name = self._name(digest)
        found = self._bucket.download(name, _digest_of)
        faults = []
        if found is None:
            faults.append(f"the artifact {digest} is not in the store {self.location.name}")
        elif found != digest:
            faults.append(f"the object {name} of {self.location.name} has the content of {found}")
        here = self.files.path(digest).exists()
        return [*faults, *(self._cache.faults(digest) if here else [])]

    def digests(self) -> Iterator[str]:
        """Every digest in the store.

        Raises:
            StoreUnavailableError: the store is away.
        """
        prefix = self.location.prefix + _PREFIX
        for name in self._bucket.names(prefix):
            digest = "sha256:" + name.removeprefix(prefix)
            if is_digest(digest):
                yield digest

    def remove(self, digest: str) -> None:
        """Remove it from the store and from this machine, if it is there.

        Raises:
            StoreUnavailableError: the store is away.
        """
        self._bucket.remove(self._name(digest))
        self._cache.remove(digest)

    def _name(self, digest: str) -> str:
        return self.location.prefix + _PREFIX + hexadecimal(digest)

    def _locks(self) -> Path:
        folder = self.folder / _LOCKS
        folder.mkdir(parents=True, exist_ok=True)
        return folder

    def _upload(self, stored: StoredFile) -> StoredFile:
        name = self._name(stored.digest)
        path = self._cache.local_path(stored.digest)
        found = self._bucket.look(name)
        if found is None and self._bucket.upload(name, path, replace=False):
            return stored
        found = found or self._bucket.look(name)  # another one was faster
        if found is None or not self._is_whole(found, stored.digest, path):
            self._bucket.upload(name, path, replace=True)
        return stored

    def _is_whole(self, found: Found, digest: str, path: Path) -> bool:
        """Whether an object has the content of a file, as far as the server knows.

        Its ETag tells where it was stored as we do; one that was not is read.
        """
        if found.size != path.stat().st_size:
            return False
        if _MD5_ETAG.match(found.etag) and found.etag == etag_of(path):
            return True
        return self._bucket.download(self._name(digest), _digest_of) == digest

    def _fetch(self, digest: str) -> None:
        name = self._name(digest)
        origin = f"the object {name} of {self.location.name}"

        def take(source: IO[bytes]) -> bool:
            self._cache.put_expected(source, digest, origin)
            return True

        if self._bucket.download(name, take) is None:
            raise ArtifactError(f"the artifact {digest} is not in the store {self.location.name}")


def etag_of(path: Path) -> str:
    """What a server calls a file that was uploaded as ``Bucket.upload`` does.

    The MD5 of the content; of several parts that of the parts' MD5s, and their number
    (the manual of Amazon S3, "Checking object integrity").
    """
    parts = []
    with path.open("rb") as opened:
        while part := opened.read(PART_BYTES):
            parts.append(hashlib.md5(part, usedforsecurity=False))
    if len(parts) > 1:
        whole = hashlib.md5(b"".join(each.digest() for each in parts), usedforsecurity=False)
        return f"{whole.hexdigest()}-{len(parts)}"
    return (parts[0] if parts else hashlib.md5(usedforsecurity=False)).hexdigest()


def _digest_of(source: IO[bytes]) -> str:
    digest = hashlib.sha256()
    while block := source.read(_BLOCK):
        digest.update(block)
    return "sha256:" + digest.hexdigest()
