"""Values, edges and their uses, workers and logs, in every metadata store."""

from collections.abc import Callable
from typing import get_args

import attrs
import pytest
import uuid_utils
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from samples import NOW, alias, beaten, created, digest, graph, graph_step, run_id, value

from taskmgr_core.errors import NotFoundError
from taskmgr_core.specs import Edge, LogLine, Run, Worker
from taskmgr_core.stores.metadata import MetadataStore, Role

# One store serves all examples of a property; each makes a run of its own.
SHARED = settings(suppress_health_check=[HealthCheck.function_scoped_fixture])

TEXTS = st.text(st.characters(exclude_categories=["Cs"]))
DOCUMENTS = st.recursive(
    st.none()
    | st.booleans()
    | st.integers()
    | st.floats(allow_nan=False, allow_infinity=False)
    | TEXTS,
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(TEXTS, inner, max_size=3),
    max_leaves=10,
)

# values


@SHARED
@given(document=DOCUMENTS)
def test_value_is_read_back_exactly(metadata: MetadataStore, document: object) -> None:
    """Any JSON value comes back equal, of the same type, with its digest, size and files."""
    said = value("text", document, "001", artifacts=(digest("a"), digest("b")))
    run = Run(str(uuid_utils.uuid7()), "sample", "task", graph(graph_step()), "running", NOW)
    metadata.create_run(run, [], [said])
    (found,) = metadata.values(run.id)
    assert found == said
    assert repr(found.document) == repr(document)


def test_values_of_some_ports(metadata: MetadataStore) -> None:
    """With ports given, the values of those come, and nothing for a port that has none."""
    run = created(metadata, values=[value(port, port) for port in ("a", "b", "c")])
    wanted = {each.port: each.document for each in metadata.values(run.id, ["c", "a", "x"])}
    assert wanted == {"a": "a", "c": "c"}
    assert metadata.values(run.id, []) == []
    assert len(metadata.values(run.id)) == 3


def test_values_belong_to_their_run(metadata: MetadataStore) -> None:
    """The same port of another run has its own value."""
    runs = [created(metadata, number=number, values=[value("text", number)]) for number in (1, 2)]
    assert [metadata.values(run.id)[0].document for run in runs] == [1, 2]


# in which runs a digest is


EVERY_ROLE = get_args(Role)


def test_digest_is_found_in_its_role(metadata: MetadataStore) -> None:
    """Given or made, a file or a value; a file inside a value too, a repetition not."""
    file, inside = digest("file"), digest("inside")
    whole = attrs.evolve(value("whole", "w"), digest=file, artifacts=(file,))
    alike = attrs.evolve(value("alike", "w"), digest=file)  # JSON with the very bytes of the file
    picture = value("output_001_picture", "p", "001", artifacts=(inside,))
    values = [whole, alike, picture, alias("input_001_repeated", picture)]
    run = created(metadata, values=values)
    sought = [file, inside, picture.digest, digest("nothing")]
    found = {
        role: metadata.next_runs(sought, [role], None, older=False).keys() for role in EVERY_ROLE
    }
    assert found == {
        "given file": {file},
        "made file": {inside},
        "given value": {file},
        "made value": {picture.digest},
    }
    both = metadata.next_runs(sought, ["given file", "made value"], None, older=True)
    assert both == dict.fromkeys([file, picture.digest], run.id)
    assert metadata.next_runs([], EVERY_ROLE, None, older=True) == {}
    assert metadata.next_runs(sought, [], None, older=True) == {}


def test_next_run_is_the_nearest_beyond(metadata: MetadataStore) -> None:
    """Towards newer runs and towards older ones, whatever the order in which they were recorded."""
    for number in (2, 5, 1, 4, 3):
        made = "001" if number == 3 else ""
        created(metadata, number=number, values=[value("text", "same", made)])
    sought = value("text", "same").digest

    def runs(*roles: Role, older: bool) -> list[str]:
        walked: list[str] = []
        while found := metadata.next_runs(
            [sought], roles, walked[-1] if walked else None, older=older
        ):
            walked.append(found[sought])
        return walked

    assert runs(*EVERY_ROLE, older=False) == [run_id(each) for each in (1, 2, 3, 4, 5)]
    assert runs(*EVERY_ROLE, older=True) == [run_id(each) for each in (5, 4, 3, 2, 1)]
    assert runs("given value", older=True) == [run_id(each) for each in (5, 4, 2, 1)]
    assert metadata.next_runs([sought], EVERY_ROLE, run_id(3), older=True) == {sought: run_id(2)}


