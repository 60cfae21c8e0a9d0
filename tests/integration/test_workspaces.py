"""Workspaces on one platform: what is in one is neither seen nor reached from another."""

from __future__ import annotations

import inspect
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

import attrs
import pytest
from minio import Minio
from pymongo import MongoClient
from redis import Redis
from silo_probes import (
    ARTIFACTS,
    CLIENT,
    CONTENT,
    ELSEWHERE,
    METADATA,
    Made,
    Probe,
    answer,
    made_in,
)

from servers import Share
from taskmgr_core.accounts.interface import LOCAL
from taskmgr_core.client import Client
from taskmgr_core.errors import AuthenticationError, ConflictError, NotFoundError, SettingsError
from taskmgr_core.settings import Settings, load
from taskmgr_core.specs.accounts import Role
from taskmgr_core.stores.metadata import MetadataStore, RunFilter
from taskmgr_core.stores.s3.location import S3Location
from taskmgr_core.wiring import Platform
from taskmgr_core.workspaces import LOOK_SECONDS, Office, Platforms, open_office

pytestmark = pytest.mark.long


@attrs.frozen
class Silos:
    """A platform with three workspaces, of which one has something in it.

    Attributes:
        office: of the platform.
        red: the one that has.
        made: what it has.
        blue: another one.
        untouched: one that nobody has looked for anything of red's in.
    """

    office: Office
    red: Client
    made: Made
    blue: Client
    untouched: Client


@pytest.fixture
def addresses(request: pytest.FixtureRequest) -> Mapping[str, str]:
    """The servers of the platform, as variables; none for the embedded one."""
    if request.param == "embedded":
        return {}
    kinds = {"METADATA": "mongodb", "ARTIFACTS": "s3", "BROKER": "redis"}
    shares: dict[str, Share] = {
        each: request.getfixturevalue(f"{kind}_server") for each, kind in kinds.items()
    }
    return {f"TASKMGR_{each}_URL": share.url for each, share in shares.items()}


@pytest.fixture
def settings(addresses: Mapping[str, str], tmp_path: Path) -> Settings:
    """Those of the default workspace."""
    return load(addresses, tmp_path, tmp_path / "home")


@pytest.fixture
def silos(settings: Settings, tmp_path: Path) -> Iterator[Silos]:
    """The workspaces, opened by the wiring as every program does."""
    platform = Platform(settings)
    platform.initialize()
    platform.metadata.close()
    with open_office(settings) as office:
        for name in ("red", "blue", "untouched"):
            office.new_workspace(office.administration(LOCAL), name)
        red, blue, untouched = (
            office.platforms.of(each).client() for each in ("red", "blue", "untouched")
        )
        yield Silos(office, red, made_in(red, tmp_path), blue, untouched)
        for each in office.store.workspaces():
            office.remove_workspace(office.administration(LOCAL), each.name)


embedded = pytest.mark.parametrize("addresses", ["embedded"], indirect=True)
both = pytest.mark.parametrize("addresses", ["embedded", "servers"], indirect=True)


def public(kind: type) -> set[str]:
    """The names of what anybody may use of a class."""
    return {
        name
        for name, each in inspect.getmembers(kind)
        if not name.startswith("_") and (callable(each) or isinstance(each, property))
    }


def test_every_public_method_is_asked() -> None:
    """A method that is added to the client has to say how it keeps workspaces apart."""
    assert set(CLIENT) | set(ELSEWHERE) == public(Client)
    # Those that only write, or ask the store how it is; elements are a part of their run.
    others = public(MetadataStore) - set(METADATA)
    assert others == {
        *("cache", "limits", "counters"),  # of keys, names and processes: they list no runs
        *("accounts", "initialize", "server_version", "close", "faults", "damaged"),
        *(
            "create_run",
            "create_runs",
            "claim",
            "claim_step",
            "extend",
            "finish",
            "next_due",
            "release_lost",
            "holders",
        ),
        *("elements", "failed_elements"),
        *("reconcile", "expire", "beat", "order", "remove_worker", "holds", "append_log"),
        *("add_versions", "put_route", "put_pipeline"),
    }


@both
def test_nothing_of_one_workspace_is_seen_or_reached_in_another(silos: Silos) -> None:
    """Not by name, id, digest or cursor: it answers as one does that knows of nothing."""
    tables: tuple[Mapping[str, Probe], ...] = (ARTIFACTS, METADATA, CLIENT)
    for name, probe in ((name, each) for table in tables for name, each in table.items()):
        found = answer(probe, silos.blue, silos.made).replace("/blue/", "/untouched/")
        assert found == answer(probe, silos.untouched, silos.made), name
        # What red itself answers is another thing: it was worth asking.
        assert found != answer(probe, silos.red, silos.made), name
    assert silos.office.platforms.of("default").metadata.latest_versions() == []
    # Nobody is told of another's steps either: the lists of the broker are apart.
    if silos.office.settings.broker_url:
        own = [each.queue.depths([("default", "")]) for each in (silos.blue, silos.red)]
        assert own[0] == {("default", ""): 0}
        assert own[1] != own[0]
    assert silos.blue.queue.take("w", (), 0) is None


