"""Homes that have no room, or cannot be written: what still works, and what is said."""

from __future__ import annotations

import re
from pathlib import Path

import pytest
from command_line import CommandLine
from small_home import on_a_small_disk


def test_virtualenvs_are_removed_from_a_full_disk(published: CommandLine, tmp_path: Path) -> None:
    """`env gc` needs no database and no room, and makes some."""
    said = on_a_small_disk(
        published,
        tmp_path,
        """
        for record in disk.glob("home/environments/*/taskmgr-environment.json"):
            os.utime(record, (0, 0))
        fill()
        print(taskmgr("env", "list").out)
        print(taskmgr("env", "gc", "--size", "0").out)
        assert not list(disk.glob("home/environments/*-*"))
        print(taskmgr("runs").out)
        """,
    )
    assert "removed taskmgr-trials 1.0.0" in said


def test_task_that_fills_the_disk_fails_for_that(published: CommandLine, tmp_path: Path) -> None:
    """What the task cannot write, and what the platform cannot store, is a full disk."""
    said = on_a_small_disk(
        published,
        tmp_path,
        """
        free = shutil.disk_usage(disk).free // 1_000_000
        for megabytes in (2 * free, free * 2 // 5):
            done = taskmgr("run", "bulk", f"megabytes={megabytes}", code=1)
            print(done.err.splitlines()[-2])
        print(taskmgr("run", "add", "left=1").out)
        """,
    )
    own, platforms, *_ = said.splitlines()
    assert "failed in step 001 (bulk 1.0.0): disk-full: the disk is full: [Errno 28]" in own
    assert "failed in step 001 (bulk 1.0.0): disk-full: the disk is full: " in platforms
    assert "could not be stored" in platforms
    assert "make room and try again; `taskmgr env gc --size 0`" in platforms


def test_disk_that_fills_while_a_virtualenv_is_built(
    published: CommandLine, tmp_path: Path
) -> None:
    """The step fails for that, nothing half-built is left, and with room the next run works."""
    said = on_a_small_disk(
        published,
        tmp_path,
        """
        for each in disk.glob("home/environments/*-*"):
            shutil.rmtree(each)
        fill()
        os.truncate(disk / "ballast", (disk / "ballast").stat().st_size - 700_000)
        print(taskmgr("run", "add", "left=1", code=1).err)
        assert not list(disk.glob("home/environments/*-*"))
        assert not list(disk.glob("home/environments/.building/*"))
        (disk / "ballast").unlink()
        print(taskmgr("run", "add", "left=1").out)
        """,
    )
    assert "failed in step 001 (add 1.0.0): disk-full: the disk is full" in said
    assert "make room" in said


@pytest.mark.embedded("the SQLite file is in the home")
def test_home_that_cannot_be_written_says_what_to_do(
    published: CommandLine, tmp_path: Path
) -> None:
    """A read-only home ends commands with its name and the cure."""
    said = on_a_small_disk(
        published,
        tmp_path,
        """
        write_protect()
        for words in (["run", "add", "left=1"], ["env", "gc", "--size", "0"]):
            print(taskmgr(*words, code=3).err)
        other = CommandLine(disk / "other", folder, settings)
        print(other("list", code=3).err)
        """,
    )
    errors = [line for line in said.splitlines() if line.startswith("error: ")]
    assert len(errors) == 3
    for line in errors:
        assert "disk/" in line
        assert "the permissions, or set TASKMGR_HOME to another folder" in line


def test_doctor_tells_what_two_file_systems_cost(published: CommandLine, tmp_path: Path) -> None:
    """With uv's cache elsewhere it says that virtualenvs are copies, and what these take more."""
    said = on_a_small_disk(
        published,
        tmp_path,
        """
        shutil.rmtree(disk / "home" / "environments")
        taskmgr("run", "add", "left=1")
        found = taskmgr.json("doctor", code=1)["findings"]
        print([each for each in found if each["check"] == "links"][0]["message"])
        """,
    )
    assert "is on another file system than" in said
    assert re.search(r"measured now: [\d.]+ s more for each GB", said)
    assert re.search(r"those that are here take [1-9][\d.]* [kM]B more than links would", said)


def test_project_is_created_whatever_the_home_is(published: CommandLine, tmp_path: Path) -> None:
    """`create` needs no home: neither a full nor a read-only one stops it."""
    on_a_small_disk(
        published,
        tmp_path,
        """
        fill()
        taskmgr("create", "one", "--author", "A")
        write_protect()
        taskmgr("create", "two", "--author", "A")
        assert (folder / "one" / "pyproject.toml").is_file()
        assert (folder / "two" / "pyproject.toml").is_file()
        """,
    )