# workers


def test_worker_is_listed_as_it_beat_last(metadata: MetadataStore) -> None:
    """A beat replaces the one before; workers are listed whole."""
    beaten(metadata, "w2", NOW)
    worker = Worker("w1", "host", 7, 4, ("gpu", "default"), NOW, NOW + 1, ("run/001",))
    metadata.beat(worker)
    latest = beaten(metadata, "w2", NOW + 2)
    assert sorted(metadata.workers(), key=lambda each: each.id) == [worker, latest]


def test_worker_that_stopped_is_listed_no_more(metadata: MetadataStore) -> None:
    """A worker that says that it stopped leaves the list; saying so twice is no fault."""
    beaten(metadata, "w1")
    stays = beaten(metadata, "w2")
    for _ in range(2):
        metadata.remove_worker("w1")
    assert metadata.workers() == [stays]


def test_silent_worker_stays_listed_for_a_while(metadata: MetadataStore) -> None:
    """A lost worker is still shown minutes later, and not for ever."""
    lost = beaten(metadata, "lost", NOW)
    living = beaten(metadata, "living", NOW + 600)
    assert sorted(metadata.workers(), key=lambda each: each.id) == [living, lost]
    living = beaten(metadata, "living", NOW + 7 * 24 * 3600)
    assert metadata.workers() == [living]


# logs


def line(run: Run, text: str, stream: str = "stdout") -> LogLine:
    """A line that is not numbered yet."""
    return LogLine(0, run.id, "001", 1, NOW, stream, text)


def test_log_is_read_back_in_order(metadata: MetadataStore) -> None:
    """A run's lines come whole and in the order in which they were appended, numbers growing."""
    run, other = created(metadata, number=1), created(metadata, number=2)
    texts = ["one", "", "  zwölf\t", "\x00\x1b[31m", "😀" * 2000]
    metadata.append_log([line(run, text, "stderr") for text in texts[:3]])
    metadata.append_log([line(other, "elsewhere")])
    metadata.append_log([line(run, text) for text in texts[3:]])
    found = metadata.log(run.id)
    assert [each.text for each in found] == texts
    assert [each.stream for each in found] == ["stderr"] * 3 + ["stdout"] * 2
    numbers = [each.number for each in found]
    assert numbers == sorted(set(numbers))
    assert min(numbers) > 0
    assert attrs.evolve(found[0], number=0) == line(run, "one", "stderr")


@pytest.mark.parametrize("size", [1, 3, 10, 1000])
def test_log_is_paged(metadata: MetadataStore, size: int) -> None:
    """Page after page every line comes once, also those that are appended meanwhile."""
    run = created(metadata)
    texts = [f"line {number}" for number in range(10)]
    metadata.append_log([line(run, text) for text in texts[:7]])
    read: list[str] = []
    last = 0
    while page := metadata.log(run.id, last, size):
        if last == 0:
            metadata.append_log([line(run, text) for text in texts[7:]])
        assert len(page) <= size
        read += [each.text for each in page]
        last = page[-1].number
    assert read == texts


def test_empty_log_is_no_fault(metadata: MetadataStore) -> None:
    """Appending nothing changes nothing."""
    run = created(metadata)
    metadata.append_log([])
    assert metadata.log(run.id) == []


def test_records_outlive_their_connection(open_metadata: Callable[[], MetadataStore]) -> None:
    """What was recorded is there after the store was closed and opened again."""
    one = open_metadata()
    run = created(one, values=[value("text", "a")])
    one.append_log([line(run, "said")])
    one.close()
    other = open_metadata()
    assert other.run(run.id) == run
    assert other.values(run.id) == [value("text", "a")]
    assert [each.text for each in other.log(run.id)] == ["said"]
    assert other.edges(run.id) == list[Edge]()


def test_digest_is_found_by_its_beginning(metadata: MetadataStore) -> None:
    """A digest is found by an unambiguous beginning; none and several are refused as such."""
    one, other = (f"sha256:abc{digit}{60 * '0'}" for digit in "12")
    values = [
        attrs.evolve(value(name, name), digest=found) for name, found in (("a", one), ("b", other))
    ]
    created(metadata, values=values)
    assert metadata.digest(one[:11]) == one
    assert metadata.digest(other) == other
    with pytest.raises(NotFoundError, match="several digests begin with 'sha256:abc'"):
        metadata.digest("sha256:abc")
    with pytest.raises(NotFoundError, match="begins 'sha256:f'"):
        metadata.digest("sha256:f")
