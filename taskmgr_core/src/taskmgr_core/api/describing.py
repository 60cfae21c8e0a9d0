"""What a route declares beside what its handler's types say."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from litestar.openapi.datastructures import ResponseSpec

from taskmgr_core.api.access import ACTION, OF_PLATFORM, PERMISSION, PUBLIC, Needed
from taskmgr_core.api.problems import KINDS, MEDIA_TYPE, ProblemView

BODY = "body"
FORM = "form"
# Every route may answer so; where nobody is asked who they are, only the first two.
_COMMON = ("invalid-request", "misdirected", "unauthenticated", "forbidden", "too-many-requests")


def route(
    permission: Needed,
    action: str,
    *problems: str,
    body: type | None = None,
    form: bool = False,
    of_platform: bool = False,
    also: Mapping[int, ResponseSpec] | None = None,
    **more: Any,
) -> dict[str, Any]:
    """The options of a route's decorator.

    Arguments:
        permission: which it needs.
        action: what the audit log calls what it does; the first word is the tag.
        problems: the kinds of problems that it answers with, beside those of every route.
        body: the model of its JSON, where the handler reads one.
        form: whether that may also be a part of a form with files.
        of_platform: whether it takes a token of every workspace.
        also: further answers, by their status.
        more: further options.
    """
    reading = ("too-large", "slow-request", "unsupported-media-type") if body else ()
    common = _COMMON[:2] if permission == PUBLIC else _COMMON
    statuses = {KINDS[each].status for each in (*common, *reading, *problems)}
    return {
        "opt": {
            PERMISSION: permission,
            ACTION: action,
            OF_PLATFORM: of_platform,
            BODY: body,
            FORM: form,
        },
        "tags": [action.partition(".")[0]],
        "responses": {**{status: _problem(status) for status in sorted(statuses)}, **(also or {})},
        **more,
    }


def _problem(status: int) -> ResponseSpec:
    titles = [kind.title for kind in KINDS.values() if kind.status == status]
    return ResponseSpec(
        ProblemView, description="; ".join(titles), media_type=MEDIA_TYPE, generate_examples=False
    )
