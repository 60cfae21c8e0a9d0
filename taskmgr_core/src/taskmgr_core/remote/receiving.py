"""A file that a server gives, written a part at a time and checked against its digest."""

from __future__ import annotations

import hashlib
import os
import tempfile
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

import attrs

from taskmgr_core.remote.failures import RemoteError
from taskmgr_core.stores.digests import hexadecimal


@attrs.frozen
class Receiving:
    """Where a file goes.

    Attributes:
        digest: what it has to have.
        path: where it is to be.
    """

    digest: str
    path: Path

    @contextmanager
    def opened(self) -> Iterator[Callable[[bytes], object]]:
        """What writes its parts, in their order. Nothing stays of one that is not whole.

        Raises:
            ArtifactError: the digest is none.
            RemoteError: what came has another digest.
        """
        wanted = hexadecimal(self.digest)
        told = hashlib.sha256()
        handle, name = tempfile.mkstemp(prefix=".part-", dir=self.path.parent)
        part = Path(name)
        try:
            with os.fdopen(handle, "wb") as written:

                def write(content: bytes) -> None:
                    told.update(content)
                    written.write(content)

                yield write
            if told.hexdigest() != wanted:
                raise RemoteError(
                    f"what the server gave for {self.digest} has the digest "
                    f"sha256:{told.hexdigest()}; it is damaged there, or on the way"
                )
            part.replace(self.path)
        finally:
            part.unlink(missing_ok=True)
