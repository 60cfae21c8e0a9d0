"""A platform for one test, in a folder that goes with it: ``platform``."""

from __future__ import annotations

import contextlib
import json
import subprocess
import sys
import time
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

from taskmgr_core.client import Client, RunTimeoutError
from taskmgr_core.errors import InvalidValueError, NotFoundError
from taskmgr_core.publishing import Published
from taskmgr_core.publishing.sources import MODELS_NAME
from taskmgr_core.specs import FINAL_RUN_STATUSES, PipelineSpec
from taskmgr_core.stores.metadata import RunFilter
from taskmgr_core.testing.clock import Clock
from taskmgr_core.testing.copies import ProjectCopies
from taskmgr_core.testing.faults import Fault, Faults, fault_named
from taskmgr_core.testing.runs import TestRun
from taskmgr_core.testing.values import given
from taskmgr_core.testing.wired import WiredPlatform, settings_for

# A run that is waited for this long will not end.
PATIENCE_SECONDS = 100.0
LOOK_SECONDS = 0.05
MOST_RUNS = 1000
PIPELINE_SUFFIXES = (".json", ".yaml", ".yml")


class TemporaryPlatform:
    """An embedded platform, with a worker in this process from the first run on.

    Arguments:
        home: its home, which is its own but for the virtualenvs.
        environments: the folder of virtualenvs that it shares with others.
        copies: from which projects are published.
        project: what ``publish`` publishes by itself; None where the tests are in no project.
        clock: its time.
        settings: in place of those for tests.
    """

    def __init__(
        self,
        home: Path,
        environments: Path,
        copies: ProjectCopies,
        project: Path | None,
        clock: Clock,
        settings: Mapping[str, Any],
    ) -> None:
        self.home = home
        self._changes = dict(settings)
        self._settings = settings_for(home, settings)
        (home / "environments").symlink_to(environments)
        self._copies = copies
        self._project = project
        self._clock = clock
        self._faults = Faults()
        self._doomed: list[tuple[str, subprocess.Popen[str]]] = []
        self._open()
        clock.tell(self._wake)

    def _open(self) -> None:
        self._platform = WiredPlatform(self._settings, self._faults, self._clock)
        self._client = self._platform.client()

    @property
    def client(self) -> Client:
        """The Python client, for what is not here."""
        return self._client

    def publish(self, *paths: str | Path, breaking: bool = False) -> list[Published | PipelineSpec]:
        """Publish plugins, each from a copy of its folder, and pipelines.

        Arguments:
            paths: folders of plugins, wheels, and files of pipelines; none for the project in
                whose folder the tests are.
            breaking: whether plugins may break who uses an earlier version.

        Returns:
            What came of each.

        Raises:
            PublishError, ConflictError, InvalidPipelineError: as ``taskmgr publish`` does it.
        """
        if not paths and self._project is None:
            raise InvalidValueError(
                "no folder above the tests has a pyproject.toml that announces tasks; give the "
                "folder of a plugin to publish"
            )
        wanted = [Path(each) for each in paths] or [Path(str(self._project))]
        return [self._published(each, breaking) for each in wanted]

    def _published(self, path: Path, breaking: bool) -> Published | PipelineSpec:
        if path.suffix in PIPELINE_SUFFIXES:
            return self._client.publish_pipeline(path)[0]
        models = path / MODELS_NAME if path.is_dir() else None
        source = self._copies.of(path) if path.is_dir() else path
        return self._platform.publisher().publish(source, models=models, breaking=breaking)

    def submit(self, what: str | PipelineSpec, /, **inputs: Any) -> str:
        """Submit a run of a pipeline or a task; its id. It begins when somebody waits for it.

        Arguments:
            what: the name of a pipeline or task.
            inputs: as ``run_task`` takes them.

        Raises:
            NotFoundError, InvalidInputsError: nothing is recorded.
        """
        return self._client.submit(what, {name: given(each) for name, each in inputs.items()})

    def wait(self, run_id: str, timeout: float = PATIENCE_SECONDS) -> TestRun:
        """Wait for a run to end.

        Arguments:
            run_id: as ``submit`` gave it.
            timeout: seconds of the machine's time.

        Raises:
            RunTimeoutError: it did not end in time.
        """
        self._client.wait(run_id, timeout)
        return self.show(run_id)

    def wait_until(
        self,
        run_id: str,
        condition: Callable[[TestRun], bool],
        timeout: float = PATIENCE_SECONDS,
    ) -> TestRun:
        """Have a run served until it is as a test wants it, or has ended; what it is then.

        Arguments:
            run_id: as ``submit`` gave it.
            condition: asked some times a second.
            timeout: seconds of the machine's time.

        Raises:
            RunTimeoutError: it did not become so in time.
        """
        deadline = time.monotonic() + timeout
        while True:
            run = self.show(run_id)
            if run.status in FINAL_RUN_STATUSES or condition(run):
                return run
            if time.monotonic() >= deadline:
                raise RunTimeoutError(f"not within {timeout:g} s:\n{run.told()}")
            with contextlib.suppress(RunTimeoutError):
                self._client.wait(run_id, LOOK_SECONDS)

    def settle(self, run_id: str, timeout: float = PATIENCE_SECONDS) -> TestRun:
        """Have everything of a run done that is due now; what it is then.

        It has ended, or waits for a time to come, to which ``clock.advance`` goes.

        Arguments:
            run_id: as ``submit`` gave it.
            timeout: seconds of the machine's time.

        Raises:
            RunTimeoutError: it was not done in time.
        """
        return self.wait_until(run_id, _waits, timeout)

    def run(self, what: str | PipelineSpec, /, **inputs: Any) -> TestRun:
        """Submit a run and wait for its end, whatever that is: look at its ``status``.

        Arguments:
            what: the name of a pipeline or task.
            inputs: as ``run_task`` takes them.

        Raises:
            NotFoundError, InvalidInputsError: nothing is recorded.
            RunTimeoutError: it did not end in time.
        """
        return self.wait(self.submit(what, **inputs))

    def show(self, run_id: str) -> TestRun:
        """A run as it is now.

        Raises:
            NotFoundError: no such run.
        """
        return TestRun(self._client.detail(run_id), self._platform.artifacts)

    def runs(self) -> list[TestRun]:
        """Every run, the first one first."""
        found = self._client.runs(RunFilter(limit=MOST_RUNS))
        return [self.show(each.id) for each in reversed(found)]

    def logs(self, run_id: str) -> list[str]:
        """The lines that the tasks of a run wrote, and what the platform said of it."""
        return [each.text for each in self._client.logs(run_id)]

    def fail_next(self, task: str, fault: Fault) -> None:
        """Have the next execution of a step of a task meet a fault.

        Arguments:
            task: a published task.
            fault: ``crash``: its runner is killed by a segmentation fault; ``hang``: its runner
                is stopped, and its time limit passes; ``out of memory``: its runner is found
                over its memory limit, which is lowered for that; ``lost worker``: the worker in
                another process that has it is killed.

        Raises:
            NotFoundError: no such task is published.
            InvalidValueError: there is no such fault.
        """
        known = [each.name for each in self._client.tasks()]
        if task not in known:
            raise NotFoundError.named("task", task, known)
        if fault_named(fault) == "lost worker":
            self._start_doomed(task)
        else:
            self._faults.add(task, fault)

    def _start_doomed(self, task: str) -> None:
        """Have a worker that will be killed serve this home, and none of this process."""
        self._client.close()
        self._open()
        process = subprocess.Popen(
            [
                *(sys.executable, "-m", "taskmgr_core.testing.doomed"),
                *(str(self.home), task, json.dumps(self._changes)),
            ],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            text=True,
        )
        self._doomed.append((task, process))
        if process.stdout is not None and not process.stdout.readline():
            raise InvalidValueError(f"the worker that was to be lost did not start in {self.home}")

    def told(self) -> str:
        """Its runs, for the report of a test that failed."""
        return "\n\n".join(
            f"{each.told()}\nlook at it: taskmgr --home {self.home} show {each.id}"
            for each in self.runs()
        )

    @property
    def unmet(self) -> list[str]:
        """The faults that no step has met."""
        alive = [(task, "lost worker") for task, each in self._doomed if each.poll() is None]
        return [f"{fault!r} of {task}" for task, fault in (*self._faults.left(), *alive)]

    def close(self) -> None:
        """End its workers and runners."""
        self._clock.forget(self._wake)
        for _, process in self._doomed:
            process.kill()
            process.communicate()
        self._client.close()

    def _wake(self) -> None:
        self._platform.queue.wake()


def _waits(run: TestRun) -> bool:
    """Whether nothing of a run is done now, or could be."""
    now = time.time()
    return not any(
        step.status == "running" or (step.status == "ready" and step.not_before <= now)
        for step in run.detail.steps
    )
