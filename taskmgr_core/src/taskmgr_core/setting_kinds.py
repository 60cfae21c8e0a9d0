"""Kinds of settings: how one is declared, and what its value must be."""

from __future__ import annotations

import math
import os
import re
from collections.abc import Callable
from pathlib import Path
from typing import Any

import attrs

from taskmgr_core.addresses import without_secrets

MOST_SLOTS = 1000
SET = "(set)"


def setting(
    default: Any,
    text: str,
    check: Callable[[Any], str | None] = lambda _: None,
    show: Callable[[Any], str] = str,
) -> Any:
    """A setting.

    Arguments:
        default: its value where nobody says another.
        text: what it means.
        check: says what is wrong with a value; None where nothing is.
        show: the value as it may be shown.
    """
    metadata = {"help": text, "check": check, "show": show}
    return attrs.field(default=default, metadata=metadata, repr=show)


def address(text: str) -> Any:
    """A setting that may have a password in it, which is never shown."""
    return setting("", text, show=without_secrets)


def secret(text: str) -> Any:
    """A setting of which only whether it is set is ever shown."""
    return setting("", text, show=lambda value: SET if value else "")


def one_of(*allowed: str) -> Callable[[Any], str | None]:
    """Checks that a value is one of some."""
    wrong = f"it must be {', '.join(allowed[:-1])} or {allowed[-1]}"
    return lambda value: None if value in allowed else wrong


def at_least(minimum: float) -> Callable[[Any], str | None]:
    """Checks that a number is no smaller."""
    wrong = f"it must be at least {minimum:g}"
    return lambda value: None if minimum <= value < math.inf else wrong


def between(minimum: float, maximum: float) -> Callable[[Any], str | None]:
    """Checks that a number is within bounds."""
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


def folder_of(text: str) -> Path:
    """The folder that a text names.

    Raises:
        ValueError: it begins with a user that is not there.
    """
    try:
        return Path(text).expanduser()
    except RuntimeError as error:
        raise ValueError("it names no user's folder; give a path") from error


def fault_of(read: Callable[[str], object]) -> Callable[[str], str | None]:
    """Checks that a text can be read; what reads it raises ``ValueError``."""

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
