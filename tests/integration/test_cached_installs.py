"""What lies in uv's cache is installed without an index being asked for it."""

import hashlib
import os
import threading
import zipfile
from collections.abc import Iterator
from functools import partial
from http.server import SimpleHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path

import attrs
import pytest

from taskmgr_core.uv import Uv, UvFailed

WHEEL = "tiny-1.0-py3-none-any.whl"


@attrs.define
class Index:
    """A package index of one wheel.

    Attributes:
        address: where it answers.
        lock: a line of a lock that names the wheel.
        asked: the paths that were asked for.
    """

    address: str
    lock: str
    asked: list[str]


class Handler(SimpleHTTPRequestHandler):
    """Serves a folder, and remembers what was asked for."""

    def __init__(self, *given: object, asked: list[str], **more: object) -> None:
        self.asked = asked
        super().__init__(*given, **more)  # type: ignore[arg-type]

    def log_message(self, format: str, *_: object) -> None:  # noqa: A002
        """Remember it."""
        self.asked.append(self.path)


@pytest.fixture
def index(tmp_path: Path) -> Iterator[Index]:
    """A package index that counts."""
    folder = tmp_path / "index" / "tiny"
    folder.mkdir(parents=True)
    digest = write_wheel(folder / WHEEL)
    other = folder.parent / "other" / "tiny"
    other.mkdir(parents=True)
    write_wheel(other / WHEEL.replace("1.0", "0.9"))
    asked: list[str] = []
    handler = partial(Handler, asked=asked, directory=str(folder.parent))
    server = ThreadingHTTPServer(("127.0.0.1", 0), handler)
    thread = threading.Thread(target=server.serve_forever, args=(0.01,))
    thread.start()
    try:
        address = f"http://127.0.0.1:{server.server_port}"
        yield Index(address, f"tiny==1.0 --hash=sha256:{digest}", asked)
    finally:
        server.shutdown()
        thread.join()
        server.server_close()


def write_wheel(path: Path) -> str:
    """Write a wheel of one module; its digest."""
    files = {
        "tiny.py": "",
        "tiny-1.0.dist-info/METADATA": "Metadata-Version: 2.1\nName: tiny\nVersion: 1.0\n",
        "tiny-1.0.dist-info/WHEEL": "Wheel-Version: 1.0\nTag: py3-none-any\n",
        "tiny-1.0.dist-info/RECORD": "",
    }
    with zipfile.ZipFile(path, "w") as archive:
        for name, text in files.items():
            archive.writestr(name, text)
    return hashlib.sha256(path.read_bytes()).hexdigest()


def install(index: Index, folder: Path, lock: str, **variables: str) -> list[str]:
    """Install a lock into a new virtualenv; what the index was asked for meanwhile."""
    uv = Uv.find({"PATH": os.environ["PATH"], "HOME": str(folder.parent)})
    cache = str(folder.parent / "cache")
    more = {"UV_CACHE_DIR": cache, "UV_DEFAULT_INDEX": index.address, **variables}
    uv = attrs.evolve(uv, environment={**uv.environment, **more})
    uv.run(["venv", "--no-project", "--quiet", "--python", str(uv.interpreter().path), str(folder)])
    requirements = folder / "requirements.txt"
    requirements.write_text(lock)
    index.asked.clear()
    python = folder / "bin" / "python"
    uv.install(
        [
            *("pip", "install", "--quiet", "--python", str(python), "--no-deps"),
            *("--require-hashes", "--requirements", str(requirements)),
        ]
    )
    return list(index.asked)


def test_cached_wheel_is_installed_without_an_index(index: Index, tmp_path: Path) -> None:
    """The first virtualenv gets its wheel from the index; the second asks nobody."""
    assert any(path.endswith(WHEEL) for path in install(index, tmp_path / "first", index.lock))
    assert install(index, tmp_path / "second", index.lock) == []
    assert list((tmp_path / "second").rglob("tiny.py"))


def test_cached_wheel_of_the_second_index_asks_none(index: Index, tmp_path: Path) -> None:
    """Where the first of two indexes has another version alone, nobody is asked either."""
    both = {"UV_INDEX": f"{index.address}/other"}
    assert any(path.endswith(WHEEL) for path in install(index, tmp_path / "a", index.lock, **both))
    assert install(index, tmp_path / "b", index.lock, **both) == []


def test_what_the_cache_has_not_is_still_refused_by_its_hash(index: Index, tmp_path: Path) -> None:
    """A lock of another file than the cached one asks the index, whose answer is in the error."""
    install(index, tmp_path / "first", index.lock)
    other = f"tiny==1.0 --hash=sha256:{'0' * 64}"
    with pytest.raises(UvFailed, match=r"(?i)hash mismatch"):
        install(index, tmp_path / "second", other)
    assert index.asked
