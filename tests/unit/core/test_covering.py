"""Whether a lock has a wheel for each platform and Python that a plugin names."""

from pathlib import Path

import pytest
from packaging.pylock import Pylock
from packaging.requirements import Requirement
from packaging.specifiers import SpecifierSet

from taskmgr_core.errors import PublishError
from taskmgr_core.publishing.covering import PLATFORMS, refuse_gaps
from taskmgr_core.publishing.sources import read_source
from taskmgr_core.publishing.wheels import Wheel

PROJECT = """
[project]
name = "tiny"
version = "1.0"
requires-python = ">=3.11"
entry-points."taskmgr.plugins".tiny = "tiny"
"""


def wheel(requires_python: str = ">=3.11,<3.13") -> Wheel:
    """A plugin that needs `fast`."""
    return Wheel(
        path=Path("tiny-1.0-py3-none-any.whl"),
        distribution="tiny",
        version="1.0",
        requires=(Requirement("fast"),),
        requires_python=SpecifierSet(requires_python),
        tasks=("tiny",),
    )


def lock(*tags: str, marker: str | None = None) -> Pylock:
    """A lock of `fast` with wheels of these tags, and of `pure` that fits everywhere."""
    return Pylock.from_dict(
        {
            "lock-version": "1.0",
            "created-by": "test",
            "packages": [
                package("pure", "py3-none-any"),
                package("fast", *tags) | ({"marker": marker} if marker else {}),
            ],
        }
    )


def package(name: str, *tags: str) -> dict[str, object]:
    """An entry of a lock."""
    urls = [f"https://index.example/{name}-1.0-{tag}.whl" for tag in tags]
    wheels = [{"url": url, "hashes": {"sha256": "0" * 64}} for url in urls]
    return {"name": name, "version": "1.0", "wheels": wheels}


def test_lock_with_every_wheel_covers(tmp_path: Path) -> None:
    """Wheels of any Python, of the stable interface and of each Python are all taken."""
    everywhere = list(PLATFORMS)
    refuse_gaps(lock("py3-none-any"), wheel(), everywhere)
    stable = [
        f"cp37-abi3-{each}"
        for each in (
            "manylinux_2_28_x86_64",
            "manylinux2014_aarch64",
            "macosx_11_0_arm64",
            "macosx_10_9_x86_64",
        )
    ]
    refuse_gaps(lock(*stable), wheel(), everywhere)
    each = [f"cp3{minor}-cp3{minor}-manylinux_2_17_x86_64" for minor in (11, 12)]
    refuse_gaps(lock(*each), wheel(), ["linux-x86_64"])


def test_gap_is_named_with_platform_and_python() -> None:
    """Of what is missing the package, the platform and the Pythons are told, and what to do."""
    tags = ("cp311-cp311-manylinux_2_17_x86_64", "cp311-cp311-macosx_11_0_arm64")
    with pytest.raises(
        PublishError,
        match=r"fast 1\.0 for linux-x86_64 with Python 3\.12, 3\.13.*Narrow requires-python",
    ) as caught:
        refuse_gaps(lock(*tags), wheel(">=3.11,<3.14"), ["linux-x86_64", "linux-aarch64"])
    assert "fast 1.0 for linux-aarch64 with Python 3.11, 3.12, 3.13" in str(caught.value)
    assert "pure" not in str(caught.value)


def test_package_of_another_platform_is_no_gap() -> None:
    """What a marker keeps from a platform needs no wheel there."""
    refuse_gaps(lock("py3-none-win32", marker="sys_platform == 'win32'"), wheel(), ["linux-x86_64"])


def test_wheel_for_a_newer_system_does_not_cover() -> None:
    """A wheel that needs a newer macOS, or musl, does not run on what is named."""
    for tag in ("cp37-abi3-macosx_26_0_arm64", "cp37-abi3-musllinux_1_2_aarch64"):
        with pytest.raises(PublishError, match="fast"):
            refuse_gaps(lock(tag), wheel(), ["darwin-arm64", "linux-aarch64"])


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ('platforms = ["linux-amd64"]', "platforms has 'linux-amd64'; allowed are linux-x86_64,"),
        ('platforms = "linux-x86_64"', "platforms has 'linux-x86_64'; allowed"),
        ('platform = ["linux-x86_64"]', "has 'platform'; it may have platforms"),
    ],
)
def test_platforms_that_are_not_known_are_refused(tmp_path: Path, text: str, said: str) -> None:
    """A misspelt table, a misspelt platform and what is no list are told apart."""
    (tmp_path / "pyproject.toml").write_text(f"{PROJECT}\n[tool.taskmgr]\n{text}\n")
    with pytest.raises(PublishError, match=said):
        read_source(tmp_path)


def test_platforms_are_read_from_the_project(tmp_path: Path) -> None:
    """Each named once, in their order; without the table there are none."""
    (tmp_path / "pyproject.toml").write_text(PROJECT)
    assert read_source(tmp_path).platforms == ()
    named = 'platforms = ["linux-x86_64", "darwin-arm64", "linux-x86_64"]'
    (tmp_path / "pyproject.toml").write_text(f"{PROJECT}\n[tool.taskmgr]\n{named}\n")
    assert read_source(tmp_path).platforms == ("linux-x86_64", "darwin-arm64")
