"""What a release gets anew when it is published again: the SDK, and a Python that is there."""

from __future__ import annotations

import platform
from collections.abc import Iterator
from pathlib import Path

import attrs
import pytest
from plugin_projects import write_plugin
from sdk_wheels import rewritten

from taskmgr_core.cli.publishing_view import published_line
from taskmgr_core.client import Client
from taskmgr_core.errors import ConflictError
from taskmgr_core.publishing.sources import LOCK_NAME
from taskmgr_core.settings import load
from taskmgr_core.specs import RunDetail, TaskVersion
from taskmgr_core.wiring import Platform
from taskmgr_core.worker.pool import RunnerPool
from taskmgr_plugins import protocol

OURS = f"\nVERSION = {protocol.VERSION}\n"


@pytest.fixture
def client(tmp_path: Path) -> Iterator[Client]:
    """A client that runs the steps itself, in one worker until it is closed."""
    settings = load({"TASKMGR_SLOTS": "1"}, tmp_path, tmp_path / "home")
    with Platform(settings).client() as opened:
        yield opened


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    """A plugin with the task ``shout``."""
    return write_plugin(tmp_path / "tiny")


def publish_with_sdk(client: Client, folder: Path, number: int) -> TaskVersion:
    """Publish a plugin as a taskmgr with another runner protocol would have done."""
    (version,) = client.publish(folder).versions
    sdk = version.release.sdk
    content = speaking(client.artifacts.read(sdk.digest), number)
    other = attrs.evolve(
        version,
        release=attrs.evolve(version.release, sdk=client.artifacts.put_bytes(content, sdk.name)),
    )
    client.metadata.add_versions([other])
    assert client.metadata.version("shout") == other
    return other


def speaking(wheel: bytes, number: int) -> bytes:
    """The SDK's wheel with another protocol; with the first one, ``hello`` has no id."""
    changes = {
        "taskmgr_plugins/protocol.py": (OURS, f"\n# Another's.\nVERSION = {number}\n"),
        "taskmgr_plugins/__main__.py": (
            '        "id": 0,\n',
            "" if number == 1 else '        "id": 0,\n',
        ),
    }
    return rewritten(wheel, changes)


def shouted(client: Client) -> RunDetail:
    """A run of the task."""
    return client.run("shout", {"text": "quiet"}, timeout=60)


def test_publishing_again_renews_the_sdk_and_nothing_else(client: Client, folder: Path) -> None:
    """Wheel and lock stay, the SDK is this one's, and it is said; then nothing changes any more."""
    older = publish_with_sdk(client, folder, 1).release
    again = client.publish(folder)
    assert (again.changed, again.renewed) == (True, ("sdk",))
    assert again.release.sdk != older.sdk
    assert attrs.evolve(again.release, sdk=older.sdk) == older
    assert client.metadata.version("shout").release == again.release
    assert published_line(again).startswith("1.0.0 renewed with the SDK of this taskmgr in ")
    once_more = client.publish(folder)
    assert (once_more.changed, once_more.renewed) == (False, ())


def test_ready_wheel_gets_the_sdk_with_the_lock_that_it_has(client: Client, folder: Path) -> None:
    """Where no lock lies beside the sources, the published one stays, whatever the index has."""
    older = publish_with_sdk(client, folder, 1).release
    (folder / LOCK_NAME).unlink()
    assert client.publish(folder).release.lock == older.lock


def test_sdk_with_other_dependencies_needs_a_new_version(
    client: Client, folder: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A lock that lacks what this SDK needs stays under the version, and the message says so."""
    publish_with_sdk(client, folder, 1)
    kept = (folder / LOCK_NAME).read_bytes()
    monkeypatch.setattr("taskmgr_core.publishing.locks.sdk_requirements", lambda: ("another",))
    with pytest.raises(ConflictError, match=r"needs other packages; .* raise the version"):
        client.publish(folder)
    assert (folder / LOCK_NAME).read_bytes() == kept


def test_worker_refuses_an_older_runner_until_the_plugin_is_published_again(
    client: Client, folder: Path
) -> None:
    """The failure says to publish again; after that the same worker runs it, at once."""
    publish_with_sdk(client, folder, 1)
    refused = shouted(client).run.failure
    assert refused is not None
    assert refused.code == "environment"
    assert "of tiny-plugin has taskmgr-plugins" in refused.message
    spoken = f"{protocol.OLDEST} to {protocol.VERSION}"
    assert f"speaks runner protocol 1, and this worker speaks {spoken}" in refused.message
    assert "publish the plugin again with this taskmgr" in refused.message
    client.publish(folder)
    assert shouted(client).result == {"result": "QUIET"}


def test_warm_runner_of_another_sdk_is_not_taken(client: Client, folder: Path) -> None:
    """Once a worker knows of another SDK it starts a runner with that, whatever is warm."""
    older = publish_with_sdk(client, folder, protocol.VERSION)
    renewed = client.publish(folder).versions[0]
    worker = Platform(load({"TASKMGR_SLOTS": "1"}, folder, folder.parent / "home"))
    pool = RunnerPool(worker.environments, worker.models, worker.launcher(slots=1), 8)
    processes = []
    for version in (older, older, renewed, renewed):
        with pool.lease(version) as lease:
            processes.append(lease.runner.pid)
    pool.close()
    worker.metadata.close()
    first, again, other, other_again = processes
    assert (first, other) == (again, other_again)
    assert first != other


def test_worker_that_is_too_old_is_told_to_be_upgraded(client: Client, folder: Path) -> None:
    """A runner of a newer taskmgr is refused with the other cure."""
    publish_with_sdk(client, folder, protocol.VERSION + 1)
    refused = shouted(client).run.failure
    assert refused is not None
    assert "upgrade and restart this worker, or publish the plugin again" in refused.message


def test_version_whose_python_is_gone_is_renewed_by_publishing(
    client: Client, folder: Path
) -> None:
    """The failure tells release, Python and cure; published again, the same worker runs it."""
    (version,) = client.publish(folder).versions
    gone = attrs.evolve(version, release=attrs.evolve(version.release, python="3.99"))
    client.metadata.add_versions([gone])
    refused = shouted(client).run.failure
    assert refused is not None
    assert refused.code == "environment"
    assert (
        "tiny-plugin 1.0.0 was published with Python 3.99, and this machine has" in refused.message
    )
    assert platform.python_version() in refused.message
    assert "install Python 3.99 and put it on PATH, or publish tiny-plugin again" in refused.message
    again = client.publish(folder)
    assert (again.changed, again.renewed, again.release) == (True, ("python",), version.release)
    assert "renewed with Python 3." in published_line(again)
    assert shouted(client).result == {"result": "QUIET"}
