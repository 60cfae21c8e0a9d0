"""Pictures of every kind are drawn on where the marks are, and labels keep out of the way."""

from pathlib import Path

import pytest
from PIL import Image

from taskmgr_core.errors import InvalidValueError
from taskmgr_core.report.drawing import draw, write_png
from taskmgr_core.report.lettering import Lettering
from taskmgr_core.report.overlays import Mark, Overlay
from taskmgr_core.report.placement import Label, Rectangle, collisions, place
from taskmgr_core.report.theme import ITEM_COLOURS, rgb, text_colour

BLUE = rgb(ITEM_COLOURS[0])
GRAY = (128, 128, 128)


def box(left: float, top: float, right: float, bottom: float, item: int = 0, label: str = ""):
    """A box mark."""
    return Mark("box", ((left, top), (right, bottom)), "output_001_out", (0,), item, label=label)


def overlay(*marks: Mark) -> Overlay:
    """Marks on some picture."""
    return Overlay("sha256:0", "image", marks)


def saved(folder: Path, picture: Image.Image, name: str = "picture.png", **options) -> Path:
    """The picture as a file."""
    path = folder / name
    picture.save(path, **options)
    return path


def test_box_is_drawn_on_its_edge_only(tmp_path):
    """The pixels on the edges have the item's colour, those inside and outside their own."""
    path = saved(tmp_path, Image.new("RGB", (600, 500), GRAY))
    drawn = draw(path, overlay(box(100, 150, 300, 350)))
    assert drawn.size == (600, 500)
    for edge in ((100, 250), (299, 250), (200, 150), (200, 349)):
        assert drawn.getpixel(edge) == BLUE
    for elsewhere in ((200, 250), (90, 250), (310, 250), (200, 140), (200, 360)):
        assert drawn.getpixel(elsewhere) == GRAY


def test_points_are_drawn_where_they_are(tmp_path):
    """Each point is a dot, and there is nothing between dots."""
    path = saved(tmp_path, Image.new("RGB", (600, 500), GRAY))
    mark = Mark("points", ((100.5, 100.5), (400.5, 300.5)), "output_001_out", (0,), 0)
    drawn = draw(path, overlay(mark))
    assert drawn.getpixel((100, 100)) == BLUE
    assert drawn.getpixel((400, 300)) == BLUE
    assert drawn.getpixel((250, 200)) == GRAY


def test_items_have_colours_of_their_own(tmp_path):
    """Two items on one picture are told apart by colour."""
    path = saved(tmp_path, Image.new("RGB", (600, 500), GRAY))
    drawn = draw(path, overlay(box(50, 50, 150, 150), box(300, 300, 400, 400, item=1)))
    assert drawn.getpixel((50, 100)) == BLUE
    assert drawn.getpixel((300, 350)) == rgb(ITEM_COLOURS[1])


def test_rotated_picture_is_drawn_upright(tmp_path):
    """Marks are in pixels of the upright picture: EXIF orientation 6 is turned first."""
    lying = Image.new("RGB", (600, 400), GRAY)
    lying.paste("white", (0, 0, 600, 40))  # the upper edge lying is the right edge upright
    exif = Image.Exif()
    exif[0x0112] = 6
    path = saved(tmp_path, lying, "picture.jpg", exif=exif, quality=95)
    drawn = draw(path, overlay(box(20, 450, 120, 590)))
    assert drawn.size == (400, 600)
    assert drawn.getpixel((380, 300)) == (255, 255, 255)
    assert drawn.getpixel((20, 500)) == BLUE


@pytest.mark.parametrize("orientation", [1, 6])
def test_large_picture_is_scaled_with_its_marks(tmp_path, orientation):
    """On a picture brought down to a longest side, the box stands where it stood."""
    exif = Image.Exif()
    exif[0x0112] = orientation
    path = saved(tmp_path, Image.new("RGB", (4000, 2000), GRAY), "picture.jpg", exif=exif)
    drawn = draw(path, overlay(box(400, 800, 1600, 1600)), longest=1000)
    assert max(drawn.size) == 1000
    assert drawn.getpixel((100, 300)) == BLUE
    assert drawn.getpixel((399, 300)) == BLUE


@pytest.mark.parametrize("size", [(1, 1), (7, 3), (1, 3000), (3000, 1)])
def test_smallest_pictures_can_be_drawn(tmp_path, size):
    """A picture of one pixel is enlarged, and a thread of a picture keeps its width."""
    path = saved(tmp_path, Image.new("RGB", size, GRAY))
    drawn = draw(path, overlay(box(0, 0, 1, 1, label="one")), longest=1600)
    assert min(drawn.size) >= 1
    assert 400 <= max(drawn.size) <= 1600


