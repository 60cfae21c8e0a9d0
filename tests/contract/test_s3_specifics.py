"""What only the artifact store in S3 can get wrong: another machine, the network, the keys."""

from __future__ import annotations

import io
import os
import subprocess
import sys
import textwrap
import threading
import time
import traceback
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from datetime import timedelta
from pathlib import Path
from typing import Any

import attrs
import minio.time
import pytest
from children import Child
from implementations import Place

from servers import Server, Share
from servers.ports import free_ports
from servers.s3_server import connected
from taskmgr_core.documents import digest_of
from taskmgr_core.errors import ArtifactError, StoreUnavailableError
from taskmgr_core.stores.s3 import S3Artifacts, S3Location, bucket
from taskmgr_core.stores.s3.artifacts import etag_of
from taskmgr_core.stores.s3.bucket import PART_BYTES, Bucket

CONTENT = b"content" * 1000
DIGEST = digest_of(CONTENT)
NAME = f"sha256/{DIGEST[7:]}"


@pytest.fixture
def location(s3_server: Share) -> S3Location:
    """A bucket that nobody has used."""
    return S3Location.from_url(s3_server.url)


@pytest.fixture
def machine(location: S3Location, tmp_path: Path) -> Callable[..., S3Artifacts]:
    """The store as a machine of its own sees it, by its name."""

    def open_one(name: str = "one", patience: float = 5.0) -> S3Artifacts:
        store = S3Artifacts(location, tmp_path / name, patience)
        store.initialize()
        return store

    return open_one


@pytest.fixture
def objects(s3_server: Share) -> Objects:
    """What is in the bucket, behind the store's back."""
    return Objects(s3_server)


@attrs.frozen
class Objects:
    """The bucket's objects, as another program sees them."""

    share: Share

    def put(self, name: str, content: bytes) -> None:
        """Store an object, whatever is there."""
        client = connected(self.share.url)
        client.put_object(self.share.name, name, io.BytesIO(content), len(content))

    def read(self, name: str) -> bytes:
        """An object's content."""
        with connected(self.share.url).get_object(self.share.name, name) as answer:
            return answer.read()

    def etag(self, name: str) -> str | None:
        """What the server calls its content."""
        return connected(self.share.url).stat_object(self.share.name, name).etag


def cached(store: S3Artifacts) -> list[str]:
    """The files of a machine, but for the locks."""
    files = (each for each in store.folder.rglob("*") if each.is_file())
    return sorted(each.name for each in files if each.parent.name != ".fetching")


# another machine


@pytest.mark.parametrize("size", [0, 1, PART_BYTES, PART_BYTES + 1, 2 * PART_BYTES + 5])
def test_content_reaches_another_machine(
    machine: Callable[..., S3Artifacts], tmp_path: Path, objects: Objects, size: int
) -> None:
    """A file of one part or several is the same elsewhere, under the name that S3 gives it."""
    path = tmp_path / "file"
    path.write_bytes(os.urandom(1 << 16) * (size >> 16) + bytes(size & 0xFFFF))
    stored = machine("one").put_file(path)
    other = machine("two")
    assert cached(other) == []
    found = other.local_path(stored.digest)
    assert found.read_bytes() == path.read_bytes()
    assert found.stat().st_mode & 0o222 == 0
    assert objects.etag(f"sha256/{stored.digest[7:]}") == etag_of(path)


def test_content_is_fetched_once_by_threads(
    machine: Callable[..., S3Artifacts], monkeypatch: pytest.MonkeyPatch
) -> None:
    """Threads that want the same file at once wait for the one that fetches it."""
    fetched: list[str] = []
    download = Bucket.download

    def counted(self: Bucket, name: str, take: Callable[..., bool]) -> bool | None:
        fetched.append(name)
        time.sleep(0.1)  # the others come meanwhile
        return download(self, name, take)

    monkeypatch.setattr(Bucket, "download", counted)
    machine("one").put_bytes(CONTENT)
    other, begin = machine("two"), threading.Barrier(8)

    def read(_: int) -> bytes:
        begin.wait()
        return other.read(DIGEST)

    with ThreadPoolExecutor(8) as pool:
        assert list(pool.map(read, range(8))) == [CONTENT] * 8
    assert fetched == [NAME]


