"""The only place where the platform's models become JSON and back.

A document that does not fit says where: ``steps[2].inputs.faces: ...``.
"""

from __future__ import annotations

import functools
import hashlib
import json
from collections.abc import Callable, Iterator, Mapping
from typing import Any, Literal, TypeVar, get_args, get_origin

import attrs
import cattrs
from cattrs.cols import homogenous_tuple_structure_factory, mapping_structure_factory
from cattrs.errors import (
    AttributeValidationNote,
    ClassValidationError,
    ForbiddenExtraKeysError,
    IterableValidationError,
)
from cattrs.v import format_exception

from taskmgr_core.errors import InvalidValueError, Problem, nearest
from taskmgr_core.json_text import plain, writer
from taskmgr_core.specs import ResultSpec

T = TypeVar("T")
Structure = Callable[[Any, Any], Any]
Path = tuple[str | int, ...]

_SHOWN_LENGTH = 60
_SCALARS = (str, int, float, bool, type(None))
_written = writer(ensure_ascii=True)
_CANONICAL = json.JSONEncoder(
    allow_nan=False, sort_keys=True, separators=(",", ":"), ensure_ascii=False
)


class InvalidDocumentError(InvalidValueError):
    """A document does not fit its model.

    Arguments:
        what: what it is, such as ``the pipeline file x.json``.
        problems: every fault with its place.
        only_unknown: whether nothing is wrong but that it has more than its model: it may be
            of a later taskmgr.
    """

    def __init__(
        self, what: str, problems: tuple[Problem, ...], *, only_unknown: bool = False
    ) -> None:
        self.problems = problems
        self.only_unknown = only_unknown
        super().__init__(f"{what}:" + "".join(f"\n  {each}" for each in problems))


def structure(document: Any, model: type[T], what: str = "the document") -> T:
    """JSON to a model.

    Raises:
        InvalidDocumentError: with every fault and its place.
    """
    try:
        return _CONVERTER.structure(document, model)
    except Exception as error:  # cattrs raises groups of anything
        faults = tuple(_faults_of(error, model))
        problems = tuple(fault.problem for fault in faults)
        only_unknown = all(fault.unknown for fault in faults)
        raise InvalidDocumentError(what, problems, only_unknown=only_unknown) from error


def unstructure(value: Any) -> Any:
    """A model to JSON."""
    return _CONVERTER.unstructure(value)


def dumps(value: Any) -> str:
    """A model as JSON text; NaN is refused."""
    return text_of(unstructure(value))


def text_of(document: Any) -> str:
    """What is JSON already as its text; NaN is refused."""
    return _written(document)


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
        return plain(text)
    except ValueError as error:
        raise InvalidDocumentError(what, (Problem("", f"not JSON: {error}"),)) from error


def own(document: Any) -> Any:
    """A JSON value as it is read from its text, which nobody else can change.

    What is none stays as it is: what is wrong with it is told where it is checked.
    """
    if isinstance(document, _SCALARS):
        return document
    try:
        return plain(text_of(document))
    except (ValueError, TypeError, RecursionError):
        return document


def canonical(document: Any) -> bytes:
    """JSON with sorted keys and no spaces, so that equal values have equal bytes."""
    return _CANONICAL.encode(document).encode()


def digest_of(content: bytes) -> str:
    """``sha256:`` and 64 hexadecimal digits."""
    return "sha256:" + hashlib.sha256(content).hexdigest()


@attrs.frozen
class Fault:
    """One thing of a document that does not fit its model.

    Attributes:
        path: the keys and indexes that lead to it.
        message: what is wrong.
        wanted: the type that was wanted there.
        unknown: the keys of it that its model has not; empty for another fault.
    """

    path: Path
    message: str
    wanted: Any
    unknown: tuple[str, ...] = ()

    @property
    def problem(self) -> Problem:
        """As it is told."""
        return Problem(place_of(self.path), self.message)


def faults_in(document: Any, model: Any) -> list[Fault]:
    """Everything of a document that does not fit a model."""
    try:
        _CONVERTER.structure(document, model)
    except Exception as error:  # noqa: BLE001 - cattrs raises groups of anything
        return list(_faults_of(error, model))
    return []


def without_unknown(document: Any, model: Any) -> Any:
    """A document without the keys that its model has not: a later taskmgr may have added them."""
    for fault in faults_in(document, model):
        inner = functools.reduce(lambda part, step: part[step], fault.path, document)
        for key in fault.unknown:
            del inner[key]
    return document


def place_of(path: Path) -> str:
    """A path as users read it: ``steps[2].inputs.faces``."""
    text = "".join(f"[{each}]" if isinstance(each, int) else f".{each}" for each in path)
    return text.removeprefix(".")


