"""What uv gets of the user's environment, and of the settings that were made for pip."""

from __future__ import annotations

import configparser
import os
import re
import sys
from collections.abc import Iterator, Mapping
from pathlib import Path

import attrs

PipSettings = Mapping[str, str]

# What decides which versions a lock gets. An installation from a lock decides nothing
# any more, so there these could only make it fail.
RESOLVER_VARIABLES = frozenset(
    {
        "UV_CONSTRAINT",
        "UV_EXCLUDE",
        "UV_EXCLUDE_NEWER",
        "UV_FORK_STRATEGY",
        "UV_OVERRIDE",
        "UV_PRERELEASE",
        "UV_RESOLUTION",
    }
)
EXTRA_INDEX_VARIABLES = ("UV_INDEX", "UV_EXTRA_INDEX_URL")
INDEX_VARIABLES = ("UV_DEFAULT_INDEX", "UV_INDEX_URL", "UV_FIND_LINKS", *EXTRA_INDEX_VARIABLES)

_CONFIGURATION_VARIABLES = ("UV_CONFIG_FILE", "UV_NO_CONFIG")
_PASSED = frozenset(
    {"HOME", "PATH", "TMPDIR", "LANG", "LC_ALL", "USER", "LOGNAME", "NETRC", "SOURCE_DATE_EPOCH"}
    | {"SSL_CERT_FILE", "SSL_CERT_DIR", "SSL_CLIENT_CERT", "REQUESTS_CA_BUNDLE", "HTTP_TIMEOUT"}
)
_PROXIES = ("ALL_PROXY", "HTTPS_PROXY", "HTTP_PROXY")
# These would point uv at another project or interpreter, or undo the hash checks.
_DROPPED = re.compile(
    r"UV_(?:NO_VERIFY_HASHES|INSECURE_NO_ZIP_VALIDATION|NO_BINARY\w*|NO_BUILD\w*|BREAK_SYSTEM_\w+"
    r"|SYSTEM_PYTHON|PYTHON|PROJECT\w*|WORKING_DIR\w*|VENV_\w+|COMPILE_BYTECODE|ENV_FILE)\Z"
)
# The time that a zip file begins with: a wheel's bytes shall not depend on when it is built.
_DEFAULTS = {"SOURCE_DATE_EPOCH": "315532800"}
_FORCED = {"UV_PYTHON_DOWNLOADS": "never", "UV_NO_PROGRESS": "1", "NO_COLOR": "1"}


@attrs.frozen
class _Carry:
    """A setting of pip and where uv has it.

    Attributes:
        pip: its names in pip.
        uv: the variable that it is put into.
        unless: it is not, when one of these is set.
        separator: between several values; empty where there is only one.
        paths: whether a value without ``://`` is a path.
    """

    pip: tuple[str, ...]
    uv: str
    unless: tuple[str, ...]
    separator: str = ""
    paths: bool = False


_CARRIED = (
    _Carry(("index-url",), "UV_DEFAULT_INDEX", ("UV_DEFAULT_INDEX", "UV_INDEX_URL")),
    _Carry(("extra-index-url",), "UV_INDEX", EXTRA_INDEX_VARIABLES, " "),
    _Carry(("find-links",), "UV_FIND_LINKS", ("UV_FIND_LINKS",), ",", paths=True),
    _Carry(("constraint",), "UV_CONSTRAINT", ("UV_CONSTRAINT",), " ", paths=True),
    _Carry(("trusted-host",), "UV_INSECURE_HOST", ("UV_INSECURE_HOST",), " "),
    _Carry(
        ("timeout", "default-timeout"),
        "UV_HTTP_TIMEOUT",
        ("UV_HTTP_TIMEOUT", "UV_REQUEST_TIMEOUT", "HTTP_TIMEOUT"),
    ),
    _Carry(("cert",), "SSL_CERT_FILE", ("SSL_CERT_FILE",), paths=True),
    _Carry(("client-cert",), "SSL_CLIENT_CERT", ("SSL_CLIENT_CERT",), paths=True),
    _Carry(("proxy",), "ALL_PROXY", (*_PROXIES, *(each.lower() for each in _PROXIES))),
)


def uv_environment(environ: Mapping[str, str], pip_settings: PipSettings) -> dict[str, str]:
    """The environment that uv runs in.

    Arguments:
        environ: the user's environment.
        pip_settings: as ``read_pip_settings`` gives them; carried over where the
            user has not told uv itself.

    Returns:
        ``UV_*``, proxies, certificates, ``HOME``, ``PATH`` and the like; nothing else.
    """
    passed = {name: value for name, value in environ.items() if _passes(name)}
    carried = {
        carry.uv: _value(carry, given)
        for carry, given in _settings_to_carry(pip_settings)
        if not _told(carry, environ)
    }
    return _DEFAULTS | passed | carried | _FORCED


def configuration_variables(environ: Mapping[str, str]) -> dict[str, str]:
    """The variables that make uv read the user's ``uv.toml`` and no project's settings.

    An installation must not depend on the ``[tool.uv]`` of the folder it is
    started in, while an index in the user's own file is meant for it.
    """
    if any(environ.get(name) for name in _CONFIGURATION_VARIABLES):
        return {}
    for path in _user_configurations(environ):
        if path.is_file():
            return {"UV_CONFIG_FILE": str(path)}
    return {"UV_NO_CONFIG": "1"}


