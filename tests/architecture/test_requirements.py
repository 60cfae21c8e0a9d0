"""The locks: complete, hashed, and without anything of ours from an index."""

import re
import tomllib
from typing import Any

import pytest
from packaging.requirements import Requirement
from packaging.utils import canonicalize_name
from sources import ROOT

LOCKS = ("uv", "runtime", "dev")
OURS = {"taskmgr-core", "taskmgr-plugins", "taskmgr-tui"}


def locked(name: str) -> list[Requirement]:
    """The requirements of a lock."""
    text = (ROOT / "requirements" / f"{name}.txt").read_text()
    return [Requirement(line.rstrip(" \\")) for line in text.splitlines() if re.match(r"\w", line)]


def project(folder: str) -> dict[str, Any]:
    """A pyproject.toml."""
    return tomllib.loads((ROOT / folder / "pyproject.toml").read_text())


def declared(lock: str) -> list[Requirement]:
    """What the projects ask for, that a lock has to have."""
    asked = [
        *project("taskmgr_core")["project"]["dependencies"],
        *project("taskmgr_plugins")["project"]["dependencies"],
        *project("tui")["project"]["dependencies"],
    ]
    if lock == "dev":
        asked += project(".")["dependency-groups"]["dev"]
    return [each for each in map(Requirement, asked) if each.name not in OURS]


@pytest.mark.parametrize("lock", LOCKS)
def test_lock_has_a_hash_for_everything(lock: str) -> None:
    """Each requirement is pinned and has hashes, so that no other bytes are installed."""
    text = (ROOT / "requirements" / f"{lock}.txt").read_text()
    blocks = re.split(r"\n(?=\w)", text)
    assert blocks
    for block in blocks:
        assert re.match(r"[\w.-]+==\S+ .*\\\n", block), block.splitlines()[0]
        assert "--hash=sha256:" in block, block.splitlines()[0]


@pytest.mark.parametrize("lock", LOCKS)
def test_lock_has_nothing_of_ours(lock: str) -> None:
    """Our own packages come from this repository: an index could only give somebody else's."""
    assert [each.name for each in locked(lock) if each.name.startswith("taskmgr")] == []


@pytest.mark.parametrize("lock", ["runtime", "dev"])
def test_lock_has_what_the_projects_ask_for(lock: str) -> None:
    """The lock is not older than the projects: `make lock` renews it."""
    pins = {canonicalize_name(each.name): each.specifier for each in locked(lock)}
    for wanted in declared(lock):
        assert canonicalize_name(wanted.name) in pins, f"{wanted} is not locked: run make lock"
        (pin,) = pins[canonicalize_name(wanted.name)]
        assert wanted.specifier.contains(pin.version), f"{wanted} is locked as {pin}: run make lock"


@pytest.mark.parametrize("lock", ["uv", "runtime"])
def test_smaller_locks_agree_with_dev(lock: str) -> None:
    """Tests run with the versions that users get, where those are for some systems only, too."""
    tested = {str(each) for each in locked("dev")}
    smaller = [each for each in locked(lock) if f"{each.name}{each.specifier}" not in tested]
    assert {str(each) for each in smaller} <= tested


def test_root_installs_the_workspace_members() -> None:
    """The workspace lists exactly the distributions that live here, so none is looked up."""
    settings = project(".")["tool"]["uv"]
    members = {project(each)["project"]["name"] for each in settings["workspace"]["members"]}
    assert members == OURS == set(settings["sources"])
