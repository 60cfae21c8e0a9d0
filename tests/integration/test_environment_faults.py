"""Environments whose build is stopped, or whose files are lost after it."""

import os
import shutil
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from threading import Barrier

import attrs
import pytest
from filelock import FileLock
from plugin_projects import Desk, open_desk, remove, write_plugin

from taskmgr_core.bytecode import Bytecode
from taskmgr_core.environment_builder import RECORD, WRITE_BITS, EnvironmentBuilder
from taskmgr_core.environments import Environment
from taskmgr_core.errors import RunnerError
from taskmgr_core.runners import RunnerLauncher
from taskmgr_core.specs import Release
from taskmgr_core.uv import Uv


@pytest.fixture(scope="module")
def published(tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, Release]:
    """A home in which a plugin is published, and its release."""
    folder = tmp_path_factory.mktemp("published")
    desk = open_desk(folder / "home")
    release = desk.publisher.publish(write_plugin(folder / "tiny")).release
    desk.metadata.close()
    return folder / "home", release


@pytest.fixture
def desk(published: tuple[Path, Release], tmp_path: Path) -> Iterator[Desk]:
    """A copy of the published artifacts, no environment built, uv's cache its own."""
    shutil.copytree(published[0] / "artifacts", tmp_path / "home/artifacts")
    opened = open_desk(tmp_path / "home", {"UV_CACHE_DIR": str(tmp_path / "cache")})
    yield opened
    opened.metadata.close()


@pytest.fixture
def release(published: tuple[Path, Release]) -> Release:
    """The release that is published."""
    return published[1]


# stopping


def test_build_that_is_cancelled_ends_and_leaves_nothing(
    desk: Desk, release: Release, tmp_path: Path
) -> None:
    """A build in which uv hangs is stopped when it is cancelled, and can be made afterwards."""
    script, begun = tmp_path / "hanging-uv", tmp_path / "begun"
    script.write_text(f"#!/bin/sh\ntouch {begun}\nexec sleep 600\n")
    script.chmod(0o755)
    hanging = attrs.evolve(desk.environments, uv=Uv(script, {"PATH": os.environ["PATH"]}))
    with pytest.raises(RunnerError, match="cancelled") as caught:
        hanging.ensure(release, cancelled=begun.exists)
    assert caught.value.code == "cancelled"
    assert hanging.list() == []
    assert list((hanging.folder / ".building").iterdir()) == []
    assert desk.environments.ensure(release).intact()


def test_waiting_for_a_builder_can_be_cancelled(desk: Desk, release: Release) -> None:
    """Whoever waits for another one's build ends when it is cancelled; the build goes on."""
    name = desk.environments.ensure(release).path.name
    shutil.rmtree(desk.environments.folder / name)
    waiting: list[str] = []
    with (
        FileLock(desk.environments.folder / ".locks" / f"{name}.build"),
        pytest.raises(RunnerError, match="cancelled"),
    ):
        desk.environments.ensure(release, waiting.append, lambda: bool(waiting))
    assert [line.partition(":")[0] for line in waiting] == ["waiting"]


# lost files


def packages(environment: Environment) -> Path:
    """Where an environment's packages are."""
    (found,) = environment.path.glob("lib/*/site-packages")
    return found


def replaced(path: Path, content: str = "") -> Path:
    """Give a path another file; one that is linked from uv's cache stays whole there."""
    path.unlink()
    path.write_text(content)
    return path


def emptied(path: Path) -> None:
    """Empty a file where it lies, as root could, or one who changes its mode."""
    path.chmod(0o644)
    os.truncate(path, 0)


HARMS: dict[str, Callable[[Environment], object]] = {
    "module": lambda each: (packages(each) / "tiny_plugin/__init__.py").unlink(),
    "runner": lambda each: (packages(each) / "taskmgr_plugins/__main__.py").unlink(),
    "emptied": lambda each: replaced(packages(each) / "attr/_make.py"),
    "package": lambda each: shutil.rmtree(packages(each) / "pluggy"),
    "distribution": lambda each: shutil.rmtree(next(packages(each).glob("attrs-*"))),
    "list": lambda each: [replaced(path) for path in packages(each).glob("tiny*/RECORD")],
    "virtualenv": lambda each: replaced(each.path / "pyvenv.cfg"),
}


