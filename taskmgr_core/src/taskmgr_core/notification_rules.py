"""Who is told of what: the table ``[notifications]`` of the settings."""

from __future__ import annotations

import math
from collections.abc import Callable, Iterator, Mapping
from fnmatch import fnmatchcase
from types import MappingProxyType
from typing import Any, Literal, get_args
from urllib.parse import urlsplit

import attrs

from taskmgr_core.errors import Problem, SettingsError, nearest
from taskmgr_plugins.events import Notification, NotificationKind

# What somebody is told who tries a channel out, whatever its rules.
TEST: NotificationKind = "channel-test"
KINDS = tuple(each for each in get_args(NotificationKind) if each != TEST)
FORMATS = ("json", "slack")
# A value that begins so is a variable's name: the secret is not in the file.
FROM_VARIABLE = "env:"
# How a server of e-mail is spoken to.
MAIL_SCHEMES = ("smtp", "smtps", "smtp+plain")
WEB_SCHEMES = ("https", "http")

REPEAT_SECONDS = 600.0
PER_HOUR = 60


def _secret(default: Any = attrs.NOTHING) -> Any:
    return attrs.field(default=default, repr=False)


@attrs.frozen
class Channel:
    """Somebody who is told.

    Attributes:
        name: what it is called.
        type: whether it is a webhook or e-mail.
        kinds: which kinds of notification; empty for all.
        names: patterns of the names of tasks and pipelines, as ``face_*``; empty for all.
        url: of a webhook, or ``env:`` and the variable that has it.
        secret: what a webhook's bodies are signed with, or ``env:VARIABLE``; empty for nothing.
        format: how the body of a webhook looks.
        private: whether a webhook may be at an address that is not of the internet.
        server: of e-mail, as ``smtp://user:password@host:587``, or ``env:VARIABLE``.
        sender: who e-mail is from.
        to: who gets it.
    """

    name: str
    type: Literal["webhook", "email"]
    kinds: tuple[str, ...] = ()
    names: tuple[str, ...] = ()
    url: str = _secret("")
    secret: str = _secret("")
    format: Literal["json", "slack"] = "json"
    private: bool = False
    server: str = _secret("")
    sender: str = ""
    to: tuple[str, ...] = ()

    def wants(self, notification: Notification) -> bool:
        """Whether it is to be told of a notification."""
        if self.kinds and notification.kind not in self.kinds:
            return False
        # What is about no task, as a lost worker, concerns everybody.
        if not self.names or not notification.task:
            return True
        return any(fnmatchcase(notification.task, each) for each in self.names)


@attrs.frozen
class SlowRule:
    """When a run is slow.

    Attributes:
        name: what the rule is called.
        names: patterns of the names of pipelines and tasks, as ``face_*``; empty for all.
        seconds: a run that takes longer is slow; 0 for no such limit.
        times_p95: so is one that takes more than so many times what 95% of the latest runs of
            its name needed; 0 for no such limit.
    """

    name: str
    names: tuple[str, ...] = ()
    seconds: float = 0.0
    times_p95: float = 0.0

    def concerns(self, name: str) -> bool:
        """Whether it is about a pipeline or task."""
        return not self.names or any(fnmatchcase(name, each) for each in self.names)


@attrs.frozen
class Notifications:
    """What is said of notifications.

    Attributes:
        channels: who is told.
        slow_runs: which runs are slow.
        repeat: seconds in which a channel is told the same once.
        per_hour: how many messages a channel gets in an hour at most.
    """

    channels: tuple[Channel, ...] = ()
    slow_runs: tuple[SlowRule, ...] = ()
    repeat: float = REPEAT_SECONDS
    per_hour: int = PER_HOUR

    def __str__(self) -> str:
        slow = [f"{each.name} (slow runs)" for each in self.slow_runs]
        return ", ".join([*(f"{each.name} ({each.type})" for each in self.channels), *slow])


def read_notifications(document: Any, place: str) -> Notifications:
    """The table ``[notifications]``.

    Arguments:
        document: as it was parsed.
        place: where it stands, for messages.

    Raises:
        SettingsError: with every fault and its place; no secret is among them.
    """
    problems = list(_faults(document))
    if problems:
        raise SettingsError(f"{place}: " + "; ".join(str(each) for each in problems))
    channels = tuple(
        Channel(name=name, **{key: _frozen(value) for key, value in table.items()})
        for name, table in document.get("channels", {}).items()
    )
    slow_runs = tuple(
        SlowRule(name=name, **{key: _frozen(value) for key, value in table.items()})
        for name, table in document.get("slow_runs", {}).items()
    )
    return Notifications(
        channels,
        slow_runs,
        float(document.get("repeat", REPEAT_SECONDS)),
        document.get("per_hour", PER_HOUR),
    )


def _frozen(value: Any) -> Any:
    return tuple(value) if isinstance(value, list) else value


def _faults(document: Any) -> Iterator[Problem]:
    if not isinstance(document, Mapping):
        yield Problem("", "it must be a table, as [notifications.channels.ops]")
        return
    for name, value in document.items():
        if name not in _TOP:
            yield Problem(name, f"unknown; {nearest(name, _TOP)}")
        elif wrong := _TOP[name](value):
            yield Problem(name, wrong)
    for name, table in _tables(document.get("channels")):
        yield from _channel_faults(f"channels.{name}", table)
    for name, table in _tables(document.get("slow_runs")):
        yield from _rule_faults(f"slow_runs.{name}", table)


