"""What users hand in: files stored, values checked, every fault told at once."""

import io
import os
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import attrs
import cv2
import numpy
import pytest

from taskmgr_core.documents import digest_of
from taskmgr_core.errors import InvalidValueError, Problem
from taskmgr_core.inputs import InputReader, InvalidInputsError, from_text
from taskmgr_core.orchestrator.validation import Validator
from taskmgr_core.specs import Graph
from taskmgr_core.stores.directory import DirectoryArtifacts
from taskmgr_plugins import Array, Box, File, Image, Points
from taskmgr_plugins.schemas import schema_of

PIXELS = numpy.arange(48, dtype=numpy.uint8).reshape(4, 4, 3)
PNG = cv2.imencode(".png", PIXELS)[1].tobytes()
ROWS = numpy.arange(6, dtype=numpy.float32).reshape(2, 3)


def npy(array: Any) -> bytes:
    """An array as the content of an .npy file."""
    buffer = io.BytesIO()
    numpy.save(buffer, array, allow_pickle=True)
    return buffer.getvalue()


def graph(optional: tuple[str, ...] = (), **inputs: Any) -> Graph:
    """A pipeline with inputs of these types."""
    schemas = {name: schema_of(annotation) for name, annotation in inputs.items()}
    return Graph("find_faces", schemas, optional, schemas, (), {})


@pytest.fixture
def artifacts(tmp_path: Path) -> DirectoryArtifacts:
    """An empty artifact store."""
    store = DirectoryArtifacts(tmp_path / "artifacts")
    store.initialize()
    return store


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    """The user's folder, with a picture, an array and a text."""
    made = tmp_path / "project"
    made.mkdir()
    (made / "face.png").write_bytes(PNG)
    (made / "rows.npy").write_bytes(npy(ROWS))
    (made / "notes.txt").write_text("notes")
    return made


@pytest.fixture
def reader(artifacts: DirectoryArtifacts, folder: Path) -> InputReader:
    """A reader that takes relative paths from the user's folder."""
    return InputReader(artifacts, Validator(), 1, folder)


def read(reader: InputReader, annotation: Any, value: Any) -> Any:
    """The document of one input, ``x``."""
    return reader.read(graph(x=annotation), {"x": value})["x"]


def faults(reader: InputReader, wanted: Graph, given: Mapping[str, Any]) -> tuple[Problem, ...]:
    """What is wrong with inputs; the message has all of it."""
    with pytest.raises(InvalidInputsError) as refused:
        reader.read(wanted, given)
    lines = "".join(f"\n  {each}" for each in refused.value.problems)
    assert str(refused.value) == f"find_faces cannot run with these inputs:{lines}"
    return refused.value.problems


def fault(reader: InputReader, annotation: Any, value: Any) -> str:
    """What is wrong with one input, ``x``."""
    (problem,) = faults(reader, graph(x=annotation), {"x": value})
    return str(problem)


def stored(content: bytes, name: str, media_type: str) -> dict[str, Any]:
    """The document of a stored file."""
    return {
        "$artifact": digest_of(content),
        "media_type": media_type,
        "size": len(content),
        "name": name,
    }


# files and pictures


def test_picture_is_taken_from_anything(
    reader: InputReader, artifacts: DirectoryArtifacts, folder: Path
) -> None:
    """A path as text or Path, relative or not, bytes and an Image: the same artifact."""
    picture = stored(PNG, "face.png", "image/png")
    path = folder / "face.png"
    for on_disk in ("face.png", str(path), Path("face.png"), path, Image(path), Image("face.png")):
        assert read(reader, Image, on_disk) == picture, on_disk
    for in_memory, name in ((PNG, "x"), (Image(PNG), "x"), (Image(PNG, "me.png"), "me.png")):
        assert read(reader, Image, in_memory) == {**picture, "name": name}
    assert artifacts.read(digest_of(PNG)) == PNG


