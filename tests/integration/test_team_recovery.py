"""A team's servers under failure: killed workers, an emptied broker, stores that are away."""

from __future__ import annotations

import os
import signal
import subprocess
import time
from collections.abc import Callable, Iterator
from pathlib import Path

import attrs
import pytest
from redis import Redis

from conftest import FAST, TASKMGR, TRIALS
from servers import Server
from taskmgr_core.client import Client
from taskmgr_core.settings import load
from taskmgr_core.specs import PipelineSpec, StepSpec
from taskmgr_core.wiring import Platform
from waiting import wait_until

pytestmark = pytest.mark.long

ENDS_WITHIN = 10.0


@attrs.define(eq=False)
class Team:
    """Three servers, a client, and workers in processes of their own."""

    redis: Server
    mongodb: Server
    s3: Server
    folder: Path
    client: Client
    environment: dict[str, str]
    workers: list[subprocess.Popen[bytes]] = attrs.field(factory=list)

    def start_worker(self, slots: int = 1, node: int | None = None) -> subprocess.Popen[bytes]:
        """A further worker, on a machine of its own or on that of one that has ended."""
        home = self.folder / f"node-{len(self.workers) if node is None else node}"
        log = (self.folder / f"worker-{len(self.workers)}.log").open("wb")
        process = subprocess.Popen(
            [str(TASKMGR), "worker", "start", "--slots", str(slots)],
            env={**os.environ, **self.environment, "TASKMGR_HOME": str(home)},
            stderr=log,
        )
        log.close()
        self.workers.append(process)
        return process

    def alive(self, count: int) -> None:
        """Wait until so many workers beat."""
        wait_until(
            lambda: sum(self.client.alive(each) for each in self.client.workers()) >= count,
            f"{count} workers are alive",
            60,
        )

    def ended(self, run_id: str) -> bool:
        """Whether a run has succeeded."""
        return self.client.metadata.status(run_id) == "succeeded"

    def close(self) -> None:
        """End the workers."""
        for each in self.workers:
            each.kill()
            each.wait()
        self.client.close()


@pytest.fixture
def team(
    own_redis_server: Server, own_mongodb_server: Server, own_s3_server: Server, tmp_path: Path
) -> Iterator[Team]:
    """Servers for this test alone, the trial tasks published."""
    environment = {
        **FAST,
        "TASKMGR_LOST_AFTER": "2.0",
        "TASKMGR_LOST_ATTEMPTS": "50",
        "TASKMGR_METADATA_URL": own_mongodb_server.url_for("team"),
        "TASKMGR_ARTIFACTS_URL": own_s3_server.url_for("team"),
        "TASKMGR_BROKER_URL": own_redis_server.url_for("0"),
    }
    platform = Platform(load(environment, tmp_path, tmp_path / "client"))
    platform.initialize()
    client = platform.client()
    client.publish(TRIALS)
    opened = Team(
        own_redis_server, own_mongodb_server, own_s3_server, tmp_path, client, environment
    )
    yield opened
    opened.close()


def pause_of(seconds: float, note: Path | None = None) -> PipelineSpec:
    """A run of two steps, the first of which can be seen to begin."""
    first = {"input_001_seconds": {"value": seconds}}
    if note is not None:
        first["input_001_note"] = {"value": str(note)}  # type: ignore[dict-item]
    steps = (
        StepSpec("001", "pause", first),
        StepSpec("002", "add", {"input_002_left": {"value": 1}}),
    )
    return PipelineSpec("paused", {}, steps)


@pytest.mark.timeout(240)
def test_killed_worker_is_replaced_within_ten_seconds(team: Team, tmp_path: Path) -> None:
    """After kill -9 in the middle of a step another worker ends the run, recorded once."""
    note = tmp_path / "note"
    for _ in range(2):
        team.start_worker()
    team.alive(2)
    run_id = team.client.submit(pause_of(2.0, note), {})
    wait_until(note.exists, "the step runs", 60)
    holder = team.client.metadata.steps(run_id)[0].worker
    (pid,) = [each.pid for each in team.client.workers() if each.id == holder]
    os.kill(pid, signal.SIGKILL)
    killed = time.monotonic()
    wait_until(lambda: team.ended(run_id), "the run ends", 30)
    assert time.monotonic() - killed < ENDS_WITHIN
    step = team.client.metadata.steps(run_id)[0]
    assert (step.attempt, step.lost) == (2, 1)
    made = [value for value in team.client.metadata.values(run_id) if value.producer == "001"]
    assert [value.port for value in made] == ["output_001_result"]


@pytest.mark.timeout(240)
def test_emptied_broker_loses_nothing(team: Team) -> None:
    """Messages that the broker forgets are sent again, from what the store says is ready."""
    runs = [team.client.submit("add", {"left": number}) for number in range(5)]
    with Redis.from_url(team.redis.url_for("0")) as client:
        client.flushall()
    team.start_worker(2)
    team.alive(1)
    began = time.monotonic()
    wait_until(lambda: all(team.ended(run) for run in runs), "every run ends", 40)
    assert time.monotonic() - began < ENDS_WITHIN + 10  # the first one builds a virtualenv
    assert [team.client.detail(run).steps[0].attempt for run in runs] == [1] * 5


