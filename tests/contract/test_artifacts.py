"""Files by their digest, in every artifact store."""

import hashlib
import threading
import urllib.error
import urllib.request
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest
from children import Child
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from implementations import Place

from taskmgr_core.documents import digest_of
from taskmgr_core.errors import ArtifactError
from taskmgr_core.specs import StoredFile
from taskmgr_core.stores.artifacts import ArtifactStore

ABSENT = digest_of(b"nobody stored this")

# putting and reading


@settings(suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(content=st.binary(max_size=5000))
def test_content_is_read_back_exactly(artifacts: ArtifactStore, content: bytes) -> None:
    """Any bytes come back as they were, under their sha256."""
    stored = artifacts.put_bytes(content, "name")
    digest = "sha256:" + hashlib.sha256(content).hexdigest()
    assert stored == StoredFile("name", digest, len(content))
    assert artifacts.read(digest) == content
    assert artifacts.local_path(digest).read_bytes() == content


def test_file_is_copied(artifacts: ArtifactStore, tmp_path: Path) -> None:
    """A file is stored under its own name or the given one, and stays where it was, writable."""
    path = tmp_path / "picture.png"
    path.write_bytes(b"pixels")
    assert artifacts.put_file(path) == StoredFile("picture.png", digest_of(b"pixels"), 6)
    assert artifacts.put_file(path, "other").name == "other"
    path.write_bytes(b"changed")
    assert artifacts.read(digest_of(b"pixels")) == b"pixels"


def test_same_content_is_stored_once(artifacts: ArtifactStore, tmp_path: Path) -> None:
    """Content put again, as bytes or as a file, is the same artifact, the same file untouched."""
    path = tmp_path / "file"
    path.write_bytes(b"same")
    first = artifacts.put_bytes(b"same", "one")
    before = artifacts.local_path(first.digest).stat()
    assert artifacts.put_file(path, "two") == StoredFile("two", first.digest, 4)
    assert artifacts.put_bytes(b"same").digest == first.digest
    after = artifacts.local_path(first.digest).stat()
    assert (before.st_ino, before.st_mtime_ns) == (after.st_ino, after.st_mtime_ns)
    assert list(artifacts.digests()) == [first.digest]


def test_large_file_is_stored_in_blocks(artifacts: ArtifactStore, tmp_path: Path) -> None:
    """A file larger than any block comes back exactly, and is not read into memory at once."""
    block = bytes(range(256)) * 4096
    path = tmp_path / "large"
    with path.open("wb") as opened:
        for number in range(33):
            opened.write(block + bytes([number]))
    stored = artifacts.put_file(path)
    assert stored.size == path.stat().st_size == 33 * (len(block) + 1)
    with artifacts.local_path(stored.digest).open("rb") as found, path.open("rb") as given:
        assert hashlib.file_digest(found, "sha256").digest() == (
            hashlib.file_digest(given, "sha256").digest()
        )


def test_link_gives_the_content_to_anybody_or_there_is_none(artifacts: ArtifactStore) -> None:
    """For a while, without a key; a folder has none, and other links are not signed."""
    stored = artifacts.put_bytes(b"a large file")
    url = artifacts.link(stored.digest, 60)
    if not artifacts.elsewhere:
        assert url == ""
        return
    with urllib.request.urlopen(url, timeout=20) as answer:
        assert answer.read() == b"a large file"
    with pytest.raises(urllib.error.HTTPError):
        urllib.request.urlopen(url.partition("?")[0], timeout=20)


def test_empty_content_is_an_artifact(artifacts: ArtifactStore) -> None:
    """No bytes at all are content like any other."""
    stored = artifacts.put_bytes(b"", "empty")
    assert (stored.size, artifacts.read(stored.digest)) == (0, b"")


def test_local_file_is_read_only(artifacts: ArtifactStore) -> None:
    """A task that gets the file as its input cannot write to it by accident."""
    path = artifacts.local_path(artifacts.put_bytes(b"kept").digest)
    assert path.stat().st_mode & 0o222 == 0


# what is there


def test_stored_digests_are_told(artifacts: ArtifactStore) -> None:
    """``exists`` and ``digests`` know what was stored, and nothing else."""
    assert list(artifacts.digests()) == []
    stored = {artifacts.put_bytes(content).digest for content in (b"a", b"b", b"c")}
    assert set(artifacts.digests()) == stored
    assert all(artifacts.exists(each) for each in stored)
    assert not artifacts.exists(ABSENT)


def test_removed_artifact_is_gone(artifacts: ArtifactStore) -> None:
    """What was removed is there no more, can be removed again, and can be stored again."""
    stored, kept = artifacts.put_bytes(b"gone"), artifacts.put_bytes(b"kept")
    artifacts.read(stored.digest)
    for _ in range(2):
        artifacts.remove(stored.digest)
    assert not artifacts.exists(stored.digest)
    assert list(artifacts.digests()) == [kept.digest]
    with pytest.raises(ArtifactError, match=stored.digest):
        artifacts.read(stored.digest)
    assert artifacts.put_bytes(b"gone") == stored
    assert artifacts.read(stored.digest) == b"gone"


@pytest.mark.parametrize("method", ["read", "local_path"])
def test_absent_artifact_is_named(artifacts: ArtifactStore, method: str) -> None:
    """Asking for what is not stored says which digest, and where it is not."""
    with pytest.raises(ArtifactError, match=rf"{ABSENT} is not in the store .+"):
        getattr(artifacts, method)(ABSENT)


@pytest.mark.parametrize("method", ["read", "local_path", "exists", "remove"])
@pytest.mark.parametrize(
    "digest",
    ["", "abc", ABSENT[7:], ABSENT.upper(), ABSENT + "0", ABSENT + "\n", "sha256:../../etc/passwd",
     "md5:" + "0" * 64, "sha256:" + "g" * 64],
)  # fmt: skip
def test_what_is_no_digest_is_refused(artifacts: ArtifactStore, method: str, digest: str) -> None:
    """Anything else than a digest is refused with what a digest looks like."""
    with pytest.raises(ArtifactError, match=r"is no digest; .*'sha256:' and 64 hexadecimal"):
        getattr(artifacts, method)(digest)


@pytest.mark.parametrize("kind", ["absent", "folder"])
def test_file_that_cannot_be_read_is_named(
    artifacts: ArtifactStore, tmp_path: Path, kind: str
) -> None:
    """A file that is not there, or is a folder, is named, and nothing is stored."""
    path = tmp_path / "input"
    if kind == "folder":
        path.mkdir()
    with pytest.raises(ArtifactError, match=rf"{path} could not be stored: .*nothing was kept"):
        artifacts.put_file(path)
    assert list(artifacts.digests()) == []


def test_initializing_again_keeps_everything(artifacts_place: Place) -> None:
    """Another process that opens the store finds what was stored, and changes nothing."""
    stored = artifacts_place.artifacts().put_bytes(b"kept")
    assert artifacts_place.artifacts().read(stored.digest) == b"kept"


# at once


def test_threads_store_the_same_content(artifacts: ArtifactStore) -> None:
    """Threads that store the same and other contents at once all find every one of them."""
    contents = [str(number).encode() * 5000 for number in range(5)]
    begin = threading.Barrier(6)

    def put_all(number: int) -> list[str]:
        begin.wait()
        return [artifacts.put_bytes(content, f"by-{number}").digest for content in contents]

    with ThreadPoolExecutor(6) as pool:
        digests = list(pool.map(put_all, range(6)))
    expected = [digest_of(content) for content in contents]
    assert digests == [expected] * 6
    assert [artifacts.read(each) for each in expected] == contents
    assert sorted(artifacts.digests()) == sorted(expected)


def test_processes_store_the_same_content(
    artifacts: ArtifactStore, artifacts_place: Place, start_child: Callable[..., Child]
) -> None:
    """Processes that store the same contents at once all succeed, and each is whole, once."""
    children = [start_child("put_all", artifacts_place, "20") for _ in range(3)]
    for child in children:
        child.expect("ready")
    for child in children:
        child.tell("go")
    contents = [str(number).encode() * 10_000 for number in range(20)]
    expected = [digest_of(content) for content in contents]
    assert [child.rest() for child in children] == [expected] * 3
    assert sorted(artifacts.digests()) == sorted(expected)
    assert [artifacts.read(each) for each in expected] == contents
