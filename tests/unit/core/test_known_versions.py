"""Versions that a worker has looked up."""

from collections.abc import Iterator
from pathlib import Path

import attrs
import pytest

from taskmgr_core.errors import SignatureError, StoreError
from taskmgr_core.signing.keyring import Keyring
from taskmgr_core.signing.signers import Signing
from taskmgr_core.signing.verifying import Verifier
from taskmgr_core.specs import Release, StoredFile, TaskSpec, TaskVersion
from taskmgr_core.stores.sqlite import SqliteMetadata
from taskmgr_core.worker.versions import KEEP_SECONDS, KnownVersions


@attrs.define
class Clock:
    """A clock that is set by hand."""

    now: float = 100.0

    def __call__(self) -> float:
        return self.now


@pytest.fixture
def metadata(tmp_path: Path) -> Iterator[SqliteMetadata]:
    """A store with one version of one task."""
    store = SqliteMetadata(tmp_path / "metadata.sqlite3")
    store.initialize()
    store.add_versions([version("old")])
    yield store
    store.close()


def version(sdk: str) -> TaskVersion:
    """The version, with an SDK."""
    release = Release(
        distribution="taskmgr-echo",
        version="1.0",
        wheel=StoredFile("echo.whl", "sha256:wheel", 1),
        lock=StoredFile("taskmgr.lock", "sha256:lock", 1),
        sdk=StoredFile("sdk.whl", f"sha256:{sdk}", 1),
        models=(),
        python="3.11",
        platform="linux-x86_64",
        published_at="",
    )
    return TaskVersion(TaskSpec("echo", (), ()), release)


def test_version_is_looked_up_once_in_a_while(metadata: SqliteMetadata) -> None:
    """Within its time a version costs no look-up; after it, it is looked up again."""
    clock = Clock()
    known = KnownVersions(metadata, 30.0, clock)
    assert known.get("echo", "1.0") == version("old")
    metadata.close()
    clock.now += 29.9
    assert known.get("echo", "1.0") == version("old")
    clock.now += 0.1
    with pytest.raises(StoreError, match="closed"):
        known.get("echo", "1.0")
    metadata.initialize()
    metadata.add_versions([version("new")])
    assert known.get("echo", "1.0") == version("new")


def test_version_that_does_not_serve_is_looked_up_at_once(metadata: SqliteMetadata) -> None:
    """A stale version is replaced by the one that is there now; where that is the same, by none."""
    known = KnownVersions(metadata)
    stale = known.get("echo", "1.0")
    assert known.another(stale) is None
    metadata.add_versions([version("new")])
    assert known.another(stale) == version("new")
    assert known.get("echo", "1.0") == version("new")


def test_key_that_is_revoked_is_noticed_within_a_minute(
    metadata: SqliteMetadata, tmp_path: Path
) -> None:
    """A version is verified whenever it is looked up: the first time, and after half a minute."""
    keyring = Keyring(tmp_path / "keys")
    keyring.new("ada")
    signer = Signing(keyring, "require").signer()
    assert signer is not None
    clock = Clock()
    known = KnownVersions(metadata, clock=clock, verifier=Verifier(keyring, "require"))
    with pytest.raises(SignatureError, match="it is not signed"):
        known.get("echo", "1.0")
    signed = signer.sign(version("old"))
    metadata.add_versions([signed])
    assert known.get("echo", "1.0") == signed
    keyring.revoke("ada")
    assert KEEP_SECONDS <= 60
    clock.now += KEEP_SECONDS
    for look_up in (lambda: known.get("echo", "1.0"), lambda: known.another(signed)):
        with pytest.raises(SignatureError, match=r"\(ada\), which was revoked"):
            look_up()
