"""What is said of an error: RFC 9457 problem details, from one table of our own errors."""

from __future__ import annotations

import logging
import re
import uuid
from collections.abc import Iterable, Mapping
from http import HTTPStatus
from typing import Any

import attrs
from litestar import Request, Response
from litestar.exceptions import HTTPException, ValidationException
from litestar.types import ExceptionHandlersMap

from taskmgr_core import errors
from taskmgr_core.client import RunTimeoutError
from taskmgr_core.inputs import InvalidInputsError
from taskmgr_plugins.errors import InvalidInputError, TaskDefinitionError

MEDIA_TYPE = "application/problem+json"
TYPE = "urn:taskmgr:problem:"
_PARTS = re.compile(r"\[(\d+)\]|([^.\[\]]+)")
_LOGGER = logging.getLogger(__name__)

AnyRequest = Request[Any, Any, Any]


class RequestError(errors.TaskmgrError):
    """A request that cannot be answered, whatever is published and recorded.

    Arguments:
        kind: which problem, as in ``KINDS``.
        message: the bad value, what was allowed, and what to do.
        problems: each thing that is wrong, its place a JSON pointer into the body.
        headers: further headers of the answer.
    """

    def __init__(
        self,
        kind: str,
        message: str,
        problems: Iterable[errors.Problem] = (),
        headers: Mapping[str, str] | None = None,
    ) -> None:
        self.kind = kind
        self.problems = tuple(problems)
        self.headers = dict(headers or {})
        super().__init__(message)


@attrs.frozen
class Kind:
    """A kind of problem: its status, and its title, which is the same each time."""

    status: int
    title: str


KINDS: Mapping[str, Kind] = {
    "invalid-request": Kind(400, "The request cannot be read"),
    "invalid-parameter": Kind(400, "A parameter has a value that it cannot have"),
    "unauthenticated": Kind(401, "Nobody knows who asks"),
    "forbidden": Kind(403, "Whoever asks may not do this"),
    "not-found": Kind(404, "There is nothing of that name"),
    "method-not-allowed": Kind(405, "The resource does not take this method"),
    "not-acceptable": Kind(406, "There is no answer of a type that is accepted"),
    "slow-request": Kind(408, "The request took too long to arrive"),
    "conflict": Kind(409, "Something else is there already"),
    "too-large": Kind(413, "The request is too large"),
    "unsupported-media-type": Kind(415, "The body is of a type that is not taken"),
    "range-not-satisfiable": Kind(416, "The artifact ends before the range begins"),
    "misdirected": Kind(421, "The request was made for another host"),
    "invalid-value": Kind(422, "A value cannot be used"),
    "invalid-inputs": Kind(422, "The inputs do not fit"),
    "invalid-pipeline": Kind(422, "The pipeline cannot run as it is published"),
    "key-reused": Kind(422, "The idempotency key was used for another request"),
    "too-many-requests": Kind(429, "Too many requests"),
    "internal": Kind(500, "This is a bug in taskmgr"),
    "artifact": Kind(500, "An artifact is damaged or lost"),
    "record": Kind(500, "A record is damaged"),
    "settings": Kind(500, "The server is not set up as it has to be"),
    "store": Kind(503, "The metadata store cannot be used"),
    "broker": Kind(503, "The broker does not answer"),
    "busy": Kind(503, "More is asked for than can be answered now"),
    "timeout": Kind(504, "It took longer than was waited for"),
}

# The first that fits counts.
TABLE: tuple[tuple[type[BaseException], str], ...] = (
    (InvalidInputsError, "invalid-inputs"),
    (errors.InvalidPipelineError, "invalid-pipeline"),
    (errors.InvalidValueError, "invalid-value"),
    (InvalidInputError, "invalid-value"),
    (TaskDefinitionError, "invalid-value"),
    (errors.PublishError, "invalid-value"),
    (errors.SigningKeyError, "invalid-value"),
    (errors.NotFoundError, "not-found"),
    (errors.ConflictError, "conflict"),
    (errors.AuthenticationError, "unauthenticated"),
    (errors.PermissionDeniedError, "forbidden"),
    (errors.RecordTooLargeError, "too-large"),
    (RunTimeoutError, "timeout"),
    (errors.SettingsError, "settings"),
    (errors.StoreUnavailableError, "store"),
    (errors.ArtifactError, "artifact"),
    (errors.DamagedRecordError, "record"),
    (errors.StoreError, "store"),
    (errors.QueueError, "broker"),
    (errors.TaskmgrError, "internal"),
    (RecursionError, "invalid-value"),
)
_BY_STATUS = {
    400: "invalid-request",
    401: "unauthenticated",
    403: "forbidden",
    404: "not-found",
    405: "method-not-allowed",
    406: "not-acceptable",
    413: "too-large",
    415: "unsupported-media-type",
    429: "too-many-requests",
    503: "busy",
}
# Its message says what a client cannot mend and need not know, as addresses and paths.
_KEPT = frozenset({"settings", "store", "broker", "internal", "record", "artifact"})


