"""One table of settings: name, default, help, environment variable.

A value comes from the environment (``TASKMGR_<NAME>``), else from the
configuration file, else from an alias (see ``aliases``), else from the table.
The environment is read once, by ``load``.
"""

from __future__ import annotations

import json
import math
import os
import re
import tomllib
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any, Literal

import attrs
import platformdirs

from taskmgr_core.addresses import without_secrets
from taskmgr_core.aliases import completed
from taskmgr_core.errors import SettingsError, nearest
from taskmgr_core.hooks.choice import Choice
from taskmgr_core.overrides import Overrides, TaskOverride, read_overrides
from taskmgr_core.specs.resources import offer_from

MOST_SLOTS = 1000
HOME_FOLDER = ".taskmgr"
PREFIX = "TASKMGR_"
SET = "(set)"
LOG_LEVELS = ("debug", "info", "warning", "error")
_OTHER_LEVELS = {"trace": "debug", "warn": "warning", "critical": "error", "fatal": "error"}


def _setting(
    default: Any,
    text: str,
    check: Callable[[Any], str | None] = lambda _: None,
    show: Callable[[Any], str] = str,
) -> Any:
    metadata = {"help": text, "check": check, "show": show}
    return attrs.field(default=default, metadata=metadata, repr=show)


def _address(text: str) -> Any:
    """A setting that may have a password in it, which is never shown."""
    return _setting("", text, show=without_secrets)


def _secret(text: str) -> Any:
    """A setting of which only whether it is set is ever shown."""
    return _setting("", text, show=lambda value: SET if value else "")


def _one_of(*allowed: str) -> Callable[[Any], str | None]:
    wrong = f"it must be {', '.join(allowed[:-1])} or {allowed[-1]}"
    return lambda value: None if value in allowed else wrong


def _at_least(minimum: float) -> Callable[[Any], str | None]:
    wrong = f"it must be at least {minimum:g}"
    return lambda value: None if minimum <= value < math.inf else wrong


def _between(minimum: float, maximum: float) -> Callable[[Any], str | None]:
    wrong = f"it must be {minimum:g} to {maximum:g}"
    return lambda value: None if minimum <= value <= maximum else wrong


def bounds_of(text: str) -> tuple[int, int] | None:
    """The bounds in a text such as ``1,8``; None for an empty one.

    Raises:
        ValueError: with what is wrong.
    """
    if not text.strip():
        return None
    found = re.fullmatch(r"\s*([0-9]{1,9})\s*,\s*([0-9]{1,9})\s*", text)
    if found is None:
        raise ValueError(f"{text!r}: allowed is MIN,MAX, as 1,8")
    fewest, most = int(found[1]), int(found[2])
    if not 1 <= fewest <= most <= MOST_SLOTS:
        raise ValueError(f"{text!r}: allowed is 1 <= MIN <= MAX <= {MOST_SLOTS}")
    return fewest, most


def _folder_of(text: str) -> Path:
    """The folder that a text names.

    Raises:
        ValueError: it begins with a user that is not there.
    """
    try:
        return Path(text).expanduser()
    except RuntimeError as error:
        raise ValueError("it names no user's folder; give a path") from error


def _wrong(read: Callable[[str], object]) -> Callable[[str], str | None]:
    def wrong(text: str) -> str | None:
        try:
            read(text)
        except ValueError as error:
            return str(error)
        return None

    return wrong


def paths_of(text: str) -> tuple[Path, ...]:
    """The paths of a text such as ``/data/weights:/opt/licences``.

    Raises:
        ValueError: with what is wrong.
    """
    found = [each.strip() for each in text.split(os.pathsep) if each.strip()]
    for each in found:
        if not Path(each).is_absolute():
            raise ValueError(f"{each!r} is no absolute path; begin it with /")
    return tuple(map(Path, found))


_no_paths = _wrong(paths_of)
_no_resources = _wrong(offer_from)
_no_bounds = _wrong(bounds_of)
_no_folder = _wrong(_folder_of)


