"""The bytecode of installed packages: compiled once on a machine, shared by its virtualenvs.

uv compiles nothing, so that the first start of each runner would: a third of a second for
numpy and OpenCV, some seconds for a large framework, for each task anew. What is kept here
lies under a key of its own for each distribution, made of what its sources are:
``<folder>/<64 digits>/numpy/__pycache__/version.cpython-311.pyc``. A virtualenv gets links to
these files. They say nothing of the time or place of their sources (PEP 552, unchecked): a
source never changes under its key.

What every runner imports, the SDK and what that depends on, is compiled with the first
virtualenv that has it; all else by workers, when nobody waits for it.
"""

from __future__ import annotations

import contextlib
import csv
import hashlib
import importlib.metadata
import json
import os
import shutil
import subprocess
import tempfile
import time
from collections.abc import Collection, Iterator
from pathlib import Path

import attrs
from filelock import FileLock
from packaging.requirements import Requirement
from packaging.utils import canonicalize_name

from taskmgr_core.uv import Interpreter

RECORD = "RECORD"
# Beside the packages, and none: a name with a dot cannot be imported.
SHARED = "taskmgr.bytecode"
UNUSED_SECONDS = 86_400.0
_LIMIT_SECONDS = 1800.0
# Somebody waits for these few files, which take half a second.
_PREPARE_SECONDS = 30.0
_LEAST_PRIORITY = 19
_TEMPORARY = ".compiling-"
# Modules that are in no package lie together whoever has brought them. With links in here a runner
# could keep no bytecode of any of them, its plugin's among them; so it gets copies.
_OF_ALL = "__pycache__/"

# Runs by the Python of the virtualenv, without it: nothing of a package is imported. A source
# that is not what the wheel's list says is left out, or a wheel that lies in its list could
# put its code into the packages of others.
_COMPILE = """
import base64, csv, hashlib, importlib.util, json, marshal, os, sys
nice, site, wanted = json.load(sys.stdin)
os.nice(nice)
tag = sys.implementation.cache_tag

def compiled(name, listed):
    algorithm, _, expected = listed.partition("=")
    with open(os.path.join(site, name), "rb") as opened:
        source = opened.read()
    digest = base64.urlsafe_b64encode(hashlib.new(algorithm, source).digest())
    if digest.rstrip(b"=").decode() != expected:
        raise ValueError(name)
    code = compile(source, name, "exec", dont_inherit=True, optimize=0)
    unchecked = (1).to_bytes(4, "little")
    head = importlib.util.MAGIC_NUMBER + unchecked + importlib.util.source_hash(source)
    return head + marshal.dumps(code)

for target, sources in wanted:
    rows = []
    os.mkdir(target)
    for name, listed in sources:
        try:
            content = compiled(name, listed)
        except (OSError, SyntaxError, ValueError, RecursionError, MemoryError):
            continue
        folder, file = os.path.split(name)
        path = os.path.join(folder, "__pycache__", file[:-3] + "." + tag + ".pyc")
        os.makedirs(os.path.join(target, folder, "__pycache__"), exist_ok=True)
        with open(os.path.join(target, path), "wb") as opened:
            opened.write(content)
            os.fchmod(opened.fileno(), 0o444)
        digest = base64.urlsafe_b64encode(hashlib.sha256(content).digest()).rstrip(b"=")
        rows.append((path, "sha256=" + digest.decode(), len(content)))
    with open(os.path.join(target, "RECORD"), "w", newline="") as opened:
        csv.writer(opened).writerows(rows)
"""


