"""Cached results: one store after another, the same claims."""

from typing import Any

import attrs
from samples import NOW, claimed, created, finished, run_id, success, value

from taskmgr_core.specs import CacheEntry, CacheUse, FieldValue
from taskmgr_core.stores.metadata import MetadataStore

DAY = 86_400.0
FILE = FieldValue(
    port="picture",
    digest="sha256:" + "a" * 64,
    size=1_000,
    type="Image",
    producer="",
    document={"$artifact": "sha256:" + "a" * 64, "name": "p$i.c\ud800.png", "size": 1_000},
    artifacts=("sha256:" + "a" * 64,),
)


def entry(key: str = "k1", task: str = "echo", **more: Any) -> CacheEntry:
    """What was made by a step."""
    source = f"{run_id(1)}/001[3]"
    outputs = (value("said", None), FILE)
    return attrs.evolve(CacheEntry(key, task, "1.0", source, outputs, 2.5, NOW + DAY), **more)


def recorded(metadata: MetadataStore, number: int, *entries: CacheEntry) -> None:
    """End a run for each entry, with which it is recorded."""
    for index, each in enumerate(entries):
        created(metadata, number=number + index)
        claim = claimed(metadata)
        finished(metadata, claim, attrs.evolve(success(claim), entry=each))


def test_entry_is_given_as_it_was_recorded(metadata: MetadataStore) -> None:
    """Its outputs come back whole, no other key has them, and it is kept for so long again."""
    recorded(metadata, 1, entry())
    found = metadata.cache.take("k1", NOW + 1, DAY)
    assert found == attrs.evolve(entry(), expires_at=NOW + 1 + DAY)
    assert metadata.cache.take("k2", NOW, DAY) is None


def test_outcome_that_is_not_recorded_leaves_no_entry(metadata: MetadataStore) -> None:
    """A late writer, whose claim is not held any more, adds nothing to the cache."""
    created(metadata)
    claim = claimed(metadata)
    finished(metadata, claim)
    finished(metadata, claim, attrs.evolve(success(claim), entry=entry()))
    assert metadata.cache.take("k1", NOW, DAY) is None


def test_entry_goes_after_its_time(metadata: MetadataStore) -> None:
    """What nobody takes for so long is none; with no time it is kept for ever."""
    recorded(metadata, 1, entry(), entry("k2", expires_at=None))
    assert metadata.cache.take("k1", NOW + DAY, DAY) is None
    assert metadata.cache.take("k2", NOW + 1000 * DAY, 0) == entry("k2", expires_at=None)
    assert [each.entries for each in metadata.cache.uses(NOW + DAY)] == [1]


def test_later_entry_takes_the_place_of_an_earlier_one(metadata: MetadataStore) -> None:
    """Two runs that compute the same at once leave one entry, the one that was recorded last."""
    recorded(metadata, 1, entry(), entry(source=f"{run_id(2)}/001"))
    found = metadata.cache.take("k1", NOW, DAY)
    assert found is not None
    assert found.source == f"{run_id(2)}/001"
    assert [each.entries for each in metadata.cache.uses(NOW)] == [1]


def test_uses_are_counted_by_task(metadata: MetadataStore) -> None:
    """Entries, bytes, hits and the seconds that these spared; what is cleared is not counted."""
    recorded(metadata, 1, entry(), entry("k2"), entry("k3", "other"))
    for _ in range(2):
        metadata.cache.take("k1", NOW, DAY)
    size = entry().size
    assert size == 1_004
    echo, other = CacheUse("echo", 2, 2 * size, 2, 5.0), CacheUse("other", 1, size, 0, 0.0)
    assert metadata.cache.uses(NOW) == [echo, other]
    assert metadata.cache.clear("echo", NOW) == [echo]
    assert metadata.cache.take("k1", NOW, DAY) is None
    metadata.cache.drop("k3")
    assert metadata.cache.clear(None, NOW) == []


def test_hit_is_recorded_with_its_origin(metadata: MetadataStore) -> None:
    """A step says whose outputs it has; of one that was run that is empty."""
    for number, origin in enumerate(["", f"{run_id(9)}/001"], start=1):
        run = created(metadata, number=number)
        claim = claimed(metadata)
        finished(metadata, claim, attrs.evolve(success(claim), cached_from=origin))
        assert metadata.steps(run.id)[0].cached_from == origin


def test_files_of_entries_are_mentioned(metadata: MetadataStore) -> None:
    """What can still be taken from the cache is not removed as a file that nobody refers to."""
    recorded(metadata, 1, entry())
    assert FILE.digest in set(metadata.mentioned())