def test_processes_fetch_the_same_contents(
    machine: Callable[..., S3Artifacts],
    s3_server: Share,
    tmp_path: Path,
    start_child: Callable[..., Child],
) -> None:
    """Processes of one machine that fetch the same files at once find each of them whole."""
    contents = [str(number).encode() * 200_000 for number in range(10)]
    expected = [machine("one").put_bytes(each).digest for each in contents]
    place = Place("s3", f"{s3_server.url} {tmp_path / 'other'}")
    children = [start_child("read_all", place, *expected) for _ in range(3)]
    for child in children:
        child.expect("ready")
    for child in children:
        child.tell("go")
    assert [child.rest() for child in children] == [expected] * 3


def test_damaged_copy_is_fetched_again(machine: Callable[..., S3Artifacts]) -> None:
    """A file of this machine that is damaged is replaced from the store."""
    store = machine()
    store.put_bytes(CONTENT)
    path = store.local_path(DIGEST)
    path.chmod(0o644)
    path.write_bytes(b"x" + CONTENT[1:])
    assert store.read(DIGEST) == CONTENT


def test_listing_has_every_page(
    machine: Callable[..., S3Artifacts], objects: Objects, monkeypatch: pytest.MonkeyPatch
) -> None:
    """All digests are told, once each, however many pages they fill; other objects are not."""
    monkeypatch.setattr(bucket, "_PAGE", 3)
    store = machine()
    stored = [store.put_bytes(str(number).encode()).digest for number in range(9)]
    for name in ("README", "sha256/notes", "sha256/" + "0" * 63, "sha257/" + "0" * 64):
        objects.put(name, b"mine")
    assert list(store.digests()) == sorted(stored)


# damage


DAMAGES = [b"", CONTENT[:-1], CONTENT + b"\n", b"x" + CONTENT[1:]]


@pytest.mark.parametrize("damage", DAMAGES)
def test_damaged_object_is_refused(
    machine: Callable[..., S3Artifacts], objects: Objects, damage: bytes
) -> None:
    """Content that is not the digest's is named, never kept, and refused again."""
    machine("one").put_bytes(CONTENT)
    objects.put(NAME, damage)
    other = machine("two")
    for method in (other.read, other.local_path):
        with pytest.raises(ArtifactError) as caught:
            method(DIGEST)
        assert not isinstance(caught.value, StoreUnavailableError)
        assert f"{DIGEST} is damaged: the object {NAME} of " in str(caught.value)
        assert f"has the content of {digest_of(damage)}; store it again" in str(caught.value)
    assert cached(other) == []


@pytest.mark.parametrize("damage", DAMAGES)
@pytest.mark.parametrize("where", ["same machine", "other machine"])
def test_damaged_object_is_healed_by_storing_it_again(
    machine: Callable[..., S3Artifacts], objects: Objects, damage: bytes, where: str
) -> None:
    """Putting the right content replaces what is damaged."""
    first = machine("one")
    first.put_bytes(CONTENT)
    objects.put(NAME, damage)
    (first if where == "same machine" else machine("two")).put_bytes(CONTENT)
    assert machine("three").read(DIGEST) == CONTENT


@pytest.mark.parametrize("size", [1000, PART_BYTES + 1])
def test_object_is_never_overwritten(
    machine: Callable[..., S3Artifacts], location: S3Location, tmp_path: Path, size: int
) -> None:
    """The server itself refuses the second of two that store at once, in one part or several."""
    machine()
    first, second = tmp_path / "first", tmp_path / "second"
    first.write_bytes(b"1" * size)
    second.write_bytes(b"2" * size)
    opened = Bucket(location, 5.0)
    assert opened.upload("object", first, replace=False)
    assert not opened.upload("object", second, replace=False)
    assert opened.download("object", lambda source: source.read(1)) == b"1"
    assert opened.upload("object", second, replace=True)
    assert opened.download("object", lambda source: source.read(1)) == b"2"


