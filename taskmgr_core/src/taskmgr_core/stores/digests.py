"""What a digest looks like."""

import re
from collections.abc import Iterator

from taskmgr_core.errors import ArtifactError

_DIGEST = re.compile(r"sha256:([0-9a-f]{64})\Z")
_INSIDE = re.compile(r"sha256:[0-9a-f]{64}")


def hexadecimal(digest: str) -> str:
    """The 64 hexadecimal digits of a digest.

    Raises:
        ArtifactError: it is none.
    """
    found = _DIGEST.match(digest)
    if found is None:
        raise ArtifactError(
            f"{digest!r} is no digest; it must be 'sha256:' and 64 hexadecimal digits"
        )
    return found[1]


def is_digest(text: str) -> bool:
    """Whether it is one."""
    return _DIGEST.match(text) is not None


def digests_in(text: str) -> Iterator[str]:
    """Every digest that stands somewhere in a text."""
    return (found[0] for found in _INSIDE.finditer(text))
