"""What only the artifact store in a folder can get wrong: its files, the disk under them."""

import contextlib
import os
import stat
import subprocess
import sys
import textwrap
from pathlib import Path

import pytest
from small_disk import on_a_small_disk

from taskmgr_core.documents import digest_of
from taskmgr_core.errors import ArtifactError
from taskmgr_core.stores.directory import DirectoryArtifacts

CONTENT = b"content" * 1000
DIGEST = digest_of(CONTENT)


@pytest.fixture
def artifacts(tmp_path: Path) -> DirectoryArtifacts:
    """An empty store."""
    store = DirectoryArtifacts(tmp_path / "artifacts")
    store.initialize()
    return store


def file_of(artifacts: DirectoryArtifacts, digest: str = DIGEST) -> Path:
    """Where the store keeps a digest's content."""
    return artifacts.folder / digest[7:9] / digest[7:]


def spoil(path: Path, content: bytes) -> None:
    """Change a stored file behind the store's back, as a broken disk or a stray program does."""
    path.chmod(0o644)
    path.write_bytes(content)


def left_over(artifacts: DirectoryArtifacts) -> list[str]:
    """Files of the store that are no artifact."""
    known = {each.removeprefix("sha256:") for each in artifacts.digests()}
    files = (each for each in artifacts.folder.rglob("*") if each.is_file())
    return [str(each) for each in files if each.name not in known]


# damage


@pytest.mark.parametrize("damage", [b"", CONTENT[:-1], CONTENT + b"\n", b"x" + CONTENT[1:]])
@pytest.mark.parametrize("warm", [True, False])
def test_damaged_file_is_refused(artifacts: DirectoryArtifacts, damage: bytes, warm: bool) -> None:
    """Changed content is found whether it was read before or not, and the message says both."""
    artifacts.put_bytes(CONTENT)
    if warm:
        artifacts.read(DIGEST)
    spoil(file_of(artifacts), damage)
    expected = f"{DIGEST} is damaged: {file_of(artifacts)} has the content of {digest_of(damage)}"
    for method in (artifacts.read, artifacts.local_path):
        with pytest.raises(ArtifactError, match=expected + "; store it again"):
            method(DIGEST)


@pytest.mark.parametrize("damage", [b"", CONTENT[:-1], b"x" + CONTENT[1:]])
def test_damaged_file_is_healed_by_storing_it_again(
    artifacts: DirectoryArtifacts, damage: bytes
) -> None:
    """Putting the content again replaces what is damaged."""
    artifacts.put_bytes(CONTENT)
    spoil(file_of(artifacts), damage)
    artifacts.put_bytes(CONTENT)
    assert artifacts.read(DIGEST) == CONTENT
    assert stat.S_IMODE(file_of(artifacts).stat().st_mode) == 0o444