@attrs.frozen
class Settings:
    """Every setting of the platform. Sizes are in MB (1,000,000 bytes), times in seconds."""

    home: Path = _setting(  # noqa: RUF009 - attrs fields, frozen like the class
        Path(),
        "Folder of everything that taskmgr keeps. Default: the nearest .taskmgr in this folder or "
        "one above it, else the user's data folder.",
    )
    metadata_url: str = _address(
        "MongoDB server of a team, as mongodb://user:password@host:27017/taskmgr. "
        "Default: a SQLite file in home.",
    )
    artifacts_url: str = _address(
        "MinIO or another S3 server, as s3+http://key:secret@host:9000/bucket (s3+https for "
        "TLS). Default: a folder in home, which then is only a cache.",
    )
    broker_url: str = _address(
        "Redis server that tells workers what is ready, as redis://:password@host:6379/0 "
        "(rediss for TLS). Default: workers of this machine look into the SQLite file.",
    )
    history_days: float = _setting(
        0.0,
        "Days that ended runs and their logs are kept in MongoDB; 0 for ever.",
        _at_least(0),
    )
    slots: int = _setting(
        0, "Steps that a worker runs at once; 0 for the number of CPU cores.", _at_least(0)
    )
    threads: int = _setting(
        0,
        "Threads that OpenCV, BLAS and OpenMP use in a step; 0 for the CPU cores divided by the "
        "slots. To be set where several workers share a machine.",
        _at_least(0),
    )
    autoscale: str = _setting(
        "",
        "Fewest and most steps that a worker runs at once, as 1,8: it opens slots while steps "
        "wait and closes them when they stay idle. Default: as many as slots, always.",
        _no_bounds,
    )
    resources: str = _setting(
        "",
        "Resources that a worker of this machine offers, as gpu=2,licence=1. Default: none, and "
        "it takes no step that needs any.",
        _no_resources,
    )
    warm_runners: int = _setting(
        8, "Idle runner processes that a worker keeps, models loaded.", _at_least(0)
    )
    heartbeat: float = _setting(2.0, "Seconds between the beats of a worker.", _at_least(0.05))
    lost_after: float = _setting(
        4.0, "Seconds without a beat until a worker counts as lost.", _at_least(0.1)
    )
    lost_attempts: int = _setting(
        3, "Workers that may be lost over one step before it is quarantined.", _at_least(1)
    )
    retry_delay: float = _setting(
        1.0, "Seconds before the first retry of a step; doubled each time.", _at_least(0)
    )
    inline_bytes: int = _setting(
        65_536, "A field value with more bytes of JSON is stored as a file.", _at_least(256)
    )
    log_bytes: int = _setting(
        1_000_000, "Bytes of output that are kept of one attempt.", _at_least(0)
    )
    image_megapixels: int = _setting(
        150, "Pictures with more million pixels are refused (at most 178).", _between(1, 178)
    )
    isolation: str = _setting(
        "auto",
        "What keeps tasks from the files of others and from the network: auto as far as this "
        "machine can (`taskmgr doctor` says how far), require or no task is run, off.",
        _one_of("auto", "off", "require"),
    )
    readable: str = _setting(
        "",
        "Files and folders that every task may read beside its own, with : between them, as "
        "/data/weights:/opt/licences.",
        _no_paths,
    )
    writable: str = _setting(
        "",
        "Files and folders that every task may read and write beside its working folder, as "
        "/data/cache.",
        _no_paths,
    )
    open_files: int = _setting(
        1024,
        "Files that a process of a task may have open, no fewer than 64; 0 for as many as the "
        "worker.",
        _at_least(0),
    )
    file_mb: int = _setting(
        10_000, "Size of a file that a task may write; 0 for no limit.", _at_least(0)
    )
    processes: int = _setting(
        256, "Processes that a task may be, with all that it starts; 0 for no limit.", _at_least(0)
    )
    environments_mb: int = _setting(
        20_000,
        "Size that `taskmgr env gc`, and each worker once a minute, bring the virtualenvs of this "
        "machine down to; 0 for no limit.",
        _at_least(0),
    )
    models_mb: int = _setting(
        0,
        "Size that `taskmgr models gc`, and each worker once a minute, bring this machine's copies "
        "of weights down to; 0 for no limit.",
        _at_least(0),
    )
    cache_mb: int = _setting(
        0,
        "Size that `taskmgr artifacts gc`, and each worker once a minute, bring this machine's "
        "copies of what is in S3 down to, weights left out; 0 for no limit.",
        _at_least(0),
    )
    cache_days: float = _setting(
        30.0, "Days that a cached result is kept after its last use; 0 for ever.", _at_least(0)
    )
    hooks: str = _setting(
        "all",
        "Hook plugins that are used: all, none, their names with a comma between them, or -NAME "
        "for all but that one.",
        _wrong(Choice.of),
    )
    hook_seconds: float = _setting(
        10.0,
        "Seconds that a call of a hook may take: a plugin that takes longer is told no more until "
        "it is done. What is not done at the end of a process is waited for as long.",
        _at_least(0.1),
    )
    hook_queue: int = _setting(
        1000, "Events that may wait for each hook plugin; more are dropped.", _at_least(1)
    )
    slow_step: float = _setting(
        0.5,
        "Part of its timeout after which a step that still runs is notified of as slow; 0 for "
        "never.",
        _at_least(0),
    )
    signatures: Literal["off", "warn", "require"] = _setting(
        "off",
        "What becomes of a task version that no key trusted here has signed: off runs it, warn "
        "runs it and says so once in the log, require fails its steps.",
        _one_of("off", "warn", "require"),
    )
    signing_key: str = _setting(
        "", "Id or name of the key that publish signs with, where there are several."
    )
    keys_folder: str = _setting(
        "",
        "Folder of the keys that this machine signs with, trusts and has revoked. "
        "Default: keys in home.",
        _no_folder,
    )
    log_level: str = _setting(
        "info",
        "What a worker tells: debug, info, warning or error.",
        _one_of(*LOG_LEVELS),
    )
    log_file_mb: int = _setting(
        10, "Size at which a worker begins another file in its log folder.", _at_least(1)
    )
    log_files: int = _setting(5, "Full files of each log that are kept.", _at_least(0))
    index_token: str = _secret(
        "Token that `taskmgr index serve` asks its clients for, at least 16 letters, digits and "
        "any of -._~. Default: one that is made and kept in the home.",
    )
    tasks: Mapping[str, TaskOverride] = _setting(
        Overrides(),
        "Queue, priority and timeout of tasks, where they are not to be what the plugin says.",
    )

    @property
    def database(self) -> Path:
        """The metadata database."""
        return self.home / "metadata.sqlite3"

    @property
    def index_token_file(self) -> Path:
        """Where the token of the index is kept that was made."""
        return self.home / "index-token"

    @property
    def slot_bounds(self) -> tuple[int, int]:
        """The fewest and the most steps to run at once."""
        return bounds_of(self.autoscale) or (self.slots_or_cores, self.slots_or_cores)

    @property
    def is_begun(self) -> bool:
        """Whether there may be metadata: where not, looking for it would make a database."""
        return bool(self.metadata_url) or self.database.is_file()

    @property
    def slots_or_cores(self) -> int:
        """How many steps to run at once."""
        return self.slots or os.cpu_count() or 1


