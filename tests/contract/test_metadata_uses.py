"""Which runs use which versions of tasks, and what any record mentions, in every metadata store."""

from __future__ import annotations

import attrs
from samples import (
    claimed,
    created,
    digest,
    finished,
    graph_step,
    run_id,
    success,
    task_version,
    value,
)

from taskmgr_core.specs import PipelineSpec, StepSpec
from taskmgr_core.stores.metadata import MetadataStore

ECHO = ("echo", "1.0")


def test_every_version_of_every_task_is_listed(metadata: MetadataStore) -> None:
    """All versions, those that nobody gets any more included."""
    assert metadata.all_versions() == []
    published = [task_version(version="1.0"), task_version(version="2.0"), task_version("other")]
    for each in published:
        metadata.add_versions([each])
    found = {(each.name, each.version): each for each in metadata.all_versions()}
    assert found == {(each.name, each.version): each for each in published}


def test_runs_are_found_by_the_versions_that_they_use(metadata: MetadataStore) -> None:
    """Each run once, in the order asked for, page by page, those of other versions left out."""
    for number in (1, 3, 5):
        created(metadata, graph_step("001"), graph_step("002"), number=number)
    created(metadata, graph_step(task="other"), number=2)
    created(metadata, attrs.evolve(graph_step(), version="2.0"), number=4)

    def numbers(
        *using: tuple[str, str], beyond: int | None, older: bool, limit: int = 9
    ) -> list[int]:
        border = None if beyond is None else run_id(beyond)
        found = metadata.runs_using(using, border, older=older, limit=limit)
        return [next(n for n in range(9) if run_id(n) == each) for each in found]

    assert numbers(ECHO, beyond=None, older=True) == [5, 3, 1]
    assert numbers(ECHO, beyond=None, older=False, limit=2) == [1, 3]
    assert numbers(ECHO, beyond=3, older=True) == [1]
    assert numbers(ECHO, beyond=3, older=False) == [5]
    assert numbers(ECHO, ("echo", "2.0"), beyond=None, older=True, limit=2) == [5, 4]
    assert numbers(("none", "1.0"), beyond=None, older=True) == []
    assert numbers(beyond=None, older=True) == []


def test_every_recorded_digest_is_mentioned(metadata: MetadataStore) -> None:
    """Of releases, of values and the files in them, and of what pipelines name as constants."""
    version = task_version()
    metadata.add_versions([version])
    reference = {"$artifact": digest("constant"), "size": 1}
    step = StepSpec("001", "echo", {"input_001_text": {"value": reference}})
    metadata.put_pipeline(PipelineSpec("fixed", {}, (step,)))
    created(metadata, values=[value("text", "given", artifacts=(digest("file"),))])
    claim = claimed(metadata)
    outcome = success(claim, "made")
    finished(metadata, claim, outcome)
    release = version.release
    expected = {
        *(each.digest for each in (release.wheel, release.lock, release.sdk, *release.models)),
        digest("constant"),
        digest("file"),
        *(each.digest for each in outcome.values),
    }
    assert expected <= set(metadata.mentioned())
    assert digest("nobody") not in set(metadata.mentioned())
