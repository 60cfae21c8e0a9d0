"""Builds one virtualenv from a release, and checks it: wheels only, every hash checked."""

from __future__ import annotations

import base64
import contextlib
import csv
import errno
import hashlib
import json
import os
import stat
import subprocess
import sysconfig
from collections.abc import Callable, Collection, Iterator
from pathlib import Path
from typing import Any

import attrs
import uuid_utils

from taskmgr_core.bytecode import SHARED, Bytecode
from taskmgr_core.errors import (
    MAKE_ROOM,
    ArtifactError,
    EnvironmentBuildError,
    TaskmgrError,
)
from taskmgr_core.lockfile import LockError, parse_lock
from taskmgr_core.sdk_wheel import SDK
from taskmgr_core.specs import Release, StoredFile
from taskmgr_core.stores.artifacts import ArtifactStore
from taskmgr_core.tags import fits, tags_of
from taskmgr_core.uv import Interpreter, Uv, UvFailed, never, stop_if
from taskmgr_core.uv_settings import INDEX_VARIABLES, RESOLVER_VARIABLES
from taskmgr_plugins.errors import DiskFullError

RECORD = "taskmgr-environment.json"
REQUIREMENTS = "requirements.txt"
WRITE_BITS = stat.S_IWUSR | stat.S_IWGRP | stat.S_IWOTH

# Device, inode and algorithm of a file -> its hash.
Hashes = dict[tuple[int, int, str], str]


def fingerprint_of(release: Release, interpreter: Interpreter) -> str:
    """What an environment is built from, as 64 hexadecimal digits."""
    parts = (
        release.wheel.digest,
        release.lock.digest,
        release.sdk.digest,
        interpreter.version,
        sysconfig.get_platform(),
    )
    return hashlib.sha256("\n".join(parts).encode()).hexdigest()


