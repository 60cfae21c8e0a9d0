"""What can be drawn of a run is found by schemas, through aliases, for any task."""

import json
from pathlib import Path
from typing import Annotated

import attrs
import pytest
from report_samples import (
    THINGS,
    Store,
    Thing,
    changed,
    one_step_graph,
    picture,
    task_run,
    things_run,
    value,
)

from taskmgr_core.report.overlays import find_overlays
from taskmgr_plugins import Box, On, Points
from taskmgr_plugins.schemas import schema_of

BOX = {"x": 1, "y": 2, "width": 3, "height": 4}


@pytest.fixture
def store(tmp_path: Path) -> Store:
    """A store with room for pictures."""
    return Store(tmp_path)


@pytest.fixture
def image(store: Store, tmp_path: Path) -> dict[str, object]:
    """The document of a stored picture."""
    return store.add(picture(tmp_path))


def test_overlay_gathers_ports_of_one_image(store, image):
    """A picture given as pipeline input and again as alias of an alias is one overlay."""
    (overlay,) = find_overlays(things_run(image), store.open)
    assert overlay.image_digest == image["$artifact"]
    assert overlay.image_port == "picture"
    assert [mark.port for mark in overlay.marks] == ["output_001_things"] * 2 + [
        "output_002_shapes"
    ] * 2


def test_marks_of_one_key_are_one_item(store, image):
    """A box and points with the same key share item and label, whatever their order."""
    (overlay,) = find_overlays(things_run(image), store.open)
    by_key = {(mark.key, mark.kind): mark for mark in overlay.marks}
    assert by_key["a", "box"].item == by_key["a", "points"].item
    assert by_key["a", "box"].item != by_key["b", "box"].item
    assert by_key["a", "points"].label == "93%"
    assert by_key["b", "points"].label == "50%"


def test_mark_has_corners_and_place(store, image):
    """A box is given by two corners in pixels, with the path that leads to it."""
    (overlay,) = find_overlays(things_run(image), store.open)
    assert overlay.marks[0].coordinates == ((20.0, 30.0), (60.0, 80.0))
    assert overlay.marks[0].path == (0, "box")


def test_label_without_template_is_the_key(store, image):
    """A joined result that declares no label is labelled by its keys."""
    (overlay,) = find_overlays(things_run(image, label=""), store.open)
    assert set(overlay.labels.values()) == {"a", "b"}


def test_label_without_result_is_the_key(store, image):
    """A run that failed has no entries to fill a template from."""
    detail = attrs.evolve(things_run(image), result=None)
    (overlay,) = find_overlays(detail, store.open)
    assert set(overlay.labels.values()) == {"a", "b"}


def test_undeclared_elements_are_numbered(store, image):
    """The elements of a port that no result joins are items of their own, from 1."""
    graph = one_step_graph(schema_of(list[Thing]))
    detail = task_run(graph, {"image": image, "output_001_out": THINGS})
    (overlay,) = find_overlays(detail, store.open)
    assert overlay.labels == {0: "1", 1: "2"}


def test_source_is_known_without_a_recorded_input(store, image):
    """Where an input port's value is not recorded, the graph says where it came from."""
    graph = one_step_graph(schema_of(list[Thing]))
    detail = task_run(graph, {"image": image, "output_001_out": THINGS})
    assert "input_001_image" not in {each.port for each in detail.values}
    assert find_overlays(detail, store.open)[0].image_port == "image"


def test_large_values_are_read_from_their_artifact(store, image, tmp_path):
    """A port whose JSON was put aside is drawn like one recorded inline."""
    aside = tmp_path / "things.json"
    aside.write_text(json.dumps(THINGS))
    reference = store.add(aside, "application/json")
    plain = things_run(image)
    detail = changed(plain, "output_001_things", lambda each: value(each.port, reference, "001"))
    assert find_overlays(detail, store.open) == find_overlays(plain, store.open)


@pytest.mark.parametrize(
    ("annotation", "document", "path"),
    [
        (Annotated[Box, On("image")], BOX, ()),
        (Annotated[list[Box], On("image")], [BOX], (0,)),
        (list[Annotated[Box, On("image")] | None], [None, BOX], (1,)),
        (dict[str, Annotated[Box, On("image")]], {"left": BOX}, ("left",)),
        (tuple[str, Annotated[Box, On("image")]], ["left", BOX], (1,)),
    ],
)
def test_boxes_are_found_in_any_nesting(store, image, annotation, document, path):
    """Lists, dicts, tuples and optional values are walked along their schema."""
    detail = task_run(
        one_step_graph(schema_of(annotation)), {"image": image, "output_001_out": document}
    )
    (overlay,) = find_overlays(detail, store.open)
    assert [mark.path for mark in overlay.marks] == [path]


@pytest.mark.parametrize(
    ("annotation", "document"),
    [
        (Box, BOX),
        (Annotated[Box, On("image")], {"x": "<script>", "y": 2, "width": 3, "height": 4}),
        (Annotated[Box, On("image")], {"x": 1e300, "y": 2, "width": 3, "height": 4}),
        (Annotated[Box, On("picture")], BOX),
        (Annotated[Points, On("image")], []),
        (Annotated[Points, On("image")], "nothing"),
    ],
)
def test_nothing_is_drawn_where_nothing_can_be(store, image, annotation, document):
    """A box on no image, on an unknown one, or of no numbers is left out."""
    detail = task_run(
        one_step_graph(schema_of(annotation)), {"image": image, "output_001_out": document}
    )
    assert [each.marks for each in find_overlays(detail, store.open) if each.marks] == []


def test_picture_on_which_nothing_was_found_is_shown_all_the_same(store, image):
    """An output that would lie on a picture brings the picture, however empty it is."""
    schema = schema_of(list[Annotated[Box, On("image")]])
    detail = task_run(one_step_graph(schema), {"image": image, "output_001_out": []})
    (overlay,) = find_overlays(detail, store.open)
    assert (overlay.image_port, overlay.marks) == ("image", ())


def test_pictures_have_overlays_of_their_own(store, image, tmp_path):
    """Marks on another picture are not drawn on the first."""
    other = tmp_path / "other"
    other.mkdir()
    second = store.add(picture(other, colour="#123456"))
    detail = changed(
        things_run(image), "input_002_photo", lambda each: value(each.port, second, "002")
    )
    overlays = find_overlays(detail, store.open)
    assert [len(overlay.marks) for overlay in overlays] == [2, 2]
    assert overlays[1].image_port == "input_002_photo"
