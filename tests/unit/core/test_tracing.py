"""Lineage over many runs: the walk against a model, its pages, its bounds."""

from __future__ import annotations

import itertools
import json
from collections.abc import Collection, Sequence
from typing import get_args

import attrs
import pytest
from hypothesis import given
from hypothesis import strategies as st

from taskmgr_core.errors import InvalidValueError
from taskmgr_core.lineage import downstream, upstream
from taskmgr_core.specs import Edge, FieldValue
from taskmgr_core.stores.metadata import Role, roles_of
from taskmgr_core.tracing import Direction, Part, Walk, trace

FILES = [f"file-{letter}" for letter in "abcdef"]
DIRECTIONS = get_args(Direction)
MAKING: tuple[Role, ...] = ("made file", "made value")


@attrs.define
class Recorded:
    """Runs as a store has them, looked through one by one; counts what it is asked."""

    runs: dict[str, tuple[list[FieldValue], list[Edge]]] = attrs.field(factory=dict)
    looked_at: list[str] = attrs.field(factory=list)
    probes: int = 0

    def values(self, run_id: str) -> list[FieldValue]:
        """See ``MetadataStore``."""
        self.looked_at.append(run_id)
        return self.runs[run_id][0]

    def edges(self, run_id: str) -> list[Edge]:
        """See ``MetadataStore``."""
        return self.runs[run_id][1]

    def next_runs(
        self,
        digests: Collection[str],
        roles: Collection[Role],
        beyond: str | None,
        *,
        older: bool,
    ) -> dict[str, str]:
        """See ``MetadataStore``."""
        self.probes += len(digests)
        found = {}
        for digest in digests:
            runs = [
                run
                for run, (values, _) in self.runs.items()
                if (beyond is None or (run < beyond if older else run > beyond))
                and any(roles_of(value).get(digest) in roles for value in values)
            ]
            if runs:
                found[digest] = (max if older else min)(runs)
        return found


def holding(port: str, files: Sequence[str], producer: str = "") -> FieldValue:
    """A value with files inside, or a file itself."""
    digest = files[0] if len(files) == 1 else f"value-{'-'.join(files)}"
    return FieldValue(port, digest, 1, "any", producer, {}, artifacts=tuple(files))


def made(number: int, given: Sequence[Sequence[str]], steps: Sequence[Sequence[str]]) -> Recorded:
    """A run of a chain: each step is made of all that is there before it."""
    values = [holding(f"given_{at}", files) for at, files in enumerate(given)]
    edges: list[Edge] = []
    for at, files in enumerate(steps):
        output = holding(f"output_{at:03}", files, f"{at:03}")
        inputs = [
            attrs.evolve(each, port=f"input_{at:03}_{each.port}", source=each.port, producer="")
            for each in values
            if not each.source
        ]
        edges += [Edge(each.source, each.port) for each in inputs]
        edges += [Edge(each.port, output.port) for each in inputs]
        values += [*inputs, output]
    return Recorded({f"run-{number:05}": (values, edges)})


@st.composite
def histories(draw: st.DrawFn) -> Recorded:
    """Runs in any number that are given and make any of a few files, the same ones too."""
    contents = st.lists(st.sampled_from(FILES), max_size=2, unique=True)
    recorded = Recorded()
    for number in range(draw(st.integers(1, 7))):
        given_files = draw(st.lists(contents, max_size=3))
        steps = draw(st.lists(contents, max_size=2))
        recorded.runs |= made(number, given_files, steps).runs
    return recorded


def modelled(recorded: Recorded, digest: str, direction: Direction) -> dict[str, set[str]]:
    """Run -> ports, by going everywhere from everywhere until nothing is added."""
    older = direction == "made_from"
    walk = upstream if older else downstream
    leaving: Role = "given file" if older else "made file"
    entering: Role = "made file" if older else "given file"
    entered, reached = set[tuple[str, str]](), set[tuple[str, str]]()
    for run, (values, _) in recorded.runs.items():
        for value in values:
            if roles_of(value).get(digest) in (MAKING if older else get_args(Role)):
                entered.add((run, value.port))
    size = -1
    while len(entered) > size:
        size = len(entered)
        reached |= {
            (run, found) for run, port in entered for found in walk(recorded.runs[run][1], port)
        }
        for run, value in all_values(recorded):
            if (run, value.port) in reached:
                files = {file for file, role in roles_of(value).items() if role == leaving}
                entered |= {
                    (there, other.port)
                    for there, other in all_values(recorded)
                    if (there < run if older else there > run)
                    and any(roles_of(other).get(file) == entering for file in files)
                }
    found: dict[str, set[str]] = {}
    for run, port in entered | reached:
        found.setdefault(run, set()).add(port)
    return found


def all_values(recorded: Recorded) -> list[tuple[str, FieldValue]]:
    """Every value with its run."""
    return [(run, value) for run, (values, _) in recorded.runs.items() for value in values]


def everything(recorded: Recorded, digest: str, direction: Direction) -> list[Part]:
    """A whole walk."""
    return list(Walk.begun(recorded, digest, direction).parts(recorded))


def ports(parts: Sequence[Part]) -> dict[str, set[str]]:
    """Run -> the ports that a walk has there."""
    return {part.run: {each.port for each in (*part.entered, *part.reached)} for part in parts}


