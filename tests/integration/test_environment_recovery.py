"""A worker whose virtualenv has lost files builds it anew and goes on; a cancelled one stops."""

import os
import shutil
from collections.abc import Callable, Iterator
from pathlib import Path

import attrs
import pytest

from taskmgr_core.client import Client
from taskmgr_core.environments import Environments
from taskmgr_core.errors import RunnerError
from taskmgr_core.settings import load
from taskmgr_core.uv import Uv
from taskmgr_core.wiring import Platform
from taskmgr_core.worker.pool import RunnerPool

TRIALS = Path(__file__).parents[1] / "projects" / "trials"
COLD = {"TASKMGR_HEARTBEAT": "0.2", "TASKMGR_LOST_AFTER": "1.0", "TASKMGR_WARM_RUNNERS": "0"}


@pytest.fixture
def own_platform(tmp_path: Path) -> Platform:
    """A platform on a home of its own, with the trial tasks."""
    platform = Platform(load(COLD, tmp_path, tmp_path))
    with platform.client() as client:
        client.publish(TRIALS)
    platform.metadata.initialize()
    return platform


@pytest.fixture
def own_client(own_platform: Platform, tmp_path: Path) -> Iterator[Client]:
    """A client on that home, in which no runner is warm."""
    del own_platform
    opened = Platform(load(COLD, tmp_path, tmp_path))
    with opened.client() as client:
        yield client


LOST = {
    "module": "taskmgr_trials/__init__.py",
    "runner": "taskmgr_plugins/__main__.py",
    "dependency": "pluggy/_hooks.py",
}


@pytest.mark.parametrize("lost", LOST.values(), ids=LOST)
def test_run_goes_on_with_a_rebuilt_virtualenv(
    own_client: Client, tmp_path: Path, lost: str
) -> None:
    """A file that is lost costs a rebuild and no run."""
    (path,) = (tmp_path / "environments").glob(f"*/lib/*/site-packages/{lost}")
    path.unlink()
    assert own_client.run("add", {"left": 2}, timeout=60).run.status == "succeeded"
    assert path.exists()


def test_task_that_cannot_be_loaded_costs_no_rebuild(own_platform: Platform) -> None:
    """Where no file is lost the task's own error is told, and the virtualenv stays."""
    (environment,) = own_platform.environments.folder.glob("[!.]*")
    (environment / "marker").touch()
    version = own_platform.metadata.version("add")
    pool = RunnerPool(
        own_platform.environments, own_platform.models, own_platform.launcher(slots=1), 0
    )
    unknown = attrs.evolve(version.task, name="unknown")
    with (
        pool.lease(version) as lease,
        pytest.raises(RunnerError, match="no task 'unknown'"),
    ):
        lease.load(unknown, None, lambda: False, lease.runner.output(lambda _: None))
    pool.close()
    own_platform.metadata.close()
    assert (environment / "marker").exists()


def test_lease_is_cancelled_while_its_virtualenv_is_built(
    own_platform: Platform, tmp_path: Path
) -> None:
    """A cancelled attempt does not wait for uv."""
    script, begun = tmp_path / "hanging-uv", tmp_path / "begun"
    script.write_text(f"#!/bin/sh\ntouch {begun}\nexec sleep 600\n")
    script.chmod(0o755)
    hanging: Environments = attrs.evolve(
        own_platform.environments,
        uv=Uv(script, {"PATH": os.environ["PATH"]}),
    )
    for path in hanging.folder.glob("[!.]*"):
        shutil.rmtree(path)
    pool = RunnerPool(hanging, own_platform.models, own_platform.launcher(slots=1), 0)
    cancelled: Callable[[], bool] = begun.exists
    with (
        pytest.raises(RunnerError, match="cancelled") as caught,
        pool.lease(own_platform.metadata.version("add"), cancelled),
    ):
        pass
    pool.close()
    own_platform.metadata.close()
    assert caught.value.code == "cancelled"
