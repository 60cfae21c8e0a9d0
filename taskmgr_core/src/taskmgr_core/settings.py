"""One table of settings: name, default, help, environment variable.

A value comes from the environment (``TASKMGR_<NAME>``), else from the
configuration file, else from an alias (see ``aliases``), else from the table.
The environment is read once, by ``load``.
"""

from __future__ import annotations

import json
import os
import tomllib
from collections.abc import Callable, Mapping
from pathlib import Path
from types import MappingProxyType
from typing import Any, Literal

import attrs
import platformdirs

from taskmgr_core.aliases import completed
from taskmgr_core.errors import SettingsError, nearest
from taskmgr_core.hooks.choice import Choice
from taskmgr_core.notification_rules import Notifications, read_notifications
from taskmgr_core.overrides import Overrides, TaskOverride, read_overrides
from taskmgr_core.setting_kinds import (
    address,
    at_least,
    between,
    bounds_of,
    fault_of,
    folder_of,
    one_of,
    paths_of,
    secret,
    setting,
)
from taskmgr_core.silos import bucket_in, database_in, home_in, name_fault
from taskmgr_core.specs.accounts import DEFAULT_WORKSPACE
from taskmgr_core.specs.resources import offer_from

__all__ = ["Settings", "Source", "bounds_of", "explain", "load", "paths_of"]

HOME_FOLDER = ".taskmgr"
PREFIX = "TASKMGR_"
LOG_LEVELS = ("debug", "info", "warning", "error")
_OTHER_LEVELS = {"trace": "debug", "warn": "warning", "critical": "error", "fatal": "error"}

# What stands in a table of the file, and in JSON in its variable.
TABLES: Mapping[type, Callable[[Any, str], Any]] = MappingProxyType(
    {Notifications: read_notifications, Overrides: read_overrides}
)


_no_paths = fault_of(paths_of)
_no_resources = fault_of(offer_from)
_no_bounds = fault_of(bounds_of)
_no_folder = fault_of(folder_of)


