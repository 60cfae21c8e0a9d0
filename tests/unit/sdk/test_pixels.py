"""Pictures: OpenCV and Pillow give the same pixels, so a task may have either."""

import io
import sys
from collections.abc import Iterator
from typing import Any

import pytest

numpy = pytest.importorskip("numpy")
cv2 = pytest.importorskip("cv2")
pillow = pytest.importorskip("PIL.Image")

from taskmgr_plugins import Image, InvalidInputError, TaskmgrError  # noqa: E402
from taskmgr_plugins.errors import InvalidValueError  # noqa: E402

ORDERS = ("bgr", "rgb", "gray")
ORIENTATION = 0x112


def picture() -> Any:
    """Smooth colours, (30, 40, 3) uint8 RGB, without symmetry."""
    rows, columns = numpy.mgrid[0:30, 0:40]
    return numpy.dstack([rows * 8, columns * 6, (rows * columns) // 5]).astype(numpy.uint8)


def saved(pixels: Any, kind: str, mode: str | None = None, **options: Any) -> bytes:
    """A file of the pixels, written by Pillow."""
    made = pillow.fromarray(pixels)
    buffer = io.BytesIO()
    (made.convert(mode) if mode else made).save(buffer, kind, **options)
    return buffer.getvalue()


def turned(orientation: int, kind: str = "JPEG") -> bytes:
    """A file whose EXIF data say how it has to be turned."""
    exif = pillow.Exif()
    exif[ORIENTATION] = orientation
    options: dict[str, Any] = {"exif": exif}
    if kind == "JPEG":
        options |= {"quality": 95, "subsampling": 0}
    return saved(picture(), kind, **options)


def deep(pixels: Any) -> bytes:
    """A PNG of 16 bits a channel."""
    return bytes(cv2.imencode(".png", pixels.astype(numpy.uint16) * 257)[1].tobytes())


# Written before a test hides Pillow.
FILES: dict[str, bytes] = {
    "rgb.png": saved(picture(), "PNG"),
    "gray.png": saved(picture()[:, :, 0], "PNG"),
    "rgba.png": saved(numpy.dstack([picture(), picture()[:, :, 0]]), "PNG"),
    "gray-alpha.png": saved(picture(), "PNG", "LA"),
    "palette.png": saved(picture(), "PNG", "P"),
    "black-and-white.png": saved(picture(), "PNG", "1"),
    "gray-16-bit.png": deep(picture()[:, :, 0]),
    "rgb-16-bit.png": deep(picture()),
    "gray-16-bit.tiff": saved(picture()[:, :, 0].astype(numpy.uint16) * 257, "TIFF"),
    "rgb.jpg": saved(picture(), "JPEG", quality=95),
    "cmyk.jpg": saved(picture(), "JPEG", "CMYK", quality=95),
    "rgb.webp": saved(picture(), "WEBP", lossless=True),
    "rgb.bmp": saved(picture(), "BMP"),
    "rgb.tiff": saved(picture(), "TIFF"),
    "rgb.gif": saved(picture(), "GIF"),
    "turned-6.png": turned(6, "PNG"),
    **{f"turned-{each}.jpg": turned(each) for each in range(1, 9)},
}


@pytest.fixture(params=["opencv", "pillow"])
def decoder(request: pytest.FixtureRequest) -> Iterator[str]:
    """Run the test with each decoder as the only one that is installed."""
    other = {"opencv": "PIL", "pillow": "cv2"}[request.param]
    with pytest.MonkeyPatch.context() as patch:
        hide(patch, other)
        yield request.param


def hide(patch: pytest.MonkeyPatch, *packages: str) -> None:
    """Make packages look as if they were not installed."""
    for name in list(sys.modules):
        if name.split(".")[0] in packages:
            patch.delitem(sys.modules, name)

    class Finder:
        """Refuses the hidden packages before anybody finds them."""

        def find_spec(self, name: str, path: Any = None, target: Any = None) -> None:
            """Find nothing, or refuse."""
            if name.split(".")[0] in packages:
                raise ModuleNotFoundError(f"No module named {name!r}", name=name)

    patch.setattr(sys, "meta_path", [Finder(), *sys.meta_path])


def decoded(content: bytes, order: str, hidden: str) -> Any:
    """The pixels, decoded while one of the decoders is hidden."""
    with pytest.MonkeyPatch.context() as patch:
        hide(patch, hidden)
        return Image(content).to_array(order)  # type: ignore[arg-type]


@pytest.mark.parametrize("order", ORDERS)
@pytest.mark.parametrize("name", FILES)
def test_decoders_agree(name: str, order: str) -> None:
    """Every kind of file gives the same shape and, within rounding, the same pixels."""
    rounding = 2 if order == "gray" else 1
    content = FILES[name]
    one, other = (decoded(content, order, hidden) for hidden in ("PIL", "cv2"))
    assert one.dtype == other.dtype == numpy.uint8
    assert one.shape == other.shape
    assert numpy.abs(one.astype(int) - other.astype(int)).max() <= rounding


@pytest.mark.parametrize("order", ORDERS)
def test_pixels_are_in_the_order_asked_for(decoder: str, order: str) -> None:
    """A lossless colour picture comes back as it was, its channels in order."""
    rgb = picture()
    wanted = {"rgb": rgb, "bgr": rgb[:, :, ::-1]}
    found = Image(FILES["rgb.png"]).to_array(order)  # type: ignore[arg-type]
    if order == "gray":
        luma = (rgb @ numpy.array([0.299, 0.587, 0.114])).round()
        assert numpy.abs(found - luma).max() <= 1
    else:
        assert (found == wanted[order]).all()


@pytest.mark.parametrize("orientation", range(1, 9))
def test_picture_is_turned_upright(decoder: str, orientation: int) -> None:
    """The EXIF orientation is applied: the pixels are those that a viewer shows."""
    upright = {
        1: lambda pixels: pixels,
        2: lambda pixels: pixels[:, ::-1],
        3: lambda pixels: pixels[::-1, ::-1],
        4: lambda pixels: pixels[::-1],
        5: lambda pixels: pixels.transpose(1, 0, 2),
        6: lambda pixels: numpy.rot90(pixels, -1),
        7: lambda pixels: pixels[::-1, ::-1].transpose(1, 0, 2),
        8: lambda pixels: numpy.rot90(pixels, 1),
    }[orientation](picture())
    found = Image(FILES[f"turned-{orientation}.jpg"]).to_array("rgb")
    assert found.shape == upright.shape
    assert numpy.abs(found.astype(int) - upright).mean() < 3


@pytest.mark.parametrize("order", ORDERS)
def test_decoded_pixels_may_be_drawn_on(decoder: str, order: str) -> None:
    """The array is the task's own: writable and contiguous, whichever decoder made it."""
    found = Image(FILES["rgb.png"]).to_array(order)  # type: ignore[arg-type]
    assert found.flags.writeable
    assert found.flags.c_contiguous


@pytest.mark.parametrize(
    "content",
    [
        b"",
        b"no picture at all",
        b"\x89PNG\r\n\x1a\n",
        b"\xff\xd8\xff\xe0",
        saved(picture(), "PNG")[:-200],
        saved(picture(), "JPEG", quality=95)[:600],
        saved(picture(), "WEBP", lossless=True)[:60],
        saved(picture()[:, :, 0].astype(numpy.float32), "TIFF"),
        saved(picture()[:, :, 0].astype(numpy.int32), "TIFF"),
    ],
    ids=["empty", "text", "png-head", "jpeg-head", "png", "jpeg", "webp", "float-tiff", "int-tiff"],
)
def test_file_that_cannot_be_decoded_is_refused(decoder: str, content: bytes) -> None:
    """What is empty, cut off or no picture is refused by both, never decoded by half."""
    with pytest.raises(InvalidInputError, match=r"face\.png cannot be decoded as a picture"):
        Image(content, name="face.png").to_array()


def test_machine_without_a_decoder_is_told_what_to_add(monkeypatch: pytest.MonkeyPatch) -> None:
    """A plugin that forgot both libraries learns which ones would do."""
    hide(monkeypatch, "cv2", "PIL")
    message = "neither OpenCV nor Pillow is installed here; add 'opencv-python-headless' or"
    with pytest.raises(TaskmgrError, match=message):
        Image(FILES["rgb.png"]).to_array()
    with pytest.raises(TaskmgrError, match=message):
        Image(picture()).read_bytes()


ARRAYS: dict[str, Any] = {
    "gray": picture()[:, :, 0],
    "one-channel": picture()[:, :, :1],
    "bgr": picture(),
    "bgra": numpy.dstack([picture(), picture()[:, :, 0]]),
    "gray-16-bit": picture()[:, :, 0].astype(numpy.uint16) * 257,
    "mirrored": picture()[:, ::-1],
    "cropped": picture()[5:20, 3:30],
}


@pytest.mark.parametrize("name", ARRAYS)
def test_array_as_a_picture_is_png_without_loss(decoder: str, name: str) -> None:
    """An array written as PNG and decoded again has the same pixels."""
    pixels = ARRAYS[name]
    image = Image(pixels)
    assert image.read_bytes().startswith(b"\x89PNG")
    for order in ORDERS:
        again = Image(image.read_bytes()).to_array(order)  # type: ignore[arg-type]
        direct = image.to_array(order)  # type: ignore[arg-type]
        assert again.shape == direct.shape
        assert numpy.abs(again.astype(int) - direct.astype(int)).max() <= (order == "gray")


def test_deep_colour_needs_opencv(monkeypatch: pytest.MonkeyPatch) -> None:
    """16 bits a channel are kept with OpenCV; Pillow cannot write them and says so."""
    pixels = picture().astype(numpy.uint16) * 257
    content = Image(pixels).read_bytes()
    stored = cv2.imdecode(numpy.frombuffer(content, numpy.uint8), cv2.IMREAD_UNCHANGED)
    assert (stored == pixels).all()
    hide(monkeypatch, "cv2")
    with pytest.raises(TaskmgrError, match="Pillow cannot write a colour picture of uint16; add"):
        Image(pixels).read_bytes()


@pytest.mark.parametrize(
    "pixels",
    [
        numpy.zeros((3, 4, 2), numpy.uint8),
        numpy.zeros((3, 4, 5), numpy.uint8),
        numpy.zeros((3,), numpy.uint8),
        numpy.zeros((0, 4), numpy.uint8),
        numpy.zeros((3, 4), numpy.float32),
        numpy.zeros((3, 4), bool),
    ],
)
def test_array_that_is_no_picture_is_refused(pixels: Any) -> None:
    """The message has the shape, the dtype and what is allowed."""
    with pytest.raises(InvalidValueError) as raised:
        Image(pixels)
    assert f"shape {pixels.shape} and dtype {pixels.dtype}" in str(raised.value)
    assert "(height, width, 3)" in str(raised.value)
