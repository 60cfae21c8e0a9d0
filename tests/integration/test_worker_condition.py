"""What a worker's beats tell of its machine."""

from __future__ import annotations

import os
import time
from pathlib import Path

import pytest

from taskmgr_core.environment_builder import RECORD
from taskmgr_core.environments import Environments
from taskmgr_core.specs import Worker
from taskmgr_core.stores.directory import DirectoryArtifacts
from taskmgr_core.uv import Uv
from taskmgr_core.worker import condition
from taskmgr_core.worker.condition import Condition

PLAIN = Worker("w1", "host", 1, 1, (), 0.0, 0.0)


@pytest.fixture
def environments(tmp_path: Path) -> Environments:
    """The virtualenvs of a machine without any."""
    artifacts = DirectoryArtifacts(tmp_path / "artifacts")
    return Environments(tmp_path / "environments", artifacts, Uv.find(os.environ))


def test_load_is_told_from_the_second_look_on(
    environments: Environments, monkeypatch: pytest.MonkeyPatch
) -> None:
    """It takes two looks at the processor's time; memory and cores are those of this machine."""
    monkeypatch.setattr(condition, "FIRST_SECONDS", 0.0)
    told = Condition(environments)
    assert told.described(PLAIN).load is None
    end = time.monotonic() + 0.3  # the kernel counts in hundredths of a second
    while time.monotonic() < end:
        sum(range(1000))
    load = told.described(PLAIN).load
    assert load is not None
    assert 10_000_000 < load.memory_bytes < load.machine_bytes
    assert 0.05 < load.processor <= (os.cpu_count() or 1) + 1
    assert told.described(PLAIN).load is load  # measured again only after a while


def test_virtualenvs_are_told_as_they_come_and_go(environments: Environments) -> None:
    """By their releases; while nothing changes the folder is not read again."""
    told = Condition(environments)
    assert told.described(PLAIN).built == ()
    for number in ("1.0", "2.0"):
        made = environments.folder / f"taskmgr-echo-{number[0] * 16}"
        made.mkdir(parents=True)
        (made / RECORD).write_text(f'{{"distribution": "taskmgr-echo", "version": "{number}"}}')
        os.utime(environments.folder, ns=(1, int(number[0])))
    assert told.described(PLAIN).built == ("taskmgr-echo 1.0", "taskmgr-echo 2.0")
    made.rename(environments.folder / ".removing-2")
    os.utime(environments.folder, ns=(1, 3))
    assert told.described(PLAIN).built == ("taskmgr-echo 1.0",)


def test_log_is_told_by_its_whole_path(environments: Environments) -> None:
    """Whoever reads it may be in another folder."""
    assert Condition(environments).described(PLAIN).log == ""
    told = Condition(environments, Path("logs/worker.log")).described(PLAIN)
    assert told.log == str(Path.cwd() / "logs/worker.log")