@attrs.frozen
class Settings:
    """Every setting of the platform. Sizes are in MB (1,000,000 bytes), times in seconds."""

    home: Path = setting(  # noqa: RUF009 - attrs fields, frozen like the class
        Path(),
        "Folder of everything that taskmgr keeps. Default: the nearest .taskmgr in this folder or "
        "one above it, else the user's data folder.",
    )
    metadata_url: str = address(
        "MongoDB server of a team, as mongodb://user:password@host:27017/taskmgr. "
        "Default: a SQLite file in home.",
    )
    artifacts_url: str = address(
        "MinIO or another S3 server, as s3+http://key:secret@host:9000/bucket (s3+https for "
        "TLS). Default: a folder in home, which then is only a cache.",
    )
    broker_url: str = address(
        "Redis server that tells workers what is ready, as redis://:password@host:6379/0 "
        "(rediss for TLS). Default: workers of this machine look into the SQLite file.",
    )
    history_days: float = setting(
        0.0,
        "Days that ended runs and their logs are kept in MongoDB; 0 for ever.",
        at_least(0),
    )
    slots: int = setting(
        0, "Steps that a worker runs at once; 0 for the number of CPU cores.", at_least(0)
    )
    threads: int = setting(
        0,
        "Threads that OpenCV, BLAS and OpenMP use in a step; 0 for the CPU cores divided by the "
        "slots. To be set where several workers share a machine.",
        at_least(0),
    )
    autoscale: str = setting(
        "",
        "Fewest and most steps that a worker runs at once, as 1,8: it opens slots while steps "
        "wait and closes them when they stay idle. Default: as many as slots, always.",
        _no_bounds,
    )
    resources: str = setting(
        "",
        "Resources that a worker of this machine offers, as gpu=2,licence=1. Default: none, and "
        "it takes no step that needs any.",
        _no_resources,
    )
    warm_runners: int = setting(
        8, "Idle runner processes that a worker keeps, models loaded.", at_least(0)
    )
    heartbeat: float = setting(2.0, "Seconds between the beats of a worker.", at_least(0.05))
    lost_after: float = setting(
        4.0, "Seconds without a beat until a worker counts as lost.", at_least(0.1)
    )
    lost_attempts: int = setting(
        3, "Workers that may be lost over one step before it is quarantined.", at_least(1)
    )
    retry_delay: float = setting(
        1.0, "Seconds before the first retry of a step; doubled each time.", at_least(0)
    )
    inline_bytes: int = setting(
        65_536, "A field value with more bytes of JSON is stored as a file.", at_least(256)
    )
    log_bytes: int = setting(
        1_000_000, "Bytes of output that are kept of one attempt.", at_least(0)
    )
    image_megapixels: int = setting(
        150, "Pictures with more million pixels are refused (at most 178).", between(1, 178)
    )
    isolation: str = setting(
        "auto",
        "What keeps tasks from the files of others and from the network: auto as far as this "
        "machine can (`taskmgr doctor` says how far), require or no task is run, off.",
        one_of("auto", "off", "require"),
    )
    readable: str = setting(
        "",
        "Files and folders that every task may read beside its own, with : between them, as "
        "/data/weights:/opt/licences.",
        _no_paths,
    )
    writable: str = setting(
        "",
        "Files and folders that every task may read and write beside its working folder, as "
        "/data/cache.",
        _no_paths,
    )
    open_files: int = setting(
        1024,
        "Files that a process of a task may have open, no fewer than 64; 0 for as many as the "
        "worker.",
        at_least(0),
    )
    file_mb: int = setting(
        10_000, "Size of a file that a task may write; 0 for no limit.", at_least(0)
    )
    processes: int = setting(
        256, "Processes that a task may be, with all that it starts; 0 for no limit.", at_least(0)
    )
    environments_mb: int = setting(
        20_000,
        "Size that `taskmgr env gc`, and each worker once a minute, bring the virtualenvs of this "
        "machine down to; 0 for no limit.",
        at_least(0),
    )
    models_mb: int = setting(
        0,
        "Size that `taskmgr models gc`, and each worker once a minute, bring this machine's copies "
        "of weights down to; 0 for no limit.",
        at_least(0),
    )
    cache_mb: int = setting(
        0,
        "Size that `taskmgr artifacts gc`, and each worker once a minute, bring this machine's "
        "copies of what is in S3 down to, weights left out; 0 for no limit.",
        at_least(0),
    )
    cache_days: float = setting(
        30.0, "Days that a cached result is kept after its last use; 0 for ever.", at_least(0)
    )
    hooks: str = setting(
        "all",
        "Hook plugins that are used: all, none, their names with a comma between them, or -NAME "
        "for all but that one.",
        fault_of(Choice.of),
    )
    hook_seconds: float = setting(
        10.0,
        "Seconds that a call of a hook may take: a plugin that takes longer is told no more until "
        "it is done. What is not done at the end of a process is waited for as long.",
        at_least(0.1),
    )
    hook_queue: int = setting(
        1000, "Events that may wait for each hook plugin; more are dropped.", at_least(1)
    )
    slow_step: float = setting(
        0.5,
        "Part of its timeout after which a step that still runs is notified of as slow; 0 for "
        "never.",
        at_least(0),
    )
    signatures: Literal["off", "warn", "require"] = setting(
        "off",
        "What becomes of a task version that no key trusted here has signed: off runs it, warn "
        "runs it and says so once in the log, require fails its steps.",
        one_of("off", "warn", "require"),
    )
    signing_key: str = setting(
        "", "Id or name of the key that publish signs with, where there are several."
    )
    keys_folder: str = setting(
        "",
        "Folder of the keys that this machine signs with, trusts and has revoked. "
        "Default: keys in home.",
        _no_folder,
    )
    log_level: str = setting(
        "info",
        "What a worker tells: debug, info, warning or error.",
        one_of(*LOG_LEVELS),
    )
    log_file_mb: int = setting(
        10, "Size at which a worker begins another file in its log folder.", at_least(1)
    )
    log_files: int = setting(5, "Full files of each log that are kept.", at_least(0))
    index_token: str = secret(
        "Token that `taskmgr index serve` asks its clients for, at least 16 letters, digits and "
        "any of -._~. Default: one that is made and kept in the home.",
    )
    workspace: str = setting(
        DEFAULT_WORKSPACE,
        "Workspace that is worked in: its tasks, runs, artifacts and keys are its own. "
        "`taskmgr workspaces new` makes one.",
        name_fault,
    )
    rate_limit: int = setting(
        6_000,
        "Requests to the API that a principal may make in a minute, and at once; 0 for no limit.",
        at_least(0),
    )
    tasks: Mapping[str, TaskOverride] = setting(
        Overrides(),
        "Queue, priority and timeout of tasks, where they are not to be what the plugin says.",
    )
    notifications: Notifications = setting(  # noqa: RUF009 - as above
        Notifications(), "Who is told by webhook and e-mail of what a person may want to know."
    )
    openlineage: Literal["off", "on"] = setting(
        "off",
        "Whether runs are told to an OpenLineage receiver; which one, openlineage.yml and "
        "OPENLINEAGE_* say.",
        one_of("off", "on"),
    )
    traces: Literal["off", "on"] = setting(
        "off",
        "Whether runs and steps are spans of OpenTelemetry; where they go, OTEL_* say.",
        one_of("off", "on"),
    )

    @property
    def database(self) -> Path:
        """The metadata database."""
        return self.home / "metadata.sqlite3"

    @property
    def index_token_file(self) -> Path:
        """Where the token of the index is kept that was made."""
        return self.home / "index-token"

    def in_workspace(self, name: str) -> Settings:
        """The settings of a workspace, from those of the default one: its places are its own."""
        if name == DEFAULT_WORKSPACE:
            return self
        return attrs.evolve(
            self,
            workspace=name,
            home=home_in(self.home, name),
            metadata_url=database_in(self.metadata_url, name),
            artifacts_url=bucket_in(self.artifacts_url, name),
            keys_folder=self.keys_folder and str(home_in(folder_of(self.keys_folder), name)),
        )

    @property
    def slot_bounds(self) -> tuple[int, int]:
        """The fewest and the most steps to run at once."""
        return bounds_of(self.autoscale) or (self.slots_or_cores, self.slots_or_cores)

    @property
    def is_begun(self) -> bool:
        """Whether there may be metadata: where not, looking for it would make a database."""
        return bool(self.metadata_url) or self.database.is_file()

    @property
    def is_unmade(self) -> bool:
        """Whether it can be seen, without asking a server, that there is no such workspace."""
        return self.workspace != DEFAULT_WORKSPACE and not self.is_begun

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


