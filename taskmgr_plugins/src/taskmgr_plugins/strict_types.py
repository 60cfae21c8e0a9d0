"""Conversion of scalars, lists, tuples, choices and unions that takes no value for what it is not.

cattrs alone makes ``["a", "b"]`` of ``"ab"`` and drops the end of a tuple that
is too long; a task's result must not change like that.
"""

from __future__ import annotations

import enum
import types
import typing
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from typing import Annotated, Any, Literal, Union

import attrs
import cattrs
from cattrs.cols import (
    homogenous_tuple_structure_factory,
    is_mutable_sequence,
    is_sequence,
    iterable_unstructure_factory,
    list_structure_factory,
)
from cattrs.gen import (
    make_dict_structure_fn,
    make_dict_unstructure_fn,
    make_hetero_tuple_structure_fn,
    make_hetero_tuple_unstructure_fn,
    override,
)

from taskmgr_plugins.errors import InvalidValueError
from taskmgr_plugins.schemas import class_fields

Read = Callable[[Any, Any], Any]
Write = Callable[[Any], Any]

_FITS: dict[type, Callable[[Any], bool]] = {
    bool: lambda value: isinstance(value, bool),
    int: lambda value: (
        value.is_integer()
        if isinstance(value, float)
        else isinstance(value, int) and not isinstance(value, bool)
    ),
    float: lambda value: isinstance(value, int | float) and not isinstance(value, bool),
    str: lambda value: isinstance(value, str),
}


def register(converter: cattrs.Converter) -> None:
    """Make a converter strict."""
    for scalar in (bool, int, float, str):
        converter.register_structure_hook(scalar, lambda document, wanted: exact(document, wanted))
        converter.register_unstructure_hook(scalar, _scalar_writer(scalar))
    converter.register_unstructure_hook_func(is_numpy_scalar, plain)
    converter.register_structure_hook_factory(is_sequence, _tuple_reader)
    converter.register_structure_hook_factory(is_mutable_sequence, _list_reader)
    converter.register_unstructure_hook_factory(is_sequence, _list_writer)
    converter.register_structure_hook_factory(_is_record, _record_reader)
    converter.register_unstructure_hook_factory(_is_record, _record_writer)
    converter.register_structure_hook_factory(_is_choice, _choice_reader)
    converter.register_unstructure_hook_factory(_is_literal, _literal_writer)
    converter.register_structure_hook_factory(_is_union, _union_reader)
    converter.register_structure_hook_factory(attrs.has, _class_reader)
    converter.register_unstructure_hook_factory(attrs.has, _class_writer)


def bare(annotation: Any) -> Any:
    """An annotation without ``Annotated``: the further keywords of a schema are unhashable."""
    origin, arguments = typing.get_origin(annotation), typing.get_args(annotation)
    if origin is Annotated:
        return bare(arguments[0])
    if origin is Literal or not arguments:
        return annotation
    stripped = tuple(bare(each) for each in arguments)
    if all(one is other for one, other in zip(stripped, arguments, strict=True)):
        return annotation
    return (Union if origin is types.UnionType else origin)[stripped]


def exact(value: Any, scalar: type) -> Any:
    """A scalar as the wanted type, if it is the same value: 3.0 is 3, as JSON Schema has it.

    Raises:
        InvalidValueError: it is not.
    """
    if not _FITS[scalar](value):
        raise InvalidValueError(f"{shown(value)} is not of type {scalar.__name__}")
    return scalar(value)


def plain(value: Any) -> Any:
    """A numpy scalar or a member of an enum as Python's own value."""
    if isinstance(value, enum.Enum):
        return value.value
    return value.item() if is_numpy_scalar(type(value)) else value


def parts(value: Any, annotation: Any) -> Iterator[tuple[str, Any, Any]]:
    """The parts of a value of a bare annotation: place in it, part, annotation of the part."""
    arguments = typing.get_args(annotation)
    if isinstance(annotation, type) and attrs.has(annotation) and isinstance(value, annotation):
        for field in class_fields(annotation):
            yield f".{field.name}", getattr(value, field.name), bare(field.type)
    elif is_sequence(annotation) and arguments and isinstance(value, list | tuple):
        for index, each in enumerate(value):
            yield f"[{index}]", each, arguments[0]
    elif _is_record(annotation) and isinstance(value, list | tuple):
        for index, (each, wanted) in enumerate(zip(value, arguments, strict=False)):
            yield f"[{index}]", each, wanted
    elif isinstance(value, Mapping) and len(arguments) == 2:
        for key, each in value.items():
            yield f".{key}", each, arguments[1]


def shown(value: Any) -> str:
    """A value for a message, shortened."""
    said = repr(value)
    return said if len(said) <= 80 else said[:77] + "..."


def type_name(annotation: Any) -> str:
    """An annotation for a message."""
    if isinstance(annotation, type) and typing.get_origin(annotation) is None:
        article = "an" if annotation.__name__[0] in "AEIOaeio" else "a"
        return f"{article} {annotation.__name__}" if attrs.has(annotation) else annotation.__name__
    return str(annotation)


def is_numpy_scalar(candidate: Any) -> bool:
    """Whether a class is one of numpy's scalars, found without importing numpy."""
    return (
        getattr(candidate, "__module__", "") == "numpy"
        and hasattr(candidate, "item")
        and not is_numpy_array(candidate)
    )


def is_numpy_array(candidate: Any) -> bool:
    """Whether a class is numpy's array, found without importing numpy."""
    return getattr(candidate, "__module__", "") == "numpy" and getattr(
        candidate, "__name__", ""
    ) in ("ndarray", "memmap")


def _scalar_writer(scalar: type) -> Write:
    return lambda value: exact(plain(value), scalar)


