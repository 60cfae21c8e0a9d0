"""Batches: a bounded window of runs, and files that lose nothing."""

from __future__ import annotations

import os
import sys
import threading
from collections.abc import Iterator, Mapping
from concurrent.futures import Future, ThreadPoolExecutor
from pathlib import Path
from typing import Any

import attrs
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from report_samples import graph_step

from taskmgr_core.batches.columns import Columns
from taskmgr_core.batches.files import Codec, Csv, JsonLines, RowFile
from taskmgr_core.batches.items import Item, count_lines, items_of, of_lines, paths_of
from taskmgr_core.batches.parquet import ParquetResults
from taskmgr_core.batches.running import BatchResult, run_items
from taskmgr_core.errors import ConflictError, InvalidValueError, StoreError
from taskmgr_core.specs import Failure, Graph, PipelineSpec, Run, RunDetail, RunSummary, Source

IN_A_FOLDER = settings(suppress_health_check=[HealthCheck.function_scoped_fixture], max_examples=40)
GRAPH = Graph(
    "count",
    {"text": {"type": "string"}},
    (),
    {"output_001_n": {"type": "integer"}, "output_001_s": {"type": "string"}},
    (graph_step("001", "count", {"text": Source("text")}, ("n", "s", "l")),),
    {"n": "output_001_n", "item": "output_001_s", "l": "output_001_l"},
)
COLUMNS = Columns.of(GRAPH, {})
CODECS = [JsonLines(), Csv(COLUMNS)]


@attrs.define
class Platform:
    """Runs that end when they are let; an input below 0 is refused, one above 99 fails."""

    gate: threading.Event = attrs.field(factory=threading.Event)
    under_way: dict[str, int] = attrs.field(factory=dict)
    most: int = 0
    cancelled: set[str] = attrs.field(factory=set)
    graphs: list[Graph | None] = attrs.field(factory=list)
    lock: threading.Lock = attrs.field(factory=threading.Lock)

    def graph(
        self, what: str | PipelineSpec, version: str | None = None, run_id: str | None = None
    ) -> Graph:
        """What every run runs: a step with a cache, and one without."""
        cached, plain = GRAPH.steps[0], attrs.evolve(GRAPH.steps[0], id="002")
        return attrs.evolve(GRAPH, steps=(attrs.evolve(cached, cache="by-inputs"), plain))

    def submit(
        self,
        what: str | PipelineSpec,
        inputs: Mapping[str, Any],
        version: str | None = None,
        graph: Graph | None = None,
        run_id: str | None = None,
    ) -> str:
        """Record a run."""
        assert run_id is not None
        self.graphs.append(graph)
        if inputs["n"] == "away":
            raise StoreError("the store is away")
        if inputs["n"] < 0:
            raise InvalidValueError("too small")
        with self.lock:
            self.under_way[run_id] = inputs["n"]
            self.most = max(self.most, len(self.under_way))
        return run_id

    def wait(self, run_id: str) -> Run:
        """Wait for its end."""
        while not self.gate.wait(0.01) and run_id not in self.cancelled:
            pass
        return self.detail(run_id).run

    def detail(self, run_id: str) -> RunDetail:
        """What came of it."""
        number = self.under_way[run_id]
        failed = number > 99
        status: Any = (
            "cancelled" if run_id in self.cancelled else "failed" if failed else "succeeded"
        )
        failure = Failure("task-error", "too large") if failed else None
        run = Run(run_id, "count", "task", GRAPH, status, 0.0, 1.0, failure=failure)
        return RunDetail(run, (), (), (), {"n": number} if status == "succeeded" else None)

    def cancel(self, run_id: str) -> RunSummary:
        """Have it end."""
        self.cancelled.add(run_id)
        run = self.detail(run_id).run
        return RunSummary(run_id, "", "task", run.status, 0.0, None, True, None, {})


def test_no_more_runs_than_the_window_are_under_way() -> None:
    """Of any number of items no more are asked for than fit; each has one result."""
    platform = Platform()
    asked = 0

    def items() -> Iterator[Item]:
        nonlocal asked
        for number in range(90):
            asked += 1
            # Ended runs leave only when their result is taken: what is asked for says the same.
            yield Item(str(number), {"n": number})

    platform.gate.set()
    results = []
    for result in run_items(platform, "count", items(), 4):
        results.append(result)
        assert asked - len(results) <= 4
    assert sorted(int(each.item.id) for each in results) == list(range(90))
    assert all(each.result == {"n": int(each.item.id)} for each in results)


