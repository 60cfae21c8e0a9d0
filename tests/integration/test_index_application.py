"""The application of the package index on real stores: what is damaged, away or somebody else's."""

from __future__ import annotations

import contextlib
import io
import logging
import socket
import sqlite3
import zipfile
from collections.abc import Iterator
from pathlib import Path

import attrs
import pytest
from litestar.testing import TestClient

from taskmgr_core.documents import digest_of
from taskmgr_core.index.application import TokenGuard, make_application
from taskmgr_core.index.catalogue import Catalogue
from taskmgr_core.index.tokens import Token
from taskmgr_core.rollouts import Rollouts
from taskmgr_core.specs import Release, StoredFile, TaskSpec, TaskVersion
from taskmgr_core.stores.directory import DirectoryArtifacts
from taskmgr_core.stores.s3 import S3Artifacts, S3Location
from taskmgr_core.stores.sqlite import SqliteMetadata

TOKEN = Token("a-token-for-the-tests")
UPSTREAM = "https://index.test/simple"


@attrs.frozen
class House:
    """Two stores and the index over them."""

    folder: Path
    metadata: SqliteMetadata
    artifacts: DirectoryArtifacts
    client: TestClient[TokenGuard]

    def publish(self, name: str, version: str = "1.0", task: str = "") -> Release:
        """Record a release with a made-up wheel."""
        release = Release(
            distribution=name,
            version=version,
            wheel=self.wheel(name, version),
            lock=StoredFile("taskmgr.lock", digest_of(b""), 0),
            sdk=self.wheel("taskmgr-plugins", "0.1.0"),
            models=(),
            python="3.11",
            platform="linux-x86_64",
            published_at="2026-11-26T10:00:00+00:00",
        )
        self.metadata.add_versions([TaskVersion(TaskSpec(task or name, (), ()), release)])
        return release

    def wheel(self, name: str, version: str) -> StoredFile:
        """Store a wheel that has METADATA and nothing else."""
        stem = f"{name.replace('-', '_')}-{version}"
        content = io.BytesIO()
        with zipfile.ZipFile(content, "w") as archive:
            entry = zipfile.ZipInfo(f"{stem}.dist-info/METADATA")
            archive.writestr(entry, f"Name: {name}\nVersion: {version}\nRequires-Python: >=3.11\n")
        return self.artifacts.put_bytes(content.getvalue(), f"{stem}-py3-none-any.whl")

    def names_on(self, page: str) -> list[str]:
        """The file names on a project's page."""
        accept = {"Accept": "application/vnd.pypi.simple.v1+json"}
        answer = self.client.get(f"/simple/{page}/", headers=accept)
        assert answer.status_code == 200, answer.text
        return [each["filename"] for each in answer.json()["files"]]

    def execute(self, statement: str) -> None:
        """Change the database behind the store's back."""
        connection = sqlite3.connect(self.folder / "metadata.sqlite3", isolation_level=None)
        assert connection.execute(statement).rowcount
        connection.close()


@pytest.fixture
def house(tmp_path: Path) -> Iterator[House]:
    """An empty house; its client has the token and follows no redirection."""
    metadata = SqliteMetadata(tmp_path / "metadata.sqlite3")
    metadata.initialize()
    artifacts = DirectoryArtifacts(tmp_path / "artifacts")
    artifacts.initialize()
    application = make_application(Catalogue(metadata, artifacts), TOKEN, UPSTREAM)
    with TestClient(application) as client:
        client.headers["Authorization"] = f"Bearer {TOKEN.secret}"
        client.follow_redirects = False
        yield House(tmp_path, metadata, artifacts, client)
    metadata.close()


def test_published_name_without_the_prefix_is_ours_from_then_on(house: House) -> None:
    """Before it is published it is looked for upstream, afterwards never."""
    assert house.client.get("/simple/face-tools/").headers["location"] == f"{UPSTREAM}/face-tools/"
    house.publish("face-tools")
    assert house.names_on("face-tools") == ["face_tools-1.0-py3-none-any.whl"]


def test_damaged_record_holds_up_no_other_and_keeps_its_name(house: House) -> None:
    """The other versions are served; a name of which nothing is left is not looked for upstream."""
    for name, version in (("face-tools", "1.0"), ("face-tools", "2.0"), ("other", "1.0")):
        house.publish(name, version)
    house.execute("UPDATE task_versions SET document = '{' WHERE version = '2.0'")
    house.execute("UPDATE task_versions SET document = '{' WHERE distribution = 'other'")
    assert house.names_on("face-tools") == ["face_tools-1.0-py3-none-any.whl"]
    assert house.names_on("taskmgr-plugins") == ["taskmgr_plugins-0.1.0-py3-none-any.whl"]
    assert house.client.get("/simple/other/").status_code == 404
    listed = Catalogue(house.metadata, house.artifacts).projects()
    assert [each.name for each in listed] == ["face-tools", "taskmgr-plugins"]


def test_release_is_served_while_one_of_its_tasks_is_readable(house: House) -> None:
    """The record of each task has the whole release."""
    house.publish("face-tools", task="find")
    house.publish("face-tools", task="blur")
    house.execute("UPDATE task_versions SET document = '{' WHERE task = 'blur'")
    assert house.names_on("face-tools") == ["face_tools-1.0-py3-none-any.whl"]


