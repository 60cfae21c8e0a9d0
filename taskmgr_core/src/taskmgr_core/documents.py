"""The only place where the platform's models become JSON and back.

A document that does not fit says where: ``steps[2].inputs.faces: ...``.
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Mapping
from typing import Any, TypeVar

import attrs
import cattrs
from cattrs import transform_error
from cattrs.errors import ForbiddenExtraKeysError
from cattrs.v import format_exception

from taskmgr_core.errors import InvalidValueError, Problem, nearest
from taskmgr_core.specs import ResultSpec

T = TypeVar("T")


class InvalidDocumentError(InvalidValueError):
    """A document does not fit its model.

    Arguments:
        what: what it is, such as ``the pipeline file x.json``.
        problems: every fault with its place.
    """

    def __init__(self, what: str, problems: tuple[Problem, ...]) -> None:
        self.problems = problems
        super().__init__(f"{what}:" + "".join(f"\n  {each}" for each in problems))


def structure(document: Any, model: type[T], what: str = "the document") -> T:
    """JSON to a model.

    Raises:
        InvalidDocumentError: with every fault and its place.
    """
    try:
        return _CONVERTER.structure(document, model)
    except Exception as error:  # cattrs raises groups of anything
        lines = transform_error(error, path="$", format_exception=_say)
        raise InvalidDocumentError(what, tuple(_problem(line) for line in lines)) from error


def unstructure(value: Any) -> Any:
    """A model to JSON."""
    return _CONVERTER.unstructure(value)


def dumps(value: Any) -> str:
    """A model as JSON text; NaN is refused."""
    return json.dumps(unstructure(value), allow_nan=False, separators=(",", ":"))


def loads(text: str, model: type[T], what: str = "the document") -> T:
    """JSON text to a model.

    Raises:
        InvalidDocumentError: it is not JSON, or does not fit.
    """
    return structure(parse(text, what), model, what)


def parse(text: str, what: str = "the document") -> Any:
    """JSON text to a plain value.

    Raises:
        InvalidDocumentError: it is not JSON.
    """
    try:
        return json.loads(text)
    except ValueError as error:
        raise InvalidDocumentError(what, (Problem("", f"not JSON: {error}"),)) from error


def canonical(document: Any) -> bytes:
    """JSON with sorted keys and no spaces, so that equal values have equal bytes."""
    return json.dumps(
        document, allow_nan=False, sort_keys=True, separators=(",", ":"), ensure_ascii=False
    ).encode()


def digest_of(content: bytes) -> str:
    """``sha256:`` and 64 hexadecimal digits."""
    return "sha256:" + hashlib.sha256(content).hexdigest()


def _strict(scalar: type, *allowed: type) -> Any:
    def structure_scalar(document: Any, _: Any) -> Any:
        if not isinstance(document, (scalar, *allowed)) or (
            isinstance(document, bool) and scalar is not bool
        ):
            raise InvalidValueError(f"{document!r} is not of type {scalar.__name__}")
        return scalar(document)

    return structure_scalar


def _reference_or(model: type | None) -> Any:
    """A port id, or else a mapping (of the model)."""

    def structure_either(document: Any, _: Any) -> Any:
        if isinstance(document, str):
            return document
        if not isinstance(document, Mapping):
            raise InvalidValueError(f"{document!r} is neither a name nor an object")
        return dict(document) if model is None else _CONVERTER.structure(document, model)

    return structure_either


def _build() -> cattrs.Converter:
    converter = cattrs.Converter(forbid_extra_keys=True, omit_if_default=True)
    for scalar, also in ((bool, ()), (int, ()), (float, (int,)), (str, ())):
        converter.register_structure_hook(scalar, _strict(scalar, *also))
    converter.register_structure_hook(str | Mapping[str, Any], _reference_or(None))
    converter.register_structure_hook(str | ResultSpec, _reference_or(ResultSpec))
    return converter


def _say(error: BaseException, wanted: type | None) -> str:
    if isinstance(error, InvalidValueError):
        return str(error)
    if isinstance(error, KeyError):
        return "required field missing"
    if isinstance(error, ForbiddenExtraKeysError) and error.cl is not None:
        known = [field.name for field in attrs.fields(error.cl)]
        wrong = sorted(error.extra_fields)
        return "; ".join(f"unknown field {name!r}, {nearest(name, known)}" for name in wrong)
    return str(format_exception(error, wanted))


def _problem(line: str) -> Problem:
    """cattrs says ``message @ $.steps[2].id``."""
    message, _, place = line.rpartition(" @ ")
    return Problem(place.removeprefix("$").removeprefix("."), message)


_CONVERTER = _build()
