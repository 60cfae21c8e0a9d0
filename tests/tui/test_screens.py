"""Each screen looks as its picture in the documentation does."""

from __future__ import annotations

import html
import re
from collections.abc import Mapping
from difflib import unified_diff
from pathlib import Path

import pytest
from recorded_home import Home
from scenes import SMALL_TOUR, TOUR, pictures

FOLDER = Path(__file__).parents[2] / "docs" / "images" / "dashboard"
NAMES = [name for name, _ in (*TOUR, *SMALL_TOUR)]
RENEW = "where that is meant: .venv/bin/python scripts/screenshots.py"


@pytest.fixture(scope="module")
def drawn(recorded: Home) -> Mapping[str, str]:
    """Every picture as it is now."""
    return pictures(recorded.watcher())


@pytest.mark.parametrize("name", NAMES)
def test_screen_looks_as_in_its_picture(drawn: Mapping[str, str], name: str) -> None:
    """The screen that the keys lead to is, in texts and colours, the one in docs/images."""
    kept = (FOLDER / f"{name}.svg").read_text()
    difference = "\n".join(unified_diff(_texts(kept), _texts(drawn[name]), "kept", "now"))
    assert not difference, f"{difference}\n{RENEW}"
    assert _drawing(kept) == _drawing(drawn[name]), f"{name} has other colours; {RENEW}"


def test_every_picture_is_of_a_screen() -> None:
    """Nothing lies in the folder that no test compares."""
    assert {each.stem for each in FOLDER.iterdir()} == set(NAMES)


def test_pictures_ask_nobody_for_anything() -> None:
    """A picture names no address from which a reader's browser would fetch something."""
    for each in FOLDER.iterdir():
        addresses = set(re.findall(r"https?://[^\s\"')]+", each.read_text()))
        assert {address.split("/")[2] for address in addresses} <= {
            "www.w3.org",
            "www.textualize.io",
        }


def _drawing(picture: str) -> str:
    """A picture without the number that says of which pieces its lines were put together."""
    return re.sub(r"terminal-\d+", "terminal", picture)


def _texts(picture: str) -> list[str]:
    """The texts of a picture, each with its place."""
    found = re.findall(r'<text [^>]*x="([\d.]+)" y="([\d.]+)"[^>]*>([^<]*)</text>', picture)
    return [f"{y} {x} {html.unescape(text)}" for x, y, text in found]
