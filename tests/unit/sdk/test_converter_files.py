"""Files and images: references in, files in the working folder out."""

import os
import struct
import zlib
from importlib.util import find_spec
from pathlib import Path
from typing import Any

import pytest

from taskmgr_plugins import File, Image, pixels
from taskmgr_plugins.converter import LARGE_JSON_BYTES, ValueConverter, canonical, media_type
from taskmgr_plugins.errors import InvalidValueError


def chunk(kind: bytes, content: bytes) -> bytes:
    """A part of a PNG file."""
    check = zlib.crc32(kind + content)
    return struct.pack(">I4s", len(content), kind) + content + struct.pack(">I", check)


# A real picture, gray, 20 x 20, made without numpy: these tests run where there is none.
ROWS = b"".join(b"\0" + bytes((x + y) % 7 * 40 for x in range(20)) for y in range(20))
PNG = b"".join(
    (
        b"\x89PNG\r\n\x1a\n",
        chunk(b"IHDR", struct.pack(">IIBBBBB", 20, 20, 8, 0, 0, 0, 0)),
        chunk(b"IDAT", zlib.compress(ROWS)),
        chunk(b"IEND", b""),
    )
)

UNDECODED = r"its content \(image/png\) cannot be decoded"


def needs(module: str) -> pytest.MarkDecorator:
    """A mark for what is tried only where a decoder is installed."""
    return pytest.mark.skipif(find_spec(module) is None, reason=f"there is no {module} here")


@pytest.fixture
def artifact(tmp_path: Path, converter: ValueConverter) -> dict[str, Any]:
    """A reference to an artifact that lies on this machine."""
    path = tmp_path / "stored"
    path.write_bytes(PNG)
    converter.paths = {"sha256:1": str(path)}
    return {"$artifact": "sha256:1", "media_type": "image/png", "size": 16, "name": "a.png"}


@pytest.mark.parametrize("annotation", [File, Image])
def test_reference_becomes_a_file(
    converter: ValueConverter, artifact: dict[str, Any], annotation: type[File]
) -> None:
    """A reference to an artifact is a File, or Image, where it lies, with its name."""
    file = converter.structure(artifact, annotation, "field")
    assert type(file) is annotation
    assert (file.read_bytes(), file.name) == (PNG, "a.png")


def test_references_inside_a_value_become_files(
    converter: ValueConverter, artifact: dict[str, Any]
) -> None:
    """Files may lie anywhere in a value, and be absent."""
    files = converter.structure([artifact, None], list[File | None], "field")
    assert files[0].read_bytes() == PNG
    assert files[1] is None


def test_json_file_stays_a_file(converter: ValueConverter, tmp_path: Path) -> None:
    """A file of JSON is a file where the task wants one, not a value."""
    path = tmp_path / "notes.json"
    path.write_text("[1]")
    converter.paths = {"sha256:1": str(path)}
    reference = {"$artifact": "sha256:1", "media_type": "application/json"}
    assert converter.structure(reference, File, "field").read_bytes() == b"[1]"
    assert converter.structure(reference, File | None, "field").read_bytes() == b"[1]"


def test_artifact_that_is_not_there_is_refused(converter: ValueConverter) -> None:
    """A digest that was not handed over is named."""
    with pytest.raises(InvalidValueError, match="field: the artifact sha256:2 was not handed over"):
        converter.structure({"$artifact": "sha256:2"}, File, "field")


@pytest.mark.parametrize("document", ["a.png", {"path": "/etc/passwd"}, None, 5])
def test_file_of_anything_but_a_reference_is_refused(
    converter: ValueConverter, document: Any
) -> None:
    """A File is only ever a reference to an artifact: nobody passes a path of this machine."""
    with pytest.raises(InvalidValueError, match="is no reference to an artifact"):
        converter.structure(document, File, "field")