@pytest.mark.timeout(240)
@pytest.mark.parametrize(
    "away",
    [
        "redis",
        pytest.param("mongodb", marks=pytest.mark.chaos),
        pytest.param("s3", marks=pytest.mark.chaos),
    ],
)
def test_server_that_is_away_for_a_while_is_waited_for(
    team: Team, away: str, tmp_path: Path
) -> None:
    """With a server killed in the middle of a step and back later every run ends, recorded once."""
    server: Server = getattr(team, away)
    note = tmp_path / "note"
    team.start_worker(2)
    team.alive(1)
    running = team.client.submit(pause_of(2.0, note), {})
    wait_until(note.exists, "the step runs", 60)
    server.kill()
    time.sleep(6)
    server.restart()
    waiting = submitted(team.client, "add", {"left": 1})
    for run_id in (running, waiting):
        wait_until(lambda: ended_by_now(team, run_id), "the run ends", 60)  # noqa: B023
    details = [team.client.detail(run_id) for run_id in (running, waiting)]
    assert [step.status for detail in details for step in detail.steps] == ["succeeded"] * 3
    ports = [value.port for value in team.client.metadata.values(running)]
    assert len(ports) == len(set(ports))


@pytest.mark.timeout(240)
def test_attempt_that_meets_an_absent_artifact_store_waits(team: Team) -> None:
    """A step whose file cannot be stored is no failed attempt: it ends once the store is back."""
    team.start_worker()
    team.alive(1)
    warm = team.client.submit("save", {"text": "warm"})
    wait_until(lambda: team.ended(warm), "the virtualenv is there", 90)
    team.s3.kill()
    run_id = team.client.submit("save", {"text": "far away"})
    time.sleep(8)
    team.s3.restart()
    wait_until(lambda: team.ended(run_id), "the run ends", 60)
    (step,) = team.client.metadata.steps(run_id)
    assert (step.attempt, step.failures) == (1, ())


def submitted(client: Client, what: str, inputs: dict[str, object]) -> str:
    """Submit, again when the server that came back is not ready yet."""
    found: list[str] = []

    def tried() -> bool:
        try:
            found.append(client.submit(what, inputs))
        except Exception:  # noqa: BLE001 - whichever server it is
            return False
        return True

    wait_until(tried, "the run is submitted", 30)
    return found[0]


def ended_by_now(team: Team, run_id: str) -> bool:
    """Whether a run has succeeded; a store that is still away cannot say so."""
    try:
        return team.ended(run_id)
    except Exception:  # noqa: BLE001 - as above
        return False


@pytest.mark.timeout(240)
def test_cancelling_ends_a_running_step_at_once(team: Team, tmp_path: Path) -> None:
    """A worker on another machine hears of it at once."""
    note = tmp_path / "note"
    team.start_worker()
    team.alive(1)
    run_id = team.client.submit(pause_of(600, note), {})
    wait_until(note.exists, "the step runs", 60)
    began = time.monotonic()
    team.client.cancel(run_id)
    wait_until(lambda: team.client.metadata.status(run_id) == "cancelled", "the run ends")
    assert time.monotonic() - began < 2.0


@pytest.mark.chaos
@pytest.mark.timeout(600)
def test_runs_survive_killed_workers_and_a_restarted_broker(
    team: Team, record: Callable[[str], None]
) -> None:
    """200 runs, a worker killed each second, Redis killed twice: each succeeds, recorded once."""
    nodes = 6  # each lives six seconds, of which it takes one or two to start
    for _ in range(nodes):
        team.start_worker(2)
    steps = (
        StepSpec("001", "add", {"input_001_left": "left"}),
        StepSpec("002", "pause", {"input_002_seconds": {"value": 1.0}}),
        StepSpec("003", "add", {"input_003_left": "output_001_result"}),
    )
    chain = PipelineSpec("chain", {"left": "integer"}, steps)
    runs = [team.client.submit(chain, {"left": number}) for number in range(200)]
    kills = restarts = 0
    deadline = time.monotonic() + 500
    while not all(team.ended(run) for run in runs):
        assert time.monotonic() < deadline
        time.sleep(1)
        team.workers[kills].kill()
        team.workers[kills].wait()
        team.start_worker(2, kills % nodes)
        kills += 1
        if kills in (4, 9):
            team.redis.kill()
            team.redis.restart()
            restarts += 1
    assert restarts == 2
    details = [team.client.detail(run) for run in runs]
    assert [detail.run.status for detail in details] == ["succeeded"] * 200
    results = [detail.result for detail in details]
    assert [result["output_003_result"] for result in results if result] == [
        number + 2 for number in range(200)
    ]
    for detail in details:
        ports = [value.port for value in detail.values]
        assert len(ports) == len(set(ports))
    executions = sum(step.attempt for detail in details for step in detail.steps)
    record(
        f"200 runs: {kills} workers killed, Redis restarted {restarts} times, "
        f"{executions} executions of {3 * 200} steps"
    )


@pytest.fixture
def record(capsys: pytest.CaptureFixture[str]) -> Callable[[str], None]:
    """Prints a line past pytest's capturing."""

    def print_line(line: str) -> None:
        with capsys.disabled():
            print(f"\n{line}")

    return print_line
