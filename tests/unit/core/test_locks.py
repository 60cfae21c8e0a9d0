"""A lock holds pinned, hashed requirements of wheels and nothing else."""

from pathlib import Path

import pytest
from packaging.requirements import Requirement
from packaging.specifiers import SpecifierSet

from taskmgr_core.errors import PublishError
from taskmgr_core.lockfile import LockError, parse_lock
from taskmgr_core.publishing.locks import (
    check_dependencies,
    check_names,
    keep_lock,
    lock_key,
    lowest_python,
    read_lock,
)
from taskmgr_core.publishing.wheels import Wheel

HASH = "--hash=sha256:" + "0a" * 32


def wheel_of(*requires: str, python: str = ">=3.11") -> Wheel:
    """A wheel with these dependencies."""
    return Wheel(
        path=Path("tiny_plugin-1.0.0-py3-none-any.whl"),
        distribution="tiny-plugin",
        version="1.0.0",
        requires=tuple(Requirement(each) for each in requires),
        requires_python=SpecifierSet(python),
        tasks=("shout",),
    )


def test_lock_entries_are_read_over_several_lines() -> None:
    """Markers, comments and continued lines are understood."""
    text = (
        "# for: sha256:1\n"
        f"NumPy==2.4.6 ; python_version < '3.12' \\\n    {HASH} \\\n    {HASH}\n"
        f"attrs==26.1.0 {HASH}  # via tiny\n"
    )
    numpy, attrs = parse_lock(text)
    assert (numpy.name, numpy.version, len(numpy.hashes)) == ("numpy", "2.4.6", 2)
    assert numpy.marker == 'python_version < "3.12"'
    assert (attrs.name, attrs.marker) == ("attrs", "")


@pytest.mark.parametrize(
    ("line", "message"),
    [
        ("attrs==26.1.0", "attrs has no sha256 hash"),
        (f"attrs>=26 {HASH}", "does not pin one version"),
        (f"attrs==26.* {HASH}", "does not pin one version"),
        (f"attrs {HASH}", "does not pin one version"),
        ("attrs==26.1.0 --hash=md5:00", "only --hash=sha256"),
        (f"attrs @ https://packages.test/attrs.whl {HASH}", "comes from an address"),
        ("--index-url https://packages.test/simple", "no pinned requirement"),
        (f"-e . {HASH}", "no pinned requirement"),
        (f"taskmgr_plugins==99 {HASH}", "taskmgr's own"),
        (f"Taskmgr.Face_Detection==99 {HASH}", "taskmgr's own, as all names with taskmgr-"),
    ],
)
def test_lock_refuses_what_is_not_pinned_and_hashed(line: str, message: str) -> None:
    """Each kind of entry that could bring in something else is named."""
    with pytest.raises(LockError, match=message):
        parse_lock(line)


def test_lock_key_follows_the_dependencies_only() -> None:
    """Order and extras do not change it; a dependency or the Python does."""
    key = lock_key(wheel_of("attrs>=25", "numpy"))
    assert key == lock_key(wheel_of("numpy", "attrs>=25", "pytest; extra == 'test'"))
    assert key != lock_key(wheel_of("attrs>=26", "numpy"))
    assert key != lock_key(wheel_of("attrs>=25", "numpy", python=">=3.12"))


def test_kept_lock_is_used_while_the_dependencies_stay(tmp_path: Path) -> None:
    """The same file serves the same dependencies and no others."""
    path, wheel = tmp_path / "taskmgr.lock", wheel_of("attrs>=25")
    assert read_lock(path, wheel) is None
    content = f"# for: {lock_key(wheel)}\nattrs==26.1.0 {HASH}\n".encode()
    assert keep_lock(content, path)
    assert read_lock(path, wheel) == content
    assert read_lock(path, wheel_of("attrs>=25", "numpy")) is None


@pytest.mark.parametrize("entry", [f"numpy==1.0 {HASH}", f"attrs==24.1.0 {HASH}"])
def test_kept_lock_that_lacks_a_dependency_is_refused(tmp_path: Path, entry: str) -> None:
    """A lock edited by hand still has to hold every dependency in a version that fits."""
    path, wheel = tmp_path / "taskmgr.lock", wheel_of("attrs>=25")
    path.write_text(f"# for: {lock_key(wheel)}\n{entry}\n")
    with pytest.raises(PublishError, match="needs attrs>=25; delete it to lock anew"):
        read_lock(path, wheel)


def test_lock_is_not_kept_where_nothing_can_be_written() -> None:
    """A read-only folder is no error."""
    assert not keep_lock(b"", Path("/proc/self/taskmgr.lock"))


@pytest.mark.parametrize(
    ("requirement", "message"),
    [
        ("taskmgr-plugins>=99", "needs taskmgr-plugins >=99, and this taskmgr brings"),
        ("Taskmgr_Core", "depends on taskmgr-core; a task can use taskmgr-plugins only"),
        ("taskmgr.other>=1", "depends on taskmgr-other; a task can use taskmgr-plugins only"),
        ("Face_Tools", "depends on face-tools; that is published here as a plugin"),
        ("numpy @ https://packages.test/numpy.whl", "takes numpy from an address"),
    ],
)
def test_dependency_that_no_lock_can_hold_is_refused(requirement: str, message: str) -> None:
    """Ours in another version or place, and addresses, are refused by name."""
    with pytest.raises(PublishError, match=message):
        check_dependencies(wheel_of(requirement), ["face-tools"])


def test_dependency_of_a_dependency_with_a_name_of_ours_is_refused() -> None:
    """A lock may have no name that is published here; the message says whose wish it was."""
    lock = f"attrs==26.1.0 {HASH}\nFace.Tools==1.0 {HASH}\n".encode()
    check_names(lock, wheel_of("attrs"), ["face"])
    with pytest.raises(
        PublishError, match="a dependency of tiny-plugin depends on face-tools; that is published"
    ):
        check_names(lock, wheel_of("attrs"), ["face-tools"])


def test_dependency_of_an_extra_is_no_concern_of_the_lock() -> None:
    """Tests of a plugin may use taskmgr-core."""
    check_dependencies(wheel_of("taskmgr-plugins", "taskmgr-core; extra == 'test'"))


@pytest.mark.parametrize(
    ("bounds", "lowest"),
    [("", "3.11"), (">=3.9", "3.11"), (">=3.12,<4", "3.12"), ("==3.13.*", "3.13"), ("<4", "3.11")],
)
def test_lowest_python_fits_the_plugin_and_the_sdk(bounds: str, lowest: str) -> None:
    """The lock starts at the higher of the two lower bounds."""
    assert lowest_python(SpecifierSet(bounds)) == lowest