def _tables(value: Any) -> Iterator[tuple[str, Any]]:
    """The tables in a table; what is none has its fault elsewhere."""
    yield from value.items() if isinstance(value, Mapping) else ()


def _rule_faults(place: str, table: Any) -> Iterator[Problem]:
    if not isinstance(table, Mapping):
        yield Problem(place, "it must be a table, as {seconds = 60}")
        return
    for key, value in table.items():
        if key not in _OF_RULE:
            yield Problem(f"{place}.{key}", f"unknown; {nearest(key, _OF_RULE)}")
        elif wrong := _OF_RULE[key](value):
            yield Problem(f"{place}.{key}", wrong)
    if not {"seconds", "times_p95"} & table.keys():
        yield Problem(place, "it says of no run that it is slow; give seconds or times_p95")


def _channel_faults(place: str, table: Any) -> Iterator[Problem]:
    if not isinstance(table, Mapping) or table.get("type") not in _OF_TYPE:
        yield Problem(f"{place}.type", f"it must be {' or '.join(_OF_TYPE)}")
        return
    needed, allowed = _OF_TYPE[table["type"]]
    for key, value in table.items():
        if key not in allowed:
            yield Problem(f"{place}.{key}", f"unknown for {table['type']}; {nearest(key, allowed)}")
        elif wrong := allowed[key](value):
            yield Problem(f"{place}.{key}", wrong)
    for key in needed:
        if key not in table:
            yield Problem(f"{place}.{key}", "it is missing")
    insecure = str(table.get("url", "")).startswith("http:") and not table.get("private")
    if insecure:
        yield Problem(
            f"{place}.url",
            "http sends for everybody to read; use https, or say private = true where the "
            "receiver is on this machine or in a network of yours",
        )


_Check = Callable[[Any], "str | None"]


def _text(value: Any) -> str | None:
    return None if isinstance(value, str) and value else "it must be a text"


def _switch(value: Any) -> str | None:
    return None if isinstance(value, bool) else "it must be true or false"


def _texts(value: Any) -> str | None:
    good = isinstance(value, list) and value and all(isinstance(e, str) and e for e in value)
    return None if good else "it must be a list of texts"


def _one_of(*allowed: str) -> _Check:
    wrong = f"allowed are {', '.join(allowed)}"
    return lambda value: None if value in allowed else wrong


def _kinds(value: Any) -> str | None:
    if (wrong := _texts(value)) is not None:
        return wrong
    unknown = [each for each in value if each not in KINDS]
    return f"{unknown[0]!r}: {nearest(unknown[0], KINDS)}" if unknown else None


def _address(*schemes: str) -> _Check:
    """An address; it may have a password in it, so it is not repeated."""
    example = f"as {schemes[0]}://host/..., or {FROM_VARIABLE}VARIABLE"

    def wrong(value: Any) -> str | None:
        if not isinstance(value, str):
            return f"it must be an address, {example}"
        if value.startswith(FROM_VARIABLE) and len(value) > len(FROM_VARIABLE):
            return None
        try:
            parts = urlsplit(value)
            good = parts.scheme in schemes and bool(parts.hostname) and parts.port != 0
        except ValueError:
            good = False
        return (
            None if good else f"it must begin with {', '.join(schemes)} and have a host, {example}"
        )

    return wrong


def _seconds(value: Any) -> str | None:
    number = isinstance(value, int | float) and not isinstance(value, bool)
    good = number and 0 <= value < math.inf
    return None if good else f"{value!r} must be a number of seconds, at least 0"


def _factor(value: Any) -> str | None:
    number = isinstance(value, int | float) and not isinstance(value, bool)
    good = number and 1 <= value < math.inf
    return None if good else f"{value!r} must be a number, at least 1"


def _limit(value: Any) -> str | None:
    number = isinstance(value, int | float) and not isinstance(value, bool)
    good = number and 0 < value < math.inf
    return None if good else f"{value!r} must be a number of seconds, more than 0"


def _table_of(example: str) -> _Check:
    said = f"it must be a table, as {example}"
    return lambda value: None if isinstance(value, Mapping) else said


def _count(value: Any) -> str | None:
    good = isinstance(value, int) and not isinstance(value, bool) and value >= 1
    return None if good else f"{value!r} must be a whole number, at least 1"


_TOP: Mapping[str, _Check] = MappingProxyType(
    {
        "channels": _table_of("[notifications.channels.ops]"),
        "slow_runs": _table_of("[notifications.slow_runs.faces]"),
        "repeat": _seconds,
        "per_hour": _count,
    }
)
_OF_RULE: Mapping[str, _Check] = MappingProxyType(
    {"names": _texts, "seconds": _limit, "times_p95": _factor}
)
_COMMON: Mapping[str, _Check] = {"type": _text, "kinds": _kinds, "names": _texts}
_OF_TYPE: Mapping[str, tuple[tuple[str, ...], Mapping[str, _Check]]] = MappingProxyType(
    {
        "webhook": (
            ("url",),
            {
                **_COMMON,
                "url": _address(*WEB_SCHEMES),
                "secret": _text,
                "format": _one_of(*FORMATS),
                "private": _switch,
            },
        ),
        "email": (
            ("server", "sender", "to"),
            {**_COMMON, "server": _address(*MAIL_SCHEMES), "sender": _text, "to": _texts},
        ),
    }
)
