"""The files of this machine: when each was used, what keeps it, what is removed and what never."""

from __future__ import annotations

import os
import threading
import time
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest
from children import Child
from implementations import Place

from taskmgr_core.documents import digest_of
from taskmgr_core.errors import ArtifactError
from taskmgr_core.stores.artifacts import ArtifactStore
from taskmgr_core.stores.collecting import collect_copies, collect_orphans
from taskmgr_core.stores.directory import DirectoryArtifacts

DAY = 86_400.0


def aged(artifacts: ArtifactStore, content: bytes, seconds: float = DAY) -> str:
    """Store something that was not used for so long."""
    digest = artifacts.put_bytes(content).digest
    age(artifacts, digest, seconds)
    return digest


def age(artifacts: ArtifactStore, digest: str, seconds: float = DAY) -> None:
    """Have a file be unused for so long."""
    path, then = artifacts.files.path(digest), int((time.time() - seconds) * 1e9)
    os.utime(path, ns=(then, then))
    # Verified and not read again: a kernel that notes what is read must not do our work.
    artifacts.local_path(digest)
    os.utime(path, ns=(then, then))


def here(artifacts: ArtifactStore) -> list[str]:
    """The digests on this machine, that which was unused for the longest first."""
    return [each.digest for each in artifacts.files.listing()]


@pytest.mark.parametrize("use", ["local_path", "read", "put"])
def test_use_is_noted(artifacts: ArtifactStore, use: str) -> None:
    """Who puts or asks for a file makes it the last used one; its content is as old as before."""
    first, second = aged(artifacts, b"first", 2 * DAY), aged(artifacts, b"second")
    assert here(artifacts) == [first, second]
    before = artifacts.files.path(first).stat().st_mtime_ns
    if use == "put":
        artifacts.put_bytes(b"first")
    else:
        getattr(artifacts, use)(first)
    assert here(artifacts) == [second, first]
    assert artifacts.files.listing()[-1].used > time.time() - 60
    assert artifacts.files.path(first).stat().st_mtime_ns == before


def test_file_that_was_used_meanwhile_stays(artifacts: ArtifactStore) -> None:
    """Between deciding to remove a file and doing it somebody may put or ask for it."""
    digest = aged(artifacts, b"wanted again")
    unused_since = artifacts.files.unused_since(60)
    artifacts.put_bytes(b"wanted again")
    assert not artifacts.files.remove(digest, unused_since)
    age(artifacts, digest)
    assert artifacts.files.remove(digest, unused_since)
    assert not artifacts.files.remove(digest, unused_since)


def test_what_is_used_for_long_stays(artifacts: ArtifactStore) -> None:
    """What was put or asked for since an attempt began stays until it ends, however old it gets."""
    files = artifacts.files
    with files.using():
        begun = time.time()
        time.sleep(0.01)
        with files.using():
            pass
        assert files.unused_since(0) <= begun
    assert files.unused_since(0) > begun - 31


def test_uses_that_overlap_are_announced_once(artifacts: ArtifactStore) -> None:
    """While something is under way, what begins and ends beside it writes nothing."""
    files = artifacts.files
    with files.using():
        (own,) = (files.folder / ".users").glob("[!.]*")
        before = own.stat().st_ctime_ns
        time.sleep(0.01)
        with files.using():
            pass
        assert own.stat().st_ctime_ns == before
    assert own.stat().st_mtime == 0


def test_use_by_another_process_counts_while_it_lives(
    artifacts: ArtifactStore, artifacts_place: Place, start_child: Callable[..., Child]
) -> None:
    """What another process uses for long is kept; a killed one keeps and leaves nothing."""
    child = start_child("use_for_long", artifacts_place)
    child.expect("ready")
    child.tell("go")
    begun = float(child.line())
    assert artifacts.files.unused_since(0) <= begun + 0.1
    child.kill()
    assert artifacts.files.unused_since(0) > begun - 31
    assert list((artifacts.files.folder / ".users").glob("*")) == []