@attrs.frozen
class Source:
    """A setting with its value and where that came from.

    Attributes:
        name: the setting's name, and its key in the configuration file.
        variable: its environment variable.
        value: as it is in force.
        origin: ``environment``, the configuration file's path, or ``default``; with the
            aliases that are in it.
        help: what it means.
        shown: the value as it may be shown, without passwords.
    """

    name: str
    variable: str
    value: Any = attrs.field(repr=False)
    origin: str
    help: str
    shown: str


def load(environ: Mapping[str, str], working: Path, home: Path | None = None) -> Settings:
    """Read the settings.

    Arguments:
        environ: the process's environment.
        working: the folder from which the nearest ``.taskmgr`` is looked for.
        home: overrides the setting ``home``.

    Raises:
        SettingsError: with the place of the value that is wrong.
    """
    return Settings(**{each.name: each.value for each in explain(environ, working, home)})


def explain(environ: Mapping[str, str], working: Path, home: Path | None = None) -> list[Source]:
    """Every setting with its value and where that came from, checked.

    Raises:
        SettingsError: with the place of the value that is wrong.
    """
    home_source = _home(environ, working, home)
    found = [home_source, *_others(environ, Path(home_source.value) / "config.toml")]
    _check_together({each.name: each.value for each in found})
    return found


def _home(environ: Mapping[str, str], working: Path, home: Path | None) -> Source:
    variable = PREFIX + "HOME"
    if home is not None:
        value, origin = home.absolute(), "command line"
    elif environ.get(variable):
        value, origin = (working / _expanded(environ[variable])).absolute(), "environment"
    else:
        value, origin = _nearest_home(working) or _user_home(), "default"
    return _source("home", variable, value, origin)


