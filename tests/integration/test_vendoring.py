"""Wheels of the dependencies in our own store: stored once, installed without a network."""

import hashlib
import os
import shutil
import subprocess
import sys
import textwrap
import threading
from collections.abc import Iterator
from http.server import SimpleHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path

import attrs
import pytest
from plugin_projects import SHOUT, Desk, open_desk, write_plugin

from taskmgr_core.errors import ArtifactError
from taskmgr_core.publishing.fetching import Fetcher, FetchError
from taskmgr_core.specs import Release

# Carried out where there is no network but the process's own.
ALONE = """
    import sys
    from pathlib import Path
    sys.path.insert(0, sys.argv[1])
    from plugin_projects import open_desk
    desk = open_desk(Path(sys.argv[2]))
    environment = desk.environments.ensure(desk.metadata.version("shout").release)
    print(environment.python)
"""


@pytest.fixture(scope="module")
def desk(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Desk]:
    """A store with one plugin, published with its wheels."""
    folder = tmp_path_factory.mktemp("vendoring")
    opened = open_desk(folder / "home")
    opened.publisher.publish(write_plugin(folder / "tiny"), vendor=True)
    yield opened
    opened.metadata.close()


@pytest.fixture
def release(desk: Desk) -> Release:
    """The published release."""
    return desk.metadata.version("shout").release


def without_network(home: Path, cache: Path) -> subprocess.CompletedProcess[str]:
    """Build the virtualenv of `shout` anew, with an empty cache of uv and no network."""
    unshare = shutil.which("unshare")
    namespace = [unshare or "", "--net", *([] if os.geteuid() == 0 else ["--map-root-user"])]
    if unshare is None or subprocess.run([*namespace, "true"], check=False).returncode != 0:
        pytest.skip("no process can be kept from the network here")
    shutil.rmtree(home / "environments", ignore_errors=True)
    script = textwrap.dedent(ALONE)
    # Nor an index on this machine's disk.
    told = {
        name: value for name, value in os.environ.items() if not name.startswith(("PIP_", "UV_"))
    }
    told |= {"UV_CACHE_DIR": str(cache), "UV_NO_CONFIG": "1", "PIP_CONFIG_FILE": os.devnull}
    told["UV_HTTP_RETRIES"] = "0"
    return subprocess.run(
        [*namespace, sys.executable, "-c", script, str(Path(__file__).parent), str(home)],
        env=told,
        capture_output=True,
        text=True,
        check=False,
        timeout=60,
    )


def test_environment_is_built_without_a_network(desk: Desk, tmp_path: Path) -> None:
    """With nothing but the store a node builds the virtualenv, its cache empty."""
    done = without_network(desk.home, tmp_path / "cache")
    assert done.returncode == 0, done.stderr
    python = done.stdout.strip()
    subprocess.run([python, "-c", "import attrs, taskmgr_plugins"], check=True)


def test_environment_without_its_wheels_needs_a_network(tmp_path: Path) -> None:
    """The same without vendored wheels is refused, so it was these that served."""
    opened = open_desk(tmp_path / "home")
    opened.publisher.publish(write_plugin(tmp_path / "tiny"))
    opened.metadata.close()
    done = without_network(opened.home, tmp_path / "cache")
    assert done.returncode != 0
    assert "cannot be built" in done.stderr


def test_wheels_are_stored_once_for_all_plugins(desk: Desk, tmp_path: Path) -> None:
    """Another plugin with the same dependencies brings no further file but its own."""
    before = files_of(desk)
    code = SHOUT.replace("shout", "whisper")
    other = write_plugin(tmp_path / "other", name="other-plugin", task="whisper", code=code)
    published = desk.publisher.publish(other, vendor=True).release
    assert published.vendored == desk.metadata.version("shout").release.vendored
    new = files_of(desk) - before
    assert new <= {published.wheel.digest, published.lock.digest}


def files_of(desk: Desk) -> set[str]:
    """The digests of all that is stored."""
    folder = desk.home / "artifacts"
    return {
        "sha256:" + hashlib.sha256(path.read_bytes()).hexdigest()
        for path in folder.rglob("*")
        if path.is_file()
    }


def test_wheels_are_added_to_a_version_that_is_there(tmp_path: Path) -> None:
    """Publishing again with the wheels changes nothing else of the version, and is no conflict."""
    opened = open_desk(tmp_path / "home")
    folder = write_plugin(tmp_path / "tiny")
    first = opened.publisher.publish(folder)
    again = opened.publisher.publish(folder, vendor=True)
    assert (again.changed, again.renewed) == (True, ("wheels",))
    assert attrs.evolve(again.release, vendored=()) == first.release
    assert opened.publisher.publish(folder, vendor=True).changed is False
    assert opened.publisher.publish(folder).release == again.release
    opened.metadata.close()


