"""Several calls of a task at once: what a batch method is declared as, and how it is called."""

from __future__ import annotations

import os
import types
import typing
from collections.abc import Callable, Hashable, Mapping
from typing import Any, TypeVar, get_args, get_origin

from taskmgr_plugins.errors import InvalidOutputError, TaskDefinitionError

METHOD = "predict_batch"

Key = TypeVar("Key", bound=Hashable)
# Told whose turn it is; None for what is done for all of them together.
Turn = Callable[[Key | None], None]
PredictBatch = Callable[[list[Any]], Any]


def item_of(annotation: Any, place: str) -> Any:
    """The type of one item where a batch method is annotated with a list of them.

    Arguments:
        annotation: as written; errors that may stand for an item are left out of the result.
        place: what is annotated, for the message.

    Raises:
        TaskDefinitionError: it is no list.
    """
    if get_origin(annotation) is not list or not get_args(annotation):
        raise TaskDefinitionError(
            f"{place}: a batch has one for each item; write 'list[<type>]', not {annotation!r}"
        )
    (item,) = get_args(annotation)
    if get_origin(item) not in (typing.Union, types.UnionType):
        return item
    values = [each for each in get_args(item) if not _is_error(each)]
    return typing.Union[tuple(values)] if values else item  # noqa: UP007 - made of a tuple


def predicted(
    predict: PredictBatch, items: Mapping[Key, Any], turn: Turn[Key]
) -> dict[Key, Any | BaseException]:
    """What a batch method gives for each item, or the error of each.

    If it raises for all of them, the items are tried one by one: who is not to blame
    gets a result.

    Arguments:
        predict: gets a list of items.
        items: the items by their keys.
        turn: told whose item is tried by itself.
    """
    if not items:
        return {}
    process = os.getpid()
    turn(None)
    try:
        return _together(predict, items)
    except InvalidOutputError as error:
        return dict.fromkeys(items, error)
    except BaseException as error:
        if os.getpid() != process:
            raise  # a child of the task that came back: it has nothing to do here
        if len(items) == 1:
            return dict.fromkeys(items, error)
    found: dict[Key, Any | BaseException] = {}
    for key, item in items.items():
        turn(key)
        found |= predicted(predict, {key: item}, lambda _: None)
    return found


def _together(predict: PredictBatch, items: Mapping[Key, Any]) -> dict[Key, Any]:
    results = predict(list(items.values()))
    if not isinstance(results, list | tuple):
        raise InvalidOutputError(
            f"{METHOD} returned {type(results).__name__}; return a list with one result for each "
            "item, in their order"
        )
    if len(results) != len(items):
        raise InvalidOutputError(
            f"{METHOD} returned {len(results)} results for {len(items)} items; return one for "
            "each, in their order"
        )
    return dict(zip(items, results, strict=True))


def _is_error(annotation: Any) -> bool:
    return isinstance(annotation, type) and issubclass(annotation, BaseException)
