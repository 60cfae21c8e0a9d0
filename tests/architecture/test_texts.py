"""What must not be in any file of the repository: addresses of registries, paths of a machine."""

import re
from pathlib import Path

import pytest
from sources import ROOT, tracked_files

# Built of parts, so that this file holds none of what it looks for.
REGISTRIES = [
    ".".join(parts)
    for parts in (
        ("pypi", "org"),
        ("files", "pythonhosted", "org"),
        ("registry", "npmjs", "org"),
        ("registry", "yarnpkg", "com"),
        ("index", "crates", "io"),
        ("proxy", "golang", "org"),
        ("deb", "debian", "org"),
    )
]
FOLDERS = "|".join(("work", "root", "private/var"))
PATH_OF_A_MACHINE = re.compile(rf"(?<![\w.$}}*-])/(?:{FOLDERS})(?=/|[\s'\"`),:;]|$)", re.MULTILINE)


pytestmark = pytest.mark.skipif(
    not (ROOT / ".git").exists(), reason="only git knows which files are the project's"
)


def places(pattern: re.Pattern[str], path: Path) -> list[str]:
    """Where a pattern occurs in a file."""
    text = path.read_bytes().decode(errors="replace")
    return [
        f"{path.relative_to(ROOT)}:{text.count(chr(10), 0, found.start()) + 1} {found.group()}"
        for found in pattern.finditer(text)
    ]


@pytest.mark.parametrize("host", REGISTRIES)
def test_no_file_names_a_registry(host: str) -> None:
    """Whoever installs chooses the index: no file names the host of one."""
    pattern = re.compile(re.escape(host))
    assert [place for path in tracked_files() for place in places(pattern, path)] == []


def test_no_file_names_a_path_of_a_machine() -> None:
    """Nothing depends on, or tells of, the machine that it was written on."""
    own = re.compile(re.escape(str(ROOT)))
    found = [
        place
        for path in tracked_files()
        for pattern in (PATH_OF_A_MACHINE, own)
        for place in places(pattern, path)
    ]
    assert found == []


@pytest.mark.parametrize("folder", FOLDERS.split("|"))
def test_path_of_a_machine_is_recognised(folder: str) -> None:
    """The pattern finds such a path and leaves alone what only looks like one."""
    for text in (f"cd /{folder}/x", f'"/{folder}"', f"at /{folder}."[:-1], f"(/{folder})"):
        assert PATH_OF_A_MACHINE.search(text), text
    for text in (f"a/{folder}/x", f"./{folder}/x", f"/{folder}er/x", f"$HOME/{folder}/x"):
        assert not PATH_OF_A_MACHINE.search(text), text