def test_faults_tell_what_is_damaged_or_lost(artifacts: ArtifactStore) -> None:
    """Every byte is read: a changed file is told even when nothing else of it has changed."""
    digest = artifacts.put_bytes(b"content").digest
    assert artifacts.faults(digest) == []
    path = artifacts.local_path(digest)
    status = path.stat()
    path.chmod(0o644)
    path.write_bytes(b"CONTENT")
    os.utime(path, ns=(status.st_atime_ns, status.st_mtime_ns))
    (fault,) = artifacts.faults(digest)
    assert str(path) in fault
    artifacts.remove(digest)
    (fault,) = artifacts.faults(digest)
    assert digest[7:] in fault


def test_orphans_go_and_nothing_else(artifacts: ArtifactStore) -> None:
    """What no record mentions goes when it is old; a dry run tells and removes nothing."""
    orphan, wanted = aged(artifacts, b"orphan"), aged(artifacts, b"wanted")
    young = artifacts.put_bytes(b"just put, not recorded yet").digest
    for dry_run in (True, False):
        found = collect_orphans(artifacts, lambda: [wanted], dry_run=dry_run)
        assert [each.digest for each in found] == [orphan]
        assert (orphan in here(artifacts)) == dry_run
    assert set(here(artifacts)) == {wanted, young}


def test_orphan_of_something_that_is_under_way_stays(artifacts: ArtifactStore) -> None:
    """A publication that takes hours registers in the end what it stored at its beginning."""
    with artifacts.files.using():
        digest = artifacts.put_bytes(b"of a publication").digest
        assert collect_orphans(artifacts, list, spare_seconds=0) == ()
    age(artifacts, digest, 60)
    assert len(collect_orphans(artifacts, list, spare_seconds=0)) == 1


def test_orphan_that_is_put_again_while_others_are_collected_stays(tmp_path: Path) -> None:
    """However puts and a collection fall together, what was put is there, or is put anew."""
    contents = [str(number).encode() * 1000 for number in range(40)]
    artifacts = DirectoryArtifacts(tmp_path / "artifacts")
    for each in contents:
        aged(artifacts, each)
    begin = threading.Barrier(2)

    def put_all() -> list[str]:
        mine = DirectoryArtifacts(artifacts.folder)
        begin.wait()
        return [mine.put_bytes(each).digest for each in contents]

    def collect() -> int:
        begin.wait()
        return len(collect_orphans(DirectoryArtifacts(artifacts.folder), list))

    with ThreadPoolExecutor(2) as pool:
        putting, collecting = pool.submit(put_all), pool.submit(collect)
        digests, removed = putting.result(), collecting.result()
    assert [artifacts.read(each) for each in digests] == contents
    assert 0 <= removed <= len(contents)


def test_copies_are_brought_down_to_a_size(artifacts: ArtifactStore) -> None:
    """The least recently used go first; what is linked as a model is left to the models."""
    first, second, third = (
        aged(artifacts, content * 100, days * DAY)
        for content, days in ((b"a", 3), (b"b", 2), (b"c", 1))
    )
    os.link(artifacts.files.path(first), artifacts.files.folder / "model")
    assert [each.digest for each in collect_copies(artifacts, 100, dry_run=True)] == [second]
    assert [each.digest for each in collect_copies(artifacts, 100)] == [second]
    assert here(artifacts) == [first, third]
    artifacts.local_path(third)
    assert collect_copies(artifacts, 0) == ()


def test_what_is_no_digest_is_refused(artifacts: ArtifactStore) -> None:
    """Nothing outside of the folder is ever removed."""
    with pytest.raises(ArtifactError, match="is no digest"):
        artifacts.files.remove("sha256:../../etc/passwd", time.time())
    assert not artifacts.files.remove(digest_of(b"absent"), time.time())