def _list_reader(annotation: Any, converter: cattrs.Converter) -> Read:
    return _from_list(list_structure_factory(annotation, converter))


def _tuple_reader(annotation: Any, converter: cattrs.Converter) -> Read:
    return _from_list(homogenous_tuple_structure_factory(annotation, converter))


def _from_list(read: Read) -> Read:
    def structure(document: Any, wanted: Any) -> Any:
        if not isinstance(document, list | tuple):
            raise InvalidValueError(f"{shown(document)} is not a list")
        return read(document, wanted)

    return structure


def _list_writer(annotation: Any, converter: cattrs.Converter) -> Write:
    write = iterable_unstructure_factory(annotation, converter, unstructure_to=list)

    def unstructure(value: Any) -> Any:
        if isinstance(value, str | bytes | Mapping) or not isinstance(value, Iterable):
            raise InvalidValueError(f"{shown(value)} is not a list")
        return write(value)

    return unstructure


def _record_reader(annotation: Any, converter: cattrs.Converter) -> Read:
    read = make_hetero_tuple_structure_fn(annotation, converter)
    return _from_list(lambda document, wanted: read(_of_length(document, annotation), wanted))


def _record_writer(annotation: Any, converter: cattrs.Converter) -> Write:
    write = make_hetero_tuple_unstructure_fn(annotation, converter, unstructure_to=list)
    return lambda value: write(_of_length(value, annotation))


def _of_length(value: Any, annotation: Any) -> Any:
    wanted = len(typing.get_args(annotation))
    if isinstance(value, str | bytes | Mapping) or len(value) != wanted:
        raise InvalidValueError(f"{shown(value)} is not a list of {wanted}")
    return value


def _choice_reader(annotation: Any, _: cattrs.Converter) -> Read:
    enumerated = isinstance(annotation, type)
    members = list(annotation) if enumerated else typing.get_args(annotation)

    def structure(document: Any, _: Any) -> Any:
        for member in members:
            if _same(document, plain(member)):
                return member
        allowed = ", ".join(repr(plain(each)) for each in members)
        raise InvalidValueError(f"{shown(document)} is not one of {allowed}")

    return structure


def _literal_writer(annotation: Any, converter: cattrs.Converter) -> Write:
    read = _choice_reader(annotation, converter)
    return lambda value: read(plain(value), annotation)


def _same(one: Any, other: Any) -> bool:
    """Equal as JSON has it, where true is not 1."""
    return bool(one == other) and isinstance(one, bool) == isinstance(other, bool)


def _union_reader(annotation: Any, converter: cattrs.Converter) -> Read:
    """The first member that a value fits. Scalars are exact, so at most one of them does."""
    members = typing.get_args(annotation)
    readers = [
        (each, converter.get_structure_hook(each)) for each in members if each is not type(None)
    ]

    def structure(document: Any, _: Any) -> Any:
        if document is None and type(None) in members:
            return None
        for member, read in readers:
            fits, value = _attempt(document, member, read)
            if fits:
                return value
        raise InvalidValueError(
            f"{shown(document)} fits none of {', '.join(type_name(each) for each in members)}"
        )

    return structure


def _attempt(document: Any, member: Any, read: Read) -> tuple[bool, Any]:
    if isinstance(member, type) and attrs.has(member) and isinstance(document, Mapping):
        known = {field.name for field in attrs.fields(member)}
        if not known.issuperset(document):
            return False, None
    try:
        return True, read(document, member)
    except Exception:  # noqa: BLE001 - cattrs raises groups of anything
        return False, None


def _class_reader(annotation: Any, converter: cattrs.Converter) -> Read:
    hooks = {name: _reader_of(wanted, converter) for name, wanted in _stripped_fields(annotation)}
    overrides = {name: override(struct_hook=hook) for name, hook in hooks.items()}
    read = make_dict_structure_fn(annotation, converter, **overrides)  # type: ignore[arg-type]

    def structure(document: Any, wanted: Any) -> Any:
        if not isinstance(document, Mapping):
            raise InvalidValueError(f"{shown(document)} is not {type_name(annotation)}")
        return read(document, wanted)

    return structure


def _class_writer(annotation: Any, converter: cattrs.Converter) -> Write:
    overrides = {
        name: override(unstruct_hook=converter.get_unstructure_hook(wanted))
        for name, wanted in _stripped_fields(annotation)
    }
    return make_dict_unstructure_fn(annotation, converter, **overrides)  # type: ignore[arg-type]


def _stripped_fields(annotation: Any) -> Iterator[tuple[str, Any]]:
    for field in class_fields(annotation):
        wanted = bare(field.type)
        if wanted is not field.type:
            yield field.name, wanted


def _reader_of(wanted: Any, converter: cattrs.Converter) -> Read:
    read = converter.get_structure_hook(wanted)
    return lambda document, _: read(document, wanted)


def _is_record(annotation: Any) -> bool:
    """Whether it is a tuple of fixed length."""
    arguments = typing.get_args(annotation)
    return typing.get_origin(annotation) is tuple and ... not in arguments


def _is_literal(annotation: Any) -> bool:
    return typing.get_origin(annotation) is Literal


def _is_choice(annotation: Any) -> bool:
    return _is_literal(annotation) or (
        isinstance(annotation, type) and issubclass(annotation, enum.Enum)
    )


def _is_union(annotation: Any) -> bool:
    """Whether it is a union of more than one type and None, which cattrs does itself."""
    if typing.get_origin(annotation) not in (Union, types.UnionType):
        return False
    members: Sequence[Any] = typing.get_args(annotation)
    return sum(each is not type(None) for each in members) > 1
