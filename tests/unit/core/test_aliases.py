"""The variables of the servers' images stand in for addresses, and nothing shows a secret."""

from __future__ import annotations

from pathlib import Path
from urllib.parse import unquote, urlsplit

import pytest
from hypothesis import given
from hypothesis import strategies as st

from taskmgr_core.addresses import place_of, secrets_of, without_secrets
from taskmgr_core.aliases import ALIASES, completed
from taskmgr_core.errors import SettingsError
from taskmgr_core.overrides import TaskOverride, overridden
from taskmgr_core.settings import Source, explain, load
from taskmgr_core.specs import Graph, GraphStep

MONGODB = {
    "MONGODB_HOST": "db",
    "MONGODB_PORT": "27018",
    "MONGODB_USER": "ada",
    "MONGODB_PASSWORD": "p@ss/w:rd",
}
MINIO = {
    "MINIO_ENDPOINT": "minio:9000",
    "MINIO_ACCESS_KEY": "key+1",
    "MINIO_SECRET_KEY": "s/cr?t",
    "MINIO_BUCKET": "faces",
}
REDIS = {"REDIS_HOST": "redis", "REDIS_PORT": "6380", "REDIS_PASSWORD": "#1 secret%"}
ALL = {**MONGODB, **MINIO, **REDIS}
PASSWORDS = st.text(st.characters(min_codepoint=33, max_codepoint=0x2FF), min_size=4, max_size=20)


def sources(environ: dict[str, str], home: Path) -> dict[str, Source]:
    """The settings, explained, by name."""
    return {each.name: each for each in explain(environ, home, home)}


def test_aliases_stand_in_for_addresses(tmp_path: Path) -> None:
    """Without addresses all three are put together, every character of a secret escaped."""
    settings = load(ALL, tmp_path, tmp_path)
    assert settings.metadata_url == (
        "mongodb://ada:p%40ss%2Fw%3Ard@db:27018/taskmgr?authSource=admin"
    )
    assert settings.artifacts_url == "s3+http://key%2B1:s%2Fcr%3Ft@minio:9000/faces"
    assert settings.broker_url == "redis://:%231%20secret%25@redis:6380/0"


def test_origin_names_the_aliases(tmp_path: Path) -> None:
    """The origin says which variables are in a value."""
    found = sources(ALL, tmp_path)
    assert found["metadata_url"].origin == f"environment: {', '.join(MONGODB)}"
    assert found["broker_url"].origin == f"environment: {', '.join(REDIS)}"


def test_ports_and_bucket_have_defaults(tmp_path: Path) -> None:
    """The host alone is enough where the server wants no password."""
    settings = load({"MONGODB_HOST": "db", "REDIS_HOST": "::1"}, tmp_path, tmp_path)
    assert settings.metadata_url == "mongodb://db:27017/taskmgr"
    assert settings.broker_url == "redis://[::1]:6379/0"
    minio = {name: MINIO[name] for name in list(MINIO)[:3]}
    assert load(minio, tmp_path, tmp_path).artifacts_url.endswith("@minio:9000/taskmgr")


def test_endpoint_may_ask_for_tls(tmp_path: Path) -> None:
    """An endpoint with https:// is used over TLS."""
    environ = {**MINIO, "MINIO_ENDPOINT": "https://minio.example"}
    assert load(environ, tmp_path, tmp_path).artifacts_url.startswith("s3+https://")


def test_address_goes_before_its_aliases(tmp_path: Path) -> None:
    """A variable or file with the address wins: of the aliases at most the password is taken."""
    url = "mongodb://other:own@elsewhere/x"
    environ = {**ALL, "TASKMGR_METADATA_URL": url}
    found = sources(environ, tmp_path)["metadata_url"]
    assert (found.value, found.origin) == (url, "environment")
    (tmp_path / "config.toml").write_text(f'metadata_url = "{url}"')
    assert load(ALL, tmp_path, tmp_path).metadata_url == url


