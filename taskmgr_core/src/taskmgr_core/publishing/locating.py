"""Where the files that a lock names are, as uv knows it."""

from __future__ import annotations

import tomllib
from pathlib import Path

from packaging.pylock import Pylock, PylockValidationError

from taskmgr_core.errors import PublishError
from taskmgr_core.uv import Uv, UvFailed


def locate(lock: bytes, uv: Uv, folder: Path) -> Pylock:
    """The lock in the form of PEP 751: for every platform and Python, with the place of each file.

    Arguments:
        lock: pinned, hashed requirements.
        uv: asks the index.
        folder: for a temporary file.

    Raises:
        PublishError: a file cannot be found again.
    """
    listed = folder / "locked.txt"
    listed.write_bytes(lock)
    try:
        text = uv.resolve(
            [
                *("pip", "compile", "--quiet", "--universal", "--no-deps", "--no-header"),
                *("--only-binary", ":all:", "--format", "pylock.toml"),
                *(*uv.index_arguments, str(listed)),
            ]
        )
        return Pylock.from_dict(tomllib.loads(text))
    except (UvFailed, PylockValidationError, tomllib.TOMLDecodeError) as error:
        raise PublishError(f"the locked wheels cannot be found again. {error}") from error
