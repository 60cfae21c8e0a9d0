"""What a later taskmgr has recorded, in every metadata store of this one."""

import attrs
import pytest
from samples import NOW, beaten, task_version

from taskmgr_core.errors import DamagedRecordError
from taskmgr_core.specs import PluginState, TaskVersion, Worker
from taskmgr_core.stores.metadata import MetadataStore


@attrs.frozen
class LaterWorker(Worker):
    """A worker that tells more than is known here."""

    mood: str = ""


@attrs.frozen
class LaterVersion(TaskVersion):
    """A version that declares more."""

    budget: int = 0


def later(version: TaskVersion, budget: int) -> TaskVersion:
    """A version as a later taskmgr records it."""
    return LaterVersion(version.task, version.release, budget=budget)


def test_worker_of_a_later_taskmgr_is_listed(metadata: MetadataStore) -> None:
    """It lives and works, whatever else it says; what is not known here is left out."""
    known = PluginState("acme", "acme 1", "ok", called=3)
    mine = beaten(metadata, "w1")
    metadata.beat(
        LaterWorker("w2", "host", 7, 4, (), NOW, NOW + 1, hooks=(known,), mood="cheerful")
    )
    theirs = Worker("w2", "host", 7, 4, (), NOW, NOW + 1, hooks=(known,))
    assert sorted(metadata.workers(), key=lambda each: each.id) == [mine, theirs]


def test_version_that_needs_a_later_taskmgr_is_refused_with_what_to_upgrade(
    metadata: MetadataStore,
) -> None:
    """What this one does not know may matter: it does not run it; the others it does."""
    metadata.add_versions([task_version("echo")])
    metadata.add_versions([later(task_version("shout", distribution="taskmgr-shout"), 5)])
    with pytest.raises(DamagedRecordError) as refused:
        metadata.version("shout", "1.0")
    assert "unknown field 'budget'" in str(refused.value)
    assert "if a later taskmgr recorded it, upgrade taskmgr-core here; else" in str(refused.value)
    assert [each.name for each in metadata.latest_versions()] == ["echo"]


def test_version_that_uses_nothing_new_is_read(metadata: MetadataStore) -> None:
    """A default is not recorded, so what a later taskmgr has added stands in nobody's way."""
    version = task_version()
    metadata.add_versions([later(version, 0)])
    assert metadata.version("echo", "1.0") == version