@pytest.mark.parametrize("mode", ["1", "L", "LA", "P", "PA", "RGB", "RGBA", "CMYK", "I;16", "F"])
def test_every_mode_becomes_rgb(tmp_path, mode):
    """Palette, 16-bit, floating point, CMYK and transparent pictures are all drawn on."""
    picture = Image.new("F" if mode == "F" else "L", (500, 400), 100)
    picture = Image.new(mode, (500, 400), 30000) if mode == "I;16" else picture.convert(mode)
    path = saved(tmp_path, picture, "picture.tiff" if mode in ("CMYK", "F", "PA") else "p.png")
    drawn = draw(path, overlay(box(100, 100, 200, 200)))
    assert drawn.mode == "RGB"
    assert drawn.getpixel((100, 150)) == BLUE


def test_sixteen_bits_become_the_upper_eight(tmp_path):
    """A 16-bit picture is as bright as it was, not clipped to white."""
    path = saved(tmp_path, Image.new("I;16", (500, 400), 30000))
    assert draw(path, overlay()).getpixel((5, 5)) == (117, 117, 117)


def test_transparent_is_white(tmp_path):
    """What can be seen through shows white."""
    path = saved(tmp_path, Image.new("RGBA", (500, 400), (255, 0, 0, 0)))
    assert draw(path, overlay()).getpixel((5, 5)) == (255, 255, 255)


def test_marks_outside_the_picture_do_no_harm(tmp_path):
    """Boxes beyond every edge, turned round or without size are drawn without complaint."""
    path = saved(tmp_path, Image.new("RGB", (500, 400), GRAY))
    marks = (
        box(-1e8, -1e8, 1e8, 1e8, 0, "all"),
        box(9000, 9000, 9100, 9100, 1, "far"),
        box(200, 200, 100, 100, 2, "turned"),
        box(50, 50, 50, 50, 3, "none"),
    )
    drawn = draw(path, overlay(*marks))
    assert drawn.getpixel((100, 150)) == rgb(ITEM_COLOURS[2])


def test_label_is_drawn_on_a_filled_tag(tmp_path):
    """Above its box stands a tag in the item's colour with text in a colour that stands out."""
    path = saved(tmp_path, Image.new("RGB", (600, 500), GRAY))
    drawn = draw(path, overlay(box(100, 150, 300, 350, label="label")))
    tag = drawn.crop((100, 130, 160, 148))
    colours = {colour for _, colour in tag.getcolors(10_000)}
    assert BLUE in colours
    assert rgb(text_colour(ITEM_COLOURS[0])) in colours


def test_png_is_written(tmp_path):
    """The drawn picture is on disk as PNG."""
    path = saved(tmp_path, Image.new("RGB", (500, 400), GRAY))
    target = write_png(path, overlay(box(100, 100, 200, 200)), tmp_path / "drawn.png")
    with Image.open(target) as opened:
        assert (opened.format, opened.size) == ("PNG", (500, 400))


@pytest.mark.parametrize("content", [b"", b"no picture", b"\x89PNG\r\n\x1a\n cut short"])
def test_no_picture_is_refused_by_name(tmp_path, content):
    """What cannot be decoded is refused with the file's name and what would do."""
    path = tmp_path / "broken.png"
    path.write_bytes(content)
    with pytest.raises(InvalidValueError, match=r"broken\.png cannot be decoded .* give a PNG"):
        draw(path, overlay())


def test_labels_stay_inside_and_apart():
    """Wide labels of a row of neighbours lie neither outside nor on each other nor on a box."""
    canvas = Rectangle(0, 0, 800, 600)
    anchors = [Rectangle(40 * at, 200, 40 * at + 30, 250) for at in range(18)]
    places = place([Label(anchor, 110, 16) for anchor in anchors], canvas)
    assert collisions(places) == 0
    assert all(each == each.within(canvas) for each in places)
    assert sum(each.shared(anchor) for each in places for anchor in anchors) == 0


def test_label_above_the_picture_goes_below_its_box():
    """At the upper edge, where there is no room above, the label is not cut."""
    canvas = Rectangle(0, 0, 400, 400)
    (where,) = place([Label(Rectangle(100, 0, 200, 100), 80, 16)], canvas)
    assert where.top == 100


def test_label_without_glyphs_is_still_readable():
    """What the bundled font lacks is written plainly or in another font, never as boxes."""
    lettering = Lettering(16)
    assert lettering.fit("20\u201325 \u2018x\u2019", 500)[0] == "20-25 'x'"
    assert lettering.fit("one\n two", 500)[0] == "one two"


def test_label_too_long_ends_in_an_ellipsis():
    """A label is cut to the width there is."""
    text, font = Lettering(16).fit("a label without end " * 10, 200)
    assert text.endswith("…")
    assert font.getlength(text) <= 200


@pytest.mark.parametrize("colour", ITEM_COLOURS)
def test_text_stands_out_from_its_tag(colour):
    """Of black and white the one with the greater contrast is taken, at least 4.5 to 1."""
    assert text_colour(colour) == ("#ffffff" if colour == "#0072b2" else "#000000")
