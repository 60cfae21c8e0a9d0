"""Packages are compiled once on a machine; the virtualenvs that are built later share that."""

import base64
import csv
import hashlib
import importlib.util
import os
import platform
import shutil
import subprocess
import sys
import time
from collections.abc import Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import attrs
import pytest
from plugin_projects import open_desk, remove, write_plugin

from taskmgr_core.bytecode import SHARED, Bytecode, is_shared
from taskmgr_core.environment_builder import site_packages
from taskmgr_core.models import ModelFiles
from taskmgr_core.runners import RunnerLauncher
from taskmgr_core.runners.landlock import CACHE
from taskmgr_core.runners.visible import rules_of
from taskmgr_core.uv import Interpreter
from taskmgr_core.worker.housekeeping import Housekeeping

PYTHON = Interpreter(Path(sys.executable).resolve(), platform.python_version())
COMPILED = importlib.util.cache_from_source("greeting/words.py")


def write_site(folder: Path, *, listed: str | None = None, **sources: str) -> Path:
    """A folder with one installed distribution.

    Arguments:
        folder: the folder.
        listed: what its list says of every file; the right hashes by default.
        sources: module of ``greeting`` -> its code.
    """
    return install(
        folder, "greeting", {f"greeting/{name}.py": each for name, each in sources.items()}, listed
    )


def install(
    folder: Path,
    distribution: str,
    sources: Mapping[str, str],
    listed: str | None = None,
    requires: Sequence[str] = (),
) -> Path:
    """Put a distribution into a folder.

    Arguments:
        folder: the folder.
        distribution: its name.
        sources: file -> its code.
        listed: what its list says of every file; the right hashes by default.
        requires: what it depends on.
    """
    rows = []
    for name, source in sources.items():
        path = folder / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(source)
        rows.append((name, listed or hash_of(source.encode()), len(source)))
    rows.append(("../../../bin/greet", hash_of(b""), 0))
    information = folder / f"{distribution}-1.0.dist-info"
    information.mkdir()
    needed = "".join(f"Requires-Dist: {each}\n" for each in requires)
    (information / "METADATA").write_text(f"Metadata-Version: 2.1\nName: x\n{needed}")
    with (information / "RECORD").open("w", newline="") as opened:
        csv.writer(opened).writerows(rows)
    return folder


def hash_of(content: bytes) -> str:
    """A hash as lists of installed files have it."""
    digest = base64.urlsafe_b64encode(hashlib.sha256(content).digest())
    return f"sha256={digest.rstrip(b'=').decode()}"


def said(site: Path) -> str:
    """What a process prints that imports the module."""
    code = f"import sys; sys.path.insert(0, {str(site)!r}); import greeting.words"
    command = [sys.executable, "-I", "-c", code]
    return subprocess.run(command, capture_output=True, text=True, check=True).stdout.strip()


def test_compiled_package_is_linked_and_used(tmp_path: Path) -> None:
    """A second folder with the same sources imports what was compiled of the first."""
    kept = Bytecode(tmp_path / "kept")
    first = write_site(tmp_path / "first", words="print(__file__)")
    second = write_site(tmp_path / "second", words="print(__file__)")
    assert kept.compile(first, PYTHON) == 1
    assert kept.compile(second, PYTHON) == 0
    kept.share(second, PYTHON)
    assert (second / COMPILED).stat().st_nlink == 2
    # Nobody looks at the source any more: what the message says is its place here.
    (second / "greeting/words.py").write_text("print('changed')")
    assert said(second) == str(second / "greeting/words.py")


def test_other_source_is_another_package(tmp_path: Path) -> None:
    """A distribution of the same name with another source gets nothing of the first."""
    kept = Bytecode(tmp_path / "kept")
    kept.compile(write_site(tmp_path / "first", words="print(1)"), PYTHON)
    other = write_site(tmp_path / "other", words="print(2)")
    kept.share(other, PYTHON)
    assert not (other / COMPILED).exists()
    assert said(other) == "2"


def test_other_python_gets_nothing(tmp_path: Path) -> None:
    """What one Python compiled is not given to another."""
    kept = Bytecode(tmp_path / "kept")
    kept.compile(write_site(tmp_path / "first", words="print(1)"), PYTHON)
    second = write_site(tmp_path / "second", words="print(1)")
    kept.share(second, Interpreter(PYTHON.path, "3.9.1"))
    assert not (second / COMPILED).exists()


