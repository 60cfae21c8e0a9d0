"""What only the store in MongoDB can get wrong: addresses, indexes, limits of documents."""

from __future__ import annotations

import threading
from collections.abc import Callable, Iterator, Mapping
from typing import Any

import attrs
import pytest
from pymongo import MongoClient, monitoring
from samples import (
    NOW,
    beaten,
    claimed,
    created,
    digest,
    finished,
    graph_step,
    run_id,
    silent,
    success,
    value,
)
from test_metadata_loops import loop
from test_metadata_maps import FAILED, mapping, said

from servers import Server, Share
from taskmgr_core.errors import RecordTooLargeError, SettingsError, StoreAwayError, StoreError
from taskmgr_core.orchestrator.engine import decide
from taskmgr_core.specs import Failure, LogLine, Outcome
from taskmgr_core.stores.metadata import MetadataStore, RunFilter
from taskmgr_core.stores.mongodb import MongoMetadata

GROWING = ("runs", "elements", "log", "releases")
ASKED = ("find", "findAndModify", "update", "delete", "distinct", "aggregate")


@pytest.fixture
def store(mongodb_server: Share) -> Iterator[MongoMetadata]:
    """An empty store."""
    opened = MongoMetadata(mongodb_server.url)
    opened.initialize()
    yield opened
    opened.close()


@pytest.fixture
def database(mongodb_server: Share) -> Iterator[Any]:
    """The store's database, as somebody else sees it."""
    with MongoClient[dict[str, Any]](mongodb_server.url) as client:
        yield client[mongodb_server.name]


# addresses


@pytest.mark.parametrize("url", ["http://host/db", "mongodb://", "mongodb://user:hush@host:bad/db"])
def test_address_of_something_else_is_refused(url: str) -> None:
    """What is no MongoDB address is refused with what one looks like, the password left out."""
    with pytest.raises(SettingsError, match="mongodb://user:password@host:27017/taskmgr") as told:
        MongoMetadata(url)
    assert "hush" not in str(told.value)


def test_wrong_password_is_told_without_it(mongodb_server: Share) -> None:
    """Whom the server refuses is told so, and neither password nor user is shown."""
    user, _, rest = mongodb_server.url.removeprefix("mongodb://").partition(":")
    place = rest.partition("@")[2]
    store = MongoMetadata(f"mongodb://{user}:hush-hush@{place}")
    with pytest.raises(StoreError, match="refuses this user and password") as told:
        store.workers()
    assert "hush-hush" not in str(told.value)
    store.close()


def test_server_that_is_away_is_told_as_such(own_mongodb_server: Server) -> None:
    """An operation on a server that is gone says where it was and what to do, in seconds."""
    url = own_mongodb_server.url_for("away")
    separator = "&" if "?" in url else "?"
    store = MongoMetadata(f"{url}{separator}serverSelectionTimeoutMS=300")
    store.initialize()
    own_mongodb_server.stop()
    with pytest.raises(StoreAwayError, match=r"127\.0\.0\.1.*TASKMGR_METADATA_URL"):
        store.workers()
    store.close()


# what expires


def test_ended_run_is_given_its_end_of_life(mongodb_server: Share, database: Any) -> None:
    """With a history a run and its log expire so long after the end; without one never."""
    for seconds, number in ((0.0, 1), (3600.0, 2)):
        store = MongoMetadata(mongodb_server.url, history_seconds=seconds)
        store.initialize()
        run = created(store, number=number)
        store.append_log([LogLine(0, run.id, "001", 1, NOW, "stdout", "said")])
        claim = store.claim_step(run.id, "001", "w1", NOW)
        assert claim is not None
        finished(store, claim, now=NOW + 5)
        store.close()
    forever, kept = (database.runs.find_one({"_id": run_id(each)}) for each in (1, 2))
    assert "expires_at" not in forever
    assert kept["expires_at"].timestamp() == pytest.approx(NOW + 5 + 3600, abs=24 * 3600)
    logs = {each["run"]: each for each in database.log.find({})}
    assert "expires_at" not in logs[run_id(1)]
    assert "expires_at" in logs[run_id(2)]
    indexes = database.runs.index_information()
    assert indexes["history"]["expireAfterSeconds"] == 0


def test_missing_index_is_a_fault(store: MongoMetadata, database: Any) -> None:
    """What somebody has dropped is told, with what puts it right."""
    assert store.faults() == []
    database.runs.drop_index("by_status")
    (fault,) = store.faults()
    assert "runs.by_status is missing" in fault
    assert "taskmgr init" in fault
    store.initialize()
    assert store.faults() == []


