"""Which files of this machine go: the least recently used copies, or what nothing refers to."""

from __future__ import annotations

from collections.abc import Callable, Iterable

from taskmgr_core.stores.artifacts import ArtifactStore
from taskmgr_core.stores.local_files import LocalFile

# What was used that recently stays: somebody may be about to open it.
SPARE_SECONDS = 120.0
# What was put that recently stays, though nothing refers to it yet.
ORPHAN_SECONDS = 3600.0


def collect_copies(
    artifacts: ArtifactStore,
    maximum_bytes: int,
    *,
    spare_seconds: float = SPARE_SECONDS,
    dry_run: bool = False,
) -> tuple[LocalFile, ...]:
    """Remove the least recently used copies until the rest is small enough.

    The weights that runners load are left out; see ``ModelFiles.gc``.

    Arguments:
        artifacts: a store whose files are elsewhere, too.
        maximum_bytes: what may stay.
        spare_seconds: what was used within them stays, as what is in use does.
        dry_run: remove nothing.

    Returns:
        Those that were removed, or would be.
    """
    unused_since = artifacts.files.unused_since(spare_seconds)
    found = [each for each in artifacts.files.listing() if not each.linked]
    surplus = sum(each.size for each in found) - maximum_bytes
    removed = []
    for each in found:
        if surplus <= 0 or each.used >= unused_since:
            break  # what follows was used later
        if dry_run or artifacts.files.remove(each.digest, unused_since):
            surplus -= each.size
            removed.append(each)
    return tuple(removed)


def collect_orphans(
    artifacts: ArtifactStore,
    mentioned: Callable[[], Iterable[str]],
    *,
    spare_seconds: float = ORPHAN_SECONDS,
    dry_run: bool = False,
) -> tuple[LocalFile, ...]:
    """Remove what no record mentions: of publications, submissions and attempts that failed.

    The order matters. Who puts a file and then records it has announced that before he put
    it (``LocalFiles.using``). So a file that is old here was put by somebody who has ended, and
    his record is there to be read; or is being put again, which makes it young.

    Arguments:
        artifacts: a store whose files are nowhere else.
        mentioned: reads the digests that are recorded.
        spare_seconds: what was put or used within them stays.
        dry_run: remove nothing.

    Returns:
        Those that were removed, or would be.
    """
    unused_since = artifacts.files.unused_since(spare_seconds)
    old = [each for each in artifacts.files.listing() if each.used < unused_since]
    if not old:
        return ()
    wanted = set(mentioned())
    return tuple(
        each
        for each in old
        if each.digest not in wanted
        and (dry_run or artifacts.files.remove(each.digest, unused_since))
    )