def test_array_is_taken_as_a_picture(reader: InputReader, artifacts: DirectoryArtifacts) -> None:
    """A numpy array for a picture is stored as PNG, pixel for pixel."""
    for value in (PIXELS, Image(PIXELS, "x")):
        found = read(reader, Image, value)
        assert (found["media_type"], found["name"]) == ("image/png", "x")
        decoded = cv2.imread(str(artifacts.local_path(found["$artifact"])))
        assert decoded is not None
        assert numpy.array_equal(decoded, PIXELS)


def test_stored_file_is_taken_by_its_digest(
    reader: InputReader, artifacts: DirectoryArtifacts
) -> None:
    """The digest of something stored, or a reference to it, stands for its content."""
    digest = artifacts.put_bytes(PNG, "face.png").digest
    for value in (digest, {"$artifact": digest}, stored(PNG, "face.png", "text/html")):
        assert read(reader, Image, value) == stored(PNG, "x", "image/png")
        assert read(reader, File, value) == stored(PNG, "x", "image/png")


def test_file_of_any_kind_is_taken(reader: InputReader, folder: Path) -> None:
    """A File input takes what is no picture, too; a picture is one of its kind."""
    kind = "application/octet-stream"
    assert read(reader, File, "notes.txt") == stored(b"notes", "notes.txt", kind)
    assert read(reader, File, b"") == stored(b"", "x", kind)
    assert read(reader, File, File(folder / "notes.txt", "mine")) == stored(b"notes", "mine", kind)
    assert read(reader, File, Image(PNG))["media_type"] == "image/png"


@pytest.mark.parametrize("name", ["../escaped", "a/b", "/absolute", "..\\x", "x" * 400])
def test_name_of_a_file_is_only_a_name(reader: InputReader, folder: Path, name: str) -> None:
    """Whatever a file in memory is called, its content is stored and nothing written elsewhere."""
    before = sorted(folder.parent.rglob("*"))
    document = read(reader, File, File(b"content", name))
    last = name.split("/")[-1]
    assert document == stored(b"content", last, "application/octet-stream")
    added = set(folder.parent.rglob("*")).difference(before)
    assert {each.name for each in added} <= {digest_of(b"content")[7:], digest_of(b"content")[7:9]}