def _faults_of(error: BaseException, wanted: Any, path: Path = ()) -> Iterator[Fault]:
    """Every fault in what cattrs raised, with its place.

    Arguments:
        error: the exception, or the group of them.
        wanted: the type that was wanted.
        path: where.
    """
    if not isinstance(error, ClassValidationError | IterableValidationError):
        yield Fault(path, _say(error, wanted), wanted, _unknown(error))
        return
    placed, others = error.group_exceptions()
    for each, note in placed:
        step = note.name if isinstance(note, AttributeValidationNote) else note.index
        yield from _faults_of(each, note.type, (*path, step))
    for each in others:
        yield from _faults_of(each, wanted, path)


def _strict(scalar: type, *allowed: type) -> Any:
    def structure_scalar(document: Any, _: Any) -> Any:
        if not isinstance(document, (scalar, *allowed)) or (
            isinstance(document, bool) and scalar is not bool
        ):
            hint = _quoted(document) if scalar is str else ""
            raise InvalidValueError(f"{_shown(document)} is not of type {scalar.__name__}{hint}")
        return scalar(document)

    return structure_scalar


def _quoted(document: Any) -> str:
    """What to write for a text that reads as something else, as a condition ``true`` does."""
    quotable = isinstance(document, bool | int | float)
    return f'; write it in quotes: "{json.dumps(document)}"' if quotable else ""


def _reference_or(model: type | None) -> Any:
    """A port id, or else a mapping (of the model)."""

    def structure_either(document: Any, _: Any) -> Any:
        if isinstance(document, str):
            return document
        if not isinstance(document, Mapping):
            raise InvalidValueError(f"{_shown(document)} is neither a name nor an object")
        return dict(document) if model is None else _CONVERTER.structure(document, model)

    return structure_either


def _of_kind(kind: Any, make: Callable[[Any], Structure], model: Any) -> Structure:
    """What structures a container, made strict: cattrs would take a text for a list."""
    inner = make(model)

    def structure_container(document: Any, wanted: Any) -> Any:
        if not isinstance(document, kind):
            raise InvalidValueError(f"{_shown(document)} is not {_described(model)}")
        return inner(document, wanted)

    return structure_container


def _described(model: Any) -> str:
    if not attrs.has(model):
        return "a list" if get_origin(model) is tuple else "an object"
    required = [each.name for each in attrs.fields(model) if each.default is attrs.NOTHING]
    return "an object" + (f" with the keys {', '.join(required)}" if required else "")


def _build() -> cattrs.Converter:
    converter = cattrs.Converter(forbid_extra_keys=True, omit_if_default=True)
    for scalar, also in ((bool, ()), (int, ()), (float, (int,)), (str, ())):
        converter.register_structure_hook(scalar, _strict(scalar, *also))
    for suits, make, kind in _CONTAINERS:
        converter.register_structure_hook_factory(
            suits, functools.partial(_of_kind, kind, functools.partial(make, converter))
        )
    converter.register_structure_hook(str | Mapping[str, Any], _reference_or(None))
    converter.register_structure_hook(str | ResultSpec, _reference_or(ResultSpec))
    # What is JSON already, as the schemas of a graph are, is not walked through.
    converter.register_unstructure_hook_factory(
        lambda model: model == Mapping[str, Any], lambda _: _as_object
    )
    return converter


def _as_object(document: Mapping[str, Any]) -> dict[str, Any]:
    return document if isinstance(document, dict) else dict(document)


def _say(error: BaseException, wanted: Any) -> str:
    if isinstance(error, InvalidValueError):
        return str(error)
    if get_origin(wanted) is Literal:
        value = str(error).partition(" not in literal")[0]
        return f"{value!r} is not allowed; {nearest(value, get_args(wanted))}"
    if isinstance(error, KeyError):
        return "required field missing"
    if isinstance(error, ForbiddenExtraKeysError) and error.cl is not None:
        known = [field.name for field in attrs.fields(error.cl)]
        return "; ".join(
            f"unknown field {name!r}, {nearest(name, known)}" for name in _unknown(error)
        )
    return str(format_exception(error, wanted))


def _unknown(error: BaseException) -> tuple[str, ...]:
    return tuple(sorted(error.extra_fields)) if isinstance(error, ForbiddenExtraKeysError) else ()


def _shown(document: Any) -> str:
    shown = repr(document)
    return shown if len(shown) <= _SHOWN_LENGTH else shown[: _SHOWN_LENGTH - 3] + "..."


# Which models are containers, what structures one, and what its document must be.
_CONTAINERS: tuple[tuple[Callable[[Any], bool], Callable[..., Structure], Any], ...] = (
    (attrs.has, cattrs.Converter.gen_structure_attrs_fromdict, Mapping),
    (
        lambda model: get_origin(model) is tuple,
        lambda converter, model: homogenous_tuple_structure_factory(model, converter),
        list | tuple,
    ),
    (
        lambda model: get_origin(model) is Mapping,
        lambda converter, model: mapping_structure_factory(model, converter, dict),
        Mapping,
    ),
)
_CONVERTER = _build()