@given(histories(), st.sampled_from(FILES), st.sampled_from(DIRECTIONS))
def test_walk_finds_what_the_model_finds(
    recorded: Recorded, digest: str, direction: Direction
) -> None:
    """All that a file came from, or led to, over all runs, and nothing else."""
    expected = modelled(recorded, digest, direction)
    assert ports(everything(recorded, digest, direction)) == expected


@given(histories(), st.sampled_from(FILES), st.sampled_from(DIRECTIONS))
def test_walk_enters_each_run_once_in_order(
    recorded: Recorded, digest: str, direction: Direction
) -> None:
    """However files go round, no run is looked at twice: newest first up, oldest first down."""
    runs = [part.run for part in everything(recorded, digest, direction)]
    assert runs == recorded.looked_at
    assert runs == sorted(set(runs), reverse=direction == "made_from")


@given(
    histories(), st.sampled_from(FILES), st.sampled_from(DIRECTIONS), st.lists(st.integers(1, 3))
)
def test_pages_are_the_walk_cut_in_pieces(
    recorded: Recorded, digest: str, direction: Direction, sizes: list[int]
) -> None:
    """Through cursors, in pages of any size, the same parts come; the last page has no next."""
    walk, parts = Walk.begun(recorded, digest, direction), list[Part]()
    for size in itertools.chain(sizes, itertools.repeat(2)):
        page = walk.page(recorded, size)
        parts += page.parts
        assert len(page.parts) <= size
        if not page.next:
            break
        assert len(page.parts) == size
        walk = Walk.resumed(page.next)
    assert parts == everything(recorded, digest, direction)


@given(histories(), st.sampled_from(FILES), st.sampled_from(DIRECTIONS))
def test_every_part_is_connected_with_an_earlier_one(
    recorded: Recorded, digest: str, direction: Direction
) -> None:
    """What a part is entered through is what was asked for, or a file of a part before it."""
    known = {digest}
    for part in everything(recorded, digest, direction):
        assert part.through
        assert known.issuperset(part.through)
        assert all(roles_of(each).keys() & set(part.through) for each in part.entered)
        known.update(file for each in part.reached for file in each.artifacts)


@given(histories(), st.sampled_from(FILES), st.integers(1, 3))
def test_walk_says_what_it_gave_up(recorded: Recorded, digest: str, most: int) -> None:
    """A walk that may look out for few files misses no run without saying what it gave up."""
    parts = list(Walk.begun(recorded, digest, "led_to", most).parts(recorded))
    whole = ports(everything(recorded, digest, "led_to"))
    assert ports(parts) == whole or any(part.not_followed for part in parts)


def test_equal_values_connect_no_runs() -> None:
    """That two runs had the same number says nothing; the same file, made and given, does."""
    recorded = Recorded()
    recorded.runs |= made(1, [["file-a"]], [[]]).runs
    recorded.runs |= made(2, [[]], [["file-b"]]).runs
    assert holding("x", []).digest == recorded.runs["run-00001"][0][-1].digest
    assert list(ports(everything(recorded, "file-a", "led_to"))) == ["run-00001"]


def test_later_run_is_no_origin() -> None:
    """What a later run made was not given to an earlier one, however equal it is."""
    recorded = Recorded()
    recorded.runs |= made(1, [["file-a"]], [["file-b"]]).runs
    recorded.runs |= made(2, [["file-c"]], [["file-a"]]).runs
    assert list(ports(everything(recorded, "file-b", "made_from"))) == ["run-00001"]


def test_file_of_many_runs_costs_its_page() -> None:
    """Of a file that thousands of runs were given no more runs are looked at than are shown."""
    recorded = Recorded()
    for number in range(2000):
        recorded.runs |= made(number, [["file-a"]], [[f"out-{number}"]]).runs
    page = trace(recorded, "file-a", 10).led_to
    assert [part.run for part in page.parts] == [f"run-{number:05}" for number in range(10)]
    assert len(recorded.looked_at) == 10
    assert recorded.probes <= 30
    assert len(page.next) < 300
    further = Walk.resumed(page.next).page(recorded, 10)
    assert further.parts[0].run == "run-00010"
    assert len(recorded.looked_at) == 20


def test_same_file_in_and_out_ends() -> None:
    """A task that gives back the picture that it got makes no circle."""
    recorded = Recorded()
    for number in range(3):
        recorded.runs |= made(number, [["file-a"]], [["file-a"]]).runs
    found = trace(recorded, "file-a", 10)
    assert [part.run for part in found.led_to.parts] == ["run-00000", "run-00001", "run-00002"]
    assert [part.run for part in found.made_from.parts] == ["run-00002", "run-00001", "run-00000"]
    assert (found.made_from.next, found.led_to.next) == ("", "")


@pytest.mark.parametrize("wrong", ["", "nonsense", "ä", json.dumps({}), "eJyrrgUAAXUA-Q=="])
def test_wrong_cursor_is_refused(wrong: str) -> None:
    """What no page has given is told to be no cursor."""
    with pytest.raises(InvalidValueError, match="is no cursor of a lineage"):
        Walk.resumed(wrong)
