"""A damaged row of the SQLite store: its own run fails and says why, everything else goes on."""

import sqlite3
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
from samples import (
    NOW,
    beaten,
    claimed,
    created,
    finished,
    graph_step,
    pipeline_spec,
    silent,
    status_of,
    success,
    task_version,
    value,
)

from taskmgr_core.errors import ConflictError, DamagedRecordError, NotFoundError
from taskmgr_core.orchestrator.engine import decide
from taskmgr_core.specs import Failure, Outcome, Run
from taskmgr_core.stores.metadata import RunFilter
from taskmgr_core.stores.sqlite import SqliteMetadata
from taskmgr_core.stores.sqlite.checking import PAGE

Spoil = Callable[..., None]

BROKEN = ["", '{"id": ', "[]", "null", '{"unheard": 1}', '"\\ud800', "\x00"]


@pytest.fixture
def metadata(tmp_path: Path) -> Iterator[SqliteMetadata]:
    """An empty store."""
    store = SqliteMetadata(tmp_path / "metadata.sqlite3")
    store.initialize()
    yield store
    store.close()


@pytest.fixture
def spoil(metadata: SqliteMetadata, tmp_path: Path) -> Spoil:
    """Changes rows of the file behind the store's back."""

    def execute(statement: str, *parameters: str) -> None:
        connection = sqlite3.connect(tmp_path / "metadata.sqlite3", isolation_level=None)
        assert connection.execute(statement, parameters).rowcount > 0
        connection.close()

    return execute


def two_runs(metadata: SqliteMetadata) -> tuple[Run, Run]:
    """A run that will be damaged, claimed first, and another one, of two steps each."""
    steps = (graph_step("001", priority=9), graph_step("002", ["001"], priority=9))
    bad = created(metadata, *steps, number=1, values=[value("text", "a")])
    good = created(metadata, graph_step("001"), graph_step("002", ["001"]), number=2)
    return bad, good


def goes_on(metadata: SqliteMetadata, run: Run) -> None:
    """The other run is claimed, finished and listed as ever."""
    beaten(metadata, "w1", NOW + 100)
    while (claim := metadata.claim("w1", (), NOW)) is not None:
        assert claim.step.run == run.id
        finished(metadata, claim)
    metadata.release_lost(silent(metadata, NOW), 3, decide, NOW)
    assert status_of(metadata, run) == {"001": "succeeded", "002": "succeeded", "run": "succeeded"}
    assert run.id in [each.id for each in metadata.runs(RunFilter())]


def failed_as_damaged(metadata: SqliteMetadata, run: Run, named: str) -> None:
    """The damaged run has ended, and its failure names the row."""
    ended = metadata.run(run.id)
    assert ended.status == "failed"
    assert ended.failure is not None
    assert ended.failure.code == "damaged-record"
    assert named in ended.failure.message
    assert "submit the run again" in ended.failure.message


@pytest.mark.parametrize("broken", BROKEN)
def test_damaged_step_fails_its_own_run(
    metadata: SqliteMetadata, spoil: Spoil, broken: str
) -> None:
    """A step whose description is broken is set aside when it is claimed; the next one is taken."""
    bad, good = two_runs(metadata)
    spoil("UPDATE steps SET graph_step = ? WHERE run = ? AND id = '001'", broken, bad.id)
    goes_on(metadata, good)
    failed_as_damaged(metadata, bad, f"the stored step 001 of run {bad.id}")


@pytest.mark.parametrize("column", ["document", "artifacts"])
@pytest.mark.parametrize("broken", ["", '{"id": ', '"\\'])
def test_damaged_value_fails_its_own_run(
    metadata: SqliteMetadata, spoil: Spoil, column: str, broken: str
) -> None:
    """A value that cannot be read fails the step that takes it; reading it says which it is."""
    bad, good = two_runs(metadata)
    statements = {
        "document": "UPDATE field_values SET document = ? WHERE run = ?",
        "artifacts": "UPDATE field_values SET artifacts = ? WHERE run = ?",
    }
    spoil(statements[column], broken, bad.id)
    goes_on(metadata, good)
    named = f"the stored value of text in run {bad.id}"
    failed_as_damaged(metadata, bad, named)
    with pytest.raises(DamagedRecordError, match=named):
        metadata.values(bad.id)


@pytest.mark.parametrize("broken", ["", "[", "7", "[7]"])
def test_damaged_dependencies_fail_their_own_run(
    metadata: SqliteMetadata, spoil: Spoil, broken: str
) -> None:
    """A step of which nobody knows what it waits for fails when the run is carried on."""
    bad, good = two_runs(metadata)
    spoil("UPDATE steps SET after = ? WHERE run = ? AND id = '002'", broken, bad.id)
    claim = claimed(metadata)
    assert claim.step.run == bad.id
    progress = finished(metadata, claim)
    assert progress.recorded
    assert progress.run_status == "failed"
    failed_as_damaged(metadata, bad, f"the stored step 002 of run {bad.id}")
    goes_on(metadata, good)


