"""What the shell is offered for a value."""

from __future__ import annotations

from pathlib import Path

import click
import pytest

from taskmgr_core.cli import completing


@pytest.fixture
def context(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> click.Context:
    """A command that is typed in a folder with a picture, a folder and something hidden."""
    (tmp_path / "pictures").mkdir()
    (tmp_path / "pictures" / "face.jpg").touch()
    (tmp_path / "photo.jpg").touch()
    (tmp_path / ".hidden").touch()
    monkeypatch.chdir(tmp_path)
    return click.Context(click.Command("run"))


@pytest.mark.parametrize(
    ("typed", "offered"),
    [
        ("image=", ["image=photo.jpg", "image=pictures/"]),
        ("image=ph", ["image=photo.jpg"]),
        ("image=pictures/", ["image=pictures/face.jpg"]),
        ("image=.", ["image=.hidden"]),
        ("text=@pictures/f", ["text=@pictures/face.jpg"]),
        ("@ph", ["@photo.jpg"]),
        ("image=absent/", []),
    ],
)
def test_files_are_offered_for_a_value(
    context: click.Context, typed: str, offered: list[str]
) -> None:
    """As a path, and behind an @; the whole word is completed, as zsh and fish hand it in."""
    found = completing.fields(context, click.Argument(["inputs"]), typed)
    assert [each.value for each in found] == offered


@pytest.mark.parametrize("typed", ["=", "/some/where"])
def test_bash_is_told_to_complete_files(context: click.Context, typed: str) -> None:
    """It takes what is behind the = as a word of its own, and knows files itself."""
    (found,) = completing.fields(context, click.Argument(["inputs"]), typed)
    assert (found.value, found.type) == (typed.removeprefix("="), "file")