@attrs.frozen
class EnvironmentBuilder:
    """Builds environments.

    Attributes:
        artifacts: where wheels and locks come from.
        uv: makes the virtualenv and installs.
        wheels: a folder where wheels get their real names; the same for every
            build, so that uv knows an unpacked wheel again.
        bytecode: what is compiled of the packages; the virtualenv gets links to it.
        cancelled: asked some times a second; true stops a build.
    """

    artifacts: ArtifactStore
    uv: Uv
    wheels: Path
    bytecode: Bytecode
    cancelled: Callable[[], bool] = never

    def build(
        self,
        release: Release,
        fingerprint: str,
        target: Path,
        on_progress: Callable[[str], None],
        *,
        checked: bool = False,
    ) -> None:
        """Build an environment in an empty folder; its record is written last.

        Arguments:
            release: what it is built from.
            fingerprint: what its record says.
            target: the folder.
            on_progress: gets a line when something takes time.
            checked: whether what uv installed from its cache is checked, and installed
                past the cache if that is damaged: files are linked from there, so
                what damages one damages both.

        Raises:
            EnvironmentBuildError: naming what does not match, with uv's last lines.
            ArtifactError: a file is absent or damaged in the store.
            RunnerError: cancelled.
        """
        interpreter = self.uv.interpreter(release.python)
        requirements = self._requirements(release)
        stop_if(self.cancelled)
        on_progress(f"building the virtualenv of {release.distribution} {release.version}")
        try:
            self._make(interpreter, target)
            wheels = _fitting(release.vendored, interpreter)
            self._install_all(release, wheels, target, requirements, on_progress)
            if checked and not _whole(target, _checked_files(target)):
                on_progress("uv's cache is damaged; everything is fetched anew")
                further = ("--reinstall", "--no-cache")
                self._install_all(release, wheels, target, requirements, on_progress, *further)
        except UvFailed as error:
            raise EnvironmentBuildError(_refusal(release, error)) from _cause(error)
        self._share_bytecode(target, interpreter, damaged=checked)
        _protect(target / "lib")
        _write_record(target, release, fingerprint, interpreter)

    def _share_bytecode(self, target: Path, interpreter: Interpreter, *, damaged: bool) -> None:
        for site in site_packages(target):
            if damaged:
                self.bytecode.forget(site, interpreter)
                continue
            # Without it the runner compiles what it imports, and housekeeping tells of the fault.
            with contextlib.suppress(OSError, subprocess.SubprocessError):
                self.bytecode.prepare(site, interpreter, SDK)
            self.bytecode.share(site, interpreter)

    def _requirements(self, release: Release) -> str:
        """The lock, and the two wheels that come from our own store."""
        lock = self._file(release, "lock", release.lock).read_text()
        try:
            parse_lock(lock)
        except LockError as error:
            raise EnvironmentBuildError(
                f"the lock of {release.distribution} {release.version} is refused: {error}; "
                "publish a new version"
            ) from error
        own = [
            f"{name} @ {self._named(release, what, file).as_uri()} --hash={file.digest}"
            for name, what, file in (
                (SDK, "SDK wheel", release.sdk),
                (release.distribution, "wheel", release.wheel),
            )
        ]
        return "\n".join([lock, *own, ""])

    def _file(self, release: Release, what: str, file: StoredFile) -> Path:
        try:
            return self.artifacts.local_path(file.digest)
        except ArtifactError as error:
            raise ArtifactError(
                f"the {what} {file.name} of {release.distribution} {release.version} "
                f"is refused: {error}"
            ) from error

    def _named(self, release: Release, what: str, file: StoredFile) -> Path:
        """The stored file under its real name, which an installer needs."""
        stored = self._file(release, what, file).absolute()
        link = self.wheels.absolute() / file.digest.removeprefix("sha256:") / file.name
        link.parent.mkdir(parents=True, exist_ok=True)
        if not link.is_symlink() or link.readlink() != stored:
            # Another slot of this process may be naming the same SDK wheel just now.
            temporary = link.with_name(f".{uuid_utils.uuid7()}-{file.name}")
            temporary.symlink_to(stored)
            temporary.replace(link)
        return link

    def _make(self, interpreter: Interpreter, target: Path) -> None:
        # Relocatable: the folder is renamed when it is finished.
        self.uv.run(
            [
                *("venv", "--no-project", "--relocatable", "--quiet"),
                *("--python", str(interpreter.path), str(target)),
            ],
            cancelled=self.cancelled,
        )

    def _install_all(
        self,
        release: Release,
        wheels: Collection[StoredFile],
        target: Path,
        requirements: str,
        on_progress: Callable[[str], None],
        *further: str,
    ) -> None:
        """Install from the vendored wheels; where these are of other machines, from the index."""
        (target / REQUIREMENTS).write_text(requirements)
        if wheels:
            folders = {self._named(release, "wheel", each).parent for each in wheels}
            links = [f"--find-links={folder}" for folder in sorted(folders)]
            try:
                self.uv.run(
                    self._command(target, "--no-index", *links, *further),
                    without={*RESOLVER_VARIABLES, *INDEX_VARIABLES},
                    cancelled=self.cancelled,
                )
            except UvFailed as error:
                if _is_disk_full(error):
                    raise
                name = f"{release.distribution} {release.version}"
                on_progress(f"the vendored wheels of {name} do not fit here; the index is asked")
            else:
                return
        self.uv.install(
            self._command(target, *self.uv.index_arguments, *further), cancelled=self.cancelled
        )

    def _command(self, target: Path, *further: str) -> list[str]:
        return [
            *("pip", "install", "--quiet", "--python", str(target / "bin" / "python")),
            *("--no-deps", "--require-hashes", "--only-binary", ":all:", *further),
            *("--requirements", str(target / REQUIREMENTS)),
        ]


def _fitting(vendored: Collection[StoredFile], interpreter: Interpreter) -> list[StoredFile]:
    """The vendored wheels that are for this machine; the others need not be fetched."""
    tags = frozenset(tags_of(interpreter)) if vendored else frozenset()
    return [each for each in vendored if fits(each.name, tags)]


def site_packages(environment: Path) -> list[Path]:
    """Where the packages of a virtualenv lie: one folder."""
    return list(environment.glob("lib/*/site-packages"))


def read_record(path: Path) -> dict[str, Any]:
    """What an environment's record says; empty where there is none, or it is damaged."""
    try:
        record = json.loads((path / RECORD).read_bytes())
    except (OSError, ValueError):
        return {}
    return record if isinstance(record, dict) else {}


def is_whole(path: Path, known: Hashes | None = None) -> bool:
    """Whether an environment holds every file that was installed, unchanged.

    Each distribution lists its files with their hashes (``RECORD``, as the
    specification of installed projects has it); the environment's own record
    has the hashes of these lists.

    Arguments:
        path: its folder.
        known: hashes taken just now, by file; environments that share a file read it once.
    """
    listed = read_record(path).get("checked")
    return isinstance(listed, dict) and _whole(path, listed, known)