def _source(name: str, variable: str, value: Any, origin: str) -> Source:
    metadata = attrs.fields_dict(Settings)[name].metadata
    return Source(name, variable, value, origin, metadata["help"], metadata["show"](value))


def _expanded(text: str) -> Path:
    try:
        return Path(text).expanduser()
    except RuntimeError as error:
        wrong = f"{PREFIX}HOME: {text!r} names no user's folder; give a path"
        raise SettingsError(wrong) from error


def _nearest_home(working: Path) -> Path | None:
    candidates = (folder / HOME_FOLDER for folder in (working, *working.parents))
    return next((each for each in candidates if each.is_dir()), None)


def _user_home() -> Path:
    return Path(platformdirs.user_data_dir("taskmgr", appauthor=False))


def _others(environ: Mapping[str, str], file: Path) -> list[Source]:
    configured = _read(file)
    fields = {each.name: each for each in attrs.fields(Settings) if each.name != "home"}
    for name in configured:
        if name not in fields:
            raise SettingsError(f"{file}: unknown setting {name!r}; {nearest(name, fields)}")
    return [_found(field, environ, configured, file) for field in fields.values()]


def _found(
    field: attrs.Attribute[Any],
    environ: Mapping[str, str],
    configured: Mapping[str, Any],
    file: Path,
) -> Source:
    name, variable = field.name, PREFIX + field.name.upper()
    if environ.get(variable):
        place, origin = variable, "environment"
        value = _parsed(environ[variable], field, place)
    elif name in configured:
        place, origin = f"{file}: {name}", str(file)
        value = _typed(configured[name], field, place)
    else:
        place, origin, value = "", "default", field.default
    more = completed(name, value if place else "", environ) if isinstance(value, str) else None
    if more is not None and more.variables:
        added = ", ".join(more.variables)
        value = _OTHER_LEVELS.get(more.value, more.value)
        place, origin = place or added, f"{origin}, {added}" if place else f"environment: {added}"
    if (wrong := field.metadata["check"](value)) is not None:
        raise SettingsError(f"{place}: {value!r} is not allowed; {wrong}")
    return _source(name, variable, value, origin)


def _read(file: Path) -> dict[str, Any]:
    try:
        return tomllib.loads(file.read_text())
    except FileNotFoundError:
        return {}
    except (tomllib.TOMLDecodeError, UnicodeDecodeError) as error:
        raise SettingsError(f"{file}: not TOML: {error}") from error
    except OSError as error:
        raise SettingsError(f"{file} cannot be read: {error.strerror}") from error


def _parsed(text: str, field: attrs.Attribute[Any], place: str) -> Any:
    """A setting from an environment variable's text."""
    kind: type = type(field.default)
    if kind is Overrides:
        try:
            return read_overrides(json.loads(text), place)
        except ValueError as error:
            raise SettingsError(f"{place}: not JSON: {error}") from error
    try:
        return kind(text)
    except ValueError:
        raise SettingsError(f"{place}: {text!r} is not {_article(kind)}") from None


def _typed(value: Any, field: attrs.Attribute[Any], place: str) -> Any:
    """A setting from the configuration file."""
    kind = type(field.default)
    if kind is Overrides:
        return read_overrides(value, place)
    if kind is float and isinstance(value, int) and not isinstance(value, bool):
        return float(value)
    if not isinstance(value, kind) or isinstance(value, bool):
        raise SettingsError(f"{place}: {value!r} is not {_article(kind)}")
    return value


def _article(kind: type) -> str:
    return {int: "a whole number", float: "a number"}.get(kind, "a text")


def _check_together(values: Mapping[str, Any]) -> None:
    if values["metadata_url"] and not values["broker_url"]:
        raise SettingsError(
            "metadata_url is set and broker_url is not: workers on other machines would not hear "
            "of what is ready; set TASKMGR_BROKER_URL, as redis://:password@host:6379/0"
        )
    if values["lost_after"] < 2 * values["heartbeat"]:
        raise SettingsError(
            f"lost_after is {values['lost_after']:g} s and heartbeat {values['heartbeat']:g} s: "
            "lost_after must be at least twice the heartbeat, or living workers count as lost"
        )