def load(
    environ: Mapping[str, str],
    working: Path,
    home: Path | None = None,
    workspace: str | None = None,
) -> Settings:
    """Read the settings.

    Arguments:
        environ: the process's environment.
        working: the folder from which the nearest ``.taskmgr`` is looked for.
        home: overrides the setting ``home``.
        workspace: overrides the setting ``workspace``.

    Raises:
        SettingsError: with the place of the value that is wrong.
    """
    if workspace is not None:
        if (fault := name_fault(workspace)) is not None:
            raise SettingsError(f"--workspace: {workspace!r} is not allowed; {fault}")
        environ = {**environ, f"{PREFIX}WORKSPACE": workspace}
    read = Settings(**{each.name: each.value for each in explain(environ, working, home)})
    return read.in_workspace(read.workspace)


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
    if kind in TABLES:
        try:
            return TABLES[kind](json.loads(text), place)
        except ValueError as error:
            raise SettingsError(f"{place}: not JSON: {error}") from error
    try:
        return kind(text)
    except ValueError:
        raise SettingsError(f"{place}: {text!r} is not {_article(kind)}") from None


def _typed(value: Any, field: attrs.Attribute[Any], place: str) -> Any:
    """A setting from the configuration file."""
    kind = type(field.default)
    if kind in TABLES:
        return TABLES[kind](value, place)
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