def test_home_of_the_user_is_known(
    reader: InputReader, folder: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """``~`` is the user's own folder; that of nobody is refused."""
    monkeypatch.setenv("HOME", str(folder))
    assert read(reader, Image, "~/face.png") == stored(PNG, "face.png", "image/png")
    for annotation in (Image, File, Array):
        assert fault(reader, annotation, "~nobody-here/a") == (
            "x: '~nobody-here/a' names no user's folder"
        )


@pytest.mark.parametrize("annotation", [Image, File, Array])
def test_file_that_cannot_be_stored_is_named(
    reader: InputReader, folder: Path, annotation: Any
) -> None:
    """What is not there, a folder, a pipe, or text that is no path at all: named, and why."""
    os.mkfifo(folder / "pipe")
    expected = {
        "absent.png": "does not exist",
        "face.png/inside": "does not exist",
        "a\x00b": "does not exist",
        ".": "is a folder",
        "pipe": "is no regular file",
    }
    for given, why in expected.items():
        assert fault(reader, annotation, given) == f"x: the file {folder / given} {why}"
    long = fault(reader, annotation, "base64" * 1000)
    assert long.endswith("... cannot be read: File name too long")
    assert len(long) < 300


@pytest.mark.parametrize("value", [5, 1.5, True, None, ["face.png"], {"path": "face.png"}])
@pytest.mark.parametrize("annotation", [Image, File])
def test_value_that_is_no_file_is_refused(reader: InputReader, annotation: Any, value: Any) -> None:
    """A number, a list or an object is no file; the message says what may be given."""
    message = fault(reader, annotation, value)
    assert message.startswith("x: ")
    assert "path" in message
    assert "bytes" in message


def test_array_that_is_no_picture_is_refused(reader: InputReader) -> None:
    """An array of another shape or type is refused with what a picture's are."""
    assert fault(reader, Image, ROWS) == (
        "x: an array of shape (2, 3) and dtype float32 is no picture; allowed are (height, width), "
        "(height, width, 3) and (height, width, 4) of uint8 or uint16"
    )


def test_file_that_is_no_picture_is_refused(reader: InputReader) -> None:
    """A text for a picture is refused by its path, as bytes, as a File and by its digest."""
    digest = reader.artifacts.put_bytes(b"notes").digest
    for value, name in (("notes.txt", "notes.txt"), (b"notes", "x"), (File(b"notes", "n"), "n")):
        assert fault(reader, Image, value).startswith(f"x: {name} is not a picture (its content")
    assert fault(reader, Image, digest).startswith("x: x is not a picture (its content is text)")


def test_too_large_picture_is_refused(reader: InputReader) -> None:
    """The limit of pixels holds for every picture."""
    message = fault(reader, Image, numpy.zeros((1001, 1000), numpy.uint8))
    assert message.startswith("x: x has 1000 x 1001 pixels, more than the 1 million allowed")


@pytest.mark.parametrize("annotation", [Image, File, Array])
def test_digest_of_nothing_is_a_fault_of_the_input(reader: InputReader, annotation: Any) -> None:
    """A digest that is not stored, or is none, is told like any other fault."""
    absent = digest_of(b"absent")
    for value in (absent, {"$artifact": absent}):
        assert fault(reader, annotation, value).startswith(f"x: the artifact {absent} is not in")
    assert fault(reader, annotation, "sha256:12").startswith("x: 'sha256:12' is no digest; it must")
    assert fault(reader, annotation, {"$artifact": 5}).startswith("x: '5' is no digest")


# arrays


def test_small_array_goes_inline(reader: InputReader) -> None:
    """A numpy array, and numbers that make one, are passed exactly."""
    document = read(reader, Array, ROWS)
    assert (document["$array"]["dtype"], document["$array"]["shape"]) == ("<f4", [2, 3])
    assert read(reader, Array, document) == document
    assert read(reader, Array, [[1, 2], [3, 4]])["$array"]["shape"] == [2, 2]


def test_large_array_becomes_a_file(reader: InputReader, artifacts: DirectoryArtifacts) -> None:
    """A large array is stored as a file that numpy reads."""
    large = numpy.arange(10_000, dtype=numpy.int64)
    document = read(reader, Array, large)
    assert (document["dtype"], document["shape"]) == ("<i8", [10_000])
    assert (numpy.load(artifacts.local_path(document["$artifact"])) == large).all()


def test_array_is_taken_from_a_file(
    reader: InputReader, artifacts: DirectoryArtifacts, folder: Path
) -> None:
    """An .npy file by its path, its bytes or its digest stands for the array."""
    content = npy(ROWS)
    digest = artifacts.put_bytes(content).digest
    expected = stored(content, "x", "application/x-npy")
    for on_disk in ("rows.npy", folder / "rows.npy", File(folder / "rows.npy")):
        assert read(reader, Array, on_disk) == {**expected, "name": "rows.npy"}
    for other in (content, digest, {"$artifact": digest}):
        assert read(reader, Array, other) == expected


def test_file_that_is_no_array_is_refused(reader: InputReader) -> None:
    """A picture or a text for an array is refused with what is wanted."""
    assert fault(reader, Array, "face.png") == (
        "x: face.png is no array (image/png); give an .npy file, as numpy.save writes it, or a "
        "numpy array"
    )
    assert "x is no array (application/octet-stream)" in fault(reader, Array, b"notes")


@pytest.mark.parametrize(
    "value", [numpy.array([object()]), [[1], [2, 3]], {"rows": 1}, {"$array": {"dtype": "<f4"}}]
)
def test_value_that_is_no_array_is_refused(reader: InputReader, value: Any) -> None:
    """Objects, ragged rows and other mappings are no arrays."""
    assert fault(reader, Array, value).startswith("x: ")


# other values


@pytest.mark.parametrize(
    ("annotation", "value", "document"),
    [
        (str, "face.png", "face.png"),
        (int, 3, 3),
        (float, 3, 3),
        (bool, True, True),
        (list[str], ("a", "b"), ("a", "b")),
        (dict[str, int], {"a": 1}, {"a": 1}),
        (Box, Box(1, 2, 3, 4), {"x": 1, "y": 2, "width": 3, "height": 4}),
        (Box, {"x": 1, "y": 2, "width": 3, "height": 4}, {"x": 1, "y": 2, "width": 3, "height": 4}),
        (Points, Points([(1, 2), (3, 4)]), [[1.0, 2.0], [3.0, 4.0]]),
        (list[Box], [Box(1, 2, 3, 4)], [{"x": 1, "y": 2, "width": 3, "height": 4}]),
        (Box | None, Box(1, 2, 3, 4), {"x": 1, "y": 2, "width": 3, "height": 4}),
        (float, numpy.float32(0.5), 0.5),
        (int, numpy.int64(7), 7),
    ],
)
def test_value_becomes_its_document(
    reader: InputReader, annotation: Any, value: Any, document: Any
) -> None:
    """JSON values stay as they are; boxes, points and numpy's numbers become JSON."""
    assert read(reader, annotation, value) == document


def test_files_inside_are_stored_too(reader: InputReader) -> None:
    """An optional picture, and each of a list of them, is taken from a path; None stays None."""
    picture = stored(PNG, "face.png", "image/png")
    assert read(reader, Image | None, "face.png") == picture
    assert read(reader, Image | None, None) is None
    assert read(reader, list[Image], ["face.png", Image(PNG, "face.png")]) == [picture, picture]
    assert fault(reader, list[Image], ["face.png", "absent"]).startswith("x[1]: the file ")


@attrs.frozen
class Pair:
    """Two pictures and some rows, one of which may be absent."""

    left: Image
    right: Image | None = None
    rows: Array | None = None


def test_files_in_objects_are_stored_too(reader: InputReader, folder: Path) -> None:
    """However deep they are, they are taken as at the top of a value; faults have their place."""
    picture = stored(PNG, "face.png", "image/png")
    rows = read(reader, Array, ROWS)
    wanted = {"left": picture, "right": None, "rows": rows}
    given = {"left": "face.png", "right": None, "rows": ROWS}
    assert read(reader, Pair, given) == wanted
    assert read(reader, Pair | None, given) == wanted
    assert read(reader, dict[str, list[Pair]], {"both": [given, given]}) == {"both": [wanted] * 2}
    assert read(reader, dict[str, Image], {"a b": "face.png"}) == {"a b": picture}
    (folder / "text.png").write_text("no picture")
    for name, told in (("absent.png", "does not exist"), ("text.png", "is not a picture")):
        place, _, said = fault(reader, list[Pair], [given, {"left": name}]).partition(": ")
        assert place == "x[1].left"
        assert told in said


def test_value_that_is_nested_too_deeply_is_refused(reader: InputReader) -> None:
    """However it is given, the message names the input."""
    value: Any = []
    for _ in range(100_000):
        value = [value]
    try:
        assert fault(reader, Any, value) == "x: it is nested too deeply"
    finally:
        while value:  # taken apart, for Python would do that by recursion
            value = value[0]
    with pytest.raises(InvalidValueError, match=r"\[\[\[.*\.\.\. is nested too deeply"):
        from_text({}, "[" * 100_000 + "]" * 100_000)


@pytest.mark.parametrize(
    ("annotation", "value", "wrong"),
    [
        (int, "3", 'x: "3" does not fit integer'),
        (int, True, "x: true does not fit integer"),
        (float, float("nan"), "x: nan is not a finite number, as JSON needs it"),
        (list[float], [1.0, float("-inf")], "x[1]: -inf is not a finite number, as JSON needs it"),
        (str, None, "x: null does not fit string"),
        (Box, {"x": 1, "y": 2, "width": 3}, "x: the required 'height' is missing"),
        (Box, {"x": "left", "y": 2, "width": 3, "height": 4}, 'x.x: "left" does not fit number'),
    ],
)
def test_value_that_does_not_fit_is_refused(
    reader: InputReader, annotation: Any, value: Any, wrong: str
) -> None:
    """A value of another type is refused with its place, itself and the type."""
    assert fault(reader, annotation, value) == wrong


def test_value_that_is_no_json_is_refused(reader: InputReader) -> None:
    """An object that JSON has no word for is named."""
    assert "is not a JSON value" in fault(reader, str, object())
    assert "is not a JSON value" in fault(reader, str, "\ud800")


# all of them


def test_every_fault_is_told_at_once(reader: InputReader) -> None:
    """Unknown, missing and wrong inputs of every kind come in one message."""
    wanted = graph(photo=Image, rows=Array, limit=int, name=str, box=Box)
    given = {"photo": "absent.png", "rows": "sha256:0", "limit": "many", "box": {}, "nmae": "me"}
    told = [str(each) for each in faults(reader, wanted, given)]
    assert [each.split(":")[0] for each in told] == [
        "nmae",
        "photo",
        "rows",
        "limit",
        "name",
        *["box"] * 4,
    ]
    assert told[0] == "nmae: there is no such input; did you mean 'name'?"
    assert told[4] == "name: is missing; give name=<string>"


def test_missing_input_says_what_to_give(reader: InputReader) -> None:
    """An input that is required and not given is named with its type."""
    (problem,) = faults(reader, graph(photo=Image), {})
    assert problem == Problem("photo", "is missing; give photo=<Image>")


def test_optional_input_may_be_left_out(reader: InputReader) -> None:
    """An input with a default is not part of what is read, unless it is given."""
    wanted = graph(("limit",), name=str, limit=int)
    assert reader.read(wanted, {"name": "me"}) == {"name": "me"}
    assert reader.read(wanted, {"name": "me", "limit": 3}) == {"name": "me", "limit": 3}


def test_input_of_nothing_known_is_refused(reader: InputReader) -> None:
    """A pipeline without inputs says that it has none."""
    (problem,) = faults(reader, graph(), {"photo": "face.png"})
    assert problem == Problem("photo", "there is no such input; there are none")


def test_faults_are_invalid_values(reader: InputReader) -> None:
    """Whoever catches invalid values catches invalid inputs."""
    with pytest.raises(InvalidValueError):
        reader.read(graph(x=int), {})


# typed text


@pytest.mark.parametrize(
    ("annotation", "text", "value"),
    [
        (str, "3", "3"),
        (str, "null", "null"),
        (str, "", ""),
        (str, '"quoted"', '"quoted"'),
        (int, "3", 3),
        (float, "3.5", 3.5),
        (float, "1e3", 1000.0),
        (bool, "true", True),
        (bool, "True", "True"),
        (list[int], "[1, 2]", [1, 2]),
        (Box, '{"x": 1}', {"x": 1}),
        (int, "many", "many"),
        (Image, "3.png", "3.png"),
        (Image, "3", "3"),
        (File, "{}", "{}"),
        (Array, "rows.npy", "rows.npy"),
        (Array, "[1, 2]", [1, 2]),
        (str | None, "3", "3"),
        (str | None, "null", None),
        (int | None, "3", 3),
        (Image | None, "3", "3"),
        (int | str, "3", 3),
        (int | str, "three", "three"),
    ],
)
def test_typed_text_becomes_a_value(annotation: Any, text: str, value: Any) -> None:
    """Text stays text for a text or a path; for all others it is JSON where it can be."""
    found = from_text(schema_of(annotation), text)
    assert found == value
    assert type(found) is type(value)
