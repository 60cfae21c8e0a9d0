"""Locking a plugin's dependencies: every version pinned, every file's digest written down."""

from __future__ import annotations

import contextlib
import os
import re
from collections.abc import Collection
from pathlib import Path

from packaging.specifiers import SpecifierSet
from packaging.utils import canonicalize_name
from packaging.version import InvalidVersion, Version

from taskmgr_core.documents import digest_of
from taskmgr_core.errors import PublishError
from taskmgr_core.lockfile import LockError, parse_lock
from taskmgr_core.publishing.wheels import Wheel
from taskmgr_core.sdk_wheel import (
    RESERVED_PREFIX,
    SDK,
    is_reserved,
    sdk_python,
    sdk_requirements,
    sdk_version,
)
from taskmgr_core.uv import Uv, UvFailed

_LOWER_BOUNDS = (">=", ">", "~=", "==")


def check_dependencies(wheel: Wheel, published: Collection[str] = ()) -> None:
    """Refuse dependencies that no lock can hold.

    Arguments:
        wheel: the plugin's.
        published: names that no index is asked for, as plugins have them.

    Raises:
        PublishError: one is another part of taskmgr, or a plugin, comes from an address,
            or asks for another version of ``taskmgr-plugins`` than this one.
    """
    for each in wheel.needed():
        name = canonicalize_name(each.name)
        if name == SDK and not each.specifier.contains(sdk_version(), prereleases=True):
            raise PublishError(
                f"{wheel.distribution} needs {SDK} {each.specifier}, and this taskmgr brings "
                f"{sdk_version()}; change the dependency, or install the taskmgr that fits"
            )
        if name != SDK and (is_reserved(name) or name in published):
            raise PublishError(f"{wheel.distribution} depends on {name}; {_ours(name)}")
        if each.url:
            raise PublishError(
                f"{wheel.distribution} takes {each.name} from an address; allowed are versions "
                "from an index, as the lock must find the same file everywhere"
            )


def lock_key(wheel: Wheel) -> str:
    """The digest of all that a lock follows from: while it stays, so does the lock."""
    parts = sorted(str(each) for each in wheel.needed())
    return digest_of("\n".join([*parts, str(wheel.requires_python), *sdk_requirements()]).encode())


def read_lock(path: Path, wheel: Wheel) -> bytes | None:
    """The lock that lies in the plugin's folder; None when it is absent or of other dependencies.

    Raises:
        PublishError: an entry is not pinned and hashed.
    """
    try:
        content = path.read_bytes()
    except FileNotFoundError:
        return None
    except OSError as error:
        raise PublishError(f"{path} cannot be read: {error}") from error
    text = content.decode(errors="replace")
    if f"# for: {lock_key(wheel)}" not in text.splitlines():
        return None
    _check(text, wheel, str(path))
    return content


def make_lock(wheel: Wheel, sdk_wheel: Path, uv: Uv, folder: Path) -> bytes:
    """Resolve the dependencies for every platform and all Pythons that the plugin allows.

    Arguments:
        wheel: the plugin's.
        sdk_wheel: the wheel of ``taskmgr-plugins``; no index is asked for that name.
        uv: resolves.
        folder: for a temporary file.

    Raises:
        PublishError: there is no solution, or none of wheels only.
    """
    listed = folder / "requirements.in"
    listed.write_text(_requirements(wheel, sdk_wheel))
    try:
        resolved = uv.resolve(
            [
                *("pip", "compile", "--quiet", "--universal", "--generate-hashes"),
                *("--only-binary", ":all:", "--no-header", "--no-annotate"),
                *("--no-emit-package", SDK, "--no-strip-extras"),
                *("--python", str(uv.interpreter(str(wheel.requires_python)).path)),
                *("--python-version", lowest_python(wheel.requires_python)),
                *(*uv.index_arguments, str(listed)),
            ]
        )
    except UvFailed as error:
        raise PublishError(_refusal(wheel, error)) from error
    entries = "".join(
        f"{line}\n" for line in resolved.splitlines() if line and not line.startswith("#")
    )
    text = f"{_header(wheel)}{entries}"
    _check(text, wheel, "the lock")
    return text.encode()


