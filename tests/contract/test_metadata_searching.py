"""Runs by a text in their inputs, in every metadata store."""

from __future__ import annotations

import attrs
import pytest
from samples import NOW, claimed, created, finished, run_id, success, value

from taskmgr_core.specs import Worker, WorkerLoad
from taskmgr_core.stores.metadata import MetadataStore, RunFilter

FILE = {"$artifact": "sha256:" + "a" * 64, "media_type": "image/png", "name": "Ada (1).png"}


@pytest.fixture
def searched(metadata: MetadataStore) -> MetadataStore:
    """Six runs with a text each, of which the first has made another text, too."""
    created(metadata, number=0, values=[value("text", "the first")])
    claim = claimed(metadata)
    finished(metadata, claim, success(claim, "made, not given"))
    texts = ["grüße von Ada", 'she said "no"\nand left', {"deep": [1, {"name": "100 %"}]}, FILE, 42]
    for number, document in enumerate(texts, start=1):
        created(metadata, number=number, values=[value("text", document)])
    return metadata


@pytest.mark.parametrize(
    ("text", "numbers"),
    [
        ("ada", [4, 1]),
        ("ADA (1).PNG", [4]),
        ("grüße", [1]),
        ('"no"', [2]),
        ("\n", [2]),
        ("100 %", [3]),
        ("42", [5]),
        (".", [4]),
        ("_irst", []),
        ("made, not", []),
    ],
)
def test_text_is_found_in_what_a_run_was_given(
    searched: MetadataStore, text: str, numbers: list[int]
) -> None:
    """Texts, numbers and names of files, as they are written, and nothing that was made."""
    found = searched.runs_with_input(RunFilter(), text)
    assert [each.id for each in found.runs] == [run_id(number) for number in numbers]
    assert found.next is None


def test_what_is_found_is_listed_as_any_run(searched: MetadataStore) -> None:
    """An entry is the one of the list of runs."""
    found = searched.runs_with_input(RunFilter(limit=1), "the first")
    assert found.runs == [each for each in searched.runs(RunFilter()) if each.id == run_id(0)]


def test_status_and_name_choose_what_is_looked_at(searched: MetadataStore) -> None:
    """The other conditions hold as well."""
    assert not searched.runs_with_input(RunFilter(status="failed"), "ada").runs
    assert not searched.runs_with_input(RunFilter(name="other"), "ada").runs
    assert len(searched.runs_with_input(RunFilter("running", "sample"), "ada").runs) == 2


def test_no_more_runs_are_looked_at_than_is_said(searched: MetadataStore) -> None:
    """Where the bound is met the answer says from where on to look further, page by page."""
    found = searched.runs_with_input(RunFilter(), "the first", 4)
    assert (found.runs, found.next) == ([], run_id(2))
    further = searched.runs_with_input(RunFilter(before=found.next), "the first", 4)
    assert [each.id for each in further.runs] == [run_id(0)]
    assert further.next is None


def test_full_page_goes_on_below_its_last_run(searched: MetadataStore) -> None:
    """Each run is given once."""
    first = searched.runs_with_input(RunFilter(limit=1), "ada")
    second = searched.runs_with_input(RunFilter(limit=1, before=first.next), "ada")
    assert [each.id for each in (*first.runs, *second.runs)] == [run_id(4), run_id(1)]


def test_worker_tells_of_its_machine(metadata: MetadataStore) -> None:
    """Load, virtualenvs and log of a beat are read back as they were."""
    plain = Worker("w1", "host", 7, 4, (), NOW, NOW + 1)
    load = WorkerLoad(150_000_000, 1.25, 8_000_000_000, 4)
    told = attrs.evolve(plain, load=load, built=("taskmgr-echo 1.0",), log="/logs/worker.log")
    metadata.beat(told)
    assert metadata.workers() == [told]
