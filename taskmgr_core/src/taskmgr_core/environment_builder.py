"""Builds one virtualenv from a release: wheels only, every hash checked."""

from __future__ import annotations

import contextlib
import hashlib
import json
import os
import sysconfig
from collections.abc import Callable
from pathlib import Path

import attrs

from taskmgr_core.errors import ArtifactError, EnvironmentBuildError
from taskmgr_core.lockfile import LockError, parse_lock
from taskmgr_core.sdk_wheel import SDK
from taskmgr_core.specs import Release, StoredFile
from taskmgr_core.stores.artifacts import ArtifactStore
from taskmgr_core.uv import Interpreter, Uv, UvFailed

RECORD = "taskmgr-environment.json"


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
    """

    artifacts: ArtifactStore
    uv: Uv
    wheels: Path

    def build(
        self, release: Release, fingerprint: str, target: Path, on_progress: Callable[[str], None]
    ) -> None:
        """Build an environment in an empty folder; its record is written last.

        Raises:
            EnvironmentBuildError: naming what does not match, with uv's last lines.
            ArtifactError: a file is absent or damaged in the store.
        """
        interpreter = self.uv.interpreter(release.python)
        requirements = self._requirements(release)
        on_progress(f"building the virtualenv of {release.distribution} {release.version}")
        try:
            self._make(interpreter, target)
            self._install(target, requirements)
        except UvFailed as error:
            raise EnvironmentBuildError(_refusal(release, error)) from error
        _write_record(target, release, fingerprint, interpreter)

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
            temporary = link.with_name(f".{os.getpid()}-{file.name}")
            temporary.unlink(missing_ok=True)
            temporary.symlink_to(stored)
            temporary.replace(link)
        return link

    def _make(self, interpreter: Interpreter, target: Path) -> None:
        # Relocatable: the folder is renamed when it is finished.
        self.uv.run(
            [
                *("venv", "--no-project", "--relocatable", "--quiet"),
                *("--python", str(interpreter.path), str(target)),
            ]
        )

    def _install(self, target: Path, requirements: str) -> None:
        listed = target / "requirements.txt"
        listed.write_text(requirements)
        self.uv.install(
            [
                *("pip", "install", "--quiet", "--python", str(target / "bin" / "python")),
                *("--no-deps", "--require-hashes", "--only-binary", ":all:"),
                *self.uv.index_arguments,
                *("--requirements", str(listed)),
            ]
        )


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
    return f"{what}. {error}"


def _write_record(
    target: Path, release: Release, fingerprint: str, interpreter: Interpreter
) -> None:
    record = {
        "fingerprint": fingerprint,
        "distribution": release.distribution,
        "version": release.version,
        "python": interpreter.version,
        "size_bytes": _size(target),
    }
    with (target / RECORD).open("w") as opened:
        json.dump(record, opened)
        opened.flush()
        os.fsync(opened.fileno())


def _size(folder: Path) -> int:
    total = 0
    for root, _, names in os.walk(folder):
        for name in names:
            with contextlib.suppress(OSError):
                total += (Path(root) / name).lstat().st_size
    return total