@attrs.frozen
class Bytecode:
    """What is compiled on this machine.

    Attributes:
        folder: where it lies; in the same file system as the virtualenvs, which link to it.
    """

    folder: Path

    def share(self, site: Path, interpreter: Interpreter) -> None:
        """Link what is compiled of the distributions in a virtualenv, and list it there.

        Arguments:
            site: its ``site-packages``.
            interpreter: its Python.
        """
        rows: list[list[str]] = []
        for distribution in _distributions(site):
            kept = self.folder / distribution.key(interpreter)
            with contextlib.suppress(OSError, csv.Error):
                rows += _share(kept, site)
        if rows:
            with (site / SHARED / RECORD).open("w", newline="", encoding="utf-8") as opened:
                csv.writer(opened).writerows(rows)

    def prepare(self, site: Path, interpreter: Interpreter, distribution: str) -> int:
        """Compile a distribution and what it depends on, if they are not yet compiled.

        Of several processes that would do it at once, one does; the others wait for it.

        Arguments:
            site: the ``site-packages`` of a virtualenv.
            interpreter: its Python, which does it.
            distribution: the name.

        Returns:
            How many distributions were compiled.

        Raises:
            OSError: the disk is full, the Python cannot be started, or another process
                takes too long.
            subprocess.SubprocessError: it did not end well.
        """
        wanted = [
            each
            for folder in _needed(site, distribution)
            if (each := _read_distribution(folder / RECORD)) and self._is_missing(each, interpreter)
        ]
        if not wanted:
            return 0
        self.folder.mkdir(parents=True, exist_ok=True)
        with FileLock(self.folder / ".prepare.lock", timeout=_PREPARE_SECONDS):
            wanted = [each for each in wanted if self._is_missing(each, interpreter)]
            if wanted:
                self._compile(wanted, site, interpreter, nice=0, seconds=_PREPARE_SECONDS)
        return len(wanted)

    def compile(self, site: Path, interpreter: Interpreter) -> int:
        """Compile what is not yet compiled of the distributions in a virtualenv, at low priority.

        Arguments:
            site: its ``site-packages``.
            interpreter: its Python, which does it.

        Returns:
            How many distributions were compiled.

        Raises:
            OSError: the disk is full, the Python cannot be started.
            subprocess.SubprocessError: it did not end well.
        """
        count = 0
        for each in _distributions(site):
            if self._is_missing(each, interpreter):
                self._compile([each], site, interpreter, _LEAST_PRIORITY, _LIMIT_SECONDS)
                count += 1
        return count

    def forget(self, site: Path, interpreter: Interpreter) -> None:
        """Remove what is compiled of the distributions in a virtualenv: it may be damaged."""
        for distribution in _distributions(site):
            shutil.rmtree(self.folder / distribution.key(interpreter), ignore_errors=True)

    def collect(self, unused_seconds: float = UNUSED_SECONDS) -> int:
        """Remove what no virtualenv links to.

        Arguments:
            unused_seconds: what was compiled, or looked at here, that recently stays.

        Returns:
            Of how many distributions.
        """
        removed = 0
        for kept in self.folder.glob("*"):
            with contextlib.suppress(OSError):
                of_killed = kept.name.startswith(_TEMPORARY)
                if not of_killed and _is_linked(kept):
                    os.utime(kept)
                elif time.time() - kept.stat().st_mtime > unused_seconds:
                    shutil.rmtree(kept, ignore_errors=True)
                    removed += not of_killed
        return removed

    def _is_missing(self, distribution: _Distribution, interpreter: Interpreter) -> bool:
        kept = self.folder / distribution.key(interpreter)
        return bool(distribution.sources) and not kept.exists()

    def _compile(
        self,
        wanted: Collection[_Distribution],
        site: Path,
        interpreter: Interpreter,
        nice: int,
        seconds: float,
    ) -> None:
        """Compile distributions in one process."""
        self.folder.mkdir(parents=True, exist_ok=True)
        with tempfile.TemporaryDirectory(prefix=_TEMPORARY, dir=self.folder) as temporary:
            targets = {Path(temporary) / each.key(interpreter): each for each in wanted}
            given = [(str(target), each.sources) for target, each in targets.items()]
            subprocess.run(
                [str(interpreter.path), "-I", "-S", "-W", "ignore", "-c", _COMPILE],
                input=json.dumps([nice, str(site), given]),
                text=True,
                env={},
                check=True,
                capture_output=True,
                timeout=seconds,
            )
            for target in targets:
                with contextlib.suppress(OSError):  # another process was quicker
                    target.replace(self.folder / target.name)


