"""Whether a lock has a wheel of everything for each platform and Python that a plugin names."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from types import MappingProxyType
from typing import TYPE_CHECKING

import attrs
from packaging.markers import Environment as MarkerEnvironment
from packaging.markers import default_environment
from packaging.specifiers import SpecifierSet
from packaging.tags import mac_platforms

from taskmgr_core.errors import PublishError
from taskmgr_core.publishing.wheels import Wheel
from taskmgr_core.sdk_wheel import sdk_python
from taskmgr_core.tags import tags_for

# Slow to import, and few plugins name platforms.
if TYPE_CHECKING:
    from packaging.pylock import Package, Pylock

# The Pythons that taskmgr is made for.
PYTHONS = ("3.11", "3.12", "3.13", "3.14")
# A wheel for an older C library or system runs on these, too.
NEWEST_GLIBC = 39
OLDEST_GLIBC = 5
MACOS = (15, 0)
_LEGACY = {"manylinux_2_17": "manylinux2014", "manylinux_2_12": "manylinux2010"}


@attrs.frozen
class Platform:
    """A platform: what markers see there."""

    system: str
    sys_platform: str
    machine: str


PLATFORMS: Mapping[str, Platform] = MappingProxyType(
    {
        "linux-x86_64": Platform("Linux", "linux", "x86_64"),
        "linux-aarch64": Platform("Linux", "linux", "aarch64"),
        "darwin-arm64": Platform("Darwin", "darwin", "arm64"),
        "darwin-x86_64": Platform("Darwin", "darwin", "x86_64"),
    }
)


def refuse_gaps(located: Pylock, wheel: Wheel, platforms: Sequence[str]) -> None:
    """Refuse a lock that lacks a wheel for one of the platforms, under one of the Pythons.

    Arguments:
        located: the lock, see ``locate``.
        wheel: the plugin's, which says what Pythons it allows.
        platforms: names of ``PLATFORMS``.

    Raises:
        PublishError: with every gap.
    """
    gaps: dict[tuple[str, str], list[str]] = {}
    for platform in platforms:
        for python in _pythons(wheel):
            for package in _gaps(located, python, PLATFORMS[platform]):
                gaps.setdefault((package, platform), []).append(python)
    if gaps:
        raise PublishError(
            f"{wheel.distribution} names platforms for which its dependencies have no wheels: "
            + "; ".join(
                f"{package} for {platform} with Python {', '.join(pythons)}"
                for (package, platform), pythons in gaps.items()
            )
            + ". Narrow requires-python, take the platform out of [tool.taskmgr] platforms, or "
            "choose versions that have wheels"
        )


def _pythons(wheel: Wheel) -> list[str]:
    allowed = wheel.requires_python & SpecifierSet(sdk_python())
    # A bound such as >=3.11.4 excludes 3.11.0 and not 3.11.
    return [each for each in PYTHONS if allowed.contains(f"{each}.99")]


def _gaps(located: Pylock, python: str, platform: Platform) -> Iterator[str]:
    """The packages that have no wheel there."""
    from packaging.pylock import PackageWheel, PylockSelectError

    tags = list(tags_for(python, list(_platform_tags(platform))))
    environment = _environment(python, platform)
    for package in located.packages:
        alone = _alone(located, package)
        try:
            for _, chosen in alone.select(environment=environment, tags=tags):
                if not isinstance(chosen, PackageWheel):
                    yield f"{package.name} {package.version}"
        except PylockSelectError:
            yield f"{package.name} {package.version}"


def _alone(located: Pylock, package: Package) -> Pylock:
    """The lock with one package: selecting stops at the first that fits nothing."""
    from packaging.pylock import Pylock

    return Pylock(
        lock_version=located.lock_version,
        created_by=located.created_by,
        packages=[package],
    )


def _environment(python: str, platform: Platform) -> MarkerEnvironment:
    found = default_environment()
    found["python_version"] = python
    found["python_full_version"] = found["implementation_version"] = f"{python}.99"
    found["sys_platform"] = platform.sys_platform
    found["platform_system"] = platform.system
    found["platform_machine"] = platform.machine
    return found


def _platform_tags(platform: Platform) -> Iterator[str]:
    if platform.sys_platform == "darwin":
        yield from mac_platforms(MACOS, platform.machine)
        return
    for minor in range(NEWEST_GLIBC, OLDEST_GLIBC - 1, -1):
        name = f"manylinux_2_{minor}"
        yield f"{name}_{platform.machine}"
        if name in _LEGACY:
            yield f"{_LEGACY[name]}_{platform.machine}"
    yield f"manylinux1_{platform.machine}"
    yield f"linux_{platform.machine}"
