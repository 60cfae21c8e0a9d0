"""Values as they are recorded: equal values have equal digests, files are taken from one folder."""

import json
import os
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import attrs
import pytest
from hypothesis import given
from hypothesis import strategies as st

from taskmgr_core import documents
from taskmgr_core.errors import InvalidValueError, RunnerError
from taskmgr_core.specs import FieldValue, StoredFile
from taskmgr_core.stores.directory import DirectoryArtifacts
from taskmgr_core.values import (
    JSON_MEDIA_TYPE,
    fetched,
    put_aside,
    recorded,
    reference,
    references,
    take_files,
)
from taskmgr_plugins.converter import canonical

DIGEST = documents.digest_of(b"a picture")
PICTURE = {"$artifact": DIGEST, "media_type": "image/png", "size": 9, "name": "a.png"}

TEXTS = st.text(st.characters(exclude_categories=["Cs"]))
NUMBERS = st.integers() | st.floats(allow_nan=False, allow_infinity=False)
DOCUMENTS = st.recursive(
    st.none() | st.booleans() | NUMBERS | TEXTS | st.just(PICTURE),
    lambda inner: (
        st.lists(inner, max_size=4)
        | st.dictionaries(
            TEXTS | st.sampled_from(["media_type", "name", "size"]), inner, max_size=4
        )
    ),
    max_leaves=15,
)


@pytest.fixture(scope="module")
def artifacts(tmp_path_factory: pytest.TempPathFactory) -> DirectoryArtifacts:
    """An artifact store."""
    store = DirectoryArtifacts(tmp_path_factory.mktemp("artifacts"))
    store.initialize()
    return store


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    """A runner's working folder, something worth stealing beside it."""
    (tmp_path / "secret.txt").write_text("secret")
    made = tmp_path / "work"
    made.mkdir()
    return made


# recorded


def shuffled(document: Any) -> Any:
    """The same JSON value with the keys of its objects in another order."""
    if isinstance(document, dict):
        return {key: shuffled(document[key]) for key in reversed(document)}
    return [shuffled(each) for each in document] if isinstance(document, list) else document


@given(DOCUMENTS)
def test_equal_values_have_equal_digests(document: Any) -> None:
    """The order of keys, and a way through JSON text, change neither digest nor size."""
    value = recorded("port", document, "any", "001")
    for same in (shuffled(document), json.loads(json.dumps(document))):
        other = recorded("port", same, "any", "001")
        assert (other.digest, other.size) == (value.digest, value.size)


@given(DOCUMENTS, DOCUMENTS)
def test_different_values_have_different_digests(one: Any, other: Any) -> None:
    """What differs as JSON has another digest: true is not 1, and "1" is not 1."""
    same = json.dumps(one, sort_keys=True) == json.dumps(other, sort_keys=True)
    digests = [recorded("port", each, "any", "").digest for each in (one, other)]
    assert same == (digests[0] == digests[1])


def test_plain_value_is_recorded_whole() -> None:
    """A JSON value has the digest and the size of its canonical text."""
    text = '{"a":[1,null],"ü":"ö"}'.encode()
    assert recorded("p", {"ü": "ö", "a": [1, None]}, "object", "001") == FieldValue(
        port="p",
        digest=documents.digest_of(text),
        size=len(text),
        type="object",
        producer="001",
        document={"ü": "ö", "a": [1, None]},
    )


def test_file_is_recorded_under_its_own_digest() -> None:
    """A value that is one file has the file's digest and size."""
    value = recorded("p", PICTURE, "Image", "")
    assert (value.digest, value.size, value.artifacts) == (DIGEST, 9, (DIGEST,))
    assert recorded("p", {"$artifact": DIGEST}, "Image", "").size == 0


@given(DOCUMENTS)
def test_files_inside_are_all_named_once(document: Any) -> None:
    """A value with files inside names each of them, at any depth, once."""
    value = recorded("p", {"inside": [document, document]}, "any", "")
    named = DIGEST in json.dumps(document)
    assert value.artifacts == ((DIGEST,) if named else ())
    assert len(list(references(document))) * 2 == len(list(references(value.document)))


@pytest.mark.parametrize("document", ["\ud800", {"a": ["\udcff"]}, {"\ud800": 1}])
def test_text_that_is_no_unicode_is_refused(document: Any) -> None:
    """Half a character, as undecodable file names have, is refused with the port's name."""
    with pytest.raises(InvalidValueError, match=r"output_001_name: .*no valid Unicode"):
        recorded("output_001_name", document, "string", "001")


