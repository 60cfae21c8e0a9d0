"""Pictures at the door: what can be decoded passes, all else is refused with what it is."""

import contextlib
import io
import struct
import warnings
import zlib
from pathlib import Path
from typing import Any

import numpy
import pytest
from hypothesis import given
from hypothesis import strategies as st
from PIL import Image

from taskmgr_core.errors import InvalidValueError
from taskmgr_core.pictures import FORMATS, check_picture

PIXELS = numpy.random.default_rng(7).integers(0, 256, (48, 64, 3), dtype=numpy.uint8)
EXIF_ORIENTATION = 0x0112


def encoded(picture: Image.Image, kind: str, **options: Any) -> bytes:
    """A picture as a file's bytes."""
    buffer = io.BytesIO()
    picture.save(buffer, kind, **options)
    return buffer.getvalue()


PICTURE = Image.fromarray(PIXELS)
FILES = {kind: encoded(PICTURE, kind) for kind in FORMATS}


def written(tmp_path: Path, content: bytes, name: str = "picture") -> Path:
    """A file with this content."""
    path = tmp_path / name
    path.write_bytes(content)
    return path


def refusal(path: Path, megapixels: int = 150) -> str:
    """Why a file is refused."""
    with pytest.raises(InvalidValueError) as refused:
        check_picture(path, "face.jpg", megapixels)
    return str(refused.value)


# what passes


@pytest.mark.parametrize("kind", FORMATS)
@pytest.mark.parametrize("name", ["picture", "picture.jpg", "picture.png", "picture.txt"])
def test_picture_passes_whatever_its_name(tmp_path: Path, kind: str, name: str) -> None:
    """Every allowed format passes, recognised by its content and not by its ending."""
    check_picture(written(tmp_path, FILES[kind], name), name, 1)


@pytest.mark.parametrize("mode", ["1", "L", "LA", "P", "RGB", "RGBA", "I;16"])
def test_picture_of_any_mode_passes(tmp_path: Path, mode: str) -> None:
    """Black and white, gray, palette, colour, transparent and 16-bit pictures pass."""
    if mode == "I;16":
        picture = Image.fromarray((PIXELS[:, :, 0].astype(numpy.uint16) << 8) + 3)
    else:
        picture = PICTURE.convert(mode)
    assert picture.mode == mode
    check_picture(written(tmp_path, encoded(picture, "PNG")), "picture", 1)


@pytest.mark.parametrize("mode", ["L", "RGB", "CMYK"])
def test_jpeg_of_any_mode_passes(tmp_path: Path, mode: str) -> None:
    """Gray, colour and print JPEGs pass, progressive ones, too."""
    content = encoded(PICTURE.convert(mode), "JPEG", progressive=True)
    check_picture(written(tmp_path, content), "picture", 1)


@pytest.mark.parametrize("size", [(1, 1), (1, 20_000), (20_000, 10), (7, 9)])
@pytest.mark.parametrize("kind", ["PNG", "JPEG"])
def test_picture_of_any_shape_passes(tmp_path: Path, size: tuple[int, int], kind: str) -> None:
    """The smallest picture, the longest and the widest pass."""
    check_picture(written(tmp_path, encoded(Image.new("RGB", size), kind)), "picture", 1)


@pytest.mark.parametrize("orientation", range(1, 9))
def test_turned_picture_passes(tmp_path: Path, orientation: int) -> None:
    """A picture that a phone took upright, upside down or mirrored passes."""
    exif = Image.Exif()
    exif[EXIF_ORIENTATION] = orientation
    check_picture(written(tmp_path, encoded(PICTURE, "JPEG", exif=exif)), "picture", 1)


def test_odd_metadata_is_not_the_user_s_concern(
    tmp_path: Path, recwarn: pytest.WarningsRecorder
) -> None:
    """A picture that Pillow warns about, but decodes, passes without a word."""
    broken = encoded(PICTURE, "JPEG", exif=b"Exif\x00\x00II*\x00\x08\x00\x00\x00\xff\xff")
    with warnings.catch_warnings():
        warnings.simplefilter("always")
        check_picture(written(tmp_path, broken), "picture", 1)
    assert recwarn.list == []


# what is too large


def test_too_many_pixels_are_refused(tmp_path: Path) -> None:
    """One pixel above the limit is refused with the size, the limit and what to do."""
    check_picture(written(tmp_path, encoded(Image.new("L", (1000, 1000)), "PNG")), "picture", 1)
    assert refusal(written(tmp_path, encoded(Image.new("L", (1000, 1001)), "PNG")), 1) == (
        "face.jpg has 1000 x 1001 pixels, more than the 1 million allowed; shrink it, or raise "
        "TASKMGR_IMAGE_MEGAPIXELS"
    )