def test_runs_of_an_earlier_taskmgr_are_found_by_what_they_use(
    mongodb_server: Share, database: Any
) -> None:
    """Runs that were recorded without the versions that they use are listed once prepared."""
    store = MongoMetadata(mongodb_server.url)
    store.initialize()
    run = created(store)
    database.runs.update_one({"_id": run.id}, {"$unset": {"uses": ""}})
    database.runs.drop_index("by_use")
    assert store.runs_using([("echo", "1.0")], None, older=True, limit=5) == []
    store.initialize()
    assert store.runs_using([("echo", "1.0")], None, older=True, limit=5) == [run.id]
    store.close()


# the planner


class Observer(monitoring.CommandListener):
    """Keeps what this thread asks of the server."""

    def __init__(self) -> None:
        self.commands: list[dict[str, Any]] = []
        self.thread = threading.current_thread()

    def started(self, event: monitoring.CommandStartedEvent) -> None:
        """Keep it."""
        name = event.command_name
        ours = threading.current_thread() is self.thread
        if ours and name in ASKED and event.command[name] in GROWING:
            self.commands.append(dict(event.command))

    def succeeded(self, event: monitoring.CommandSucceededEvent) -> None:
        """Nothing."""

    def failed(self, event: monitoring.CommandFailedEvent) -> None:
        """Nothing."""


def claim_and_finish(store: MetadataStore) -> None:
    """One step of a run of its own."""
    run = created(store, graph_step("001"), graph_step("002"), number=50)
    claim = store.claim_step(run.id, "001", "w1", NOW)
    assert claim is not None
    finished(store, claim, success(claim))


def lose(store: MetadataStore) -> None:
    """A step that is taken back from its worker."""
    store.claim_step(run_id(1), "001", "w9", NOW)
    store.release_lost(silent(store, NOW), 3, decide, NOW)


def map_elements(store: MetadataStore) -> None:
    """A step that is run for each of three elements, from its first to what it gathers."""
    run, _ = mapping(store, 3, parallel=1)
    for number in range(3):
        claim = store.claim_step(run.id, f"001[{number}]", "w1", NOW)
        assert claim is not None
        finished(store, claim, said(claim))
    assert len(store.elements(run.id, "001", 0, 3)) == 3


def bear_elements(store: MetadataStore) -> None:
    """Two elements that failed, counted and told."""
    run, _ = mapping(store, 2, parallel=1, on_error="continue")
    for number in range(2):
        claim = store.claim_step(run.id, f"001[{number}]", "w1", NOW)
        assert claim is not None
        finished(store, claim, FAILED)
    assert store.failed_elements(run.id, "001", 1).count == 2


OPERATIONS: Mapping[str, Callable[[MetadataStore], object]] = {
    "expire": lambda store: store.expire(decide, NOW),
    "map": map_elements,
    "failed elements": bear_elements,
    "loop": loop,
    "claim and finish": claim_and_finish,
    "claim of own runs": lambda store: store.claim("w1", (), NOW, [run_id(1)]),
    "cancel": lambda store: store.request_cancel(run_id(1), decide, NOW),
    "lose": lose,
    "unclaimed": lambda store: store.take_unclaimed(NOW + 99, lambda _: NOW + 200, 5),
    "holds": lambda store: store.holds("w1"),
    "holders": lambda store: store.holders(),
    "reconcile": lambda store: store.reconcile(run_id(1), decide, NOW),
    "run": lambda store: store.run(run_id(1)),
    "run by beginning": lambda store: store.run(run_id(1)[:9]),
    "run by end": lambda store: store.run(run_id(1)[-8:]),
    "runs": lambda store: store.runs(RunFilter(limit=5)),
    "runs by status": lambda store: store.runs(RunFilter(status="running", limit=5)),
    "runs by name": lambda store: store.runs(RunFilter(name="sample", limit=5)),
    "runs by both": lambda store: store.runs(RunFilter("failed", "sample", limit=5)),
    "next page": lambda store: store.runs(RunFilter(before=run_id(1), limit=5)),
    "steps": lambda store: store.steps(run_id(1)),
    "values": lambda store: store.values(run_id(1)),
    "edges": lambda store: store.edges(run_id(1)),
    "next runs": lambda store: store.next_runs([digest("file")], ["given file"], None, older=True),
    "runs using": lambda store: store.runs_using([("echo", "1.0")], None, older=True, limit=5),
    "digest": lambda store: store.digest(digest("file")[:20]),
    "log": lambda store: store.log(run_id(1), 0, 10),
    "beat": lambda store: beaten(store, "w1"),
    "overview": lambda store: store.overview(NOW),
    "waiting": lambda store: store.waiting(NOW),
    "latest times": lambda store: store.latest_times(5, [run_id(2)]),
}


