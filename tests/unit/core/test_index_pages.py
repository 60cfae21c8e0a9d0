"""The pages of the package index: whatever is published, they say the same in HTML and JSON."""

import json
import re
from html.parser import HTMLParser
from typing import Any
from urllib.parse import unquote, urljoin, urlsplit

import attrs
import jsonschema_rs
from hypothesis import given
from hypothesis import strategies as st
from packaging.utils import canonicalize_name
from packaging.version import Version

from taskmgr_core.documents import digest_of
from taskmgr_core.index.files import (
    CoreMetadata,
    IndexFile,
    Project,
    distribution_of,
    project_name,
    project_of,
)
from taskmgr_core.index.pages import HTML, HTML_V1, JSON_V1, project_page, root_page
from taskmgr_core.specs import Release, StoredFile

NAMES = st.from_regex(
    re.compile(r"[A-Z0-9]([A-Z0-9._-]{0,10}[A-Z0-9])?", re.IGNORECASE | re.ASCII), fullmatch=True
)
VERSIONS = st.from_regex(
    re.compile(
        r"([1-9]!)?[0-9]{1,2}(\.[0-9]{1,2}){0,2}((a|b|rc)[0-9])?(\.post[0-9])?(\+[a-z]{1,3})?"
    ),
    fullmatch=True,
)
DIGESTS = st.binary(max_size=4).map(digest_of)
TEXTS = st.text(st.characters(exclude_categories=["Cs", "Cc"]), max_size=20)
SHA256 = {"type": "string", "pattern": "^[0-9a-f]{64}$"}
HASHES = {"type": "object", "properties": {"sha256": SHA256}, "required": ["sha256"]}
# What PEP 691, PEP 700 and PEP 714 say of a project's page.
SCHEMA = {
    "type": "object",
    "required": ["meta", "name", "versions", "files"],
    "properties": {
        "meta": {
            "type": "object",
            "required": ["api-version"],
            "properties": {"api-version": {"const": "1.1"}},
        },
        "name": {"type": "string", "pattern": "^[a-z0-9]+(-[a-z0-9]+)*$"},
        "versions": {"type": "array", "uniqueItems": True, "items": {"type": "string"}},
        "files": {
            "type": "array",
            "items": {
                "type": "object",
                "required": ["filename", "url", "hashes", "size"],
                "additionalProperties": False,
                "properties": {
                    "filename": {"type": "string"},
                    "url": {"type": "string"},
                    "hashes": HASHES,
                    "size": {"type": "integer", "minimum": 0},
                    "core-metadata": HASHES,
                    "dist-info-metadata": HASHES,
                    "requires-python": {"type": "string", "minLength": 1},
                    "upload-time": {
                        "type": "string",
                        "pattern": r"^\d{4}-\d\d-\d\dT\d\d:\d\d:\d\dZ$",
                    },
                    "yanked": {"type": ["string", "boolean"]},
                },
            },
        },
    },
}
PAGE = jsonschema_rs.validator_for(SCHEMA)


@st.composite
def files(draw: st.DrawFn, name: str) -> IndexFile:
    """Any wheel of a project."""
    version = Version(draw(VERSIONS))
    filename = f"{name.replace('-', '_')}-{version}-py3-none-any.whl"
    content = draw(TEXTS).encode()
    return IndexFile(
        wheel=StoredFile(filename, draw(DIGESTS), draw(st.integers(0, 1 << 40))),
        distribution=name,
        version=version,
        metadata=CoreMetadata(content, digest_of(content), draw(TEXTS)),
        uploaded=draw(st.sampled_from(["", "2026-11-26T02:43:05Z"])),
        yanked=draw(st.none() | TEXTS),
    )


PROJECTS = NAMES.map(canonicalize_name).flatmap(
    lambda name: st.lists(files(name), max_size=4).map(lambda found: Project(name, tuple(found)))
)


class Links(HTMLParser):
    """The links of a page: attributes and text of each."""

    def __init__(self, page: str) -> None:
        super().__init__()
        self.found: list[tuple[dict[str, str | None], str]] = []
        self._open: dict[str, str | None] | None = None
        self.feed(page)
        self.close()

    def handle_starttag(self, tag: str, attributes: list[tuple[str, str | None]]) -> None:
        """Remember a link."""
        if tag == "a":
            self._open = dict(attributes)
            self.found.append((self._open, ""))

    def handle_endtag(self, tag: str) -> None:
        """A link ends."""
        if tag == "a":
            self._open = None

    def handle_data(self, data: str) -> None:
        """The text of a link."""
        if self._open is not None:
            self.found[-1] = (self._open, self.found[-1][1] + data)


def place(file: IndexFile) -> str:
    """Where a wheel has to be, as a path."""
    return f"/files/{file.wheel.digest.removeprefix('sha256:')}/{file.wheel.name}"


def path_of(page: str, link: str) -> str:
    """Where a link of a page leads, as a path."""
    return unquote(urlsplit(urljoin(f"http://index.test{page}", link)).path)


@given(PROJECTS)
def test_html_page_reads_back_to_the_same_files(project: Project) -> None:
    """Every file is there once, with its place, hash, metadata, Python and whether it is yanked."""
    page = project_page(project, HTML)
    assert page == project_page(project, HTML_V1)
    links = Links(page).found
    assert [text for _, text in links] == [each.wheel.name for each in project.files]
    for (said, _), file in zip(links, project.files, strict=True):
        href = str(said["href"])
        assert path_of(f"/simple/{project.name}/", href) == place(file)
        assert href.endswith(f"#{file.wheel.digest.replace(':', '=')}")
        hashed = file.metadata.digest.replace(":", "=")
        assert said["data-core-metadata"] == said["data-dist-info-metadata"] == hashed
        assert said.get("data-requires-python", "") == file.metadata.requires_python
        assert said.get("data-yanked") == file.yanked