def test_object_that_was_stored_otherwise_is_read(
    machine: Callable[..., S3Artifacts], objects: Objects, s3_server: Share, tmp_path: Path
) -> None:
    """Right content whose ETag is another one's is found to be right and left alone."""
    content = os.urandom(1 << 20) * 6
    name = f"sha256/{digest_of(content)[7:]}"
    store = machine()
    client = connected(s3_server.url)
    client.put_object(s3_server.name, name, io.BytesIO(content), len(content), part_size=5 << 20)
    before = objects.etag(name)
    store.put_bytes(content)
    assert objects.etag(name) == before
    assert before
    assert before.endswith("-2")


KILLED = """
    import os, signal, sys
    from pathlib import Path
    import urllib3
    from taskmgr_core.stores.s3 import S3Artifacts, S3Location

    urlopen = urllib3.PoolManager.urlopen

    def until_part_two(self, method, url, *words, **options):
        answer = urlopen(self, method, url, *words, **options)
        if "partNumber=2" in url:
            os.kill(os.getpid(), signal.SIGKILL)
        return answer

    urllib3.PoolManager.urlopen = until_part_two
    store = S3Artifacts(S3Location.from_url(os.environ["URL"]), Path(sys.argv[1]))
    store.put_file(Path(sys.argv[2]))
"""


def test_interrupted_upload_leaves_nothing_visible(
    machine: Callable[..., S3Artifacts], s3_server: Share, tmp_path: Path
) -> None:
    """A process killed between two parts has stored nothing; another one stores it whole."""
    path = tmp_path / "large"
    path.write_bytes(os.urandom(1 << 20) * 24)
    digest = digest_of(path.read_bytes())
    store = machine()
    done = subprocess.run(
        [sys.executable, "-c", textwrap.dedent(KILLED), tmp_path / "killed", path],
        env={**os.environ, "URL": s3_server.url},
        capture_output=True,
        check=False,
    )
    assert done.returncode == -9, done.stderr
    assert not store.exists(digest)
    assert list(store.digests()) == []
    with pytest.raises(ArtifactError, match="is not in the store"):
        store.read(digest)
    store.put_file(path)
    assert machine("two").read(digest) == path.read_bytes()


# a store that is away


def own(server: Server, folder: Path, patience: float) -> S3Artifacts:
    """A store on a server of this test alone."""
    return S3Artifacts(S3Location.from_url(server.url), folder, patience)


def test_killed_server_is_waited_for(own_s3_server: Server, tmp_path: Path) -> None:
    """While the server is killed and started again, putting, reading and listing go on."""
    large = tmp_path / "large"
    large.write_bytes(os.urandom(1 << 20) * 24)
    stores = [own(own_s3_server, tmp_path / name, 60) for name in ("one", "two", "three", "four")]
    stores[0].initialize()
    first = stores[0].put_bytes(CONTENT)

    def killed_and_started() -> None:
        own_s3_server.kill()
        down.set()
        time.sleep(0.5)
        own_s3_server.restart()

    down = threading.Event()
    with ThreadPoolExecutor(4) as pool:
        restarting = pool.submit(killed_and_started)
        down.wait()
        put = pool.submit(stores[1].put_file, large)
        read = pool.submit(stores[2].read, first.digest)
        listed = pool.submit(lambda: list(stores[3].digests()))
        restarting.result()
        assert read.result() == CONTENT
        assert first.digest in listed.result()
        assert stores[0].read(put.result().digest) == large.read_bytes()


def test_server_killed_in_the_middle_of_an_upload(own_s3_server: Server, tmp_path: Path) -> None:
    """An upload whose server dies under it is done again from its beginning, and is whole."""
    large = tmp_path / "large"
    large.write_bytes(os.urandom(1 << 20) * 64)
    store = own(own_s3_server, tmp_path / "one", 60)
    store.initialize()
    with ThreadPoolExecutor(1) as pool:
        put = pool.submit(store.put_file, large)
        data = tmp_path / "own-s3" / "data"
        while sum(each.stat().st_size for each in data.glob("*.dat")) < 20 << 20:
            assert not put.done()
        own_s3_server.kill()
        own_s3_server.restart()
        digest = put.result().digest
    assert own(own_s3_server, tmp_path / "two", 5).read(digest) == large.read_bytes()


