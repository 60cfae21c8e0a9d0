"""A second package index, such as a public one: a small HTTP server over a folder of wheels."""

from __future__ import annotations

import contextlib
import hashlib
import subprocess
import sys
import threading
import zipfile
from collections.abc import Iterator, Mapping
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from urllib.parse import unquote

import attrs
from packaging.utils import canonicalize_name


@attrs.frozen
class OtherIndex:
    """An index that somebody else keeps.

    Attributes:
        url: of its simple page.
        folder: its wheels.
        asked: the paths that it was asked for.
        credentials: what it was sent of passwords; it should have got none.
    """

    url: str
    folder: Path
    asked: list[str] = attrs.field(factory=list)
    credentials: list[str] = attrs.field(factory=list)

    def asked_for(self, beginning: str) -> list[str]:
        """The paths of projects and files whose names begin like that."""
        names = [path.strip("/").split("/")[-1].lower().replace("_", "-") for path in self.asked]
        return [each for each in names if each.startswith(beginning)]


def write_wheel(
    folder: Path, name: str, version: str, files: Mapping[str, str], *requires: str
) -> Path:
    """A wheel of pure Python with these files."""
    stem = f"{name.replace('-', '_')}-{version}"
    needed = "".join(f"Requires-Dist: {each}\n" for each in requires)
    written = {
        **files,
        f"{stem}.dist-info/METADATA": f"Metadata-Version: 2.1\nName: {name}\nVersion: {version}\n"
        f"{needed}",
        f"{stem}.dist-info/WHEEL": "Wheel-Version: 1.0\nRoot-Is-Purelib: true\nTag: py3-none-any\n",
    }
    record = f"{stem}.dist-info/RECORD"
    listed = "".join(f"{each},,\n" for each in [*written, record])
    path = folder / f"{stem}-py3-none-any.whl"
    with zipfile.ZipFile(path, "w") as archive:
        for each, text in {**written, record: listed}.items():
            archive.writestr(each, text)
    return path


def download_wheels(folder: Path, *names: str) -> None:
    """Real wheels, from wherever this machine's pip gets them."""
    subprocess.run(
        [
            *(sys.executable, "-m", "pip", "download", "--quiet", "--no-deps"),
            *("--only-binary", ":all:", "--dest", str(folder), *names),
        ],
        check=True,
        capture_output=True,
    )


@contextlib.contextmanager
def other_index(folder: Path) -> Iterator[OtherIndex]:
    """Serve the wheels of a folder on a free port."""

    class Handler(BaseHTTPRequestHandler):
        def do_HEAD(self) -> None:
            self.do_GET()

        def do_GET(self) -> None:
            path = unquote(self.path)
            served.asked.append(path)
            if said := self.headers.get("Authorization"):
                served.credentials.append(said)
            content = _content(folder, path)
            self.send_response(404 if content is None else 200)
            self.send_header("Content-Type", "text/html")
            self.send_header("Content-Length", str(len(content or b"")))
            self.end_headers()
            self.wfile.write(b"" if self.command == "HEAD" else content or b"")

        def log_message(self, format: str, *arguments: object) -> None:  # noqa: A002 - theirs
            pass

    with ThreadingHTTPServer(("127.0.0.1", 0), Handler) as server:
        served = OtherIndex(f"http://127.0.0.1:{server.server_port}/simple", folder)
        thread = threading.Thread(target=server.serve_forever, args=(0.02,))
        thread.start()
        try:
            yield served
        finally:
            server.shutdown()
            thread.join()


def _content(folder: Path, path: str) -> bytes | None:
    parts = path.strip("/").split("/")
    if parts[0] == "wheels" and (folder / parts[-1]).is_file():
        return (folder / parts[-1]).read_bytes()
    links = [
        f'<a href="/wheels/{wheel.name}#sha256={_digest(wheel)}">{wheel.name}</a>'
        for wheel in sorted(folder.glob("*.whl"))
        if canonicalize_name(wheel.name.partition("-")[0]) == parts[-1]
    ]
    return "\n".join(links).encode() if parts[0] == "simple" and links else None


def _digest(path: Path) -> str:
    return hashlib.sha256(path.read_bytes()).hexdigest()