def test_address_without_password_gets_that_of_the_alias(tmp_path: Path) -> None:
    """So a file can have the address and the environment the secret."""
    file = tmp_path / "config.toml"
    file.write_text(
        'metadata_url = "mongodb://ada@db/x?tls=true"\nbroker_url = "rediss://redis:6379/3"\n'
        'artifacts_url = "s3+https://minio/faces"'
    )
    found = sources(ALL, tmp_path)
    assert found["metadata_url"].value == "mongodb://ada:p%40ss%2Fw%3Ard@db/x?tls=true"
    assert found["metadata_url"].origin == f"{file}, MONGODB_PASSWORD"
    assert found["broker_url"].value == "rediss://:%231%20secret%25@redis:6379/3"
    assert found["artifacts_url"].value == "s3+https://key%2B1:s%2Fcr%3Ft@minio/faces"


def test_password_is_not_given_to_another_user() -> None:
    """A password is its user's: an address of another user stays as it is."""
    url = "mongodb://grace@db/x"
    assert completed("metadata_url", url, MONGODB).value == url


def test_password_alone_names_no_server(tmp_path: Path) -> None:
    """A password of some other program does not make the platform look for a server."""
    assert load({"REDIS_PASSWORD": "x", "MINIO_SECRET_KEY": "y"}, tmp_path, tmp_path) == load(
        {}, tmp_path, tmp_path
    )


def test_port_of_a_kubernetes_service_is_understood(tmp_path: Path) -> None:
    """Kubernetes sets REDIS_PORT to an address for a service of the name redis."""
    environ = {"REDIS_HOST": "redis", "REDIS_PORT": "tcp://10.0.0.7:6379"}
    assert load(environ, tmp_path, tmp_path).broker_url == "redis://redis:6379/0"


@pytest.mark.parametrize(("given", "meant"), [("DEBUG", "debug"), ("Warn", "warning")])
def test_log_level_has_an_alias(tmp_path: Path, given: str, meant: str) -> None:
    """LOG_LEVEL counts where TASKMGR_LOG_LEVEL is not set."""
    assert load({"LOG_LEVEL": given}, tmp_path, tmp_path).log_level == meant
    both = {"LOG_LEVEL": given, "TASKMGR_LOG_LEVEL": "error"}
    assert load(both, tmp_path, tmp_path).log_level == "error"


@pytest.mark.parametrize(
    ("environ", "wrong"),
    [
        ({"MONGODB_HOST": "mongodb://u:geheim@db"}, "MONGODB_HOST: .* is no name of a server"),
        ({"MONGODB_HOST": "db", "MONGODB_PORT": "0"}, "MONGODB_PORT: '0' is no port"),
        ({"MONGODB_HOST": "db", "MONGODB_USER": "u"}, "MONGODB_PASSWORD is not"),
        ({"MONGODB_HOST": "db", "MONGODB_PASSWORD": "geheim"}, "MONGODB_USER is not"),
        ({"REDIS_HOST": "geheim@redis"}, "REDIS_HOST: .* is no name"),
        ({"MINIO_ENDPOINT": "minio:9000"}, "MINIO_ACCESS_KEY is not"),
        ({**MINIO, "MINIO_ENDPOINT": "http://k:geheim@minio/b"}, "MINIO_ENDPOINT: .*no endpoint"),
        ({"LOG_LEVEL": "loud"}, "LOG_LEVEL: 'loud' is not allowed; it must be debug, info"),
    ],
)
def test_alias_that_cannot_be_used_is_refused(
    tmp_path: Path, environ: dict[str, str], wrong: str
) -> None:
    """The message has the variable and what would be right, and no secret."""
    with pytest.raises(SettingsError, match=wrong) as refused:
        load({"REDIS_HOST": "r", **environ}, tmp_path, tmp_path)
    assert "geheim" not in str(refused.value)


def test_every_alias_says_what_it_is_for() -> None:
    """Each has a sentence of help and is of a setting."""
    settings = sources({}, Path("/nowhere"))
    assert all(each.setting in settings and each.help.endswith(".") for each in ALIASES)


@given(PASSWORDS)
def test_any_password_survives_its_way_into_an_address(password: str) -> None:
    """What is put together is taken apart again as it was."""
    environ = {"REDIS_HOST": "redis", "REDIS_PASSWORD": password}
    address = completed("broker_url", "", environ).value
    if password.strip():
        assert unquote(urlsplit(address).password or "") == password.strip()
        assert secrets_of(address) >= {password.strip()} or len(password.strip()) < 4