def everything_told(error: BaseException) -> str:
    """All that a log could have of an error."""
    return "".join(traceback.format_exception(error)) + repr(error)


def assert_keeps_secrets(error: BaseException, location: S3Location) -> None:
    """Neither key nor secret is told."""
    for secret in (location.access_key, location.secret_key):
        assert secret not in everything_told(error)


@pytest.mark.parametrize("method", ["initialize", "put", "read", "exists", "digests", "remove"])
def test_absent_server_is_told_soon(tmp_path: Path, method: str) -> None:
    """Where nobody listens, each method says which host is away, after its patience."""
    (port,) = free_ports(1)
    location = S3Location.from_url(f"s3+http://somekey:somesecret@127.0.0.1:{port}/bucket")
    store = S3Artifacts(location, tmp_path / "one", patience=0.5)
    calls: dict[str, Callable[[], object]] = {
        "initialize": store.initialize,
        "put": lambda: store.put_bytes(CONTENT),
        "read": lambda: store.read(DIGEST),
        "exists": lambda: store.exists(DIGEST),
        "digests": lambda: list(store.digests()),
        "remove": lambda: store.remove(DIGEST),
    }
    started = time.monotonic()
    with pytest.raises(StoreUnavailableError) as caught:
        calls[method]()
    assert time.monotonic() - started < 5
    message = str(caught.value)
    assert f"the artifact store 127.0.0.1:{port} does not answer as it should" in message
    assert "check that it runs" in message
    assert_keeps_secrets(caught.value, location)


def test_silent_server_is_given_up(
    own_s3_server: Server, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A server that takes the connection and says nothing is away too, within bounds."""
    monkeypatch.setattr(bucket, "_READ_SECONDS", 0.5)
    store = own(own_s3_server, tmp_path / "one", 0.5)
    store.initialize()
    own_s3_server.pause()
    with pytest.raises(StoreUnavailableError, match="timed out"):
        store.put_bytes(CONTENT)
    own_s3_server.resume()
    store.patience = 20
    assert own(own_s3_server, tmp_path / "two", 20).put_bytes(CONTENT).digest == DIGEST


# keys, clock


@pytest.mark.parametrize(
    "change", [{"access_key": "anotherkeyx"}, {"secret_key": "anothersecretx"}]
)
@pytest.mark.parametrize("region", ["", "us-east-1"])
def test_wrong_keys_are_refused(
    location: S3Location, tmp_path: Path, change: dict[str, Any], region: str
) -> None:
    """A wrong key or secret is final, says what to check, and shows neither."""
    wrong = attrs.evolve(location, region=region, **change)
    store = S3Artifacts(wrong, tmp_path / "one")
    for call in (store.initialize, lambda: store.put_bytes(b"new"), lambda: store.read(DIGEST)):
        with pytest.raises(ArtifactError, match=r"the key|this key") as caught:
            call()
        assert not isinstance(caught.value, StoreUnavailableError)
        assert_keeps_secrets(caught.value, wrong)


@pytest.mark.parametrize("hours", [1, -1])
@pytest.mark.parametrize("region", ["", "us-east-1"])
def test_wrong_clock_is_told(
    location: S3Location,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    hours: int,
    region: str,
) -> None:
    """A machine whose clock is wrong is told so, by how much, and what to do."""
    utcnow = minio.time.utcnow
    monkeypatch.setattr(minio.time, "utcnow", lambda: utcnow() + timedelta(hours=hours))
    store = S3Artifacts(attrs.evolve(location, region=region), tmp_path / "one")
    said = rf"clock of this machine is 3[56]\d\d s {'ahead of' if hours > 0 else 'behind'} its own"
    with pytest.raises(ArtifactError, match=said + r"; set the clock"):
        store.initialize()


def test_store_does_not_show_its_keys(location: S3Location, tmp_path: Path) -> None:
    """Neither the store nor its location shows key or secret."""
    shown = repr(S3Artifacts(location, tmp_path)) + repr(location) + location.name
    assert location.access_key not in shown
    assert location.secret_key not in shown
    assert location.host in shown