def test_whole_file_is_verified_once(
    artifacts: DirectoryArtifacts, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A file is hashed at its first use, and again only when it has changed."""
    hashed: list[str] = []
    verify = DirectoryArtifacts._verify

    def counted(self: DirectoryArtifacts, path: Path, digest: str) -> None:
        hashed.append(digest)
        verify(self, path, digest)

    monkeypatch.setattr(DirectoryArtifacts, "_verify", counted)
    artifacts.put_bytes(CONTENT)
    for _ in range(3):
        artifacts.local_path(DIGEST)
    assert hashed == [DIGEST]
    os.utime(file_of(artifacts), ns=(1, 1))
    artifacts.local_path(DIGEST)
    assert hashed == [DIGEST, DIGEST]


def test_strange_files_are_no_artifacts(artifacts: DirectoryArtifacts) -> None:
    """Other files in the folder are neither listed nor touched."""
    artifacts.put_bytes(CONTENT)
    strange = [artifacts.folder / "README", file_of(artifacts).parent / "notes.txt"]
    for each in strange:
        each.write_text("mine")
    assert list(artifacts.digests()) == [DIGEST]
    assert [each.read_text() for each in strange] == ["mine", "mine"]


def test_folder_in_place_of_a_file_is_named(artifacts: DirectoryArtifacts) -> None:
    """A folder where the content should be is an error with the digest, not a crash."""
    file_of(artifacts).mkdir(parents=True)
    with pytest.raises(ArtifactError, match=DIGEST):
        artifacts.read(DIGEST)


# durability


@pytest.fixture
def synced(monkeypatch: pytest.MonkeyPatch) -> list[tuple[str, bool]]:
    """Each file or folder that is synced from now on, and whether the artifact was in place."""
    found: list[tuple[str, bool]] = []
    fsync = os.fsync

    def recorded(descriptor: int) -> None:
        path = Path(f"/proc/self/fd/{descriptor}").readlink()
        in_place = list(path.glob("??/" + DIGEST[7:]) if path.is_dir() else [])
        kind = "file" if path.is_file() else str(path)
        found.append((kind, bool(in_place) or (path / DIGEST[7:]).is_file()))
        fsync(descriptor)

    monkeypatch.setattr(os, "fsync", recorded)
    return found


@pytest.mark.skipif(not Path("/proc/self/fd").is_dir(), reason="file names come from /proc")
@pytest.mark.parametrize("method", ["bytes", "file"])
def test_content_is_synced_before_it_is_told(
    artifacts: DirectoryArtifacts, synced: list[tuple[str, bool]], tmp_path: Path, method: str
) -> None:
    """First the file, then, renamed in, its folder, then the folder of that one."""
    if method == "bytes":
        artifacts.put_bytes(CONTENT)
    else:
        (tmp_path / "file").write_bytes(CONTENT)
        artifacts.put_file(tmp_path / "file")
    folder = file_of(artifacts).parent
    assert synced == [("file", False), (str(folder), True), (str(folder.parent), True)]


@pytest.mark.skipif(not Path("/proc/self/fd").is_dir(), reason="file names come from /proc")
def test_content_that_another_one_stores_is_synced_too(
    artifacts: DirectoryArtifacts, synced: list[tuple[str, bool]]
) -> None:
    """Content that is there may have been renamed in a moment ago: its folders are synced."""
    artifacts.put_bytes(CONTENT)
    synced.clear()
    artifacts.put_bytes(CONTENT)
    folder = file_of(artifacts).parent
    assert synced == [(str(folder), True), (str(folder.parent), True)]


# a full disk

LIMITED = """
    import resource, sys
    from pathlib import Path
    from taskmgr_core.errors import ArtifactError
    from taskmgr_core.stores.directory import DirectoryArtifacts
    artifacts = DirectoryArtifacts(Path(sys.argv[1]))
    # No file may grow beyond this: a write fails in its middle, as on a full disk.
    resource.setrlimit(resource.RLIMIT_FSIZE, (100_000, resource.RLIM_INFINITY))
    for put in (
        lambda: artifacts.put_bytes(b"x" * 3_000_000, "portrait"),
        lambda: artifacts.put_file(Path(sys.argv[2])),
    ):
        try:
            put()
        except ArtifactError as error:
            print(error)
    resource.setrlimit(resource.RLIMIT_FSIZE, (resource.RLIM_INFINITY,) * 2)
    print(artifacts.put_file(Path(sys.argv[2])).digest)
"""


def test_full_disk_leaves_nothing_behind(artifacts: DirectoryArtifacts, tmp_path: Path) -> None:
    """Without room nothing is stored, the message names what; with room it is stored."""
    large = tmp_path / "large.bin"
    large.write_bytes(b"y" * 2_000_000)
    done = subprocess.run(
        [sys.executable, "-c", textwrap.dedent(LIMITED), artifacts.folder, large],
        capture_output=True,
        text=True,
        check=True,
        timeout=60,
    )
    by_bytes, by_file, digest = done.stdout.splitlines()
    assert by_bytes.startswith("portrait (3000000 bytes) could not be stored: ")
    assert by_file.startswith(f"{large} could not be stored: ")
    assert by_bytes.endswith("nothing was kept of it")
    assert by_file.endswith("nothing was kept of it")
    assert left_over(artifacts) == []
    assert list(artifacts.digests()) == [digest] == [digest_of(b"y" * 2_000_000)]


def test_failed_rename_leaves_nothing_behind(artifacts: DirectoryArtifacts) -> None:
    """A store whose folder cannot be made keeps no temporary file; the cause is told."""
    (artifacts.folder / DIGEST[7:9]).write_text("a file in the way")
    with pytest.raises(ArtifactError, match=r"portrait \(7000 bytes\) could not be stored: "):
        artifacts.put_bytes(CONTENT, "portrait")
    assert left_over(artifacts) == [str(artifacts.folder / DIGEST[7:9])]


def test_no_descriptor_is_left_open(artifacts: DirectoryArtifacts) -> None:
    """Storing and failing to store leaves no file open."""
    artifacts.put_bytes(CONTENT)
    artifacts.read(DIGEST)
    with pytest.raises(ArtifactError):
        artifacts.put_file(artifacts.folder)
    assert open_in(artifacts.folder) == []


def open_in(folder: Path) -> list[str]:
    """What of a folder this process has open, also where it is removed by now."""
    found = []
    for each in Path("/proc/self/fd").iterdir():
        with contextlib.suppress(FileNotFoundError):  # what lists them is closed by now
            found.append(str(each.readlink()))
    return [each for each in found if each.startswith(str(folder))]


def test_disk_without_room_is_told_so(tmp_path: Path) -> None:
    """On a disk that is really full the message says to make room, for bytes and for files."""
    large = tmp_path / "large.bin"
    large.write_bytes(bytes(300_000))
    said = on_a_small_disk(
        tmp_path,
        f"""
        from taskmgr_core.stores.directory import DirectoryArtifacts
        artifacts = DirectoryArtifacts(home / "artifacts")
        artifacts.initialize()
        fill(leave=40_000)
        print(refused(lambda: artifacts.put_file(Path({str(large)!r}))))
        print(refused(lambda: artifacts.put_bytes(bytes(300_000), "portrait")))
        """,
    )
    lines = said.splitlines()
    assert [line.partition(" could not be")[0] for line in lines] == [
        str(large),
        "portrait (300000 bytes)",
    ]
    assert all("nothing was kept of it; make room and try again" in line for line in lines)


def test_left_over_files_are_removed_after_a_day(artifacts: DirectoryArtifacts) -> None:
    """What a killed process was storing goes when the store is opened; all else stays."""
    artifacts.put_bytes(CONTENT)
    for name in (".incoming-old", ".incoming-new", "notes"):
        (artifacts.folder / name).write_text("half")
    for path in (artifacts.folder / ".incoming-old", artifacts.folder / "notes"):
        os.utime(path, (1, 1))
    artifacts.initialize()
    names = [Path(each).name for each in left_over(artifacts)]
    assert sorted(names) == [".incoming-new", "notes"]
    assert artifacts.exists(DIGEST)