# what is shown


@given(PASSWORDS, st.sampled_from(["redis", "mongodb", "s3+https"]), st.booleans())
def test_no_password_is_shown_however_it_is_written(
    password: str, scheme: str, with_user: bool
) -> None:
    """Even one that is not escaped shows neither in the masked address nor in the place."""
    marked = f"QZX{password}QZX"  # so that it cannot be a part of the rest by chance
    address = f"{scheme}://{'ada' if with_user else ''}:{marked}@host:1/name?option=1"
    for shown in (without_secrets(address), place_of(address)):
        assert "QZX" not in shown
        assert shown.partition("?")[0].endswith("host:1/name")


@pytest.mark.parametrize(
    ("address", "shown"),
    [
        ("", ""),
        ("redis://localhost:6379/0", "redis://localhost:6379/0"),
        ("mongodb://h1:1,h2:2/x", "mongodb://h1:1,h2:2/x"),
        ("mongodb://a:b@h/x?tls=true&tlsCertificateKeyFilePassword=p", None),
        ("redis://:secret", "redis://***"),
        ("redis://h?password=secret", "redis://h?password=***"),
        ("localhost:6379", "localhost:6379"),
        (":secret@localhost", "***"),
    ],
)
def test_address_is_shown_without_its_secrets(address: str, shown: str | None) -> None:
    """Host, port, path and harmless options stay."""
    wanted = shown
    if wanted is None:
        wanted = "mongodb://***@h/x?tls=true&tlsCertificateKeyFilePassword=***"
    assert without_secrets(address) == wanted


def test_settings_show_no_secret_of_their_own(tmp_path: Path) -> None:
    """Neither the settings' nor a source's text has a password; the values have."""
    settings = load(ALL, tmp_path, tmp_path)
    texts = [repr(settings), *map(repr, sources(ALL, tmp_path).values())]
    texts += [each.shown for each in sources(ALL, tmp_path).values()]
    for address in (settings.metadata_url, settings.artifacts_url, settings.broker_url):
        for secret in secrets_of(address):
            assert not [each for each in texts if secret in each]


# what operators say of tasks


def test_tasks_are_overridden_in_the_file_or_as_json(tmp_path: Path) -> None:
    """Tables [tasks.NAME] and the variable TASKMGR_TASKS say the same."""
    (tmp_path / "config.toml").write_text('[tasks.faces]\nqueue = "gpu"\npriority = 9\n')
    found = load({}, tmp_path, tmp_path).tasks["faces"]
    assert (found.queue, found.priority, found.timeout) == ("gpu", 9, None)
    environ = {"TASKMGR_TASKS": '{"faces": {"timeout": 300}}'}
    assert load(environ, tmp_path, tmp_path).tasks["faces"].timeout == 300.0


def test_every_fault_of_an_override_is_told_with_its_place(tmp_path: Path) -> None:
    """A wrong key, queue, priority and timeout are refused together."""
    file = tmp_path / "config.toml"
    file.write_text(
        '[tasks.faces]\nqueue = "a b"\npriority = 10\ntimeout = 0\nretrys = 1\n[tasks]\nx = 1'
    )
    with pytest.raises(SettingsError) as refused:
        load({}, tmp_path, tmp_path)
    for place in ("faces.queue: ", "faces.priority: 10 ", "faces.timeout: 0 ", "faces.retrys: "):
        assert place in str(refused.value)
    assert str(refused.value).startswith(f"{file}: tasks: ")


def test_graph_is_overridden_step_by_step() -> None:
    """Steps of a named task get what is said of it; the rest, and other steps, stay."""
    steps = tuple(
        GraphStep(each, task, "1.0", "default", 5, 60.0, 512, 0, {}, (), ())
        for each, task in (("001", "faces"), ("002", "words"))
    )
    graph = Graph("two", {}, (), {}, steps, {})
    changed = overridden(graph, {"faces": TaskOverride(priority=9, timeout=300.0)})
    assert [(each.queue, each.priority, each.timeout) for each in changed.steps] == [
        ("default", 9, 300.0),
        ("default", 5, 60.0),
    ]
    assert overridden(graph, {"others": TaskOverride(priority=1)}) is graph