@pytest.mark.parametrize("harm", HARMS.values(), ids=HARMS)
def test_lost_files_are_found_and_put_right(
    desk: Desk, release: Release, harm: Callable[[Environment], object]
) -> None:
    """An environment with a file lost is told, put away, and built whole the next time."""
    environment = desk.environments.ensure(release)
    assert desk.environments.verify(environment)
    harm(environment)
    assert environment.intact()
    assert not desk.environments.verify(environment)
    desk.environments.put_away(environment)
    assert not environment.path.exists()
    assert desk.environments.verify(desk.environments.ensure(release))


def test_verified_environment_may_have_been_used(desk: Desk, release: Release) -> None:
    """What Python itself writes beside the modules is no damage."""
    environment = desk.environments.ensure(release)
    runner = RunnerLauncher(desk.home / "work").start(environment, release.distribution)
    runner.request({"kind": "describe"})
    runner.close()
    assert list(packages(environment).glob("tiny_plugin/__pycache__/*.pyc"))
    assert desk.environments.verify(environment)


def test_whole_environment_is_not_put_away(desk: Desk, release: Release) -> None:
    """One that another slot has rebuilt meanwhile stays as it is."""
    environment = desk.environments.ensure(release)
    marker = environment.path / "marker"
    marker.touch()
    desk.environments.put_away(environment)
    assert marker.exists()


def test_damage_of_uvs_cache_is_not_installed_again(desk: Desk, release: Release) -> None:
    """A file that is emptied where it lies is empty in the cache, too: it is fetched anew."""
    environment = desk.environments.ensure(release)
    emptied(packages(environment) / "pluggy/_hooks.py")
    desk.environments.put_away(environment)
    lines: list[str] = []
    rebuilt = desk.environments.ensure(release, lines.append)
    assert desk.environments.verify(rebuilt)
    assert (packages(rebuilt) / "pluggy/_hooks.py").stat().st_size > 0


def test_installed_files_are_read_only(desk: Desk, release: Release) -> None:
    """No task changes by accident what other virtualenvs share through uv's cache."""
    site = packages(desk.environments.ensure(release))
    files = [each for each in site.rglob("*") if each.is_file()]
    assert (site / "pluggy/_hooks.py").stat().st_nlink > 1
    assert not [each for each in files if each.stat().st_mode & WRITE_BITS]


def test_uv_goes_on_with_a_cache_whose_files_are_read_only(
    desk: Desk, release: Release, tmp_path: Path
) -> None:
    """Another virtualenv is built from them, and the cache can be pruned and cleaned."""
    environment = desk.environments.ensure(release)
    remove(environment)
    lines: list[str] = []
    assert desk.environments.verify(desk.environments.ensure(release, lines.append))
    desk.uv.run(["cache", "prune"])
    desk.uv.run(["cache", "clean"])
    assert not (tmp_path / "cache/archive-v0").exists()


def test_damaged_environments_are_found_and_repaired(desk: Desk, release: Release) -> None:
    """One with a changed file is named, removed, and built whole, past the damaged cache."""
    environment = desk.environments.ensure(release)
    assert desk.environments.damaged() == []
    assert desk.environments.repair() == []
    emptied(packages(environment) / "pluggy/_hooks.py")
    assert [each.path for each in desk.environments.damaged()] == [environment.path]
    assert [each.path for each in desk.environments.repair()] == [environment.path]
    assert desk.environments.list() == []
    assert desk.environments.verify(desk.environments.ensure(release))


def test_record_is_written_when_the_files_are_on_the_disk(
    desk: Desk, release: Release, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A power cut can leave files without a record, never a record without its files."""
    seen: list[tuple[int, int]] = []
    sync = os.sync

    def watched() -> None:
        building = desk.environments.folder / ".building"
        count = [len(list(building.rglob(name))) for name in (RECORD, "pyvenv.cfg")]
        seen.append((count[0], count[1]))
        sync()

    monkeypatch.setattr(os, "sync", watched)
    desk.environments.ensure(release)
    assert seen == [(0, 1)]


# two at once


def test_two_slots_name_the_same_wheel_at_once(
    desk: Desk, release: Release, tmp_path: Path
) -> None:
    """Builders of two environments in one process do not disturb each other over the SDK."""
    both = Barrier(2)

    def named(folder: Path) -> Path:
        builder = EnvironmentBuilder(desk.artifacts, desk.uv, folder, Bytecode(tmp_path))
        both.wait()
        return builder._named(release, "SDK wheel", release.sdk)

    with ThreadPoolExecutor(2) as pool:
        for number in range(200):
            folder = tmp_path / f"wheels-{number}"
            first, second = pool.map(named, [folder, folder])
            assert first == second
            assert [each.name for each in first.parent.iterdir()] == [release.sdk.name]