@attrs.frozen
class _Distribution:
    """A distribution that is installed: the name and hash of each of its sources."""

    sources: tuple[tuple[str, str], ...]

    def key(self, interpreter: Interpreter) -> str:
        """Its sources and the Python, as 64 hexadecimal digits."""
        text = json.dumps([interpreter.version, self.sources])
        return hashlib.sha256(text.encode()).hexdigest()


def _distributions(site: Path) -> Iterator[_Distribution]:
    for listed in sorted(site.glob(f"*.dist-info/{RECORD}")):
        if distribution := _read_distribution(listed):
            yield distribution


def _read_distribution(listed: Path) -> _Distribution | None:
    """What its list of files says; None where that cannot be read."""
    try:
        rows = _rows(listed)
    except (OSError, ValueError, csv.Error):
        return None
    return _Distribution(tuple(sorted((row[0], row[1]) for row in rows if _is_source(row))))


def _needed(site: Path, distribution: str) -> list[Path]:
    """Where the metadata lies of a distribution and of what it depends on, as far as it is there.

    Markers need not be understood: what another Python or platform needs is not there.
    """
    installed = {_name(each): each for each in site.glob("*.dist-info")}
    found: dict[str, Path] = {}
    wanted: list[str] = [canonicalize_name(distribution)]
    while wanted:
        name = wanted.pop()
        if name in installed and name not in found:
            found[name] = installed[name]
            wanted += _requirements(installed[name])
    return list(found.values())


def _name(folder: Path) -> str:
    return canonicalize_name(folder.name.partition("-")[0])


def _requirements(folder: Path) -> Iterator[str]:
    """The names of what a distribution needs, without what only its extras do."""
    with contextlib.suppress(OSError, ValueError):  # of packaging, too
        for text in importlib.metadata.PathDistribution(folder).requires or ():
            requirement = Requirement(text)
            if "extra" not in str(requirement.marker):
                yield canonicalize_name(requirement.name)


def _rows(listed: Path) -> list[list[str]]:
    with listed.open(newline="", encoding="utf-8") as opened:
        return [row for row in csv.reader(opened) if len(row) > 1]


def _is_source(row: list[str]) -> bool:
    path, expected = row[0], row[1]  # as text: a large package has thousands
    inside = not path.startswith("/") and ".." not in path.split("/")
    return inside and path.endswith(".py") and bool(expected)


def _share(kept: Path, site: Path) -> list[list[str]]:
    """Give a virtualenv what is kept of a distribution; the rows of what are links."""
    rows = _rows(kept / RECORD)
    (site / SHARED).mkdir(exist_ok=True)
    os.link(kept / RECORD, site / SHARED / kept.name)  # says that it is used
    for folder in {name.rpartition("/")[0] for name, *_ in rows}:
        (site / folder).mkdir(exist_ok=True)
    linked = []
    for row in rows:
        with contextlib.suppress(FileExistsError):
            if row[0].startswith(_OF_ALL):
                _copy(kept / row[0], site / row[0])
            else:
                os.link(f"{kept}/{row[0]}", f"{site}/{row[0]}")
                linked.append(row)
    return linked


def _copy(path: Path, target: Path) -> None:
    with target.open("xb") as opened:
        opened.write(path.read_bytes())


def _is_linked(kept: Path) -> bool:
    return (kept / RECORD).stat().st_nlink > 1


def is_shared(folder: Path) -> bool:
    """Whether files in a folder of bytecode have other names: whoever writes there reaches others.

    Arguments:
        folder: a ``__pycache__``.
    """
    with os.scandir(folder) as entries:
        return any(each.stat(follow_symlinks=False).st_nlink > 1 for each in entries)
