"""The keys of requests as every metadata store keeps them."""

from __future__ import annotations

import threading

from taskmgr_core.stores.metadata import MetadataStore
from taskmgr_core.stores.requests import Answered

KEPT = 100.0


def asked(run: str = "run-1", at: float = 1000.0, key: str = "ada/order") -> Answered:
    """A request as it came."""
    return Answered(key, "what it asks for", run, at)


def test_first_request_of_a_key_stays(metadata: MetadataStore) -> None:
    """Who comes later is told what the first one was answered with; other keys are others."""
    assert metadata.requests.begin(asked(), KEPT) == asked()
    assert metadata.requests.begin(asked("run-2", 1050.0), KEPT) == asked()
    other = asked("run-3", 1050.0, "bob/order")
    assert metadata.requests.begin(other, KEPT) == other


def test_key_is_free_again_when_it_is_forgotten_or_old(metadata: MetadataStore) -> None:
    """By whoever gave up, or after a while."""
    metadata.requests.begin(asked(), KEPT)
    metadata.requests.forget("ada/order")
    metadata.requests.forget("nobody's")
    second = asked("run-2", 1001.0)
    assert metadata.requests.begin(second, KEPT) == second
    third = asked("run-3", 1001.0 + KEPT)
    assert metadata.requests.begin(third, KEPT) == third


def test_of_many_at_once_one_is_first(metadata: MetadataStore) -> None:
    """All are told the same."""
    told: list[Answered] = []
    threads = [
        threading.Thread(
            target=lambda n=n: told.append(metadata.requests.begin(asked(f"run-{n}"), KEPT))
        )
        for n in range(8)
    ]
    for each in threads:
        each.start()
    for each in threads:
        each.join()
    assert len(told) == 8
    assert len(set(told)) == 1