def check_names(lock: bytes, wheel: Wheel, published: Collection[str]) -> None:
    """Refuse a lock in which a dependency's dependency has a name that no index is asked for.

    Arguments:
        lock: as ``make_lock`` or ``read_lock`` gives it.
        wheel: the plugin's.
        published: the names.

    Raises:
        PublishError: naming the first one.
    """
    for entry in parse_lock(lock.decode()):
        if entry.name in published:
            raise PublishError(
                f"a dependency of {wheel.distribution} depends on {entry.name}; {_ours(entry.name)}"
            )


def keep_lock(content: bytes, path: Path) -> bool:
    """Write a lock into the plugin's folder; False where that cannot be written."""
    temporary = path.with_name(f".{path.name}-{os.getpid()}")
    try:
        temporary.write_bytes(content)
        temporary.replace(path)
    except OSError:
        with contextlib.suppress(OSError):
            temporary.unlink()
        return False
    return True


def lowest_python(requires_python: SpecifierSet) -> str:
    """The lowest Python that both the plugin and our SDK allow, as ``3.11``.

    Locked from there upwards, the lock does not depend on who publishes.
    """
    bounds = [*requires_python, *SpecifierSet(sdk_python())]
    found = []
    for each in bounds:
        if each.operator in _LOWER_BOUNDS:
            with contextlib.suppress(InvalidVersion):
                found.append(Version(each.version.removesuffix(".*")))
    lowest = max(found)
    return ".".join(str(part) for part in lowest.release)


def _ours(name: str) -> str:
    what = (
        f"a task can use {SDK} only of the names that begin with {RESERVED_PREFIX}"
        if is_reserved(name)
        else "that is published here as a plugin"
    )
    return (
        f"{what}, and an index could give somebody else's of that name: remove the dependency, or "
        "put what both need into a distribution of another name"
    )


def _header(wheel: Wheel) -> str:
    return (
        f"# The locked dependencies of {wheel.distribution}, written by 'taskmgr publish'.\n"
        "# Keep this file with the sources; delete it to lock anew.\n"
        f"# for: {lock_key(wheel)}\n"
    )


def _requirements(wheel: Wheel, sdk_wheel: Path) -> str:
    own = [each for each in wheel.needed() if canonicalize_name(each.name) == SDK]
    others = [str(each) for each in wheel.needed() if canonicalize_name(each.name) != SDK]
    extras = sorted({extra for each in own for extra in each.extras})
    wanted = f"{SDK}[{','.join(extras)}]" if extras else SDK
    return "\n".join([f"{wanted} @ {sdk_wheel.absolute().as_uri()}", *others, ""])


def _check(text: str, wheel: Wheel, what: str) -> None:
    """Every entry is pinned and hashed, and each dependency has one that it allows."""
    try:
        entries = parse_lock(text)
    except LockError as error:
        raise PublishError(f"{what} is refused: {error}; delete it to lock anew") from error
    versions: dict[str, list[str]] = {}
    for entry in entries:
        versions.setdefault(entry.name, []).append(entry.version)
    for each in wheel.needed():
        name = canonicalize_name(each.name)
        if name == SDK or each.marker is not None:
            continue
        locked = versions.get(name, [])
        if not any(each.specifier.contains(version, prereleases=True) for version in locked):
            raise PublishError(
                f"{what} has {name} {' and '.join(locked) or 'not at all'}, and "
                f"{wheel.distribution} needs {each}; delete it to lock anew"
            )


def _refusal(wheel: Wheel, error: UvFailed) -> str:
    without_wheels = sorted(set(re.findall(r"Wheels are required for `([^`]+)`", error.output)))
    if without_wheels:
        names = ", ".join(without_wheels)
        return (
            f"{wheel.distribution} cannot be locked: {names} has no wheel that fits, and a source "
            "distribution is never built on a worker; choose a version that has wheels, or build "
            f"the wheel yourself and name its folder in UV_FIND_LINKS. {error}"
        )
    return f"the dependencies of {wheel.distribution} cannot be locked. {error}"
