"""Virtualenvs are built under paths that uv knows, each builder in a folder of its own."""

import platform
import subprocess
import sys
from pathlib import Path

import pytest
from plugin_projects import open_desk, write_plugin

from taskmgr_core.build_slots import BuildSlots
from taskmgr_core.uv import Interpreter

PYTHON = Interpreter(Path(sys.executable), platform.python_version())


@pytest.fixture
def slots(tmp_path: Path) -> BuildSlots:
    """Slots, none of which is taken."""
    return BuildSlots(tmp_path / "building", tmp_path / "locks")


def test_path_is_used_again_and_empty(slots: BuildSlots) -> None:
    """The next builder gets the same path, without what the one before has left there."""
    with slots.taken(PYTHON) as first:
        (first.path / "left").touch()
        (first.path.parent / "left").touch()
    with slots.taken(PYTHON) as second:
        assert second.path == first.path
        assert list(second.path.iterdir()) == []
    assert list(slots.folder.iterdir()) == []


def test_two_builders_have_two_folders(slots: BuildSlots) -> None:
    """What is taken is taken by nobody else, and stays when it is cleaned up."""
    with slots.taken(PYTHON) as first, slots.taken(PYTHON) as second:
        (first.path / "mine").touch()
        slots.clean()
        assert (first.path / "mine").exists()
        assert not second.path.is_relative_to(first.path.parent)


def test_another_python_gets_another_path(slots: BuildSlots) -> None:
    """What uv remembers of the Python at a path is never told of another Python."""
    with slots.taken(PYTHON) as first:
        pass
    with slots.taken(Interpreter(PYTHON.path, "3.99.1")) as second:
        assert second.path != first.path


def test_slot_of_a_program_that_outlives_its_builder_is_taken(slots: BuildSlots) -> None:
    """While it goes on, it may write: nobody builds there, and nobody cleans up."""
    with slots.taken(PYTHON) as first:
        held = (first.lock,)
        orphan = subprocess.Popen(["sleep", "60"], pass_fds=held)
    try:
        with slots.taken(PYTHON) as second:
            assert second.path != first.path
    finally:
        orphan.kill()
        orphan.wait()
    with slots.taken(PYTHON) as third:
        assert third.path == first.path


@pytest.mark.timeout(60)
def test_uv_asks_the_python_of_virtualenvs_once(tmp_path: Path) -> None:
    """Of the second virtualenv uv knows already what its Python is."""
    desk = open_desk(tmp_path / "home", {"UV_CACHE_DIR": str(tmp_path / "cache")})
    try:
        known = []
        for number in range(2):
            desk.publisher.publish(write_plugin(tmp_path / f"tiny-{number}", version=f"1.{number}"))
            known.append(sorted((tmp_path / "cache").glob("interpreter-*/**/*.msgpack")))
        assert len(desk.environments.list()) == 2
        assert known[0] == known[1] != []
    finally:
        desk.metadata.close()