@pytest.fixture
def observed(mongodb_server: Share) -> Iterator[tuple[MongoMetadata, Observer]]:
    """A store with a history, and what is asked of its server."""
    observer = Observer()
    monitoring.register(observer)
    try:
        store = MongoMetadata(mongodb_server.url)
        store.initialize()
        for number in range(2, 8):
            run = created(store, number=number, values=[value("text", number)])
            claim = store.claim_step(run.id, "001", "w1", NOW)
            assert claim is not None
            finished(store, claim)
        picture = value("text", "p", artifacts=(digest("file"),))
        created(store, graph_step("001"), graph_step("002"), values=[picture])
        observer.commands.clear()
        yield store, observer
        store.close()
    finally:
        monitoring._LISTENERS.command_listeners.remove(observer)


@pytest.mark.parametrize("name", OPERATIONS)
def test_queries_use_an_index(
    observed: tuple[MongoMetadata, Observer], database: Any, name: str
) -> None:
    """Every query that an operation makes begins an index, and the planner takes one."""
    # The server of these tests plans conditions on ``_id`` and ``$elemMatch`` without an index,
    # which MongoDB's own does not; of those it is only asked that they begin one.
    store, observer = observed
    OPERATIONS[name](store)
    for command in list(observer.commands):
        for asked, query in filters_of(command):
            information = database[asked].index_information().values()
            begun = {index["key"][0][0] for index in information}
            assert begun & set(query), (name, query)
            if "_id" in query or not begun & plain(query):
                continue
            plan = str(database.command("explain", {"find": asked, "filter": query}))
            assert "COLLSCAN" not in plan, (name, query)


def plain(query: Mapping[str, Any]) -> set[str]:
    """The fields of a query that the server of these tests plans as MongoDB's own does."""
    return {
        field
        for field, condition in query.items()
        if not (isinstance(condition, dict) and "$elemMatch" in condition)
    }


def filters_of(command: Mapping[str, Any]) -> Iterator[tuple[str, Mapping[str, Any]]]:
    """The collection and condition of each statement of a command."""
    name = next(each for each in ASKED if each in command)
    if name == "update":
        yield from ((command[name], each["q"]) for each in command["updates"])
    elif name == "findAndModify":
        yield command[name], command["query"]
    elif name == "aggregate" and "$match" in command["pipeline"][0]:
        yield command[name], command["pipeline"][0]["$match"]
    elif name == "find" and command.get("filter"):
        yield command[name], command["filter"]


# limits


def test_values_that_no_document_holds_fail_for_good(store: MongoMetadata) -> None:
    """More than 16 MB of values are refused as such, not as a store that is away for a while."""
    run = created(store)
    claim = claimed(store)
    with pytest.raises(RecordTooLargeError, match="TASKMGR_INLINE_BYTES"):
        finished(store, claim, success(claim, "x" * 17_000_000))
    assert store.steps(run.id)[0].status == "running"
    failure = Failure("too-large", "too large")
    assert finished(store, claim, Outcome("failed", failure=failure)).run_status == "failed"


def test_contended_document_is_decided_once(store: MongoMetadata) -> None:
    """Steps of one run that end at the same moment lead to one end of it."""
    steps = [graph_step(f"{number:03}") for number in range(6)]
    run = created(store, *steps, graph_step("010", [each.id for each in steps]))
    claims = [claimed(store, f"w{number}") for number in range(6)]
    begin = threading.Barrier(6)
    ready: list[str] = []

    def finish(number: int) -> None:
        begin.wait()
        progress = finished(store, claims[number])
        ready.extend(each.id for each in progress.ready)

    threads = [threading.Thread(target=finish, args=(number,)) for number in range(6)]
    for each in threads:
        each.start()
    for each in threads:
        each.join()
    assert ready == ["010"]
    assert finished(store, claimed(store)).run_status == "succeeded"
    assert store.status(run.id) == "succeeded"


def test_outcome_after_a_change_by_others_is_recorded(store: MongoMetadata) -> None:
    """What was foreseen when the step was claimed is decided anew when the run was cancelled."""
    run = created(store, graph_step("001"), graph_step("002", ["001"]))
    claim = claimed(store)
    store.request_cancel(run.id, decide, NOW)
    progress = finished(store, claim, Outcome("succeeded"))
    assert (progress.recorded, progress.ready, progress.run_status) == (True, (), "cancelled")
    assert attrs.evolve(store.steps(run.id)[0]).status == "succeeded"