@pytest.mark.parametrize("column", ["seconds", "failure", "failures"])
def test_damaged_running_step_holds_up_no_recovery(
    metadata: SqliteMetadata, spoil: Spoil, column: str
) -> None:
    """Of two lost steps the damaged one fails and the other one is ready again."""
    bad, good = two_runs(metadata)
    claims = [claimed(metadata, "lost"), claimed(metadata, "lost")]
    assert [each.step.run for each in claims] == [bad.id, good.id]
    statements = {
        "seconds": "UPDATE steps SET seconds = '{' WHERE run = ? AND id = '001'",
        "failure": "UPDATE steps SET failure = '{' WHERE run = ? AND id = '001'",
        "failures": "UPDATE steps SET failures = '{' WHERE run = ? AND id = '001'",
    }
    spoil(statements[column], bad.id)
    released = metadata.release_lost(silent(metadata, NOW), 3, decide, NOW)
    assert [each.run for each in released] == [good.id]
    failed_as_damaged(metadata, bad, f"the stored step 001 of run {bad.id}")
    goes_on(metadata, good)


def test_damaged_failure_of_a_step_still_ends_its_run(
    metadata: SqliteMetadata, spoil: Spoil
) -> None:
    """A run ends also when the reason of its failed step can no longer be read."""
    bad = created(metadata, graph_step("001"), graph_step("002"))
    first, second = claimed(metadata), claimed(metadata)
    finished(metadata, first, Outcome("failed", failure=Failure("task-error", "boom")))
    spoil("UPDATE steps SET failure = '{' WHERE run = ? AND status = 'failed'", bad.id)
    assert finished(metadata, second).run_status == "failed"
    failure = metadata.run(bad.id).failure
    assert failure is not None
    assert failure.code == "damaged-record"


def test_damaged_graph_leaves_the_run_in_the_list(metadata: SqliteMetadata, spoil: Spoil) -> None:
    """A graph is not needed to finish a run or to list it; reading it says which it is."""
    bad, good = two_runs(metadata)
    spoil("UPDATE runs SET graph = '{' WHERE id = ?", bad.id)
    claim = claimed(metadata)
    finished(metadata, claim, success(claim, "b"))
    finished(metadata, claimed(metadata))
    goes_on(metadata, good)
    listed = {each.id: each.status for each in metadata.runs(RunFilter())}
    assert listed == {bad.id: "succeeded", good.id: "succeeded"}
    with pytest.raises(DamagedRecordError, match=f"the stored graph of run {bad.id}"):
        metadata.run(bad.id)
    assert metadata.summary(bad.id[-8:]) == metadata.runs(RunFilter(limit=1, before=good.id))[0]


def test_damaged_failure_leaves_the_run_in_the_list(metadata: SqliteMetadata, spoil: Spoil) -> None:
    """A run whose reason cannot be read is listed with a note that says so."""
    bad = created(metadata)
    finished(metadata, claimed(metadata), Outcome("failed", failure=Failure("task-error", "boom")))
    spoil("UPDATE runs SET failure = '{' WHERE id = ?", bad.id)
    for found in (metadata.runs(RunFilter())[0], metadata.run(bad.id)):
        assert found.failure is not None
        assert found.failure.code == "damaged-record"
        assert f"the stored run {bad.id}" in found.failure.message


@pytest.mark.parametrize("broken", BROKEN)
def test_damaged_task_leaves_the_others(
    metadata: SqliteMetadata, spoil: Spoil, broken: str, caplog: pytest.LogCaptureFixture
) -> None:
    """A task that cannot be read is left out of the list with a warning; asking for it says why."""
    metadata.add_versions([task_version("echo"), task_version("shout")])
    spoil("UPDATE task_versions SET document = ? WHERE task = 'echo'", broken)
    named = "the stored version 1.0 of task 'echo'"
    assert metadata.latest_versions() == [task_version("shout")]
    assert named in caplog.text
    assert metadata.version("shout") == task_version("shout")
    with pytest.raises(DamagedRecordError, match=named):
        metadata.version("echo")


@pytest.mark.parametrize("broken", BROKEN)
def test_damaged_task_is_put_right_by_publishing_it_again(
    metadata: SqliteMetadata, spoil: Spoil, broken: str
) -> None:
    """The same content published again rewrites what cannot be read; other content does not."""
    metadata.add_versions([task_version("echo"), task_version("shout")])
    spoil("UPDATE task_versions SET document = ? WHERE task = 'echo'", broken)
    with pytest.raises(ConflictError, match="published with other content"):
        metadata.add_versions([task_version("echo", wheel="other")])
    assert metadata.add_versions([task_version("echo"), task_version("shout")]) is True
    assert metadata.version("echo") == task_version("echo")
    assert metadata.add_versions([task_version("echo"), task_version("shout")]) is False


