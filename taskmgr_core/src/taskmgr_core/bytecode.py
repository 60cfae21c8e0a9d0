"""The bytecode of installed packages: compiled once on a machine, shared by its virtualenvs.

uv compiles nothing, so that the first start of each runner would: a third of a second for
numpy and OpenCV, some seconds for a large framework, for each task anew. What is kept here
lies under a key of its own for each distribution, made of what its sources are:
``<folder>/<64 digits>/numpy/__pycache__/version.cpython-311.pyc``. A virtualenv gets links to
these files. They say nothing of the time or place of their sources (PEP 552, unchecked): a
source never changes under its key.
"""

from __future__ import annotations

import contextlib
import csv
import hashlib
import json
import os
import shutil
import subprocess
import tempfile
import time
from collections.abc import Iterator
from pathlib import Path

import attrs

from taskmgr_core.uv import Interpreter

RECORD = "RECORD"
# Beside the packages, and none: a name with a dot cannot be imported.
SHARED = "taskmgr.bytecode"
UNUSED_SECONDS = 86_400.0
_LIMIT_SECONDS = 1800.0

# Runs by the Python of the virtualenv, without it: nothing of a package is imported. A source
# that is not what the wheel's list says is left out, or a wheel that lies in its list could
# put its code into the packages of others.
_COMPILE = """
import base64, csv, hashlib, importlib.util, json, marshal, os, sys
os.nice(19)
site, target, sources = json.load(sys.stdin)
tag = sys.implementation.cache_tag
rows = []
for name, listed in sources:
    algorithm, _, expected = listed.partition("=")
    try:
        with open(os.path.join(site, name), "rb") as opened:
            source = opened.read()
        digest = base64.urlsafe_b64encode(hashlib.new(algorithm, source).digest())
        if digest.rstrip(b"=").decode() != expected:
            continue
        code = compile(source, name, "exec", dont_inherit=True, optimize=0)
    except (OSError, SyntaxError, ValueError, RecursionError, MemoryError):
        continue
    unchecked = (1).to_bytes(4, "little")
    compiled = importlib.util.MAGIC_NUMBER + unchecked + importlib.util.source_hash(source)
    compiled += marshal.dumps(code)
    folder, file = os.path.split(name)
    path = os.path.join(folder, "__pycache__", file[:-3] + "." + tag + ".pyc")
    os.makedirs(os.path.join(target, folder, "__pycache__"), exist_ok=True)
    with open(os.path.join(target, path), "wb") as opened:
        opened.write(compiled)
        os.fchmod(opened.fileno(), 0o444)
    digest = base64.urlsafe_b64encode(hashlib.sha256(compiled).digest()).rstrip(b"=")
    rows.append((path, "sha256=" + digest.decode(), len(compiled)))
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
                rows += _link(kept, site)
        if rows:
            (site / SHARED).mkdir()
            with (site / SHARED / RECORD).open("w", newline="", encoding="utf-8") as opened:
                csv.writer(opened).writerows(rows)

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
        for distribution in _distributions(site):
            kept = self.folder / distribution.key(interpreter)
            if distribution.sources and not kept.exists():
                self._compile(distribution, site, kept, interpreter)
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
                if _is_linked(kept):
                    os.utime(kept)
                elif time.time() - kept.stat().st_mtime > unused_seconds:
                    shutil.rmtree(kept, ignore_errors=True)
                    removed += 1
        return removed

    def _compile(
        self, distribution: _Distribution, site: Path, kept: Path, interpreter: Interpreter
    ) -> None:
        self.folder.mkdir(parents=True, exist_ok=True)
        with tempfile.TemporaryDirectory(prefix=".compiling-", dir=self.folder) as temporary:
            target = Path(temporary) / "compiled"
            target.mkdir()
            given = [str(site), str(target), distribution.sources]
            subprocess.run(
                [str(interpreter.path), "-I", "-S", "-W", "ignore", "-c", _COMPILE],
                input=json.dumps(given),
                text=True,
                env={},
                check=True,
                capture_output=True,
                timeout=_LIMIT_SECONDS,
            )
            with contextlib.suppress(OSError):  # another process was quicker
                target.replace(kept)


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
        with contextlib.suppress(OSError, ValueError, csv.Error):
            rows = _rows(listed)
            yield _Distribution(tuple(sorted((row[0], row[1]) for row in rows if _is_source(row))))


def _rows(listed: Path) -> list[list[str]]:
    with listed.open(newline="", encoding="utf-8") as opened:
        return [row for row in csv.reader(opened) if len(row) > 1]


def _is_source(row: list[str]) -> bool:
    path = Path(row[0])
    inside = not path.is_absolute() and ".." not in path.parts
    return inside and path.suffix == ".py" and bool(row[1])


def _link(kept: Path, site: Path) -> list[list[str]]:
    rows = _rows(kept / RECORD)
    folders = {(site / name).parent for name, *_ in rows}
    for folder in folders:
        folder.mkdir(exist_ok=True)
    for name, *_ in rows:
        with contextlib.suppress(FileExistsError):
            os.link(kept / name, site / name)
    return rows


def _is_linked(kept: Path) -> bool:
    return any((kept / name).stat().st_nlink > 1 for name, *_ in _rows(kept / RECORD)[:1])


def is_shared(folder: Path) -> bool:
    """Whether files in a folder of bytecode have other names: whoever writes there reaches others.

    Arguments:
        folder: a ``__pycache__``.
    """
    with os.scandir(folder) as entries:
        return any(each.stat(follow_symlinks=False).st_nlink > 1 for each in entries)
