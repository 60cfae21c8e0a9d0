"""What a server refuses, as the errors that the same would raise on this machine."""

from __future__ import annotations

import json
from collections.abc import Mapping
from typing import Any

from taskmgr_core import errors

TYPE = "urn:taskmgr:problem:"


class RemoteError(errors.TaskmgrError):
    """A server of the REST API cannot be asked, or cannot answer now; later it may go well."""


class RefusedError(errors.InvalidValueError):
    """A server takes the request not as it is, with every fault at once.

    Arguments:
        message: what is wrong.
        problems: each with its place, a JSON pointer into the body or a parameter's name.
    """

    def __init__(self, message: str, problems: tuple[errors.Problem, ...]) -> None:
        self.problems = problems
        lines = "".join(f"\n  {each}" for each in problems)
        super().__init__(f"{message}:{lines}" if lines else message)


# What is not here is trouble of the server.
KINDS: Mapping[str, type[errors.TaskmgrError]] = {
    "not-found": errors.NotFoundError,
    "conflict": errors.ConflictError,
    "unauthenticated": errors.AuthenticationError,
    "forbidden": errors.PermissionDeniedError,
    "invalid-request": RefusedError,
    "invalid-parameter": RefusedError,
    "invalid-value": RefusedError,
    "invalid-inputs": RefusedError,
    "invalid-pipeline": RefusedError,
    "key-reused": RefusedError,
    "too-large": RefusedError,
    "unsupported-media-type": RefusedError,
    "range-not-satisfiable": RefusedError,
}
# A server says so of what may go well when it is asked again.
PASSING = frozenset({429, 502, 503, 504})


def failure(url: str, status: int, content: bytes) -> errors.TaskmgrError:
    """The error that an answer stands for.

    Arguments:
        url: of the server.
        status: of the answer.
        content: its body; problem details where it is ours.
    """
    told = _problem(content)
    kind = str(told.get("type", "")).removeprefix(TYPE)
    detail = str(told.get("detail") or told.get("title") or f"it answered {status}")
    known = KINDS.get(kind)
    if known is RefusedError:
        return RefusedError(detail, tuple(map(_item, told.get("errors", ()))))
    if known is not None:
        return known(detail)
    instance = f" ({told['instance']})" if "instance" in told else ""
    return RemoteError(f"the server {url}: {detail}{instance}")


def _problem(content: bytes) -> Mapping[str, Any]:
    try:
        found = json.loads(content)
    except ValueError:
        return {}
    return found if isinstance(found, dict) else {}


def _item(found: Mapping[str, Any]) -> errors.Problem:
    place = found.get("pointer") or found.get("parameter") or ""
    return errors.Problem(str(place), str(found.get("detail", "")))