def test_result_does_not_wait_for_a_full_window(monkeypatch: pytest.MonkeyPatch) -> None:
    """What has ended is given before the next item is asked for, which may be long in coming."""

    class AtOnce(ThreadPoolExecutor):
        """Does everything while it is submitted."""

        def submit(self, work: Any, /, *given: Any, **named: Any) -> Future[Any]:
            done: Future[Any] = Future()
            done.set_result(work(*given, **named))
            return done

    def items() -> Iterator[Item]:
        yield Item("1", {"n": 1})
        pytest.fail("the next item is asked for")

    monkeypatch.setattr("taskmgr_core.batches.running.ThreadPoolExecutor", AtOnce)
    platform = Platform()
    platform.gate.set()
    found = run_items(platform, "count", items(), 4)
    assert next(found).item.id == "1"
    found.close()


def test_what_fails_does_not_stop_the_others() -> None:
    """Refused inputs, a run that fails and an item without inputs each have their reason."""
    platform = Platform()
    platform.gate.set()
    given_ = [*items_of([{"n": 1}, {"n": -1}, {"n": 100}]), Item("x", problem="no JSON")]
    found = {each.item.id: each for each in run_items(platform, "count", given_, 2)}
    assert [found[each].code for each in ("0", "1", "2", "x")] == [
        "",
        "invalid-value",
        "task-error",
        "invalid-value",
    ]
    assert [found[each].message for each in ("1", "2", "x")] == [
        "too small",
        "too large",
        "no JSON",
    ]


def test_batch_without_cache_refreshes_every_run() -> None:
    """With no_cache each run is submitted to compute anew what has a cache; else as it is."""
    platform = Platform()
    platform.gate.set()
    given_ = list(items_of([{"n": 1}, {"n": 2}]))
    list(run_items(platform, "count", given_, 2, no_cache=True))
    assert [[step.cache for step in each.steps] for each in platform.graphs if each] == [
        ["refresh", ""],
        ["refresh", ""],
    ]
    list(run_items(platform, "count", given_, 2))
    assert platform.graphs[2:] == [None, None]


@pytest.mark.parametrize("how", ["closed", "away"])
def test_batch_that_ends_early_cancels_what_is_under_way(how: str) -> None:
    """When the caller stops, or nothing can be run any more, no run is left behind."""
    platform = Platform()
    first = [Item("bad", problem="bad")] if how == "closed" else []
    more: list[Any] = [1, 2, 3] if how == "closed" else [1, 2, "away"]
    items = [*(Item(str(each), {"n": each}) for each in more), *first, Item("4", {"n": 4})]
    found = run_items(platform, "count", items, 4)
    if how == "closed":
        assert next(found).item.id == "bad"
        found.close()
    else:
        with pytest.raises(StoreError, match="is away"):
            list(found)
    assert platform.under_way.keys() == platform.cancelled


# files

texts = st.text(st.characters(exclude_categories=["Cs"]), max_size=8) | st.sampled_from(
    ['"', "\n", '",\n"', "a,b", "\r\n"]
)
rows = st.builds(
    lambda item, n, s, values: COLUMNS.row(
        BatchResult(Item(item), "r", "succeeded", {"n": n, "item": s, "l": values})
    ),
    texts,
    st.integers(-5, 5),
    texts,
    st.lists(texts | st.none(), max_size=2),
)


def written(path: Path, codec: Codec, content: list[dict[str, Any]]) -> None:
    """A new file with these rows."""
    path.unlink(missing_ok=True)
    file = RowFile(path, codec, COLUMNS.batch)
    for row in content:
        file.add(row)
    file.close()


@IN_A_FOLDER
@pytest.mark.parametrize("codec", CODECS, ids=["jsonl", "csv"])
@given(content=st.lists(rows, min_size=1, max_size=4), data=st.data())
def test_kill_in_the_middle_of_a_row_loses_no_other(
    codec: Codec, content: list[dict[str, Any]], data: st.DataObject, tmp_path: Path
) -> None:
    """Cut off anywhere, the file has the rows before, and takes the others again."""
    path = tmp_path / "results"
    written(path, codec, content)
    whole = path.read_bytes()
    cut = data.draw(st.integers(0, len(whole)))
    path.write_bytes(whole[:cut])
    file = RowFile(path, codec, COLUMNS.batch)
    kept = len(list(file.rows()))
    assert file.done == {row["item"] for row in content[:kept]}
    if cut == len(whole):
        assert kept == len(content)
    for row in content[kept:]:
        file.add(row)
    file.close()
    assert path.read_bytes() == whole


