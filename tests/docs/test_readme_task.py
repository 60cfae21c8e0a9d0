"""The task in the README, made as the README says."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
from doc_pages import ROOT, blocks
from doc_sessions import Session

PICTURE = ROOT / "examples" / "images" / "city.jpg"


@pytest.fixture
def session(tmp_path: Path) -> Session:
    """A terminal in an empty folder."""
    return Session.begin(tmp_path)


def test_task_of_the_readme_runs(session: Session) -> None:
    """A project that is created, with the task and its two dependencies put in, gives a result."""
    (code,) = [each.text for each in blocks(ROOT / "README.md") if "class Brightness" in each.text]
    try:
        made = session.shell("taskmgr create brightness --template ml --author 'Ada Lovelace'")
        assert made.status == 0, made.err
        project = session.folder / "brightness"
        (project / "src" / "taskmgr_brightness" / "tasks.py").write_text(code)
        settings = project / "pyproject.toml"
        text = settings.read_text()
        begun = "dependencies = ["
        assert begun in text
        wanted = f'{begun}"numpy", "opencv-python-headless", '
        settings.write_text(text.replace(begun, wanted, 1))
        published = session.shell("taskmgr publish brightness")
        assert published.status == 0, published.err
        ran = session.shell(f"taskmgr run brightness image={PICTURE} --json")
        assert ran.status == 0, ran.err
    finally:
        session.close()
    assert 0 < json.loads("\n".join(ran.out))["result"]["result"] < 1
