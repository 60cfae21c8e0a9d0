"""Pictures in a terminal: two pixels a character, with the boxes that were found."""

from __future__ import annotations

from typing import Annotated, Any

import attrs
from driving import Driven, driven, press, text_of, until
from hypothesis import given
from hypothesis import strategies as st
from PIL import Image as Pictures
from recorded_home import NOW, Home, run_id, step, value

from taskmgr_core.specs import Edge, FieldValue, Graph, Outcome, Run, Source, Step
from taskmgr_plugins import Box, Image, On
from taskmgr_plugins.schemas import schema_of
from taskmgr_tui.core.pictures import draw_all, half_blocks

FIND = step("001", "find", {"image": Source("photo")}, ["things"])
GREY = (128, 128, 128)


@attrs.frozen
class Thing:
    """Something found in a picture."""

    box: Annotated[Box, On("image")]


def photographed(home: Home) -> str:
    """Record a run that was given a grey picture and has found a box in its left half."""
    path = home.folder / "photo.png"
    Pictures.new("RGB", (80, 40), GREY).save(path)
    stored = home.client.artifacts.put_file(path)
    photo: dict[str, Any] = {"$artifact": stored.digest, "media_type": "image/png", "size": 9}
    image, things = schema_of(Image), schema_of(list[Thing])
    schemas = {"photo": image, "input_001_image": image, "output_001_things": things}
    result = {"things": "output_001_things"}
    graph = Graph("find", {"photo": image}, (), schemas, (FIND,), result)
    run = Run(run_id(11), "find", "task", graph, "running", NOW - 5)
    ready = Step(run.id, "001", "find", "1.2.0", "default", 5, "ready", ready_at=NOW - 5)
    given_photo = attrs.evolve(value("photo", photo), type="Image")
    home.client.metadata.create_run(run, [ready], [given_photo])
    alias = FieldValue("input_001_image", stored.digest, 9, "Image", "", None, "photo")
    box = {"x": 8, "y": 8, "width": 24, "height": 24}
    made = value("output_001_things", [{"box": box}], "001")
    edges = (Edge("photo", "input_001_image"), Edge("input_001_image", "output_001_things"))
    claim = home.claim(run.id, "001", NOW - 4)
    outcome = Outcome("succeeded", (alias, made), edges, {"compute": 1.0})
    home.client.metadata.finish(claim, outcome, lambda _: (), NOW - 3)
    return run.id


@given(st.integers(1, 12), st.integers(1, 9), st.data())
def test_every_pixel_is_in_its_half(width: int, height: int, data: st.DataObject) -> None:
    """Each pixel is the upper or lower half of the character at its place; the rest is black."""
    pixels = data.draw(st.binary(min_size=3 * width * height, max_size=3 * width * height))
    rows = half_blocks(pixels, width)
    assert len(rows) == (height + 1) // 2
    halves = [[pair[half] for pair in row] for row in rows for half in (0, 1)]
    assert bytes(each for row in halves[:height] for pixel in row for each in pixel) == pixels
    assert all(pixel == (0, 0, 0) for row in halves[height:] for pixel in row)


def test_box_is_drawn_where_it_was_found(own: Home) -> None:
    """The left half has another colour around the box, the right half is grey as it was."""
    watcher = own.watcher()
    (drawn,) = draw_all(watcher, watcher.run(photographed(own)), 40, 20)
    assert (drawn.name, len(drawn.rows), len(drawn.rows[0])) == ("photo", 10, 40)
    coloured = {
        x
        for row in drawn.rows
        for x, pair in enumerate(row)
        for pixel in pair
        if max(pixel) - min(pixel) > 60
    }
    assert coloured
    assert max(coloured) < 20
    assert drawn.rows[5][35] == (GREY, GREY)


def test_picture_that_is_gone_says_so(own: Home) -> None:
    """The reason stands where the picture would."""
    watcher = own.watcher()
    detail = watcher.run(photographed(own))
    digest = next(each.digest for each in detail.values if each.port == "photo")
    watcher.file(digest).unlink()
    (drawn,) = draw_all(watcher, detail, 40, 20)
    assert drawn.rows == ()
    assert digest in drawn.problem


def test_tab_shows_the_picture(own: Home) -> None:
    """It is drawn when the tab is opened; a run without one says that there is none."""
    run = photographed(own)

    async def play(pilot: Driven) -> None:
        await press(pilot, *("right_square_bracket",) * 3)
        await until(pilot, lambda: text_of(pilot.app).count("▀" * 30) > 5, "the picture")

    driven(own.watcher(), play, run_id=run)

    async def without(pilot: Driven) -> None:
        await press(pilot, *("right_square_bracket",) * 3)
        await until(pilot, lambda: "no picture was given" in text_of(pilot.app), "the reason")

    driven(own.watcher(), without, run_id=run_id(8))