def test_wheels_of_another_machine_leave_the_index(
    desk: Desk, release: Release, tmp_path: Path
) -> None:
    """Where none of the vendored wheels fits, the index serves as it would without them."""
    foreign = attrs.evolve(release.vendored[0], name="attrs-1.0-cp399-cp399-win32.whl")
    folder = tmp_path / "environments"
    environments = attrs.evolve(desk.environments, folder=folder)
    assert environments.ensure(attrs.evolve(release, vendored=(foreign,))).python.exists()


def test_damaged_wheel_is_refused_by_name(desk: Desk, release: Release, tmp_path: Path) -> None:
    """A vendored wheel that is not what its digest says is named, and nothing is built from it."""
    stored = desk.artifacts.local_path(release.vendored[0].digest)
    content = stored.read_bytes()
    stored.chmod(0o644)
    stored.write_bytes(content[:-1] + b"?")
    environments = attrs.evolve(desk.environments, folder=tmp_path / "environments")
    try:
        with pytest.raises(
            ArtifactError, match=f"the wheel {release.vendored[0].name} .* is refused"
        ):
            environments.ensure(release)
    finally:
        stored.write_bytes(content)
    assert environments.ensure(release).python.exists()


# fetching


class Handler(SimpleHTTPRequestHandler):
    """Serves a folder to who has the password."""

    def do_GET(self) -> None:
        """One file."""
        if self.path.startswith("/elsewhere/"):
            self.send_response(302)
            self.send_header("Location", self.path.removeprefix("/elsewhere"))
            self.end_headers()
        elif self.headers.get("Authorization") != "Basic dTpw":  # u:p
            self.send_error(401)
        else:
            super().do_GET()

    def log_message(self, *_: object) -> None:
        """Say nothing."""


@pytest.fixture
def served(tmp_path: Path) -> Iterator[str]:
    """The address of a server that asks for a password, with one file `a.whl`."""
    folder = tmp_path / "served"
    folder.mkdir()
    (folder / "a.whl").write_bytes(b"a wheel")
    server = ThreadingHTTPServer(
        ("127.0.0.1", 0), lambda *all_: Handler(*all_, directory=str(folder))
    )
    thread = threading.Thread(target=server.serve_forever)
    thread.start()
    yield f"http://127.0.0.1:{server.server_address[1]}"
    server.shutdown()
    thread.join()
    server.server_close()


DIGEST = hashlib.sha256(b"a wheel").hexdigest()


def test_file_is_fetched_with_the_users_name(served: str, tmp_path: Path) -> None:
    """What an index's address has of a user is said to the same server, and to no other."""
    host = served.removeprefix("http://")
    target = tmp_path / "a.whl"
    known = Fetcher({"UV_DEFAULT_INDEX": f"http://u:p@{host}/simple"})
    assert known.fetch(f"{served}/a.whl", DIGEST, target).read_bytes() == b"a wheel"
    other = Fetcher({"UV_DEFAULT_INDEX": "http://u:p@127.0.0.2/simple"})
    with pytest.raises(FetchError, match="401"):
        other.fetch(f"{served}/a.whl", DIGEST, target)


def test_password_does_not_follow_a_redirection(served: str, tmp_path: Path) -> None:
    """Where a server leads to, the password is not said."""
    host = served.removeprefix("http://")
    known = Fetcher({"UV_DEFAULT_INDEX": f"http://u:p@{host}/simple"})
    with pytest.raises(FetchError, match="401"):
        known.fetch(f"{served}/elsewhere/a.whl", DIGEST, tmp_path / "a.whl")


@pytest.mark.parametrize(
    ("name", "digest", "said"),
    [
        ("b.whl", DIGEST, "cannot be fetched"),
        ("a.whl", "0" * 64, "the lock names 0000"),
    ],
)
def test_file_that_is_absent_or_another_is_refused(
    tmp_path: Path, name: str, digest: str, said: str
) -> None:
    """Neither leaves anything behind."""
    (tmp_path / "a.whl").write_bytes(b"a wheel")
    target = tmp_path / "target.whl"
    with pytest.raises(FetchError, match=said):
        Fetcher({}).fetch((tmp_path / name).as_uri(), digest, target)
    assert not target.exists()


@pytest.mark.parametrize("place", ["ftp://host/a.whl", "data:,a"])
def test_other_kinds_of_addresses_are_refused(tmp_path: Path, place: str) -> None:
    """Only files and web addresses are fetched."""
    with pytest.raises(FetchError, match="allowed are https, http and file"):
        Fetcher({}).fetch(place, DIGEST, tmp_path / "target.whl")
