"""The worker: slots that claim and run steps, and one supervisor that beats and recovers."""

from __future__ import annotations

import contextlib
import logging
import math
import os
import socket
import threading
import time
from collections.abc import Callable, Collection, Mapping
from functools import partial

import attrs
import uuid_utils

from taskmgr_core.coverage import Coverage
from taskmgr_core.errors import RecordTooLargeError, StoreError, StoreGoneError, TaskmgrError
from taskmgr_core.orchestrator.engine import decide
from taskmgr_core.queue.base import Announcement, Feed, Queue, Wanted, none_wanted
from taskmgr_core.spans import NoTracer, Tracer
from taskmgr_core.specs import Claim, Failure, Orders, Outcome, Worker, as_ready
from taskmgr_core.stores.metadata import UNCLAIMED_SECONDS, MetadataStore
from taskmgr_core.stores.progress import Progress, every
from taskmgr_core.telling import Teller
from taskmgr_core.worker.admission import Admissions, Turn
from taskmgr_core.worker.beats import BeatWatch
from taskmgr_core.worker.condition import as_it_is
from taskmgr_core.worker.executor import Executor, internal_failure
from taskmgr_core.worker.holding import Holding
from taskmgr_core.worker.logbook import StepLog
from taskmgr_core.worker.reporting import Reporter
from taskmgr_core.worker.streaming import Neighbours
from taskmgr_core.worker.timing import Timing, next_look

_LOGGER = logging.getLogger(__name__)

NO_TRACER = NoTracer()
LOOKS_UNTIL_LOST, UNCLAIMED = 6, 50
STALLED_SECONDS, TEND_SECONDS = 15.0, 1.0
# How soon again what was rung for is looked at.
HEARD_SECONDS = {"holds": 0.1, "orders": 0.2}
RECORD_AGAIN_SECONDS = 1.0
TIDY_SECONDS = 60.0
# What a preparation that is broken off gets to end its builds.
BREAK_OFF_SECONDS = 5.0


@attrs.define
class _Running:
    claim: Claim
    stopped: bool = False
    began: float = attrs.field(factory=time.monotonic)


