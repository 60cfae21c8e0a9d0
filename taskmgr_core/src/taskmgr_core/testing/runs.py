"""A run as a test looks at it, and where its values came from."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import attrs

from taskmgr_core.errors import NotFoundError, TaskmgrError
from taskmgr_core.lineage import upstream
from taskmgr_core.specs import Failure, RunDetail, Step
from taskmgr_core.stores.artifacts import ArtifactStore
from taskmgr_core.testing.values import native


class FailedRunError(TaskmgrError):
    """A test asks for the result of a run that has none.

    Attributes:
        failure: why it has none; None for a run that goes on.
    """

    def __init__(self, message: str, failure: Failure | None) -> None:
        super().__init__(message)
        self.failure = failure


@attrs.frozen
class TestRun:
    """A run with all that is recorded of it.

    Attributes:
        detail: the record.
    """

    __test__ = False  # to pytest it would be a class of tests

    detail: RunDetail = attrs.field(repr=False)
    _artifacts: ArtifactStore = attrs.field(repr=False)

    @property
    def id(self) -> str:
        """Its id."""
        return self.detail.run.id

    @property
    def status(self) -> str:
        """Running, succeeded, failed or cancelled."""
        return self.detail.run.status

    @property
    def steps(self) -> dict[str, Step]:
        """Its steps by their ids."""
        return {each.id: each for each in self.detail.steps}

    @property
    def failure(self) -> Failure | None:
        """Why its first failed step failed, else why the run did; None for a run that did not."""
        failed = [each.failure for each in self.detail.steps if each.failure is not None]
        return failed[0] if failed and self.status == "failed" else self.detail.run.failure

    @property
    def failures(self) -> list[str]:
        """The codes of all attempts that failed, as ``crashed``, in the order of the steps."""
        return [
            failure.code
            for step in self.detail.steps
            for failure in (*step.failures, *([step.failure] if step.failure else []))
        ]

    @property
    def result(self) -> Any:
        """The result as the pipeline declares it, or what the task gave, by output.

        Raises:
            FailedRunError: there is none; with the task's own traceback.
        """
        __tracebackhide__ = True
        if self.detail.result is None:
            raise FailedRunError(self.told(), self.failure)
        return {name: native(each, self._artifacts) for name, each in self.detail.result.items()}

    def value(self, port: str) -> Any:
        """The value of an input or of a port, as ``output_002_faces_array``.

        Raises:
            NotFoundError: nothing is recorded of it.
        """
        known = {each.port: each for each in self.detail.values}
        if port not in known:
            raise NotFoundError.named("port", port, known)
        found = known[port]
        while found.source and found.source in known:
            found = known[found.source]
        return native(found.document, self._artifacts)

    def came_from(self, port: str) -> list[str]:
        """Every input and port that a port's value was made from, nearest first.

        Raises:
            NotFoundError: nothing is recorded of it.
        """
        known = {each.port for each in self.detail.values}
        if port not in known:
            raise NotFoundError.named("port", port, sorted(known))
        return upstream(self.detail.edges, port)

    def told(self) -> str:
        """The run as a failure shows it: each step, and why it failed."""
        run = self.detail.run
        problem = f": {self.detail.problem}" if self.detail.problem else ""
        lines = [f"run of {run.name} {self.status}{problem}"]
        for step in self.detail.steps:
            tried = "" if step.attempt < 2 else f" after {step.attempt} attempts"
            lines.append(f"  step {step.id} {step.task} {step.version} {step.status}{tried}")
            for failure in (*step.failures, *([step.failure] if step.failure else [])):
                lines.append(f"    {failure.code}: {failure.message}")
                lines += [f"      {line}" for line in failure.traceback.splitlines()]
        return "\n".join(lines)


def assert_lineage(run: TestRun, port: str, *, came_from: str | Sequence[str]) -> None:
    """Check what the value of a port was made from, over any number of steps.

    Arguments:
        run: the run.
        port: as ``output_002_features_array``.
        came_from: a port, or the name of an input of the pipeline; or several, all of them.

    Raises:
        AssertionError: it was not made from one of them; says what it was made from.
        NotFoundError: there is no such port.
    """
    __tracebackhide__ = True
    found = run.came_from(port)
    wanted = [came_from] if isinstance(came_from, str) else list(came_from)
    missing = [each for each in wanted if each not in found]
    if missing:
        raise AssertionError(
            f"{port} did not come from {', '.join(missing)}; it came from "
            f"{', '.join(found) or 'nothing'}"
        )
