"""The environment variables that the images of the servers and other programs use.

``MONGODB_HOST`` and its like stand in for an address that is not set, and give one that has
no password theirs. One table; no I/O.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping
from typing import Literal
from urllib.parse import quote

import attrs

from taskmgr_core.addresses import without_secrets
from taskmgr_core.errors import SettingsError

Part = Literal["host", "port", "user", "password", "bucket", "whole"]

DEFAULT_NAME = "taskmgr"
_HOST = re.compile(
    r"[A-Za-z0-9]([A-Za-z0-9._-]*[A-Za-z0-9])?\Z|\[?[0-9a-fA-F:.]*:[0-9a-fA-F:.]*\]?\Z"
)
_ENDPOINT = re.compile(
    r"(?:(?P<scheme>https?)://)?(?P<place>(?:[A-Za-z0-9._-]+|\[[0-9a-fA-F:.]+\])(?::\d{1,5})?)/?\Z"
)
# What Kubernetes sets for a service of that name.
_SERVICE_PORT = re.compile(r"tcp://.*:(\d{1,5})\Z")
_LARGEST_PORT = 65_535


@attrs.frozen
class Alias:
    """A variable that stands in for a part of a setting.

    Attributes:
        variable: its name.
        setting: the setting.
        part: which part of it; ``whole`` for all of it.
        help: what it means.
    """

    variable: str
    setting: str
    part: Part
    help: str


ALIASES = (
    Alias("MONGODB_HOST", "metadata_url", "host", "The server's name or address."),
    Alias("MONGODB_PORT", "metadata_url", "port", "By default 27017."),
    Alias("MONGODB_USER", "metadata_url", "user", "An account in its database admin."),
    Alias("MONGODB_PASSWORD", "metadata_url", "password", "The account's password."),
    Alias(
        "MINIO_ENDPOINT",
        "artifacts_url",
        "host",
        "Name and port, as minio:9000; with https:// before it over TLS.",
    ),
    Alias("MINIO_ACCESS_KEY", "artifacts_url", "user", "The key."),
    Alias("MINIO_SECRET_KEY", "artifacts_url", "password", "The key's secret."),
    Alias("MINIO_BUCKET", "artifacts_url", "bucket", f"By default {DEFAULT_NAME}."),
    Alias("REDIS_HOST", "broker_url", "host", "The server's name or address."),
    Alias("REDIS_PORT", "broker_url", "port", "By default 6379."),
    Alias("REDIS_PASSWORD", "broker_url", "password", "The server's password."),
    Alias("LOG_LEVEL", "log_level", "whole", "In capital or small letters."),
)


@attrs.frozen
class Completed:
    """A setting, with what the aliases have added to it.

    Attributes:
        value: the text; empty where nothing is set.
        variables: the aliases that are in it.
    """

    value: str
    variables: tuple[str, ...] = ()


def completed(setting: str, value: str, environ: Mapping[str, str]) -> Completed:
    """A setting's text with what the aliases have to add.

    Arguments:
        setting: its name.
        value: what is set elsewhere; empty for nothing.
        environ: the process's environment.

    Raises:
        SettingsError: an alias has a value that it cannot have; secrets are not shown.
    """
    given = {
        each.part: _Given(each.variable, environ[each.variable].strip())
        for each in ALIASES
        if each.setting == setting and environ.get(each.variable, "").strip()
    }
    if value:
        return _with_password(value, given)
    if "whole" in given:
        return Completed(given["whole"].text.lower(), (given["whole"].variable,))
    if "host" not in given:
        return Completed("")
    return Completed(_COMPOSED[setting](given), tuple(each.variable for each in given.values()))


@attrs.frozen
class _Given:
    variable: str
    text: str = attrs.field(repr=False)


_Parts = Mapping[Part, _Given]


def _with_password(address: str, given: _Parts) -> Completed:
    """An address that has no password gets that of the alias, if that is for the same user."""
    scheme, found, rest = address.partition("://")
    named, at, place = rest.rpartition("@")
    name, _, password = named.partition(":")
    if not found or password or "password" not in given:
        return Completed(address)
    user = given.get("user")
    if user is not None and name and name != quote(user.text, safe=""):
        return Completed(address)  # the password is another one's
    used = [given["password"]] if name or user is None else [user, given["password"]]
    name = name or (quote(user.text, safe="") if user is not None else "")
    secret = quote(given["password"].text, safe="")
    return Completed(
        f"{scheme}://{name}:{secret}@{place if at else rest}",
        tuple(each.variable for each in used),
    )


def _mongodb(given: _Parts) -> str:
    account = _account(given)
    # The accounts that the server's image makes are in its database admin.
    source = "?authSource=admin" if account else ""
    return f"mongodb://{account}{_host(given)}:{_port(given, 27_017)}/{DEFAULT_NAME}{source}"


def _redis(given: _Parts) -> str:
    secret = given.get("password")
    account = f":{quote(secret.text, safe='')}@" if secret else ""
    return f"redis://{account}{_host(given)}:{_port(given, 6_379)}/0"


def _minio(given: _Parts) -> str:
    endpoint = given["host"]
    found = _ENDPOINT.match(endpoint.text)
    if found is None:
        raise SettingsError(
            f"{endpoint.variable}: {without_secrets(endpoint.text)!r} is no endpoint; write name "
            "and port, as minio:9000, or https://minio:9000"
        )
    for part, variable in (("user", "MINIO_ACCESS_KEY"), ("password", "MINIO_SECRET_KEY")):
        if part not in given:
            raise SettingsError(
                f"{endpoint.variable} is set and {variable} is not; set it too, or unset "
                f"{endpoint.variable} to keep artifacts in a folder"
            )
    bucket = given["bucket"].text if "bucket" in given else DEFAULT_NAME
    scheme = "s3+https" if found["scheme"] == "https" else "s3+http"
    return f"{scheme}://{_account(given)}{found['place']}/{quote(bucket, safe='')}"


def _account(given: _Parts) -> str:
    """``user:password@``, each written so that any character may be in it."""
    user, password = given.get("user"), given.get("password")
    if user is None and password is None:
        return ""
    if user is None or password is None:
        there = user or password
        missing = "PASSWORD" if user else "USER"
        prefix = there.variable.partition("_")[0] if there else ""
        raise SettingsError(
            f"{there.variable if there else ''} is set and {prefix}_{missing} is not; "
            "set both, or neither"
        )
    return f"{quote(user.text, safe='')}:{quote(password.text, safe='')}@"


def _host(given: _Parts) -> str:
    host = given["host"]
    if not _HOST.match(host.text):
        raise SettingsError(
            f"{host.variable}: {without_secrets(host.text)!r} is no name of a server; write its "
            "name or address alone; an address with all its parts goes into TASKMGR_*_URL"
        )
    return f"[{host.text.strip('[]')}]" if ":" in host.text else host.text


def _port(given: _Parts, default: int) -> int:
    if "port" not in given:
        return default
    port = given["port"]
    service = _SERVICE_PORT.match(port.text)
    digits = service[1] if service else port.text
    if not (digits.isascii() and digits.isdigit() and 0 < int(digits) <= _LARGEST_PORT):
        raise SettingsError(
            f"{port.variable}: {without_secrets(port.text)!r} is no port; "
            f"it must be 1 to {_LARGEST_PORT}"
        )
    return int(digits)


_COMPOSED: Mapping[str, Callable[[_Parts], str]] = {
    "metadata_url": _mongodb,
    "artifacts_url": _minio,
    "broker_url": _redis,
}
