"""Packages are compiled once on a machine; the virtualenvs that are built later share that."""

import base64
import csv
import hashlib
import importlib.util
import os
import platform
import subprocess
import sys
import time
from pathlib import Path

import pytest
from plugin_projects import open_desk, remove, write_plugin

from taskmgr_core.bytecode import SHARED, Bytecode
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
    rows = []
    for name, source in sources.items():
        path = folder / "greeting" / f"{name}.py"
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(source)
        rows.append((f"greeting/{name}.py", listed or hash_of(source.encode()), len(source)))
    rows.append(("../../../bin/greet", hash_of(b""), 0))
    information = folder / "greeting-1.0.dist-info"
    information.mkdir()
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
    (site / COMPILED).unlink()
    (entry,) = kept.folder.iterdir()
    long_ago = time.time() - 90_000
    os.utime(entry, (long_ago, long_ago))
    assert kept.collect() == 1


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