def no_index(environ: Mapping[str, str], pip_settings: PipSettings) -> bool:
    """Whether pip is told to use no index and uv is told nothing about indexes."""
    told = any(environ.get(name) for name in ("UV_DEFAULT_INDEX", "UV_INDEX_URL", "UV_INDEX"))
    return not told and pip_settings.get("no-index", "").lower() in ("1", "true", "yes", "on")


def indexes_of_pip(environ: Mapping[str, str], pip_settings: PipSettings) -> bool:
    """Whether the further indexes are pip's, and uv is told nothing about how to use them."""
    told = any(name in environ for name in (*EXTRA_INDEX_VARIABLES, "UV_INDEX_STRATEGY"))
    return not told and bool(pip_settings.get("extra-index-url"))


def describe_carried(environ: Mapping[str, str], pip_settings: PipSettings) -> list[str]:
    """A line for each setting of pip that concerns uv, without secrets."""
    lines = []
    for carry, given in _settings_to_carry(pip_settings):
        told = _told(carry, environ)
        value = without_secrets(_value(carry, given))
        lines.append(
            f"pip's {carry.pip[0]} is not carried over: {told} is set"
            if told
            else f"pip's {carry.pip[0]} is carried over to uv: {carry.uv}={value}"
        )
    if no_index(environ, pip_settings):
        lines.append("pip's no-index is carried over to uv: --no-index")
    return lines


def read_pip_settings(environ: Mapping[str, str]) -> dict[str, str]:
    """pip's settings for installing, from its files and from ``PIP_*``.

    Returns:
        Name (as ``extra-index-url``) -> value; several values are separated by
        white space.
    """
    settings: dict[str, str] = {}
    for path in _pip_files(environ):
        settings.update(_read_pip_file(path))
    for name, value in environ.items():
        if name.startswith("PIP_") and value:
            settings[name.removeprefix("PIP_").lower().replace("_", "-")] = value
    return settings


def without_secrets(text: str) -> str:
    """Text with ``user:password@`` removed from every URL in it."""
    return re.sub(r"(\b[a-z][a-z0-9+.-]*://)[^/\s@]*@", r"\1", text, flags=re.IGNORECASE)


def _passes(name: str) -> bool:
    return (
        name in _PASSED
        or name.upper() in (*_PROXIES, "NO_PROXY")
        or name.startswith("XDG_")
        or (name.startswith("UV_") and not _DROPPED.match(name))
    )


def _settings_to_carry(pip_settings: PipSettings) -> Iterator[tuple[_Carry, str]]:
    for carry in _CARRIED:
        given = next((pip_settings[name] for name in carry.pip if pip_settings.get(name)), "")
        if given:
            yield carry, given


def _told(carry: _Carry, environ: Mapping[str, str]) -> str:
    """The variable by which uv is told already; one that is set to nothing counts."""
    return next((name for name in carry.unless if name in environ), "")


def _value(carry: _Carry, given: str) -> str:
    values = given.split() if carry.separator else [given.strip()]
    return carry.separator.join(_absolute(each) if carry.paths else each for each in values)


def _absolute(location: str) -> str:
    return location if "://" in location else str(Path(location).expanduser().absolute())


def _user_configurations(environ: Mapping[str, str]) -> Iterator[Path]:
    """uv's own files outside a project; the first that is there has the say."""
    yield _user_folder(environ) / "uv/uv.toml"
    for folder in (environ.get("XDG_CONFIG_DIRS") or "/etc/xdg").split(os.pathsep):
        yield Path(folder) / "uv/uv.toml"
    yield Path("/etc/uv/uv.toml")


def _user_folder(environ: Mapping[str, str]) -> Path:
    return Path(environ.get("XDG_CONFIG_HOME") or Path(environ.get("HOME", "/")) / ".config")


def _pip_files(environ: Mapping[str, str]) -> Iterator[Path]:
    """pip's files, the weakest first: machine, user, virtualenv, ``PIP_CONFIG_FILE``."""
    named = environ.get("PIP_CONFIG_FILE", "")
    if named == os.devnull:
        return
    home = Path(environ.get("HOME", "/"))
    for folder in (environ.get("XDG_CONFIG_DIRS") or "/etc/xdg").split(os.pathsep):
        yield Path(folder) / "pip/pip.conf"
    yield Path("/etc/pip.conf")
    yield home / ".pip/pip.conf"
    if sys.platform == "darwin":
        yield home / "Library/Application Support/pip/pip.conf"
    yield _user_folder(environ) / "pip/pip.conf"
    yield Path(sys.prefix) / "pip.conf"
    if named:
        yield Path(named)


def _read_pip_file(path: Path) -> dict[str, str]:
    parser = configparser.RawConfigParser()
    try:
        parser.read_string(path.read_text())
    except (OSError, ValueError, configparser.Error):
        return {}  # pip says what is wrong with its file
    return {
        name.lower().replace("_", "-"): " ".join(value.split())
        for section in ("global", "install")
        if parser.has_section(section)
        for name, value in parser.items(section)
    }