@pytest.mark.parametrize("number", [float("nan"), float("inf")])
def test_number_that_is_not_finite_is_refused(number: float) -> None:
    """JSON has no word for a NaN."""
    with pytest.raises(InvalidValueError, match="output_001_score: "):
        recorded("output_001_score", [number], "number", "001")


@pytest.mark.parametrize("size", ["9", None, "many", 9.5, True, -1])
def test_file_of_no_size_is_refused(size: Any) -> None:
    """A reference whose size is no number of bytes is refused with the port's name."""
    with pytest.raises(InvalidValueError, match=r"output_001_file: .*size"):
        recorded("output_001_file", {"$artifact": DIGEST, "size": size}, "File", "001")


# put aside


@given(document=DOCUMENTS, limit=st.integers(0, 200))
def test_value_put_aside_is_fetched_again(
    artifacts: DirectoryArtifacts, document: Any, limit: int
) -> None:
    """Whatever its size, a value comes back equal; its digest and size stay as they were."""
    value = recorded("p", document, "any", "001")
    kept = put_aside(value, limit, artifacts)
    assert fetched(kept.document, artifacts) == document
    assert (kept.digest, kept.size, kept.port) == (value.digest, value.size, "p")


def test_large_value_is_put_aside(artifacts: DirectoryArtifacts) -> None:
    """One byte above the limit a value becomes a file, which it then names."""
    value = recorded("p", "x" * 98, "string", "001")
    assert value.size == 100
    assert put_aside(value, 100, artifacts) is value
    aside = put_aside(value, 99, artifacts)
    assert aside.document == {
        "$artifact": value.digest,
        "media_type": JSON_MEDIA_TYPE,
        "size": 100,
        "name": "p",
    }
    assert aside.artifacts == (value.digest,)
    assert artifacts.read(value.digest) == documents.canonical("x" * 98)


def test_value_with_files_inside_stays(artifacts: DirectoryArtifacts) -> None:
    """A value that contains files is never put aside, so that they are found in it."""
    value = recorded("p", [PICTURE, "x" * 1000], "array", "001")
    assert put_aside(value, 10, artifacts) is value


@pytest.mark.parametrize(
    "document",
    [{"media_type": JSON_MEDIA_TYPE}, {"media_type": JSON_MEDIA_TYPE, "body": "{}"}, PICTURE, None],
)
def test_value_that_only_looks_put_aside_is_itself(
    artifacts: DirectoryArtifacts, document: Any
) -> None:
    """An object with a media type, and a picture, are fetched as they are."""
    assert fetched(document, artifacts) == document


# taken from a runner


def test_written_files_are_stored(artifacts: DirectoryArtifacts, folder: Path) -> None:
    """Files of the folder are stored and referred to by digest, at any depth."""
    (folder / ".value-1.png").write_bytes(b"a picture")
    (folder / "rows.npy").write_bytes(b"rows")
    picture = {"$file": ".value-1.png", "media_type": "image/png", "name": "a.png"}
    rows = {"$file": "rows.npy", "media_type": "application/x-npy", "dtype": "<f4", "shape": [2, 3]}
    taken = take_files({"faces": [{"crop": picture}, rows], "n": 1}, folder, artifacts)
    stored = StoredFile("rows.npy", documents.digest_of(b"rows"), 4)
    assert taken == {
        "faces": [
            {"crop": PICTURE},
            reference(stored, "application/x-npy", dtype="<f4", shape=[2, 3]),
        ],
        "n": 1,
    }
    assert artifacts.read(DIGEST) == b"a picture"


@pytest.mark.parametrize("name", ["", None])
def test_file_without_a_name_has_its_own(
    artifacts: DirectoryArtifacts, folder: Path, name: str | None
) -> None:
    """A file that the task did not name is called as it lies there."""
    (folder / ".value-1.png").write_bytes(b"a picture")
    found = {"$file": ".value-1.png", "media_type": "image/png", "name": name}
    assert take_files(found, folder, artifacts)["name"] == "value-1.png"


@pytest.mark.parametrize(
    ("name", "recorded"), [("../../etc/passwd", "passwd"), ("a/b.png", "b.png")]
)
def test_name_of_a_file_is_reduced_to_its_last_part(
    artifacts: DirectoryArtifacts, folder: Path, name: str, recorded: str
) -> None:
    """Whatever an SDK answers, the record has a name without folders."""
    (folder / "value").write_bytes(b"content")
    taken = take_files({"$file": "value", "name": name}, folder, artifacts)
    assert taken["name"] == recorded