def test_written_file_keeps_content_and_name(converter: ValueConverter, tmp_path: Path) -> None:
    """A File that a task returns is copied into the working folder, byte for byte."""
    path = tmp_path / "report.txt"
    path.write_bytes(b"hello")
    document = converter.unstructure(File(path), File, "field")
    assert (converter.folder / document["$file"]).read_bytes() == b"hello"
    assert (document["name"], document["media_type"]) == ("report.txt", "application/octet-stream")
    assert path.exists()


def test_written_bytes_become_a_file(converter: ValueConverter) -> None:
    """Bytes are written to a file, with the media type that they show."""
    document = converter.unstructure(Image(PNG, name="a.png"), Image, "field")
    assert (converter.folder / document["$file"]).read_bytes() == PNG
    assert (document["name"], document["media_type"]) == ("a.png", "image/png")


@pytest.mark.parametrize(
    ("content", "told"),
    [
        (b"no picture", "its content is of no known format: allowed are PNG, JPEG"),
        (b"", "its content is of no known format"),
        pytest.param(b"\x89PNG\r\n\x1a\n" + b"x" * 50, UNDECODED, marks=needs("cv2")),
        pytest.param(PNG[: len(PNG) // 2], UNDECODED, marks=needs("cv2")),
    ],
)
def test_written_image_that_is_no_picture_is_refused(
    converter: ValueConverter, tmp_path: Path, content: bytes, told: str
) -> None:
    """An Image from bytes or a path is decoded once; what cannot be is told with its place."""
    path = tmp_path / "face.png"
    path.write_bytes(content)
    for image in (Image(content), Image(path)):
        with pytest.raises(InvalidValueError, match=rf"field\[0\]: Image.* is no picture; {told}"):
            converter.unstructure([image], list[Image], "field")
    assert converter.unstructure(File(content), File, "field")["$file"]


@pytest.mark.parametrize(
    "decoder",
    [
        pytest.param("cv2", marks=needs("cv2")),
        pytest.param("PIL.Image", marks=needs("PIL")),
        None,
    ],
)
def test_written_image_is_judged_by_what_is_installed(
    converter: ValueConverter, monkeypatch: pytest.MonkeyPatch, decoder: str | None
) -> None:
    """OpenCV or Pillow decodes it; without either only its first bytes are looked at."""
    load = pixels._module
    monkeypatch.setattr(pixels, "_module", lambda name: load(name) if name == decoder else None)
    assert converter.unstructure(Image(PNG), Image, "field")["media_type"] == "image/png"
    damaged = Image(PNG[:-30])
    if decoder is None:
        assert converter.unstructure(damaged, Image, "field")["media_type"] == "image/png"
    else:
        with pytest.raises(InvalidValueError, match=r"field: .* cannot be decoded"):
            converter.unstructure(damaged, Image, "field")
    with pytest.raises(InvalidValueError, match=r"field: .* of no known format"):
        converter.unstructure(Image(b"text"), Image, "field")


@pytest.mark.parametrize(
    ("name", "recorded"), [("../../a.txt", "a.txt"), ("/etc/passwd", "passwd"), ("a\\b", "a\\b")]
)
def test_name_of_a_file_has_no_folders(converter: ValueConverter, name: str, recorded: str) -> None:
    """What is recorded is the last part of a name."""
    assert converter.unstructure(File(b"x", name=name), File, "field")["name"] == recorded


@pytest.mark.parametrize("name", ["..", ".", "a/", "/", "a/..", "a\0b"])
def test_name_that_is_no_files_is_refused(name: str) -> None:
    """A name that no file could have is told."""
    with pytest.raises(
        InvalidValueError, match=r"is no name of a file; give one as 'picture\.png'"
    ):
        File(b"x", name=name)


def test_written_files_do_not_meet(converter: ValueConverter) -> None:
    """Each written value has a file of its own, also where the names are the same."""
    files = [File(bytes([number]), name="same") for number in range(3)]
    documents = converter.unstructure(files, list[File], "field")
    contents = [(converter.folder / each["$file"]).read_bytes() for each in documents]
    assert contents == [b"\x00", b"\x01", b"\x02"]


def test_written_file_that_is_not_there_is_refused(
    converter: ValueConverter, tmp_path: Path
) -> None:
    """A task that returns a path to nothing is told the path."""
    with pytest.raises(InvalidValueError, match=r"field\[0\]: the file .*gone is not there"):
        converter.unstructure([File(tmp_path / "gone")], list[File], "field")


def test_output_that_is_no_file_is_refused(converter: ValueConverter) -> None:
    """A path alone is not a File."""
    with pytest.raises(InvalidValueError, match=r"field: 'a\.txt' is no File or Image"):
        converter.unstructure("a.txt", File, "field")


def test_file_with_a_name_that_is_no_utf8_is_written(
    converter: ValueConverter, tmp_path: Path
) -> None:
    """Half characters in a name are written out, so that it can be stored."""
    path = tmp_path / os.fsdecode(b"caf\xe9.t\xe9")
    path.touch()
    document = converter.unstructure(File(path), File, "field")
    assert document["name"] == "caf\\udce9.t\\udce9"
    assert (converter.folder / document["$file"]).is_file()


@pytest.mark.parametrize("text", ["\ud800", ["\udcff"], {"\udc80": 1}])
def test_text_with_half_characters_is_refused(converter: ValueConverter, text: Any) -> None:
    """A value that could not be recorded is refused with its place, and what to do."""
    with pytest.raises(InvalidValueError, match=r"field: .*no valid Unicode.*errors='replace'"):
        converter.unstructure(text, Any, "field")


def test_large_json_becomes_a_file_and_is_read_again(converter: ValueConverter) -> None:
    """A value of much JSON lies in the working folder in canonical form; tasks get it back."""
    value = {"b": ["ü" * 1000] * 600, "a": [1.5]}
    document = converter.unstructure(value, dict[str, list[Any]], "field")
    path = converter.folder / document["$file"]
    assert (document["media_type"], document["name"]) == ("application/json", "field.json")
    assert path.read_bytes() == canonical(value)
    converter.paths = {"sha256:1": str(path)}
    reference = {"$artifact": "sha256:1", "media_type": document["media_type"]}
    assert converter.structure(reference, dict[str, list[Any]], "field") == value


@pytest.mark.parametrize(("more", "written"), [(0, False), (1, True)])
def test_json_up_to_a_size_stays_inline(
    converter: ValueConverter, more: int, written: bool
) -> None:
    """A value of exactly the size, its quotes included, is no file; one byte more is."""
    text = "x" * (LARGE_JSON_BYTES - 2 + more)
    assert ("$file" in converter.unstructure(text, str, "field")) is written


def test_large_json_with_files_inside_stays_inline(converter: ValueConverter) -> None:
    """Files have to be found in a value, so it stays as it is, however large."""
    value = {"text": "x" * LARGE_JSON_BYTES, "files": [File(b"a", name="a")]}
    document = converter.unstructure(value, dict[str, Any], "field")
    assert document["text"] == value["text"]


@pytest.mark.parametrize(
    ("content", "expected"),
    [
        (PNG, "image/png"),
        (b"\xff\xd8\xff\xe0", "image/jpeg"),
        (b"GIF89a", "image/gif"),
        (b"BM\x00\x00", "image/bmp"),
        (b"II*\x00", "image/tiff"),
        (b"MM\x00*", "image/tiff"),
        (b"RIFF\x00\x00\x00\x00WEBP", "image/webp"),
        (b"RIFF\x00\x00\x00\x00WAVE", "application/octet-stream"),
        (b"\x93NUMPY\x01\x00", "application/x-npy"),
        (b"", "application/octet-stream"),
        (b"text", "application/octet-stream"),
    ],
)
def test_media_type_is_read_off_the_first_bytes(content: bytes, expected: str) -> None:
    """The signature tells the type, not a name."""
    assert media_type(content) == expected