def _refusal(release: Release, error: UvFailed) -> str:
    what = f"the virtualenv of {release.distribution} {release.version} cannot be built"
    output = error.output.lower()
    if "hash mismatch" in output:
        what += (
            ": a file is not the one that its lock names (hash mismatch); if the index is "
            "right, delete taskmgr.lock and publish a new version"
        )
    elif "has no wheels with a matching" in output or "no usable wheels" in output:
        what += (
            f": its lock (made for Python {release.python}, {release.platform}) "
            "names a wheel that does not fit this machine"
        )
    elif _is_disk_full(error):
        what += f": the disk is full; {MAKE_ROOM}"
    return f"{what}. {error}"


def _is_disk_full(error: UvFailed) -> bool:
    output = error.output.lower()
    return any(os.strerror(each).lower() in output for each in (errno.ENOSPC, errno.EDQUOT))


def _cause(error: UvFailed) -> TaskmgrError:
    return DiskFullError(error.output) if _is_disk_full(error) else error


def _write_record(
    target: Path, release: Release, fingerprint: str, interpreter: Interpreter
) -> None:
    record = {
        "fingerprint": fingerprint,
        "distribution": release.distribution,
        "version": release.version,
        "python": interpreter.version,
        "size_bytes": _size(target),
        "checked": _checked_files(target),
    }
    # uv syncs nothing: a power cut would leave empty files beside a record that is right.
    os.sync()
    with (target / RECORD).open("w") as opened:
        json.dump(record, opened)
        opened.flush()
        os.fsync(opened.fileno())


def _protect(folder: Path) -> None:
    """Make the installed files read-only: they are links to uv's cache, and to all who share it."""
    for entry in _files(folder):
        mode = entry.stat(follow_symlinks=False).st_mode
        if stat.S_ISREG(mode) and mode & WRITE_BITS:  # most are links that are read-only already
            with contextlib.suppress(PermissionError):  # in a cache that another user filled
                Path(entry.path).chmod(mode & ~WRITE_BITS)


def _size(folder: Path) -> int:
    return sum(entry.stat(follow_symlinks=False).st_size for entry in _files(folder))


def _files(folder: Path) -> Iterator[os.DirEntry[str]]:
    """What is in a folder and those in it, but the folders."""
    folders = [str(folder)]
    while folders:
        with os.scandir(folders.pop()) as entries:
            for entry in entries:
                if entry.is_dir(follow_symlinks=False):
                    folders.append(entry.path)
                else:
                    yield entry


def _checked_files(folder: Path) -> dict[str, str]:
    """The lists of the installed files, and what makes it a virtualenv: path -> hash."""
    found = [folder / "pyvenv.cfg"]
    for site in site_packages(folder):
        found += [*site.glob("*.dist-info/RECORD"), *site.glob(f"{SHARED}/RECORD")]
    return {str(path.relative_to(folder)): _hash(path) for path in found}


def _whole(folder: Path, checked: dict[str, str], known: Hashes | None = None) -> bool:
    hashes: Hashes = {} if known is None else known
    try:
        return all(
            _hash(folder / name) == expected and _listed_are_whole(folder / name, hashes)
            for name, expected in checked.items()
        )
    except (OSError, ValueError, csv.Error):
        return False


def _listed_are_whole(listed: Path, known: Hashes) -> bool:
    if listed.name != "RECORD":
        return True
    with listed.open(newline="", encoding="utf-8") as opened:
        rows = [row for row in csv.reader(opened) if len(row) > 1 and row[1]]
    site = listed.parent.parent
    return all(_known(site / name, expected, known) == expected for name, expected, *_ in rows)


def _known(path: Path, like: str, known: Hashes) -> str:
    status = path.stat()
    key = (status.st_dev, status.st_ino, like.partition("=")[0])
    if key not in known:
        known[key] = _hash(path, like)
    return known[key]


def _hash(path: Path, like: str = "sha256=") -> str:
    """A file's hash as ``RECORD`` writes it, with the algorithm of another one."""
    algorithm = like.partition("=")[0]
    with path.open("rb") as opened:
        digest = hashlib.file_digest(opened, algorithm).digest()
    return f"{algorithm}={base64.urlsafe_b64encode(digest).rstrip(b'=').decode()}"