def png_header(width: int, height: int) -> bytes:
    """A PNG that says how large it is and has next to nothing to show for it."""

    def chunk(name: bytes, content: bytes) -> bytes:
        checked = name + content
        return struct.pack(">I", len(content)) + checked + struct.pack(">I", zlib.crc32(checked))

    header = chunk(b"IHDR", struct.pack(">IIBBBBB", width, height, 8, 2, 0, 0, 0))
    data = chunk(b"IDAT", zlib.compress(bytes(1000)))
    return b"\x89PNG\r\n\x1a\n" + header + data + chunk(b"IEND", b"")


@pytest.mark.parametrize("side", [12_500, 14_000, 50_000, 1_000_000])
def test_decompression_bomb_is_refused_by_its_header(tmp_path: Path, side: int) -> None:
    """A small file that would unpack to gigapixels is called too large, not damaged."""
    message = refusal(written(tmp_path, png_header(side, side)))
    assert "more than the 150 million" in message
    assert "pixels" in message
    assert "shrink it" in message
    assert "damaged" not in message


# what is no picture


@pytest.mark.parametrize(
    ("content", "kind"),
    [
        (b"", "the file is empty"),
        (b"hello", "its content is text"),
        ("€".encode() * 300, "its content is text"),
        (b'{"faces": []}' + b" " * 600, "its content is text"),
        (b"\x00" * 600, "its content is of no known image format"),
        (b"%PDF-1.7\n\xe2\xe3\xcf\xd3", "its content is of no known image format"),
        (b"\xff\xfe\x00\x01" * 200, "its content is of no known image format"),
        (b"%!PS-Adobe-3.0 EPSF-3.0\n%%BoundingBox: 0 0 9 9\n", "its content is text"),
    ],
)
@pytest.mark.parametrize("name", ["face.jpg", "face.png", "face.eps"])
def test_file_that_is_no_picture_is_refused(
    tmp_path: Path, content: bytes, kind: str, name: str
) -> None:
    """A file of another kind is refused with what it is and which formats are allowed."""
    assert refusal(written(tmp_path, content, name)) == (
        f"face.jpg is not a picture ({kind}); give a PNG, JPEG, WebP, BMP, GIF or TIFF file"
    )


@pytest.mark.parametrize("kind", ["ICO", "TGA", "PPM"])
def test_picture_of_another_format_is_refused(tmp_path: Path, kind: str) -> None:
    """A format that tasks cannot count on being able to decode is refused."""
    message = refusal(written(tmp_path, encoded(PICTURE, kind), f"face.{kind.lower()}"))
    assert message.startswith("face.jpg is not a picture")


def test_missing_picture_is_refused(tmp_path: Path) -> None:
    """A file that is not there, or cannot be opened, is refused with the system's reason."""
    assert refusal(tmp_path / "absent") == "face.jpg cannot be read: No such file or directory"
    assert refusal(tmp_path) == "face.jpg cannot be read: Is a directory"


# what is damaged


@given(kind=st.sampled_from(["PNG", "JPEG"]), part=st.floats(0.0, 0.97))
def test_truncated_picture_is_refused(
    tmp_path_factory: pytest.TempPathFactory, kind: str, part: float
) -> None:
    """A picture cut off anywhere is refused, and once its beginning is known called damaged."""
    content = FILES[kind]
    cut = content[: int(len(content) * part)]
    message = refusal(written(tmp_path_factory.getbasetemp(), cut, "truncated"))
    assert message.startswith("face.jpg is ")
    assert "damaged and cannot be decoded" in message or "not a picture" in message
    assert part < 0.5 or message.endswith("; copy or export it again")


def test_damaged_content_is_refused(tmp_path: Path) -> None:
    """A PNG whose middle was overwritten is refused as damaged."""
    content = bytearray(FILES["PNG"])
    middle = len(content) // 2
    content[middle : middle + 200] = bytes(200)
    message = refusal(written(tmp_path, bytes(content)))
    assert message.startswith("face.jpg is damaged and cannot be decoded: ")


@given(
    kind=st.sampled_from(FORMATS),
    changes=st.lists(st.tuples(st.integers(0, 400), st.integers(0, 255)), min_size=1, max_size=6),
)
def test_picture_with_wrong_bytes_breaks_nothing(
    tmp_path_factory: pytest.TempPathFactory, kind: str, changes: list[tuple[int, int]]
) -> None:
    """Whatever bytes are changed, a picture passes or is refused; nothing else happens."""
    content = bytearray(FILES[kind])
    for place, byte in changes:
        content[place % len(content)] = byte
    path = written(tmp_path_factory.getbasetemp(), bytes(content), "changed")
    with contextlib.suppress(InvalidValueError):
        check_picture(path, "face.jpg", 1)
