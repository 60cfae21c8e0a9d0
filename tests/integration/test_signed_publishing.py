"""What publishing signs, and what of a store it does not believe."""

from __future__ import annotations

import sqlite3
from collections.abc import Callable, Iterator
from pathlib import Path

import attrs
import pytest
from plugin_projects import write_plugin

from taskmgr_core import documents
from taskmgr_core.cli.publishing_view import published_line
from taskmgr_core.client import Client
from taskmgr_core.errors import ConflictError, PublishError, SigningKeyError
from taskmgr_core.publishing.sources import LOCK_NAME
from taskmgr_core.settings import load
from taskmgr_core.signing.keyring import Keyring
from taskmgr_core.signing.signers import Signer
from taskmgr_core.specs import TaskVersion
from taskmgr_core.wiring import Platform, verifier_of

Connect = Callable[..., Client]


@pytest.fixture
def connect(tmp_path: Path) -> Iterator[Connect]:
    """Gives clients on one home, with settings."""
    opened: list[Client] = []

    def make(**settings: str) -> Client:
        environ = {"TASKMGR_SLOTS": "1", **settings}
        opened.append(Platform(load(environ, tmp_path, tmp_path / "home")).client())
        return opened[-1]

    yield make
    for each in opened:
        each.close()


@pytest.fixture
def keyring(tmp_path: Path) -> Keyring:
    """The keys of the home."""
    return Keyring(tmp_path / "home" / "keys")


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    """A plugin with the task ``shout``."""
    return write_plugin(tmp_path / "tiny")


def standing(client: Client, home: Path) -> str:
    """What the recorded version is worth."""
    judged = verifier_of(load({}, home, home)).judge(client.metadata.version("shout"), "shout")
    return judged.state


def alter(home: Path, change: Callable[[TaskVersion], TaskVersion]) -> None:
    """Change what is recorded of the version, behind taskmgr's back."""
    with sqlite3.connect(home / "metadata.sqlite3") as connection:
        (text,) = connection.execute("SELECT document FROM task_versions").fetchone()
        other = documents.dumps(change(documents.loads(text, TaskVersion)))
        connection.execute("UPDATE task_versions SET document = ?", (other,))
    connection.close()


def with_other_sdk(client: Client) -> Callable[[TaskVersion], TaskVersion]:
    """Changes the SDK of a version into one that nobody signed."""
    stored = client.artifacts.put_bytes(b"another SDK", "sdk.whl")

    def change(version: TaskVersion) -> TaskVersion:
        return attrs.evolve(version, release=attrs.evolve(version.release, sdk=stored))

    return change


def with_other_lock(client: Client) -> Callable[[TaskVersion], TaskVersion]:
    """Changes the lock of a version into one that has more in it."""

    def change(version: TaskVersion) -> TaskVersion:
        lock = client.artifacts.read(version.release.lock.digest) + b"# evil\n"
        stored = client.artifacts.put_bytes(lock, "taskmgr.lock")
        return attrs.evolve(version, release=attrs.evolve(version.release, lock=stored))

    return change


def test_signature_is_added_renewed_and_kept(
    connect: Connect, keyring: Keyring, folder: Path
) -> None:
    """Publishing again signs what was unsigned, signs anew with another key, else changes none."""
    client = connect()
    assert client.publish(folder).versions[0].signature is None
    ada = keyring.new("ada")
    added = client.publish(folder)
    assert (added.changed, added.renewed) == (True, ("signature",))
    assert f"1.0.0 renewed with the signature of the key {ada.id} in" in published_line(added)
    assert standing(client, keyring.folder.parent) == "trusted"
    assert client.publish(folder).changed is False
    grace = keyring.new("grace")
    with pytest.raises(SigningKeyError, match="2 keys to sign with"):
        client.publish(folder)
    rotated = connect(TASKMGR_SIGNING_KEY="grace").publish(folder)
    assert rotated.renewed == ("signature",)
    assert rotated.versions[0].signature is not None
    assert rotated.versions[0].signature.key == grace.id
    assert rotated.release == added.release


def test_nothing_is_built_where_a_required_key_is_missing(
    connect: Connect, folder: Path, keyring: Keyring
) -> None:
    """Under ``require`` publishing without a key is refused at once, before the first stage."""
    lines: list[str] = []
    with pytest.raises(SigningKeyError, match=r"is require.*`taskmgr keys new`"):
        connect(TASKMGR_SIGNATURES="require").publish(folder, lines.append)
    assert lines == []
    assert not (folder / LOCK_NAME).exists()


def test_altered_record_is_put_right_by_publishing_again(
    connect: Connect, keyring: Keyring, folder: Path
) -> None:
    """A record that was changed in the store is recorded anew, by its key and by another one."""
    keyring.new("ada")
    client, home = connect(), keyring.folder.parent
    client.publish(folder)
    for change in (with_other_sdk(client), with_other_lock(client)):
        alter(home, change)
        assert standing(client, home) == "altered"
        assert client.publish(folder).changed is True
        assert standing(client, home) == "trusted"
    keyring.new("grace")
    alter(home, with_other_lock(client))
    assert connect(TASKMGR_SIGNING_KEY="grace").publish(folder).changed is True
    assert standing(client, home) == "trusted"


def test_lock_of_the_store_is_not_signed_unseen(
    connect: Connect, keyring: Keyring, folder: Path
) -> None:
    """Of a version that nobody signed no lock is taken from the store, to be signed."""
    client, home = connect(), keyring.folder.parent
    client.publish(folder)
    (folder / LOCK_NAME).unlink()
    alter(home, with_other_lock(client))
    keyring.new("ada")
    with pytest.raises(ConflictError, match=r"another lock than the one here.*raise the version"):
        client.publish(folder)
    assert standing(client, home) == "unsigned"


def test_renewed_sdk_is_signed_or_refused(
    connect: Connect, keyring: Keyring, folder: Path, tmp_path: Path
) -> None:
    """A signed version gets another SDK with a signature over that, and not without a key."""
    keyring.new("ada")
    client, home = connect(), keyring.folder.parent
    first = client.publish(folder).versions[0]

    def earlier_taskmgr(version: TaskVersion) -> TaskVersion:
        found = keyring.signing()
        assert found is not None
        release = with_other_sdk(client)(version).release
        release = attrs.evolve(release, published_at="2026-01-01T00:00:00+00:00")
        return Signer(*found).sign(attrs.evolve(version, release=release))

    alter(home, earlier_taskmgr)
    assert standing(client, home) == "trusted"
    with pytest.raises(PublishError, match=r"is signed with the key.*have to be signed anew"):
        connect(TASKMGR_KEYS_FOLDER=str(tmp_path / "none")).publish(folder)
    assert standing(client, home) == "trusted"
    renewed = client.publish(folder)
    assert renewed.renewed == ("sdk",)
    assert renewed.release.sdk == first.release.sdk
    assert renewed.release.published_at == "2026-01-01T00:00:00+00:00"
    assert standing(client, home) == "trusted"