@given(PROJECTS)
def test_json_page_is_valid_and_has_the_same_files(project: Project) -> None:
    """It is as PEP 691 and PEP 700 have it, and says of each file what is known."""
    page: Any = json.loads(project_page(project, JSON_V1))
    PAGE.validate(page)
    assert page["name"] == project.name
    assert set(page["versions"]) == {str(each.version) for each in project.files}
    for said, file in zip(page["files"], project.files, strict=True):
        assert path_of(f"/simple/{project.name}/", said["url"]) == place(file)
        assert (said["filename"], said["size"]) == (file.wheel.name, file.wheel.size)
        assert said["hashes"]["sha256"] == file.wheel.digest.removeprefix("sha256:")
        assert said["core-metadata"]["sha256"] == file.metadata.digest.removeprefix("sha256:")
        assert said.get("requires-python", "") == file.metadata.requires_python
        assert said.get("upload-time", "") == file.uploaded
        assert said.get("yanked", None) == (file.yanked == "" or file.yanked)


@given(st.lists(NAMES.map(canonicalize_name), unique=True))
def test_root_page_leads_to_every_project(names: list[str]) -> None:
    """In HTML and in JSON, each by its normalised name."""
    links = Links(root_page(names, HTML)).found
    assert [path_of("/simple/", str(said["href"])) for said, _ in links] == [
        f"/simple/{name}/" for name in names
    ]
    page = json.loads(root_page(names, JSON_V1))
    assert [each["name"] for each in page["projects"]] == names


@given(NAMES)
def test_name_is_normalised(name: str) -> None:
    """Runs of ``-_.`` are one hyphen and letters are small, as PEP 503 has it."""
    assert project_name(name) == re.sub(r"[-_.]+", "-", name).lower()


@given(st.text(max_size=8) | st.sampled_from(["..", "a/b", "a\n", "-a", "a-", "K", "\u212a"]))
def test_text_that_is_no_name_is_none(text: str) -> None:
    """What PEP 508 does not allow as a name is no project's, and leads nowhere."""
    allowed = re.fullmatch(r"[A-Za-z0-9]([A-Za-z0-9._-]*[A-Za-z0-9])?", text)
    assert (project_name(text) is not None) == bool(allowed)


def release(version: str, day: int, wheel: str, sdk: str = "sdk") -> Release:
    """A release with a wheel of that name."""
    nothing = StoredFile("taskmgr.lock", digest_of(b""), 0)
    return Release(
        distribution="face-tools",
        version=version,
        wheel=StoredFile(wheel, digest_of(wheel.encode()), 10),
        lock=nothing,
        sdk=StoredFile("taskmgr_plugins-0.1.0-py3-none-any.whl", digest_of(sdk.encode()), 20),
        models=(),
        python="3.11",
        platform="linux-x86_64",
        published_at=f"2026-11-{day:02}T10:00:00+01:00",
    )


def metadata_of(wheel: StoredFile) -> CoreMetadata | None:
    """That of any wheel but a damaged one."""
    return None if "damaged" in wheel.name else CoreMetadata(b"", digest_of(b""), ">=3.11")


def test_project_has_the_newest_version_first() -> None:
    """As PEP 440 orders them, whenever published; a release of several tasks counts once."""
    releases = [
        release(each, day, f"face_tools-{each}-py3-none-any.whl")
        for day, each in enumerate(["1.10", "1.9", "2.0a1", "1.10"], 1)
    ]
    project = project_of("face-tools", releases, lambda each: each.wheel, metadata_of)
    assert [str(each.version) for each in project.files] == ["2.0a1", "1.10", "1.9"]
    assert [each.uploaded[:16] for each in project.files] == [
        "2026-11-03T09:00",
        "2026-11-01T09:00",
        "2026-11-02T09:00",
    ]


def test_wheel_that_cannot_be_served_is_left_out() -> None:
    """A damaged one, and one whose file name is of another project, hold up no other."""
    names = ["face_tools-1.0-py3-none-any.whl", "face_tools-2.0-damaged-any-any.whl"]
    names += ["other-3.0-py3-none-any.whl", "nonsense"]
    releases = [release("1.0", 1, each) for each in names]
    project = project_of("face-tools", releases, lambda each: each.wheel, metadata_of)
    assert [each.wheel.name for each in project.files] == names[:1]
    assert [distribution_of(each) for each in names[2:]] == ["other", None]


def test_sdk_of_the_newest_release_is_taken() -> None:
    """Two wheels of one name cannot both be there."""
    releases = [
        release("1.0", day, "face_tools-1.0-py3-none-any.whl", sdk)
        for day, sdk in ((2, "newer"), (1, "older"))
    ]
    project = project_of("taskmgr-plugins", releases, lambda each: each.sdk, metadata_of)
    (file,) = project.files
    assert file.wheel.digest == digest_of(b"newer")


def test_moment_that_cannot_be_read_is_left_out() -> None:
    """A release whose record has no moment is served all the same."""
    odd = attrs.evolve(release("1.0", 1, "face_tools-1.0-py3-none-any.whl"), published_at="then")
    (file,) = project_of("face-tools", [odd], lambda each: each.wheel, metadata_of).files
    assert file.uploaded == ""