@pytest.mark.parametrize("name", ["..", "a/..", "a/", "."])
def test_name_that_is_no_files_is_refused_for_good(
    artifacts: DirectoryArtifacts, folder: Path, name: str
) -> None:
    """The code is that of a wrong output, and it is not tried again."""
    (folder / "value").write_bytes(b"content")
    with pytest.raises(RunnerError, match="is no name of a file") as caught:
        take_files({"$file": "value", "name": name}, folder, artifacts)
    assert (caught.value.code, caught.value.retryable) == ("invalid-output", False)


def strange_names(folder: Path) -> Iterator[str]:
    """Names that lead out of the folder, or to nothing that is a file in it."""
    (folder / "inside").mkdir()
    (folder / "inside" / "file").write_text("deep")
    os.mkfifo(folder / "pipe")
    (folder / "link").symlink_to(folder.parent / "secret.txt")
    (folder / "dangling").symlink_to("nowhere")
    yield from ("../secret.txt", str(folder.parent / "secret.txt"), "./../secret.txt", "..", ".")
    yield from ("", "/", "absent", "inside", "inside/file", "link", "dangling", "pipe")
    yield from ("a\x00b", "x" * 5000, "~", "\ud800")


def test_file_outside_the_folder_is_refused(artifacts: DirectoryArtifacts, folder: Path) -> None:
    """A name that is no regular file of the folder itself is refused: paths, links, pipes."""
    before = set(artifacts.digests())
    for name in strange_names(folder):
        with pytest.raises(RunnerError, match="that is not in its working folder") as refused:
            take_files([{"$file": name, "media_type": "text/plain"}], folder, artifacts)
        assert refused.value.code == "invalid-output"
    assert set(artifacts.digests()) == before


@attrs.frozen
class Swapped:
    """A store that is so slow that the task puts a link where its file was."""

    base: DirectoryArtifacts
    file: Path
    secret: Path

    def put_file(self, path: Path, name: str = "") -> StoredFile:
        """Store a file, after the swap."""
        self.file.unlink()
        self.file.symlink_to(self.secret)
        return self.base.put_file(path, name)


def test_file_that_is_swapped_meanwhile_is_stored_as_it_was(
    artifacts: DirectoryArtifacts, folder: Path
) -> None:
    """A link that a task puts in the place of its file is not followed by the worker."""
    secret, file = folder.parent / "secret.txt", folder / "value"
    secret.write_text("secret")
    file.write_text("own")
    store = Swapped(artifacts, file, secret)
    taken = take_files({"$file": "value"}, folder, store)  # type: ignore[arg-type]
    assert artifacts.read(taken["$artifact"]) == b"own"


@pytest.mark.parametrize("name", [5, None, ["a"], {"$file": "a"}, True])
def test_file_that_is_no_name_is_refused(
    artifacts: DirectoryArtifacts, folder: Path, name: Any
) -> None:
    """What stands for a file has to be a name."""
    with pytest.raises(RunnerError, match="not in its working folder"):
        take_files({"$file": name, "media_type": "text/plain"}, folder, artifacts)


def test_artifact_that_is_not_known_is_refused(artifacts: DirectoryArtifacts, folder: Path) -> None:
    """A reference, at any depth, is taken only if its digest is among the known ones."""
    document = {"inside": [PICTURE]}
    assert take_files(document, folder, artifacts, {DIGEST}) == document
    with pytest.raises(RunnerError, match="was not given; return a File") as refused:
        take_files(document, folder, artifacts, ())
    assert (refused.value.code, refused.value.retryable) == ("invalid-output", False)


@given(document=DOCUMENTS)
def test_runner_and_platform_agree_on_digests(document: Any) -> None:
    """JSON that a runner puts aside has the bytes that its digest is taken of here."""
    assert canonical(document) == documents.canonical(document)


@pytest.mark.parametrize("media_type", [{}, {"media_type": None}, {"media_type": 5}])
def test_file_without_a_media_type_is_taken(
    artifacts: DirectoryArtifacts, folder: Path, media_type: dict[str, Any]
) -> None:
    """A task's own object that happens to name a file is stored as plain bytes."""
    (folder / "file").write_bytes(b"a picture")
    taken = take_files({"$file": "file", **media_type}, folder, artifacts)
    assert taken == reference(StoredFile("file", DIGEST, 9), "application/octet-stream")


@given(document=DOCUMENTS)
def test_value_without_files_stays_as_it_is(
    artifacts: DirectoryArtifacts, tmp_path_factory: pytest.TempPathFactory, document: Any
) -> None:
    """JSON in which nothing names a file is given back equal."""
    assert take_files(document, tmp_path_factory.getbasetemp(), artifacts) == document
