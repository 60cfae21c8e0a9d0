"""The signatures of what is published: given, kept, and not lost."""

from __future__ import annotations

import attrs

from taskmgr_core.documents import digest_of
from taskmgr_core.errors import ConflictError, PublishError
from taskmgr_core.signing.signers import Signer
from taskmgr_core.specs import Release, TaskSpec, TaskVersion
from taskmgr_core.stores.releases import together


def signed_versions(
    tasks: tuple[TaskSpec, ...], release: Release, earlier: Release | None, signer: Signer | None
) -> tuple[TaskVersion, ...]:
    """The versions to be recorded, each signed.

    Arguments:
        tasks: what the release holds.
        release: as it was published now.
        earlier: the same, as it was published before; None if nobody vouches for that.
        signer: signs; None for nobody.
    """
    if signer is None:
        return tuple(TaskVersion(task, release) for task in tasks)
    if earlier is not None:
        release = attrs.evolve(
            release,
            published_at=earlier.published_at,
            platform=earlier.platform,
            vendored=together(earlier.vendored, release.vendored),
        )
    return tuple(signer.sign(TaskVersion(task, release)) for task in tasks)


def refuse_other_lock(earlier: Release | None, lock: bytes, *, vouched: bool) -> None:
    """Of a version that is there already the lock has to be the same; the store refuses, too.

    Arguments:
        earlier: the release that is there.
        lock: the one at hand.
        vouched: whether the release is as it was signed by a trusted key.

    Raises:
        ConflictError: it is another one.
    """
    if earlier is not None and not vouched and digest_of(lock) != earlier.lock.digest:
        raise ConflictError(
            f"{earlier.distribution} {earlier.version} is published with another lock than the "
            "one here, and no key that is trusted here has signed it, so that it is not taken "
            "from the store; put its taskmgr.lock beside pyproject.toml, or raise the version"
        )


def refuse_lost_signature(there: tuple[TaskVersion, ...], release: Release) -> None:
    """What is signed does not become unsigned because somebody without a key publishes it.

    Arguments:
        there: the versions that are recorded.
        release: as it is to be recorded.

    Raises:
        PublishError: it would lose its signature.
    """
    for each in there:
        known = each.release
        same = (known.sdk.digest, known.python, known.vendored) == (
            release.sdk.digest,
            release.python,
            together(known.vendored, release.vendored),
        )
        if each.signature is not None and not same:
            raise PublishError(
                f"{known.distribution} {each.version} is signed with the key "
                f"{each.signature.key}, and gets another SDK, Python or vendored wheels now, "
                "which have to be signed anew; publish it where that key is, or make one with "
                "`taskmgr keys new`"
            )
