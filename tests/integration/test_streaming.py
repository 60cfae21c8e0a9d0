"""A step that yields, and the step that is run for each item while it still does."""

from __future__ import annotations

import contextlib
import subprocess
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

from taskmgr_core.client import Client
from taskmgr_core.specs import PipelineSpec, RetrySpec, StepSpec
from taskmgr_core.wiring import Platform
from waiting import wait_until


@pytest.fixture
def work(platform: Platform, client: Client) -> Iterator[Callable[[int], None]]:
    """Starts a worker of this process with so many slots, which ends before the client."""
    with contextlib.ExitStack() as ended:

        def start(slots: int) -> None:
            worker = platform.worker(slots, ())
            worker.start()
            ended.callback(worker.stop, grace=0)

        yield start


def film(
    folder: Path | str = "", *, developed: dict[str, Any] | None = None, **more: Any
) -> PipelineSpec:
    """Frames, each of them developed as it comes."""
    steps = (
        StepSpec(
            "001",
            "frames",
            {
                "input_001_count": "count",
                "input_001_fate": "fate",
                "input_001_folder": {"value": str(folder)},
            },
            **more,
        ),
        StepSpec(
            "002",
            "develop",
            {"input_002_frame": "output_001_result", "input_002_folder": {"value": str(folder)}},
            map="output_001_result",
            **{"parallel": 4} | (developed or {}),
        ),
    )
    return PipelineSpec("film", {"count": "integer", "fate": "string"}, steps)


def test_items_are_taken_while_later_ones_are_made(
    work: Callable[[int], None], client: Client, tmp_path: Path
) -> None:
    """The first frame is developed before there is a second; all are a list in the end."""
    run_id = client.submit(film(tmp_path), {"count": 3, "fate": "wait"})
    work(2)
    (tmp_path / "0").touch()
    wait_until((tmp_path / "taken frame 0").exists, "the first is taken")
    assert (tmp_path / "reached").read_text() == "1"
    states = {each.id: each for each in client.metadata.steps(run_id)}
    assert (states["001"].status, states["002"].status) == ("running", "mapping")
    assert states["002"].elements == 1
    for name in ("1", "2", "go"):
        (tmp_path / name).touch()
    client.wait(run_id, timeout=20)
    detail = client.detail(run_id)
    assert detail.result is not None, [each.failure for each in detail.steps]
    assert detail.result["output_002_result"] == ["FRAME 0", "FRAME 1", "FRAME 2"]


def test_producer_is_held_up_while_too_many_wait(
    work: Callable[[int], None], client: Client, tmp_path: Path
) -> None:
    """What nobody takes is not made: a bounded number of items is ahead, whatever there is."""
    run_id = client.submit(film(tmp_path), {"count": 2000, "fate": ""})
    work(2)
    wait_until((tmp_path / "taken frame 0").exists, "the first is taken")
    seen = [-1]
    while len(seen) < 2 or seen[-1] != seen[-2]:
        time.sleep(0.3)
        seen.append(int((tmp_path / "reached").read_text() or -len(seen)))
    # As many as may wait and run, what was passed on with the last of them, and what is ahead.
    assert seen[-1] <= 4 + 2 + 3 * 32
    client.cancel(run_id)
    began = time.monotonic()
    client.wait(run_id, timeout=10)
    assert time.monotonic() - began < 5
    assert client.metadata.run(run_id).status == "cancelled"


def test_one_slot_is_enough(work: Callable[[int], None], client: Client) -> None:
    """The slot of a producer that is held up runs what it has made."""
    work(1)
    detail = client.run(film(developed={"parallel": 2}), {"count": 60, "fate": ""}, timeout=60)
    assert detail.result is not None, [each.failure for each in detail.steps]
    assert detail.result["output_002_result"] == [f"FRAME {number}" for number in range(60)]


def test_producer_that_dies_yields_again_and_nothing_is_taken_twice(
    client: Client, tmp_path: Path
) -> None:
    """The second attempt begins anew; the items that were taken are not taken again."""
    (tmp_path / "go").touch()
    detail = client.run(film(tmp_path), {"count": 40, "fate": "leave 35"}, timeout=60)
    assert detail.result is not None, [each.failure for each in detail.steps]
    assert detail.result["output_002_result"] == [f"FRAME {number}" for number in range(40)]
    assert [each.attempt for each in detail.steps] == [2, 1]
    takes = (tmp_path / "takes").read_text().splitlines()
    assert sorted(takes) == sorted(f"frame {number}" for number in range(40))


def test_killed_worker_loses_no_item(
    client: Client, start_worker: Callable[..., subprocess.Popen[bytes]], tmp_path: Path
) -> None:
    """Another worker yields anew and goes on; what was recorded is not taken twice."""
    for name in ("go", "0", "1", "2"):
        (tmp_path / name).touch()
    first = start_worker(slots=2)
    run_id = client.submit(film(tmp_path), {"count": 6, "fate": "wait"})

    def done() -> int:
        found = client.metadata.elements(run_id, "002", 0, 6)
        return sum(each.status == "succeeded" for each in found)

    wait_until(lambda: done() == 3, "three are recorded")
    first.kill()
    start_worker(slots=2)
    for name in ("3", "4", "5"):
        (tmp_path / name).touch()
    client.wait(run_id, timeout=30)
    result = client.detail(run_id).result
    assert result is not None
    assert result["output_002_result"] == [f"FRAME {number}" for number in range(6)]
    takes = (tmp_path / "takes").read_text().splitlines()
    assert sorted(takes) == sorted(f"frame {number}" for number in range(6))


def test_another_item_in_another_attempt_is_an_error(client: Client, tmp_path: Path) -> None:
    """A producer that yields something else the second time fails with the index."""
    (tmp_path / "go").touch()
    detail = client.run(film(tmp_path), {"count": 500, "fate": "change"}, timeout=60)
    failure = detail.steps[0].failure
    assert failure is not None
    assert failure.code == "broken-stream"
    assert "item 0 of output_001_result is another" in failure.message


def test_producer_that_fails_ends_the_map(client: Client, tmp_path: Path) -> None:
    """What has come is taken and the run fails; with on_error the list ends there."""
    (tmp_path / "go").touch()
    fate = {"count": 40, "fate": "fail 35"}
    retry = RetrySpec(count=0)
    detail = client.run(film(tmp_path, retry=retry), fate, timeout=60)
    assert [each.status for each in detail.steps] == ["failed", "skipped"]
    lenient = film(tmp_path, developed={"on_error": "continue"}, on_error="continue", retry=retry)
    detail = client.run(lenient, fate, timeout=60)
    assert [each.status for each in detail.steps] == ["failed", "succeeded"]
    assert detail.result is not None
    assert detail.result["output_002_result"] == [f"FRAME {number}" for number in range(35)]
    # A default that stands for the list where that is skipped does not hide that it broke off.
    defaults: tuple[dict[str, list[str]], ...] = ({}, {"result": []})
    for default in defaults:
        strict = film(tmp_path, on_error="continue", retry=retry, default=default)
        failure = client.run(strict, fate, timeout=60).steps[1].failure
        assert failure is not None
        assert (failure.code, "after 35 items" in failure.message) == ("broken-stream", True)