def test_wheel_that_lies_in_its_list_reaches_nobody(tmp_path: Path) -> None:
    """Code that is not what its list says is not compiled for those of whom the list is true."""
    kept = Bytecode(tmp_path / "kept")
    good, evil = "print('good')", "print('evil')"
    liar = write_site(tmp_path / "liar", listed=hash_of(good.encode()), words=evil)
    kept.compile(liar, PYTHON)
    honest = write_site(tmp_path / "honest", words=good)
    kept.share(honest, PYTHON)
    assert said(honest) == "good"


def test_source_that_is_no_python_is_left_out(tmp_path: Path) -> None:
    """A file of another Python beside the others, as some packages have, harms nothing."""
    kept = Bytecode(tmp_path / "kept")
    sources = {"words": "print(1)", "old": "print 1", "odd": "\0"}
    kept.compile(write_site(tmp_path / "first", **sources), PYTHON)
    second = write_site(tmp_path / "second", **sources)
    kept.share(second, PYTHON)
    assert [path.name for path in (second / COMPILED).parent.iterdir()] == [Path(COMPILED).name]


def test_what_nobody_links_to_is_removed(tmp_path: Path) -> None:
    """Bytecode goes once no virtualenv has it, and not at once; what is linked stays."""
    kept = Bytecode(tmp_path / "kept")
    site = write_site(tmp_path / "first", words="print(1)")
    kept.compile(site, PYTHON)
    assert kept.collect() == 0
    kept.share(site, PYTHON)
    assert kept.collect(unused_seconds=-1) == 0
    shutil.rmtree(site)
    (entry,) = kept.folder.iterdir()
    long_ago = time.time() - 90_000
    os.utime(entry, (long_ago, long_ago))
    assert kept.collect() == 1


def test_what_a_killed_compiler_left_is_removed(tmp_path: Path) -> None:
    """The folder of a process that was killed while it compiled goes after a day."""
    kept = Bytecode(tmp_path / "kept")
    left = kept.folder / ".compiling-killed"
    left.mkdir(parents=True)
    assert kept.collect() == 0
    assert left.exists()
    long_ago = time.time() - 90_000
    os.utime(left, (long_ago, long_ago))
    assert kept.collect() == 0
    assert not left.exists()


def write_needed_site(folder: Path) -> Path:
    """A folder with a distribution, what it needs, and what it does not need."""
    install(
        folder, "sdk", {"sdk/a.py": "print(1)"}, requires=["Some.thing>=1", 'huge; extra == "x"']
    )
    install(folder, "some_thing", {"thing.py": "print(2)"}, requires=["sdk", "absent"])
    install(folder, "huge", {"huge/a.py": "print(3)"})
    return folder


def names_of_compiled(folder: Path) -> list[str]:
    """The names of the files of bytecode in a folder."""
    return sorted(path.name.partition(".")[0] for path in folder.rglob("*.pyc"))


def test_what_every_runner_imports_is_compiled_first(tmp_path: Path) -> None:
    """A distribution and what it depends on are compiled, others and what its extras need not."""
    kept = Bytecode(tmp_path / "kept")
    assert kept.prepare(write_needed_site(tmp_path / "first"), PYTHON, "sdk") == 2
    second = write_needed_site(tmp_path / "second")
    assert kept.prepare(second, PYTHON, "sdk") == 0
    kept.share(second, PYTHON)
    assert names_of_compiled(second) == ["a", "thing"]
    assert not (second / "huge/__pycache__").exists()


def test_modules_without_package_are_copied(tmp_path: Path) -> None:
    """Where everybody's modules lie no file is shared: a runner keeps its own bytecode there."""
    kept = Bytecode(tmp_path / "kept")
    site = write_needed_site(tmp_path / "site")
    kept.prepare(site, PYTHON, "sdk")
    kept.share(site, PYTHON)
    assert is_shared(site / "sdk/__pycache__")
    assert not is_shared(site / "__pycache__")
    # What is only copied is used nevertheless.
    for entry in kept.folder.iterdir():
        os.utime(entry, (0, 0))
    assert kept.collect() == 0


