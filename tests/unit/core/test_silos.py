"""Where workspaces keep their things: never where another does."""

from pathlib import Path
from urllib.parse import parse_qs, urlsplit

import pytest
from hypothesis import given
from hypothesis import strategies as st

from taskmgr_core import silos
from taskmgr_core.errors import SettingsError
from taskmgr_core.settings import Settings, load
from taskmgr_core.specs.accounts import DEFAULT_WORKSPACE
from taskmgr_core.stores.s3.location import S3Location

NAMES = st.from_regex(r"[a-z0-9]([a-z0-9-]{0,30}[a-z0-9])?", fullmatch=True).filter(
    lambda name: name != DEFAULT_WORKSPACE
)
MONGODB = "mongodb://user:p%2Fw@mongo:27017/taskmgr?tls=true"
S3 = "s3+http://key:s%2Fcret@minio:9000/bucket?region=eu"
TEAM = Settings(
    home=Path("/home"),
    metadata_url=MONGODB,
    artifacts_url=S3,
    broker_url="redis://redis:6379/0",
    keys_folder="/keys",
)


def places(settings: Settings) -> list[str]:
    """Where each of the stores is, so that one within another begins with it."""
    bucket = S3Location.from_url(settings.artifacts_url)
    return [
        f"{settings.home}/",
        f"{settings.keys_folder}/",
        f"{urlsplit(settings.metadata_url).path}",
        f"{bucket.bucket}/{bucket.prefix}sha256/",
        f"{silos.broker_prefix(settings.workspace)}queue",
    ]


@given(NAMES, NAMES)
def test_no_place_is_that_of_another_workspace(one: str, other: str) -> None:
    """Not the default one's either; and files and objects are in no folder of another's."""
    default, first, second = (
        places(TEAM.in_workspace(each)) for each in (DEFAULT_WORKSPACE, one, other)
    )
    for here, there in zip(first, default, strict=True):
        assert here != there
    for here, there in zip(first, second, strict=True):
        assert (here == there) == (one == other)
        if one != other and here.endswith("/"):
            assert not here.startswith(there)
            assert not there.startswith(here)


def test_default_workspace_is_where_everything_was() -> None:
    """Its settings are those that were given, unchanged."""
    assert TEAM.in_workspace(DEFAULT_WORKSPACE) == TEAM


@pytest.mark.parametrize(
    "name",
    [
        "",
        ".",
        "..",
        "a/b",
        "../x",
        "a b",
        "A",
        "a_b",
        "-a",
        "a-",
        "a\n",
        "é",
        "a" * 33,
        "a\x00",
        "*",
    ],
)
def test_name_that_could_lead_elsewhere_is_refused(name: str, tmp_path: Path) -> None:
    """As a variable and as an option, with what is allowed."""
    assert silos.name_fault(name)
    with pytest.raises(SettingsError, match="small letters, digits and hyphens"):
        load({}, tmp_path, tmp_path, name)
    if name:
        with pytest.raises(SettingsError, match=r"TASKMGR_WORKSPACE.*small letters"):
            load({"TASKMGR_WORKSPACE": name}, tmp_path, tmp_path)


@given(NAMES)
def test_longest_name_fits_a_database(name: str) -> None:
    """MongoDB takes 63 bytes; a platform whose own name has up to 29 has room."""
    path = urlsplit(silos.database_in(f"mongodb://mongo/{'d' * 29}", name)).path
    assert len(path.removeprefix("/")) <= 63


@pytest.mark.parametrize(
    ("url", "source"),
    [
        (MONGODB, "taskmgr"),
        ("mongodb://user:pw@mongo", "admin"),
        ("mongodb://user:pw@mongo/taskmgr?authSource=people", "people"),
        ("mongodb://user:pw@mongo/taskmgr?authsource=people", "people"),
        ("mongodb://mongo/taskmgr", None),
    ],
)
def test_account_of_the_server_is_looked_for_where_it_was(url: str, source: str | None) -> None:
    """Another database in the address must not be asked who the user is."""
    options = parse_qs(urlsplit(silos.database_in(url, "red")).query)
    found = {name.lower(): value for name, value in options.items()}.get("authsource")
    assert found == (None if source is None else [source])


def test_prefix_of_a_bucket_is_kept_and_continued() -> None:
    """A platform that shares its bucket with others keeps its workspaces within its part."""
    url = silos.bucket_in("s3+http://key:secret@minio:9000/bucket?prefix=team/", "red")
    assert S3Location.from_url(url).prefix == "team/workspaces/red/"


@pytest.mark.parametrize("prefix", ["a", "/", "../", "a//", "./", "a/../b/", "a b/"])
def test_prefix_that_is_no_folder_is_refused(prefix: str) -> None:
    """What a server or a proxy might read in another way is not sent to it."""
    with pytest.raises(SettingsError, match="prefix"):
        S3Location.from_url(f"s3+http://key:secret@minio:9000/bucket?prefix={prefix}")


def test_workspace_comes_from_option_before_variable(tmp_path: Path) -> None:
    """And the home is that of the workspace, the settings those of the platform."""
    (tmp_path / "config.toml").write_text("slots = 3")
    environ = {"TASKMGR_WORKSPACE": "red"}
    assert load(environ, tmp_path, tmp_path).home == tmp_path / "workspaces" / "red"
    blue = load(environ, tmp_path, tmp_path, "blue")
    assert (blue.workspace, blue.home, blue.slots) == ("blue", tmp_path / "workspaces" / "blue", 3)
    assert load(environ, tmp_path, tmp_path, DEFAULT_WORKSPACE).home == tmp_path
