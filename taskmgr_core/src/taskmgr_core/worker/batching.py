"""Attempts that are carried out together: one runner, one question, an answer for each.

Whoever has an attempt at a task that takes batches puts it into the line of its version and
waits. A thread leads the line: it takes what stands there, gives it to a warm runner and
hands out the answers. While a runner is busy the line grows by itself; one that has nothing
to do waits a moment for more. Nobody waits for those who cannot come: when every slot of the
worker stands in line, the batch begins.

All calls of a batch have the same timeout. With several, a batch that ends at the longest makes
those late that have less, whoever is slow in it; one that ends at the shortest kills the runner
of whoever may take longer, each time anew.

An attempt that is cancelled leaves; the batch goes on for the others, and is killed when all
have left. Where a runner dies, or is too slow, with several attempts in it, each is tried by
itself, so that only the one that is to blame fails.
"""

from __future__ import annotations

import itertools
import logging
import secrets
import threading
import time
from collections import deque
from collections.abc import Callable, Mapping, Sequence
from contextlib import AbstractContextManager
from typing import Any

import attrs

from taskmgr_core.errors import RunnerError
from taskmgr_core.output import OnLines
from taskmgr_core.runners import Limits, Runner, batch_frame
from taskmgr_core.runners.shared_output import SharedOutput
from taskmgr_core.specs import TaskVersion
from taskmgr_core.stores.artifacts import ArtifactStore
from taskmgr_core.values import is_written_aside, take_files
from taskmgr_core.worker.pool import Lease, made_from

LOOK_SECONDS = 0.05
LINGER_SECONDS = 1.0

_LOGGER = logging.getLogger(__name__)
_Key = tuple[str, str]
LeaseRunner = Callable[[TaskVersion, Callable[[], bool]], AbstractContextManager[Lease]]


@attrs.frozen
class Answer:
    """What a call gave.

    Attributes:
        outputs: the JSON of each output; its files are stored.
        aside: the outputs that were so large that the runner wrote them into files.
        seconds: what it took.
    """

    outputs: Mapping[str, Any]
    aside: frozenset[str]
    seconds: Mapping[str, float]


@attrs.define(eq=False)
class Call:
    """One attempt.

    Attributes:
        inputs: the JSON of each input field.
        paths: where each artifact in them lies, by digest.
        limits: what it may take; its clock starts when its batch does.
        on_lines: gets what the task writes for it.
    """

    inputs: Mapping[str, Any]
    paths: Mapping[str, str]
    limits: Limits
    on_lines: OnLines
    alone: bool = attrs.field(default=False, init=False)
    left: bool = attrs.field(default=False, init=False)
    came: float = attrs.field(factory=time.monotonic, init=False)
    _ended: threading.Event = attrs.field(factory=threading.Event, init=False)
    _answer: Answer | None = attrs.field(default=None, init=False)
    _error: BaseException | None = attrs.field(default=None, init=False)

    def end(self, result: Answer | BaseException) -> None:
        """Let who waits for it go on; the first word counts."""
        if self._ended.is_set():
            return
        if isinstance(result, Answer):
            self._answer = result
        else:
            self._error = result
        self._ended.set()

    def wait(self) -> Answer:
        """Wait for the answer.

        Raises:
            RunnerError: it was cancelled.
            Exception: whatever it came to.
        """
        while not self._ended.wait(LOOK_SECONDS):
            if self.limits.cancelled():
                self.left = True
                raise self.limits.ended()
        if self._answer is None:
            raise self._error or RuntimeError("an attempt ended without an answer")
        return self._answer

    def write(self, lines: Sequence[tuple[str, str]]) -> None:
        """Hand lines over; a log that cannot be written concerns this attempt alone."""
        if self.left or self._error is not None:
            return
        try:
            self.on_lines(lines)
        except Exception as error:  # noqa: BLE001 - whatever the store raises
            self.end(error)


@attrs.define(eq=False)
class _Line:
    """The attempts at one version that wait, and how many threads lead them."""

    version: TaskVersion
    changed: threading.Condition
    most: int
    leaders_allowed: int
    waiting: deque[Call] = attrs.field(factory=deque)
    leaders: int = 0
    gathering: int = 0

    @property
    def wait_seconds(self) -> float:
        return self.version.task.max_batch_wait_ms / 1000

    def batch(self) -> list[Call]:
        """The first that waits, with those that may be in one batch with it."""
        waiting = [call for call in self.waiting if not call.left]
        if not waiting or waiting[0].alone:
            return waiting[:1]
        timeout = waiting[0].limits.timeout
        fitting = (c for c in waiting if not c.alone and c.limits.timeout == timeout)
        return list(itertools.islice(fitting, self.most))


