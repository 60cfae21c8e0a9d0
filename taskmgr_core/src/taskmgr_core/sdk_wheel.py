"""The wheel of ``taskmgr-plugins``, rebuilt from the installed one.

A plugin's virtualenv gets our SDK from our own store: the name on a package
index may be anybody's upload.
"""

from __future__ import annotations

import base64
import hashlib
import importlib.metadata
import zipfile
from collections.abc import Iterator, Mapping
from pathlib import Path

from packaging.requirements import Requirement
from packaging.utils import canonicalize_name

import taskmgr_plugins

SDK = "taskmgr-plugins"
OWN_DISTRIBUTIONS = frozenset({SDK, "taskmgr-core", "taskmgr-tui"})

# Names with this beginning are ours and our plugins', so no other index is asked for them.
RESERVED_PREFIX = "taskmgr-"

_WHEEL = "Wheel-Version: 1.0\nGenerator: taskmgr\nRoot-Is-Purelib: true\nTag: py3-none-any\n"
# What authors test with is of no use to a task, and would rebuild all virtualenvs when it changes.
_LEFT_OUT = frozenset({"__pycache__", "testing"})
_TIME = (1980, 1, 1, 0, 0, 0)


def build_sdk_wheel(target_folder: Path) -> Path:
    """Write the wheel of the installed ``taskmgr-plugins``, the same bytes each time.

    Arguments:
        target_folder: where it is written.

    Returns:
        The path of ``taskmgr_plugins-<version>-py3-none-any.whl``.
    """
    distribution = importlib.metadata.distribution(SDK)
    stem = f"taskmgr_plugins-{distribution.version}"
    information = f"{stem}.dist-info"
    files = dict(_package_files()) | _information_files(distribution, information)
    record = f"{information}/RECORD"
    files[record] = _record(files, record).encode()
    target = target_folder / f"{stem}-py3-none-any.whl"
    with zipfile.ZipFile(target, "w", zipfile.ZIP_STORED) as archive:
        for name in sorted(files, key=lambda each: (each.startswith(information), each)):
            archive.writestr(_entry(name), files[name])
    return target


def sdk_version() -> str:
    """The version of the installed ``taskmgr-plugins``."""
    return importlib.metadata.version(SDK)


def sdk_requirements() -> tuple[str, ...]:
    """What the installed ``taskmgr-plugins`` depends on, its Python included.

    What its extras need is in no task's virtualenv.
    """
    needed = importlib.metadata.metadata(SDK).get_all("Requires-Dist") or ()
    own = [each for each in needed if "extra" not in str(Requirement(each).marker)]
    return (*own, f"python {sdk_python()}")


def sdk_python() -> str:
    """The Pythons that the installed ``taskmgr-plugins`` allows, as ``>=3.11``."""
    return importlib.metadata.metadata(SDK)["Requires-Python"]


def is_own(distribution: str) -> bool:
    """Whether a distribution is one of ours."""
    return canonicalize_name(distribution) in OWN_DISTRIBUTIONS


def is_reserved(distribution: str) -> bool:
    """Whether a name may come from our own store only: ours, or one with our prefix."""
    return canonicalize_name(distribution).startswith(RESERVED_PREFIX)


def _package_files() -> Iterator[tuple[str, bytes]]:
    root = Path(taskmgr_plugins.__path__[0])
    for path in root.rglob("*"):
        inside = path.relative_to(root)
        left_out = _LEFT_OUT.intersection(inside.parts)
        if path.is_file() and not left_out and path.suffix != ".pyc":
            yield f"taskmgr_plugins/{inside.as_posix()}", path.read_bytes()


def _information_files(
    distribution: importlib.metadata.Distribution, information: str
) -> dict[str, bytes]:
    """What belongs to the wheel itself; how it came to be installed here does not."""
    files = {f"{information}/WHEEL": _WHEEL.encode()}
    # Its entry points are for pytest, which finds what is left out by them.
    if text := distribution.read_text("METADATA"):
        files[f"{information}/METADATA"] = text.encode()
    for path in distribution.files or ():
        if ".dist-info/licenses/" in path.as_posix():
            inside = path.as_posix().partition(".dist-info/")[2]
            files[f"{information}/{inside}"] = Path(str(path.locate())).read_bytes()
    return files


def _record(files: Mapping[str, bytes], record: str) -> str:
    lines = [f"{name},sha256={_digest(files[name])},{len(files[name])}" for name in sorted(files)]
    return "\n".join([*lines, f"{record},,", ""])


def _digest(content: bytes) -> str:
    return base64.urlsafe_b64encode(hashlib.sha256(content).digest()).rstrip(b"=").decode()


def _entry(name: str) -> zipfile.ZipInfo:
    """Stored, not deflated: two versions of zlib do not give the same bytes."""
    entry = zipfile.ZipInfo(name, _TIME)
    entry.create_system = 3
    entry.external_attr = 0o644 << 16
    return entry