@attrs.frozen
class ProblemItem:
    """One thing that is wrong: where, as a JSON pointer into the body or a parameter's name."""

    detail: str
    pointer: str | None = None
    parameter: str | None = None


@attrs.frozen
class ProblemView:
    """RFC 9457 problem details."""

    type: str
    title: str
    status: int
    detail: str
    instance: str | None = None
    errors: tuple[ProblemItem, ...] = ()


def kind_of(error: BaseException) -> str:
    """Which problem an error is."""
    if isinstance(error, RequestError):
        return error.kind
    if isinstance(error, HTTPException):
        return _BY_STATUS.get(error.status_code, "internal")
    return next((kind for each, kind in TABLE if isinstance(error, each)), "internal")


def problem(
    kind: str, detail: str, items: Iterable[ProblemItem] = (), instance: str | None = None
) -> ProblemView:
    """The problem details of a kind of problem."""
    known = KINDS[kind]
    return ProblemView(TYPE + kind, known.title, known.status, detail, instance, tuple(items))


def document(view: ProblemView) -> dict[str, Any]:
    """Its JSON, without what is empty."""
    return attrs.asdict(view, filter=lambda _, value: value not in (None, ()))


def answer(view: ProblemView, headers: Mapping[str, str] | None = None) -> Response[Any]:
    """The response."""
    return Response(
        document(view), status_code=view.status, media_type=MEDIA_TYPE, headers=dict(headers or {})
    )


def handlers() -> ExceptionHandlersMap:
    """What answers each error that a route raises."""
    return {Exception: _answered, HTTPException: _refused}


def pointer(place: str) -> str:
    """A place such as ``steps[2].inputs.faces`` as a JSON pointer: ``/steps/2/inputs/faces``."""
    if place.startswith("/"):
        return place
    parts = (index or name for index, name in _PARTS.findall(place))
    return "".join(f"/{each.replace('~', '~0').replace('/', '~1')}" for each in parts)


def _answered(request: AnyRequest, error: Exception) -> Response[Any]:
    kind = kind_of(error)
    if KINDS[kind].status < HTTPStatus.INTERNAL_SERVER_ERROR or kind not in _KEPT:
        return answer(problem(kind, _told(error), _items(error)), _headers(error, kind))
    instance = f"urn:uuid:{uuid.uuid4()}"
    bug = error if kind == "internal" else None
    _LOGGER.error("%s %s: %s (%s)", request.method, request.url.path, error, instance, exc_info=bug)
    said = "the log of the server says more, under the id in `instance`"
    return answer(problem(kind, said, instance=instance), _headers(error, kind))


def _refused(request: AnyRequest, error: HTTPException) -> Response[Any]:
    headers = {name: value for name, value in (error.headers or {}).items() if name != "Date"}
    if isinstance(error, ValidationException):
        items = [_parameter(each) for each in error.extra or () if isinstance(each, Mapping)]
        said = "; ".join(f"{each.parameter}: {each.detail}" for each in items)
        return answer(problem("invalid-parameter", said or error.detail, items), headers)
    kind = kind_of(error)
    asked = f"{request.method} {request.url.path}"
    told = {
        404: f"{asked}: there is no such path; /v1/openapi.json has them all",
        405: f"{asked}: the path takes {headers.get('Allow', 'other methods')} only",
    }
    return answer(problem(kind, told.get(error.status_code, error.detail)), headers)


def _parameter(found: Mapping[str, Any]) -> ProblemItem:
    return ProblemItem(str(found.get("message", "")), parameter=str(found.get("key", "")))


def _told(error: Exception) -> str:
    """What is wrong, without the list that stands under ``errors``."""
    text = str(error) or type(error).__name__
    return text.partition("\n")[0].rstrip(":") if getattr(error, "problems", ()) else text


def _items(error: Exception) -> list[ProblemItem]:
    base = "/inputs" if isinstance(error, InvalidInputsError) else ""
    if kind_of(error) == "invalid-parameter":
        return [ProblemItem(e.message, parameter=e.place) for e in getattr(error, "problems", ())]
    return [
        ProblemItem(each.message, base + pointer(each.place))
        for each in getattr(error, "problems", ())
    ]


def _headers(error: Exception, kind: str) -> dict[str, str]:
    more = {"unauthenticated": {"WWW-Authenticate": 'Bearer realm="taskmgr"'}}
    again = {"Retry-After": "1"} if KINDS[kind].status == HTTPStatus.SERVICE_UNAVAILABLE else {}
    return {**again, **more.get(kind, {}), **getattr(error, "headers", {})}
