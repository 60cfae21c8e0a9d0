"""Field types: what they take, what they refuse, what they show."""

from pathlib import Path

import pytest

from taskmgr_plugins import File, Image, InvalidInputError, Points
from taskmgr_plugins.errors import InvalidValueError


def test_file_from_path_reads_the_file(tmp_path: Path) -> None:
    """A File made from a path has that path, its name and its content."""
    path = tmp_path / "notes.txt"
    path.write_bytes(b"hello")
    file = File(path)
    assert (file.path, file.name, file.read_bytes(), file.in_memory) == (
        path,
        "notes.txt",
        b"hello",
        False,
    )


def test_file_from_text_path_is_the_same(tmp_path: Path) -> None:
    """A path may be given as text."""
    assert File(str(tmp_path / "x")).path == tmp_path / "x"


def test_file_from_bytes_has_no_path() -> None:
    """A File made from bytes says that it lies nowhere."""
    file = File(b"content", name="a.bin")
    assert (file.read_bytes(), file.name, file.in_memory) == (b"content", "a.bin", True)
    with pytest.raises(InvalidValueError, match=r"made from memory and has no path; use read_byt"):
        _ = file.path


def test_empty_bytes_are_a_file() -> None:
    """No bytes at all are content too."""
    assert File(b"").read_bytes() == b""


def test_given_name_wins_over_the_path() -> None:
    """The name for users may differ from the path's own."""
    assert File("a/b.txt", name="report.txt").name == "report.txt"


@pytest.mark.parametrize("source", [None, 5, [b"x"]])
def test_file_of_anything_else_is_refused(source: object) -> None:
    """The message names the type that was given and those that are allowed."""
    with pytest.raises(InvalidValueError, match=f"path or bytes, not from {type(source).__name__}"):
        File(source)  # type: ignore[arg-type]


def test_file_shows_where_it_lies() -> None:
    """The repr has the class and the path, or says that there is none."""
    assert repr(File("a/b.txt")) == "File('a/b.txt')"
    assert repr(Image(b"x")) == "Image('<memory>')"


def test_image_of_anything_else_is_refused() -> None:
    """An Image is made from a path, bytes or an array, and says so."""
    with pytest.raises(InvalidValueError, match="a path, bytes or a numpy array, not from dict"):
        Image({})  # type: ignore[arg-type]


def test_image_of_an_unknown_order_is_refused() -> None:
    """A wrong word for the order of colours is not taken for BGR."""
    with pytest.raises(InvalidValueError, match="order 'RGB': allowed are 'bgr', 'rgb' and 'gray'"):
        Image(b"x").to_array("RGB")  # type: ignore[arg-type]


def test_image_that_is_no_picture_is_the_inputs_fault() -> None:
    """Bytes that cannot be decoded raise an error of the input, with the file's name."""
    pytest.importorskip("cv2")
    with pytest.raises(InvalidInputError, match=r"notes\.txt cannot be decoded as a picture"):
        Image(b"no picture", name="notes.txt").to_array()


def test_points_become_pairs_of_floats() -> None:
    """Points take any rows of two numbers."""
    assert Points([[1, 2], (3.5, 4)]).coordinates == ((1.0, 2.0), (3.5, 4.0))


def test_points_of_three_numbers_are_refused() -> None:
    """A row that is no pair is refused."""
    with pytest.raises(ValueError, match="too many values"):
        Points([(1, 2, 3)])