class Batches:
    """Carries out attempts in batches. Safe to use from many threads.

    Arguments:
        slots: how many attempts the worker makes at the same time.
        artifacts: where the files are stored that tasks write.
        lease: lends a runner.
    """

    def __init__(self, slots: int, artifacts: ArtifactStore, lease: LeaseRunner) -> None:
        self._slots = slots
        self._artifacts = artifacts
        self._lease = lease
        self._lock = threading.Lock()
        self._lines: dict[_Key, _Line] = {}
        self._inside = 0

    def takes(self, version: TaskVersion, units: Mapping[str, tuple[int, ...]]) -> bool:
        """Whether attempts at a version are carried out together.

        A worker of one slot has nothing to gather. Who holds units of a resource has a runner
        that nobody else may use.
        """
        return version.task.max_batch_size > 1 and self._slots > 1 and not units

    def call(self, version: TaskVersion, call: Call) -> Answer:
        """Carry out an attempt, with others if there are any.

        Raises:
            RunnerError: the attempt failed, was cancelled, or was too slow.
            TaskmgrError: no runner is to be had.
        """
        key = (made_from(version.release), version.name)
        with self._lock:
            line = self._lines.get(key)
            if line is None:
                most = version.task.max_batch_size
                changed = threading.Condition(self._lock)
                line = self._lines[key] = _Line(version, changed, most, -(-self._slots // most))
            self._inside += 1
            line.waiting.append(call)
            self._call_leader(key, line)
        try:
            return call.wait()
        finally:
            with self._lock:
                self._inside -= 1

    def _call_leader(self, key: _Key, line: _Line) -> None:
        """Have somebody see to the line; the lock is held."""
        if line.gathering or line.leaders >= line.leaders_allowed:
            line.changed.notify_all()
            return
        line.leaders += 1
        line.gathering += 1
        threading.Thread(target=self._lead, args=(key, line), name="batches", daemon=True).start()

    def _lead(self, key: _Key, line: _Line) -> None:
        while batch := self._gathered(key, line):
            try:
                self._carry_out(line, batch)
            except BaseException as error:  # noqa: BLE001 - nobody may wait for ever
                for each in batch:
                    each.end(error)
            with self._lock:
                line.gathering += 1

    def _gathered(self, key: _Key, line: _Line) -> list[Call]:
        """The next batch; none when nothing has come for a while, and then nobody leads."""
        with self._lock:
            come = line.changed.wait_for(lambda: bool(line.waiting), LINGER_SECONDS)
            batch = self._next(line) if come else []
            line.gathering -= 1
            if not batch:
                line.leaders -= 1
                if not line.leaders:
                    self._lines.pop(key, None)
            elif line.waiting:
                self._call_leader(key, line)
            return batch

    def _next(self, line: _Line) -> list[Call]:
        """Wait for more to come, as long as the first has time; the lock is held."""
        until = line.waiting[0].came + line.wait_seconds
        enough = min(line.most, self._slots)
        while (batch := line.batch()) and len(batch) < enough and self._inside < self._slots:
            remaining = until - time.monotonic()
            if remaining <= 0 or batch[0].alone:
                break
            line.changed.wait(remaining)
        taken = set(batch)
        line.waiting = deque(call for call in line.waiting if call not in taken and not call.left)
        return batch

    def _carry_out(self, line: _Line, batch: Sequence[Call]) -> None:
        def deserted() -> bool:
            return all(each.left for each in batch)

        task = line.version.task.name
        limits = attrs.evolve(
            batch[0].limits,
            memory_mb=max(each.limits.memory_mb or 0 for each in batch) or None,
            cancelled=deserted,
        )
        with self._lease(line.version, deserted) as lease:
            outputs = {call: lease.runner.output(call.write) for call in batch}
            mark = secrets.token_hex(8)
            try:
                shared = SharedOutput(mark, list(outputs.values()))
                lease.load(line.version.task, limits.memory_mb, deserted, shared)
                placed = _placed(lease.runner, batch)
                if not placed:
                    return
                frame = batch_frame(
                    task, lease.models, [(call.inputs, paths) for call, paths in placed], mark
                )
                shared = SharedOutput(mark, [outputs[call] for call, _ in placed])
                calls = [call for call, _ in placed]
                results = self._asked(line, lease, frame, calls, limits, shared)
                for output in outputs.values():
                    output.finish()
                for call, result in zip(calls, results, strict=True):
                    call.end(result)
            finally:
                for output in outputs.values():
                    output.finish()
                lease.runner.empty_folder()

    def _asked(
        self,
        line: _Line,
        lease: Lease,
        frame: Mapping[str, Any],
        calls: list[Call],
        limits: Limits,
        shared: SharedOutput,
    ) -> list[Answer | BaseException]:
        """What came of each call; of none where each is to be tried by itself."""
        runner = lease.runner
        try:
            answer = runner.request(dict(frame), limits=limits, output=shared)
        except RunnerError as error:
            if len(calls) == 1 or error.code == "cancelled":
                raise
            _LOGGER.warning("%d attempts are tried one by one: %s", len(calls), error)
            self._try_alone(line, calls)
            calls.clear()
            return []
        told = answer.get("items")
        if not isinstance(told, list) or len(told) != len(calls):
            runner.close()
            raise RunnerError("the runner cannot be trusted: it lost items of a batch", "crashed")
        seconds = {**lease.seconds, **answer["seconds"]} | lease.seconds
        return [
            self._result(runner, call, each, seconds)
            for call, each in zip(calls, told, strict=True)
        ]

    def _result(
        self, runner: Runner, call: Call, told: Mapping[str, Any], seconds: Mapping[str, float]
    ) -> Answer | BaseException:
        """What came of one call."""
        try:
            if "error" in told:
                return runner.told(told["error"])
            if call.left:
                return call.limits.ended()
            found = told["outputs"]
            written = take_files(found, runner.folder, self._artifacts, call.paths)
        except Exception as error:  # noqa: BLE001 - as whoever made the call will see it
            return error
        aside = frozenset(name for name, each in found.items() if is_written_aside(each))
        return Answer(written, aside, seconds)

    def _try_alone(self, line: _Line, calls: Sequence[Call]) -> None:
        for call in calls:
            call.alone = True
        with self._lock:
            line.waiting.extendleft(reversed(calls))


def _placed(runner: Runner, batch: Sequence[Call]) -> list[tuple[Call, dict[str, str]]]:
    """The calls whose files the runner can see, with where it sees them."""
    placed = []
    for call in batch:
        try:
            placed.append((call, runner.placed(call.paths)))
        except RunnerError as error:
            call.end(error)
    return placed