@embedded
def test_same_content_in_both_is_stored_in_both(silos: Silos) -> None:
    """Who removes theirs takes nothing from the others, and nobody learns that they have it."""
    assert silos.blue.artifacts.put_bytes(CONTENT).digest == silos.made.file
    silos.blue.artifacts.remove(silos.made.file)
    assert silos.red.artifacts.read(silos.made.file) == CONTENT
    assert not silos.blue.artifacts.exists(silos.made.file)


@embedded
def test_workspace_that_nobody_has_made_is_refused_and_left_unmade(
    silos: Silos, settings: Settings
) -> None:
    """A misspelt name is no empty platform."""
    with pytest.raises(NotFoundError, match="no workspace 'redd'"):
        Platform(settings.in_workspace("redd"))
    assert not settings.in_workspace("redd").home.exists()
    assert settings.in_workspace("red").home.exists()


@both
def test_removed_workspace_is_gone_everywhere_and_no_other_is(
    silos: Silos, settings: Settings
) -> None:
    """Its folder, database, objects and lists; what the others have is as it was."""
    blue = made_in(silos.blue, settings.home)
    admin = silos.office.administration(LOCAL)
    secret = admin.new_token("ada", Role.VIEWER, "red").secret
    assert silos.office.accounts.authenticate(secret).workspace == "red"
    with pytest.raises(ConflictError, match=r"served by w1; .* --workspace red worker stop --all"):
        silos.office.check_unserved("red")
    silos.red.metadata.remove_worker("w1")
    silos.office.check_unserved("red")
    assert "red" in " ".join(everything(settings))
    assert silos.office.remove_workspace(admin, "red") == 1
    assert "red" not in " ".join(everything(settings))
    with pytest.raises(AuthenticationError):
        silos.office.accounts.authenticate(secret)
    with pytest.raises(NotFoundError):
        Platform(settings.in_workspace("red"))
    assert silos.blue.artifacts.read(blue.file) == CONTENT
    assert silos.blue.metadata.status(blue.run) == "running"
    silos.office.new_workspace(admin, "red")
    fresh = Platform(settings.in_workspace("red"))
    assert fresh.metadata.latest_versions() == []
    fresh.metadata.close()


@embedded
def test_server_notices_that_a_workspace_was_removed_and_made_anew(
    silos: Silos, settings: Settings
) -> None:
    """After some seconds: it neither writes into what is gone, nor keeps the new one shut."""
    now = 100.0
    platforms = Platforms(settings, silos.office.store, monotonic=lambda: now)
    kept = platforms.client_in("red")
    now += LOOK_SECONDS
    assert platforms.client_in("red") is kept
    assert silos.made.run in [each.id for each in kept.runs(RunFilter())]
    admin = silos.office.administration(LOCAL)
    silos.office.remove_workspace(admin, "red")
    now += LOOK_SECONDS
    with pytest.raises(NotFoundError):
        platforms.of("red")
    silos.office.new_workspace(admin, "red")
    assert platforms.client_in("red").runs(RunFilter()) == []
    platforms.close()


@embedded
def test_accounts_are_not_opened_from_a_workspace(silos: Silos, settings: Settings) -> None:
    """They are kept in the default one, for all."""
    with (
        pytest.raises(SettingsError, match="TASKMGR_WORKSPACE is 'red'"),
        open_office(settings.in_workspace("red")),
    ):
        pass


def everything(settings: Settings) -> list[str]:
    """The names of all that a platform keeps: folders, databases, objects, keys."""
    found = [each.name for each in settings.home.rglob("*") if each.is_dir()]
    if not settings.metadata_url:
        return found
    place = S3Location.from_url(settings.artifacts_url)
    objects = Minio(place.host, place.access_key, place.secret_key, secure=place.secure)
    found += [str(each.object_name) for each in objects.list_objects(place.bucket, recursive=True)]
    with Redis.from_url(settings.broker_url) as broker:
        found += [each.decode() for each in broker.scan_iter()]
    return found + databases(settings.metadata_url)


def databases(url: str) -> list[str]:
    """The databases of a platform in a MongoDB server."""
    client: MongoClient[Any]
    with MongoClient(url) as client:
        own = client.get_default_database().name
        return [each for each in client.list_database_names() if each.startswith(own)]