def test_ten_builders_compile_once(tmp_path: Path) -> None:
    """Of ten that need the same compiled at once, one compiles; for all it is there then."""
    kept = Bytecode(tmp_path / "kept")
    sites = [write_needed_site(tmp_path / str(number)) for number in range(10)]
    with ThreadPoolExecutor(10) as pool:
        counts = list(pool.map(lambda site: kept.prepare(site, PYTHON, "sdk"), sites))
    assert sorted(counts) == [0] * 9 + [2]


def test_compiler_that_fails_leaves_nothing(tmp_path: Path) -> None:
    """A Python that cannot be started, or ends early, is an error, and no half work is kept."""
    kept = Bytecode(tmp_path / "kept")
    site = write_needed_site(tmp_path / "site")
    with pytest.raises(OSError, match="absent"):
        kept.prepare(site, Interpreter(tmp_path / "absent", "3.11.1"), "sdk")
    with pytest.raises(subprocess.SubprocessError):
        kept.prepare(site, Interpreter(Path("/bin/false"), "3.11.1"), "sdk")
    assert not list(kept.folder.glob("[!.]*"))
    assert not list(kept.folder.glob(".compiling-*"))


@pytest.mark.timeout(60)
def test_first_virtualenv_shares_the_sdk_alone(tmp_path: Path) -> None:
    """The first virtualenv on a machine has the SDK compiled, and the plugin not; it is whole."""
    desk = open_desk(tmp_path / "home")
    try:
        published = desk.publisher.publish(write_plugin(tmp_path / "tiny")).release
        built = desk.environments.ensure(published)
        (site,) = site_packages(built.path)
        listed = (site / SHARED / "RECORD").read_text().splitlines()
        assert {line.partition("/")[0] for line in listed} == {
            *("attr", "attrs", "cattr", "cattrs", "pluggy", "taskmgr_plugins")
        }
        (shared,) = (site / "taskmgr_plugins" / "__pycache__").glob("host.*.pyc")
        assert shared.stat().st_nlink > 1
        assert desk.environments.verify(built)
    finally:
        desk.metadata.close()


@pytest.mark.timeout(60)
def test_virtualenv_is_built_where_nothing_can_be_compiled(tmp_path: Path) -> None:
    """A folder for bytecode that cannot be made fails no publication."""
    (tmp_path / "file").touch()
    desk = open_desk(tmp_path / "home")
    try:
        environments = attrs.evolve(desk.environments, bytecode=tmp_path / "file" / "bytecode")
        publisher = attrs.evolve(desk.publisher, environments=environments)
        built = environments.ensure(publisher.publish(write_plugin(tmp_path / "tiny")).release)
        assert environments.verify(built)
        (site,) = site_packages(built.path)
        assert not (site / SHARED).exists()
    finally:
        desk.metadata.close()


@pytest.mark.timeout(60)
def test_virtualenv_shares_what_a_worker_compiled(tmp_path: Path) -> None:
    """A virtualenv built after a worker's housekeeping shares bytecode; its runner works."""
    desk = open_desk(tmp_path / "home")
    try:
        release = desk.publisher.publish(write_plugin(tmp_path / "tiny")).release
        environments, models = desk.environments, ModelFiles(desk.home / "models", desk.artifacts)
        environments.ensure(release)
        Housekeeping(environments, models, 0, 0, 0).tidy()
        remove(environments.ensure(release))
        built = environments.ensure(release)
        (site,) = site_packages(built.path)
        (shared,) = (site / "attr" / "__pycache__").glob("_make.*.pyc")
        assert shared.stat().st_nlink > 1
        before = shared.stat().st_mtime_ns
        runner = RunnerLauncher(tmp_path / "work").start(built, release.distribution)
        try:
            assert runner.request({"kind": "describe"})["tasks"]
        finally:
            runner.close()
        assert shared.stat().st_mtime_ns == before
        caches = {
            rule.path
            for rule in rules_of(built.path, (), (), accelerators=False)
            if rule.rights == CACHE
        }
        assert shared.parent not in caches

        shared.chmod(0o644)
        shared.write_bytes(b"damaged")
        assert [each.path for each in environments.damaged()] == [built.path]
        environments.repair()
        healed = environments.ensure(release)
        assert environments.verify(healed)
        assert not (site / SHARED).exists()
    finally:
        desk.metadata.close()