class WorkerProcess:
    """Runs steps until it is stopped.

    Arguments:
        metadata: the truth.
        queue: tells others of ready steps, and this worker of changes.
        feed: where its steps come from, and the threads that run them.
        executor: carries out attempts.
        queues: which queues it serves; empty for all.
        timing: of heartbeats and recovery.
        teller: tells hook plugins.
        private: whether it serves only the runs that its own process waits for.
        name: what its id begins with; by default this machine's name.
        tasks: the tasks that it serves; empty for all.
        coverage: what can be run here; None for everything.
        prepare: done before the first claim, in a thread; asked whether to break off.
        tidy: done once a minute, in a thread.
        tracer: makes a span of each attempt.
        described: adds to what a beat tells of the worker.
    """

    def __init__(
        self,
        metadata: MetadataStore,
        queue: Queue,
        feed: Feed,
        executor: Executor,
        queues: Collection[str],
        timing: Timing,
        teller: Teller,
        *,
        private: bool = False,
        name: str = "",
        tasks: Collection[str] = (),
        coverage: Coverage | None = None,
        prepare: Callable[[Callable[[], bool]], None] | None = None,
        tidy: Callable[[], None] | None = None,
        tracer: Tracer = NO_TRACER,
        described: Callable[[Worker], Worker] = as_it_is,
    ) -> None:
        self.trouble: StoreGoneError | None = None  # why it cannot go on; then stop it
        self.told = Orders()  # what it was told to do; once to leave, then stop it
        self.id = f"{name or socket.gethostname()}-{os.getpid()}-{str(uuid_utils.uuid7())[-6:]}"
        self._metadata = metadata
        self._queue = queue
        self._feed = feed
        self._executor = executor
        self._queues = tuple(queues)
        self._timing = timing
        self._private = private
        self._tasks = tuple(tasks)
        self._coverage = coverage
        self._watch = BeatWatch(timing.lost_after)
        self._holding = Holding(metadata, self.id)
        self._started_at = time.time()
        self._teller = teller
        self._reporter = Reporter(teller, self.id, timing.slow_step, executor.timeouts)
        self._look_for_stalled = 0.0
        self._admissions = Admissions(
            metadata, executor.artifacts, lambda step: queue.announce(step.run, [step])
        )
        self._giving_back = threading.Event()
        self._ended = threading.Event()
        self._lock = threading.Lock()
        self._running: dict[tuple[str, str, int], _Running] = {}
        self._draining = False
        self._open_slots = 0
        self._answered = ""
        self._prepare = prepare
        self._tidy = tidy
        self._tracer = tracer
        self._neighbours = Neighbours(queue.announce, self._help)
        self._described = described
        self._leaving = threading.Event()
        self._starting = threading.Lock()
        self._supervisor = threading.Thread(target=self._supervise, name="supervisor", daemon=True)
        self._opener = threading.Thread(target=self._open, name="preparing", daemon=True)
        self._keeper = threading.Thread(target=self._keep_tidy, name="housekeeper", daemon=True)

    @property
    def offered(self) -> Mapping[str, int]:
        """The units of resources that it offers."""
        return self._feed.units.offered

    def start(self) -> None:
        """Beat once, then begin to claim; with something to prepare, once that is done.

        Raises:
            StoreError: the metadata store cannot be written.
        """
        self._beat()
        self._supervisor.start()
        if self._tidy is not None:
            self._keeper.start()
        if self._prepare is None:
            self._feed.start(self.id, self._run)
        else:
            self._opener.start()

    def stop(self, *, grace: float | None = None) -> None:
        """Claim nothing more, wait for the running steps, then leave.

        Arguments:
            grace: seconds after which running steps are given back, to be run
                again by another worker; None to wait for them.
        """
        self._draining = True
        self._leaving.set()
        with self._starting:  # the feed is started before this, or never
            self._feed.stop()
        if self._opener.is_alive():
            self._opener.join(BREAK_OFF_SECONDS)
        self._feed.join(grace)
        self._giving_back.set()
        self._feed.join()
        self._ended.set()
        self._queue.wake()
        self._supervisor.join()
        self._executor.pool.close()
        self._try("counting", partial(self._teller.meter.report, last=True))
        self._admissions.close()
        with contextlib.suppress(StoreGoneError):  # then there is nobody to tell
            self._metadata.remove_worker(self.id)

    def _open(self) -> None:
        """Prepare, then claim, unless it is to leave by then."""
        if self._prepare is not None:
            self._try("preparing", partial(self._prepare, self._leaving.is_set))
        self._prepare = None
        self._try("the worker's state", self._beat)
        while not self._leaving.is_set() and self.trouble is None:
            with self._starting:
                if self._leaving.is_set():
                    return
                try:
                    self._feed.start(self.id, self._run)
                except StoreGoneError as error:
                    self._give_up(error)
                except TaskmgrError as error:
                    _LOGGER.warning("nothing can be claimed yet: %s", error)
                else:
                    return
            self._leaving.wait(RECORD_AGAIN_SECONDS)

    def _keep_tidy(self) -> None:
        while not self._leaving.wait(TIDY_SECONDS):
            if self._tidy is not None:
                self._try("housekeeping", self._tidy)

    def _give_up(self, error: StoreGoneError) -> None:
        """Claim nothing more and let go of what runs: it can never be recorded."""
        with self._lock:
            if self.trouble is None:
                _LOGGER.error("worker %s cannot go on: %s", self.id, error)
            self.trouble = error
        self._leaving.set()
        self._feed.stop()
        self._giving_back.set()

    # steps

    def _run(self, claim: Claim, taking: Wanted = none_wanted) -> Announcement | None:
        """Carry out a step and record what came of it; what others have to hear of its run."""
        step = claim.step
        key = (step.run, step.id, step.attempt)
        running = _Running(claim)
        with self._lock:
            if key in self._running:
                return None  # told twice of a step whose claim was answered twice
            self._running[key] = running
        log = StepLog(self._metadata, step)
        _LOGGER.info("run %s step %s attempt %d: %s %s", *key, step.task, step.version)
        span, outcome, progress = self._tracer.attempt(claim), None, Progress(recorded=False)
        if span.traceparent:
            claim = running.claim = attrs.evolve(claim, traceparent=span.traceparent)
        turn = Turn(
            claim,
            self._admissions,
            leave=lambda: self._leave(key, running),
            enter=lambda: self._enter(key, running),
            begun=self._teller.step_started,
        )
        try:
            # What it is given and what it makes stays on this machine until it is recorded.
            with self._executor.artifacts.files.using():
                outcome = self._executor.execute(
                    claim,
                    lambda: running.stopped or self._giving_back.is_set(),
                    log.write,
                    self._neighbours,
                    turn.admit,
                )
                if outcome is None:
                    _LOGGER.info("run %s step %s attempt %d: a limit holds it back", *key)
                    return None
                turn.begin()
                claim = turn.claim
                if self._giving_back.is_set() and outcome.status == "cancelled":
                    outcome = self._given_back(claim, outcome)
                progress = self._record(claim, outcome, taking)
        finally:
            self._leave(key, running)
            self._try("tracing", partial(span.end, outcome, recorded=progress.recorded))
        seconds = outcome.seconds.get("total", 0.0)
        _LOGGER.info("run %s step %s attempt %d: %s, %.3f s", *key, outcome.status, seconds)
        if not progress.recorded:
            _LOGGER.warning("run %s step %s attempt %d: not ours any more, not recorded", *key)
            return None
        # Whatever goes wrong in that, the next step that was claimed must be run.
        self._try("telling of an outcome", partial(self._tell, log, claim, outcome, progress))
        if outcome.status == "ready":
            self._queue.wake()  # whoever waits for a step has to know when this one is due
        ended = progress.run_status != "running"
        if not (progress.ready or ended or progress.claim is not None):
            return None
        also = progress.claim, progress.also
        return Announcement(step.run, progress.ready, ended, progress.looked, *also)

    def _help(self, run_id: str, tasks: Collection[str]) -> bool:
        """Run a step of a run in a slot that waits for it; whether there was one."""
        served = [each for each in tasks if not self._tasks or each in self._tasks]
        if self._leaving.is_set() or not served:
            return False
        covers = every if self._coverage is None else self._coverage.covers
        claim = self._metadata.claim(
            self.id, self._queues, time.time(), [run_id], served, covers=covers
        )
        if claim is None:
            return False
        announcement = self._run(claim)
        if announcement is not None:
            self._queue.announce(announcement.run, announcement.steps)
        return True

    def _enter(self, key: tuple[str, str, int], running: _Running) -> None:
        with self._lock:
            self._running[key] = running

    def _leave(self, key: tuple[str, str, int], running: _Running) -> None:
        """Be none of those that run; the same attempt may be claimed again by another slot."""
        with self._lock:
            if self._running.get(key) is running:
                del self._running[key]

    def _given_back(self, claim: Claim, outcome: Outcome) -> Outcome:
        """A step stopped with its worker is tried again, unless its run is to be cancelled."""
        held = {(hold.run, hold.step): hold for hold in self._metadata.holds(self.id)}
        hold = held.get((claim.step.run, claim.step.id))
        if hold is None or hold.cancel_requested:
            return outcome
        return attrs.evolve(outcome, status="ready", failure=None)

    def _tell(self, log: StepLog, claim: Claim, outcome: Outcome, progress: Progress) -> None:
        log.close(claim, outcome)
        self._teller.step_ended(claim, outcome, progress)

    def _record(self, claim: Claim, outcome: Outcome, taking: Wanted) -> Progress:
        """Record until it is recorded: while the store is full or away, the claim is kept."""
        while True:
            try:
                return self._metadata.finish(claim, outcome, decide, time.time(), taking())
            except StoreGoneError:
                raise
            except StoreError as error:
                _LOGGER.error("an outcome cannot be recorded, trying again: %s", error)  # noqa: TRY400
                if self._giving_back.wait(RECORD_AGAIN_SECONDS):
                    return Progress(recorded=False)
            except RecordTooLargeError as error:
                _LOGGER.error("an outcome is too large: %s", error)  # noqa: TRY400
                outcome = Outcome("failed", failure=Failure("too-large", str(error)))
            except Exception as error:
                # What cannot be recorded must not leave its step held for ever.
                _LOGGER.exception("an outcome cannot be recorded")
                if outcome.failure is not None and outcome.failure.code == "internal":
                    raise
                outcome = Outcome("failed", failure=internal_failure(error))

    # supervision

    def _supervise(self) -> None:
        seen = self._queue.changes()
        deaf_until = 0.0
        last = dict.fromkeys(("orders", "holds"), 0.0)
        every: dict[str, tuple[float, Callable[[], None]]] = {
            "beat": (self._timing.heartbeat, self._beat),
            "count": (self._timing.heartbeat, self._teller.meter.report),
            "recover": (self._timing.lost_after / LOOKS_UNTIL_LOST, self._recover),
            "orders": (math.inf, self._look_for_orders),
            "holds": (self._timing.holds, self._check_holds),
            "unclaimed": (TEND_SECONDS, self._announce_unclaimed),
            "tend": (TEND_SECONDS, self._tend),
            "expire": (TEND_SECONDS, self._expire),
            "strays": (STALLED_SECONDS, self._give_strays_back),
        }
        due = dict.fromkeys(every, 0.0)
        due["count"] = self._timing.heartbeat + time.monotonic()
        due["orders"] = math.inf  # they come with each beat; in between only when it rings
        while not self._ended.is_set() and self.trouble is None:
            now = time.monotonic()
            for name, (seconds, action) in every.items():
                if now >= due[name]:
                    due[name] = now + seconds
                    last["orders" if name == "beat" else name] = now
                    self._try(name, action)
            waits = [when for name, when in due.items() if name != "holds" or self._running]
            now = time.monotonic()
            timeout = max(min(waits) - now, 0.001)
            if now < deaf_until:  # what a ring asks for is due already
                self._ended.wait(min(timeout, deaf_until - now))
                continue
            heard = self._queue.wait(seen, timeout)
            if heard != seen:
                seen, deaf_until = heard, time.monotonic() + min(HEARD_SECONDS.values())
                # Where every step rings for every worker, each must not read for each of them.
                for name, seconds in HEARD_SECONDS.items():
                    due[name] = min(due[name], last[name] + seconds)

    def _try(self, name: str, action: Callable[[], None]) -> None:
        try:
            action()
        except StoreGoneError as error:
            self._give_up(error)
        except TaskmgrError as error:
            _LOGGER.warning("%s failed, it is tried again: %s", name, error)
        except Exception:
            # A worker without a supervisor would claim and never beat.
            _LOGGER.exception("%s met a bug of taskmgr and is tried again", name)

    def _beat(self) -> None:
        with self._lock:
            running = tuple(f"{run}/{step}" for run, step, _ in self._running)
        orders = self._metadata.beat(
            self._described(
                Worker(
                    id=self.id,
                    host=socket.gethostname(),
                    pid=os.getpid(),
                    slots=self._feed.slots,
                    queues=self._queues,
                    started_at=self._started_at,
                    heartbeat=time.time(),
                    running=running,
                    private=self._private,
                    tasks=self._tasks,
                    resources=dict(self.offered),
                    autoscale=self._feed.autoscale,
                    draining=self._draining,
                    answered=self._answered,
                    refused=() if self._coverage is None else self._coverage.refused,
                    preparing=self._prepare is not None,
                    hooks=self._teller.hooks.reported(),
                )
            )
        )
        self._admissions.refresh()
        self._obey(orders)

    def _look_for_orders(self) -> None:
        self._obey(self._metadata.orders(self.id))

    def _obey(self, orders: Orders) -> None:
        """Do what is told, and let those see it who wait for it."""
        if self._private:  # it serves a program of its own, which alone may end it
            orders = attrs.evolve(orders, leave="")
        if (orders.leave, orders.ping) == (self.told.leave, self._answered):
            return
        self.told, self._answered = orders, orders.ping
        if orders.leave:
            _LOGGER.info("told to leave%s", " now" if orders.leave == "now" else "")
            self._draining = True
            self._leaving.set()
            self._feed.stop()
        self._beat()
        self._queue.alert(self.id)

    def _tend(self) -> None:
        """Look after the feed; runners of slots that it has closed are not kept warm."""
        self._feed.tend()
        now = time.monotonic()
        with self._lock:
            running = {key: (it.claim, now - it.began) for key, it in self._running.items()}
        self._reporter.running(running)
        before, self._open_slots = self._open_slots, self._feed.slots
        if self._open_slots < before:
            self._executor.pool.keep(self._open_slots)

    def _recover(self) -> None:
        """Take back the steps of workers that have fallen silent, never our own."""
        workers = self._metadata.workers()
        beats = dict.fromkeys(self._metadata.holders(), 0.0)
        beats.update({each.id: each.heartbeat for each in workers})
        beats.pop(self.id, None)
        silent = self._watch.silent(beats, time.monotonic())
        self._reporter.lost(silent, workers)
        now = time.time()
        if not silent and now < self._look_for_stalled:
            return
        self._look_for_stalled = now + STALLED_SECONDS
        released = self._metadata.release_lost(silent, self._timing.lost_attempts, decide, now)
        for step in released:
            _LOGGER.warning(
                "run %s step %s: worker %s is lost, the step is taken back",
                step.run,
                step.id,
                step.worker,
            )
        for run_id in dict.fromkeys(step.run for step in released):
            self._queue.announce(
                run_id, [as_ready(step, now) for step in released if step.run == run_id]
            )
        self._reporter.released(released)

    def _announce_unclaimed(self) -> None:
        """Tell again of steps whose message was lost, and of retries whose delay is over."""
        now = time.time()
        while True:
            found = self._metadata.take_unclaimed(now, partial(next_look, now=now), UNCLAIMED)
            # A retry is looked after the moment it is due, and nobody was told of it before.
            retries = [step for step in found if now - step.ready_at < UNCLAIMED_SECONDS]
            missing = self._queue.missing([step for step in found if step not in retries])
            for step in (*retries, *missing):
                self._queue.announce(step.run, [step])
            # A page of which nothing was missing is a backlog: no reason to read all of it.
            if len(found) < UNCLAIMED or not missing:
                return

    def _expire(self) -> None:
        """Stop the runs whose time is over, wherever their steps are."""
        for run_id, progress in self._metadata.expire(decide, time.time()).items():
            self._reporter.expired(run_id, progress)
            self._queue.alert(run_id)
            self._queue.announce(run_id, progress.ready)

    def _check_holds(self) -> None:
        """Stop what is to be cancelled, and what has been taken from us."""
        with self._lock:
            running = dict(self._running)
        for key in self._holding.to_stop(running):
            running[key].stopped = True

    def _give_strays_back(self) -> None:
        with self._lock:
            running = set(self._running)
        self._holding.give_strays_back(running, self._queue.announce)