def test_file_belongs_to_one_process_and_one_batch(tmp_path: Path) -> None:
    """A second writer, rows of another batch and a file of something else are refused."""
    path = tmp_path / "a.jsonl"
    row = COLUMNS.row(BatchResult(Item("a"), "r", "succeeded", {}))
    written(path, JsonLines(), [row])
    file = RowFile(path, JsonLines())
    with pytest.raises(ConflictError, match="another process"):
        RowFile(path, JsonLines())
    file.close()
    with pytest.raises(ConflictError, match=r"has results of the batch count, and this is count-"):
        RowFile(path, JsonLines(), Columns.of(GRAPH, {"text": "a"}).batch)
    path.write_text("hello\n")
    with pytest.raises(InvalidValueError, match="is no file of this batch's results"):
        RowFile(path, JsonLines())
    assert path.read_text() == "hello\n"


@IN_A_FOLDER
@given(content=st.lists(rows, max_size=4, unique_by=lambda row: row["item"]))
def test_parquet_takes_up_what_it_has(content: list[dict[str, Any]], tmp_path: Path) -> None:
    """Opened again it knows its items, its rows are as they were, and nothing is left over."""
    path = tmp_path / "results.parquet"
    for row in content:
        results = ParquetResults(path, COLUMNS)
        results.add(row)
        results.close()
    results = ParquetResults(path, COLUMNS)
    assert results.done == {row["item"] for row in content}
    assert list(results._rows.rows()) == content
    results.close()
    assert [each.name for each in tmp_path.iterdir()] == [path.name]
    path.unlink()


def test_parquet_without_pyarrow_says_how_to_get_it(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    """Who has not installed the extra is told its name."""
    monkeypatch.setitem(sys.modules, "pyarrow", None)
    with pytest.raises(InvalidValueError, match=r"pip install 'taskmgr-core\[parquet\]'"):
        ParquetResults(tmp_path / "a.parquet", COLUMNS)


# items


def test_lines_have_ids_that_follow_them(tmp_path: Path) -> None:
    """Without ids, a line keeps its own wherever it is moved; equal lines are told apart."""
    path = tmp_path / "a.jsonl"
    path.write_text('{"a": 1, "b": 2}\n\n{"a": 3}\n{"b": 2, "a": 1}\n')
    first, second, again = (each.id for each in of_lines(path, dict))
    assert again == f"{first}-2"
    path.write_text('{"a": 3}\n{"a": 1, "b": 2}\n')
    assert [each.id for each in of_lines(path, dict)] == [second, first]


def test_second_line_with_an_id_has_a_problem(tmp_path: Path) -> None:
    """A line whose id an earlier one has is no item of that id: its problem names both lines."""
    path = tmp_path / "a.jsonl"
    path.write_text('{"k": 1, "a": 1}\n\n{"k": "1", "a": 2}\n{"k": 2, "a": 1}\n')
    found = {each.id: each for each in of_lines(path, dict, "k")}
    assert found["1"].inputs == found["2"].inputs == {"a": 1}
    assert found["line 3"].problem == (
        f"line 3 of {path}: its id '1' is that of line 1 too; give each line its own k"
    )


def test_lines_that_are_read_once_are_not_counted(tmp_path: Path) -> None:
    """A pipe has no number of items before its end, and none are taken from it to know."""
    path, pipe = tmp_path / "a.jsonl", tmp_path / "pipe"
    path.write_text('{"a": 1}\n\n{"a": 3}\n')
    os.mkfifo(pipe)
    assert (count_lines(path), count_lines(pipe)) == (2, None)


def test_patterns_name_files_once_and_in_order(tmp_path: Path) -> None:
    """Folders are left out, ** goes into them, and two patterns give no file twice."""
    for name in ("b.txt", "a.txt", "c/d.txt"):
        (tmp_path / name).parent.mkdir(exist_ok=True)
        (tmp_path / name).touch()
    found = paths_of([f"{tmp_path}/*", f"{tmp_path}/**/*.txt"])
    assert [str(Path(each).relative_to(tmp_path)) for each in found] == [
        "a.txt",
        "b.txt",
        "c/d.txt",
    ]