def test_damaged_version_leaves_the_others_of_its_task(
    metadata: SqliteMetadata, spoil: Spoil, caplog: pytest.LogCaptureFixture
) -> None:
    """A version that cannot be read is left out of its task's, and is known by its number."""
    metadata.add_versions([task_version("echo", "1.0")])
    metadata.add_versions([task_version("echo", "2.0")])
    spoil("UPDATE task_versions SET document = '{' WHERE version = '2.0'")
    assert metadata.versions("echo") == [task_version("echo", "1.0")]
    assert "the stored version 2.0 of task 'echo'" in caplog.text
    with pytest.raises(NotFoundError, match=r"no version '3'; known: '1\.0', '2\.0'"):
        metadata.version("echo", "3")


def test_record_that_is_no_text_leaves_the_others(
    metadata: SqliteMetadata, tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    """Bytes that are no UTF-8 spoil their own record; lists of others are given."""
    metadata.add_versions([task_version("echo"), task_version("shout")])
    with sqlite3.connect(tmp_path / "metadata.sqlite3") as connection:
        connection.execute(
            "UPDATE task_versions SET document = CAST(X'22FF22' AS TEXT) WHERE task = 'echo'"
        )
    connection.close()
    assert metadata.latest_versions() == [task_version("shout")]
    assert "not UTF-8" in caplog.text


def test_damaged_pipeline_leaves_the_others(
    metadata: SqliteMetadata, spoil: Spoil, caplog: pytest.LogCaptureFixture
) -> None:
    """A pipeline that cannot be read is left out of the list; publishing it again heals it."""
    for name in ("bad", "good"):
        metadata.put_pipeline(pipeline_spec(name))
    spoil("UPDATE pipelines SET document = '{' WHERE name = 'bad'")
    assert metadata.pipelines() == [pipeline_spec("good")]
    assert "the stored pipeline 'bad'" in caplog.text
    with pytest.raises(DamagedRecordError, match="the stored pipeline 'bad'"):
        metadata.pipeline("bad")
    assert metadata.put_pipeline(pipeline_spec("bad")) is True
    assert metadata.pipeline("bad") == pipeline_spec("bad")


def test_damaged_worker_leaves_the_others(metadata: SqliteMetadata, spoil: Spoil) -> None:
    """A worker's row that cannot be read hides no other worker, and its next beat heals it."""
    good, bad = beaten(metadata, "good"), beaten(metadata, "bad")
    spoil("UPDATE workers SET document = '{' WHERE id = 'bad'")
    assert metadata.workers() == [good]
    beaten(metadata, "bad")
    assert metadata.workers() == [bad, good]


DAMAGES = {
    "the stored version 1.0 of task 'echo'": (
        "UPDATE task_versions SET document = '{'",
        "taskmgr-echo: publish the same again",
    ),
    "the stored pipeline 'greeting'": ("UPDATE pipelines SET document = '{'", "publish the same"),
    "the stored graph of run {run}": ("UPDATE runs SET graph = '{'", "submit the run again"),
    "the stored run {run}": ("UPDATE runs SET failure = '{'", "submit the run again"),
    "the stored step 001 of run {run}": ("UPDATE steps SET seconds = '['", "submit the run again"),
    "the stored value of text in run {run}": (
        "UPDATE field_values SET document = '{'",
        "submit the run again",
    ),
}


@pytest.mark.parametrize("name", DAMAGES)
def test_each_damaged_record_is_named(metadata: SqliteMetadata, spoil: Spoil, name: str) -> None:
    """Reading everything names the one record that cannot be read, and what to do about it."""
    metadata.add_versions([task_version()])
    metadata.put_pipeline(pipeline_spec())
    run = created(metadata, values=[value("text", "a")])
    assert list(metadata.damaged()) == []
    statement, cure = DAMAGES[name]
    spoil(statement)
    (found,) = metadata.damaged()
    assert found.fault.startswith(f"{name.format(run=run.id)} is damaged: ")
    assert cure in found.cure


@pytest.mark.parametrize("column", ["graph_step", "after", "failures"])
def test_every_column_of_a_step_is_read(
    metadata: SqliteMetadata, spoil: Spoil, column: str
) -> None:
    """A step is damaged whichever of its documents is."""
    created(metadata)
    statements = {
        "graph_step": "UPDATE steps SET graph_step = '{'",
        "after": "UPDATE steps SET after = '{'",
        "failures": "UPDATE steps SET failures = '{'",
    }
    spoil(statements[column])
    assert len(list(metadata.damaged())) == 1


def test_damaged_records_are_found_on_every_page(metadata: SqliteMetadata, spoil: Spoil) -> None:
    """However many records there are, each is read once: the first, the last, those between."""
    count = 2 * PAGE + 1
    created(metadata, values=[value(f"port_{n:04}", n) for n in range(count)])
    chosen = ("port_0000", f"port_{PAGE - 1:04}", f"port_{PAGE:04}", f"port_{count - 1:04}")
    for port in chosen:
        spoil("UPDATE field_values SET document = '{' WHERE port = ?", port)
    named = [each.fault.split(" of ")[1].split(" in ")[0] for each in metadata.damaged()]
    assert named == [*chosen]
