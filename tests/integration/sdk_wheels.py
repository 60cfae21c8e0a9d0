"""The SDK's wheel, changed as another release of it would be."""

from __future__ import annotations

import base64
import hashlib
import io
import zipfile
from collections.abc import Mapping


def rewritten(wheel: bytes, changes: Mapping[str, tuple[str, str]]) -> bytes:
    """A wheel with a text of some files replaced, its RECORD put right.

    Arguments:
        wheel: the content of the wheel.
        changes: file -> a text that is in it once, and what stands there instead.
    """
    with zipfile.ZipFile(io.BytesIO(wheel)) as archive:
        files = {name: archive.read(name) for name in archive.namelist()}
    for name, (old, new) in changes.items():
        assert files[name].decode().count(old) == 1
        files[name] = files[name].decode().replace(old, new).encode()
    record = next(name for name in files if name.endswith("/RECORD"))
    files[record] = "".join(
        f"{name},,\n" if name == record else f"{name},{hash_of(each)},{len(each)}\n"
        for name, each in files.items()
    ).encode()
    written = io.BytesIO()
    with zipfile.ZipFile(written, "w") as archive:
        for name, each in files.items():
            archive.writestr(name, each)
    return written.getvalue()


def hash_of(content: bytes) -> str:
    """As ``RECORD`` has it."""
    digest = base64.urlsafe_b64encode(hashlib.sha256(content).digest())
    return f"sha256={digest.rstrip(b'=').decode()}"