def test_damaged_wheel_is_left_out_until_it_is_put_right(
    house: House, caplog: pytest.LogCaptureFixture
) -> None:
    """Other versions are served meanwhile; the log says which one it is."""
    house.publish("face-tools", "1.0")
    release = house.publish("face-tools", "2.0")
    path = house.artifacts.local_path(release.wheel.digest)
    content = path.read_bytes()
    path.chmod(0o644)
    path.write_bytes(b"damaged")
    with caplog.at_level(logging.WARNING):
        assert house.names_on("face-tools") == ["face_tools-1.0-py3-none-any.whl"]
    assert "the wheel face_tools-2.0-py3-none-any.whl is left out" in caplog.text
    place = f"/files/{release.wheel.digest.removeprefix('sha256:')}/{release.wheel.name}"
    assert house.client.get(place).status_code == 500
    house.artifacts.put_bytes(content)
    assert len(house.names_on("face-tools")) == 2
    assert house.client.get(place).content == content


def test_nobody_is_asked_while_the_store_cannot_be_read(house: House) -> None:
    """Whose a name is is not known then: neither 404 nor another index, but 503."""
    house.publish("face-tools")
    house.metadata.close()
    (house.folder / "metadata.sqlite3").write_bytes(b"no database" * 1000)
    for path in ("/simple/face-tools/", "/simple/attrs/", "/simple/"):
        answer = house.client.get(path)
        assert (answer.status_code, answer.headers.get("location")) == (503, None)
        assert str(house.folder) not in answer.text


def test_page_is_not_told_in_part_while_the_wheels_are_away(house: House) -> None:
    """A version that is only out of reach is not left out, or an older one would be taken."""
    house.publish("face-tools")
    with contextlib.closing(socket.create_server(("127.0.0.1", 0))) as nobody:
        location = f"s3+http://key:secret@127.0.0.1:{nobody.getsockname()[1]}/wheels"
    away = S3Artifacts(S3Location.from_url(location), house.folder / "cache", patience=0)
    with TestClient(make_application(Catalogue(house.metadata, away), TOKEN)) as client:
        headers = {"Authorization": f"Bearer {TOKEN.secret}"}
        assert client.get("/simple/face-tools/", headers=headers).status_code == 503


def test_wheel_is_read_for_its_metadata_once(house: House) -> None:
    """A page that is asked for again opens no wheel."""
    release = house.publish("face-tools")
    assert house.names_on("face-tools")
    house.artifacts.remove(release.wheel.digest)
    assert house.names_on("face-tools")


def test_lock_needs_no_page(house: House) -> None:
    """Whoever knows place and name gets the file; another artifact is not to be had."""
    wheel = house.publish("face-tools").wheel
    secret = house.artifacts.put_bytes(b"a value of a run").digest.removeprefix("sha256:")
    place = f"/files/{wheel.digest.removeprefix('sha256:')}/{wheel.name}"
    assert house.client.get(place).status_code == 200
    for name in (wheel.name, f"{wheel.name}.metadata", "value.json"):
        assert house.client.get(f"/files/{secret}/{name}").status_code == 404


def test_page_without_a_slash_leads_to_the_one_with(house: House) -> None:
    """Links on a page are relative, and would lead elsewhere."""
    house.publish("face-tools")
    for path, target in (("/simple", "simple/"), ("/simple/Face_Tools", "face-tools/")):
        answer = house.client.get(path)
        assert (answer.status_code, answer.headers["location"]) == (301, target)
    assert house.client.get("/simple/Face_Tools/").headers["location"] == "../face-tools/"


def test_page_is_of_the_type_that_is_accepted(house: House) -> None:
    """HTML for browsers and who says nothing, JSON for who prefers it, 406 for who takes none."""
    house.publish("face-tools")
    json, html = (f"application/vnd.pypi.simple.v1+{each}" for each in ("json", "html"))
    for accept, given in (
        ("*/*", "text/html; charset=utf-8"),
        (f"{json}, {html};q=0.2, text/html;q=0.01", json),
        (f"{json};q=0.1, {html}", html),
        ("application/vnd.pypi.simple.latest+json", json),
    ):
        answer = house.client.get("/simple/face-tools/", headers={"Accept": accept})
        assert (answer.status_code, answer.headers["content-type"]) == (200, given)
    answer = house.client.get("/simple/", headers={"Accept": "image/png"})
    assert answer.status_code == 406


def test_yanked_version_is_marked_with_its_reason(house: House) -> None:
    """An installer passes it over unless it is pinned; taken back, the page is as it was."""
    for version in ("1.0", "2.0"):
        house.publish("taskmgr-echo", version, "echo")
    rollouts = Rollouts(house.metadata)
    rollouts.yank("echo", "2.0", "shifted boxes")
    assert yanked_on(house, "taskmgr-echo") == {"2.0": "shifted boxes", "1.0": None}
    assert yanked_on(house, "taskmgr-plugins") == {"0.1.0": None}
    html = house.client.get("/simple/taskmgr-echo/", headers={"Accept": "text/html"}).text
    assert html.count('data-yanked="shifted boxes"') == 1
    rollouts.take_back_yank("echo", "2.0")
    assert yanked_on(house, "taskmgr-echo") == {"2.0": None, "1.0": None}


def yanked_on(house: House, page: str) -> dict[str, str | None]:
    """Version -> why it is yanked, on a project's page."""
    accept = {"Accept": "application/vnd.pypi.simple.v1+json"}
    files = house.client.get(f"/simple/{page}/", headers=accept).json()["files"]
    return {each["filename"].split("-")[1]: each.get("yanked") for each in files}
