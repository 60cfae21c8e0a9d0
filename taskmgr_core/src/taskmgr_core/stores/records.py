"""Reading records of a metadata store: one that is damaged is named, and hides no other."""

from __future__ import annotations

import logging
from collections.abc import Callable, Iterable
from typing import Any, TypeVar

from taskmgr_core import documents
from taskmgr_core.documents import InvalidDocumentError
from taskmgr_core.errors import DamagedRecordError, Problem
from taskmgr_core.orchestrator.engine import PLAIN, Rule, rule_of
from taskmgr_core.specs import Failure, GraphStep
from taskmgr_core.specs.resources import from_text, is_text
from taskmgr_core.stores.memory import Memory

PUBLISH_AGAIN = "publish the same again, that puts it right"
ROUTE_AGAIN = "put it right: taskmgr pin TASK --off"
SUBMIT_AGAIN = "submit the run again"

# In characters: of all together, and of each.
REMEMBERED = 8_000_000
REMEMBERED_LENGTH = 100_000

_LOGGER = logging.getLogger(__name__)
_MEMORY = Memory(REMEMBERED)

R = TypeVar("R")
T = TypeVar("T")


def stored(text: str | bytes, model: type[T], what: str, cure: str) -> T:
    """A record's JSON as its model.

    Arguments:
        text: the JSON; what was no UTF-8 stands in it as lone surrogates.
        model: what it is to be.
        what: the record, for the message.
        cure: what to do about one that is damaged, for the message.

    Raises:
        DamagedRecordError: it is no JSON, or does not fit.
    """
    try:
        return documents.structure(_parsed(text), model)
    except InvalidDocumentError as error:
        raise _damaged(what, error, cure) from error


def stored_by_any(text: str | bytes, model: type[T], what: str, cure: str) -> T:
    """As ``stored``, but what a later taskmgr has added is left out: it is only for looking at."""
    try:
        return documents.structure(documents.without_unknown(_parsed(text), model), model)
    except InvalidDocumentError as error:
        raise _damaged(what, error, cure) from error


def remembered(text: str | bytes, model: type[T], what: str, cure: str) -> T:
    """A record's JSON as its model, which others may have got before; see ``stored``.

    The runs of one pipeline have equal graphs and steps: to read each anew costs more than
    all else that is read of a step.

    Arguments:
        text: the JSON.
        model: what it is to be; nobody may change it, nor what is in it.
        what: the record, for the message.
        cure: what to do about one that is damaged, for the message.

    Raises:
        DamagedRecordError: it is no JSON, or does not fit.
    """
    if len(text) > REMEMBERED_LENGTH:
        return stored(text, model, what, cure)
    try:
        found: T = _MEMORY.get(text, model, lambda: documents.structure(_parsed(text), model))
    except InvalidDocumentError as error:
        raise _damaged(what, error, cure) from error
    return found


def remember(text: str, value: object) -> None:
    """Have ``remembered`` give what was written as a text, without reading it."""
    if len(text) <= REMEMBERED_LENGTH:
        _MEMORY.put(text, type(value), value)


def stored_json(text: str | bytes, what: str, cure: str) -> Any:
    """A record's JSON as it is; see ``stored``.

    Raises:
        DamagedRecordError: it is no JSON.
    """
    try:
        return _parsed(text)
    except InvalidDocumentError as error:
        raise _damaged(what, error, cure) from error


def rule_text(step: GraphStep) -> str:
    """What the engine has to know of a step beyond what it waits for; empty where it is plain."""
    rule = rule_of(step)
    return "" if rule == PLAIN else documents.dumps(rule)


def rule_from(text: str, what: str) -> Rule:
    """The rule of a step as it is recorded.

    Raises:
        DamagedRecordError: it cannot be read.
    """
    return remembered(text, Rule, what, SUBMIT_AGAIN) if text else PLAIN


def expiry(timeout: float) -> Failure:
    """Why a run failed whose time is over.

    Arguments:
        timeout: the seconds that it had.
    """
    return Failure(
        "run-timeout",
        f"the run took longer than the timeout of its pipeline, {timeout:g} s; what ran was "
        "stopped. Raise the pipeline's timeout, or give the run more workers",
    )


def needs_from(text: object, what: str) -> dict[str, int]:
    """The recorded resources of a step.

    Raises:
        DamagedRecordError: they cannot be read.
    """
    if not is_text(text):
        raise DamagedRecordError(what, f"resources {text!r} cannot be read", SUBMIT_AGAIN)
    return from_text(str(text))


def intact(records: Iterable[R], read: Callable[[R], T]) -> list[T]:
    """What can be read of a list; a damaged record is left out with a warning."""
    found = []
    for each in records:
        try:
            found.append(read(each))
        except DamagedRecordError as error:
            _LOGGER.warning("a record is left out: %s", error)
    return found


def _parsed(text: str | bytes) -> Any:
    try:
        text = text.decode() if isinstance(text, bytes) else text.encode().decode()
    except UnicodeError as error:
        raise InvalidDocumentError("", (Problem("", f"not UTF-8: {error}"),)) from error
    return documents.parse(text)


def _damaged(what: str, error: InvalidDocumentError, cure: str) -> DamagedRecordError:
    problem = "; ".join(str(each) for each in error.problems)
    if error.only_unknown:
        later = "if a later taskmgr recorded it, upgrade taskmgr-core here"
        cure = f"{later}; else {cure}" if cure else later
    return DamagedRecordError(what, problem, cure)
