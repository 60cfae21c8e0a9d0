"""What is known to be wrong with a batch before anything of it begins, or is written."""

from __future__ import annotations

from collections.abc import Collection, Mapping
from pathlib import Path
from typing import Any

import attrs

from taskmgr_core.batches.items import Item, of_lines
from taskmgr_core.errors import InvalidValueError, Problem
from taskmgr_core.inputs import InputReader, missing_inputs, unknown_inputs
from taskmgr_core.specs import Graph

_OPTION = "--set "


def check_constants(
    reader: InputReader, graph: Graph, same: Mapping[str, Any], others: Collection[str]
) -> None:
    """Refuse what is given for all items, where none could run with it.

    Arguments:
        reader: checks their values.
        graph: whose inputs they are.
        same: the inputs that are the same for all.
        others: the inputs that each item brings, or may bring.

    Raises:
        InvalidInputsError: an input is unknown, does not fit, or nobody gives it.
    """
    reader.read(attrs.evolve(graph, optional=(*graph.optional, *others)), same, _OPTION)


def check_lines(graph: Graph, same: Mapping[str, Any], path: Path, id_field: str) -> None:
    """Refuse a file of which no line can be run; where one can, each answers for itself.

    Arguments:
        graph: what is run.
        same: the inputs that are the same for all.
        path: the file, which can be read more than once.
        id_field: as for ``of_lines``.

    Raises:
        InvalidValueError: every line is no object, lacks an input, or has one that is unknown.
    """
    first: list[str | Problem] = []
    for item in of_lines(path, lambda given: {**same, **given}, id_field):
        if not (found := _problems(graph, item)):
            return
        first = first or found
    if first:
        said = "".join(f"\n  {each}" for each in first)
        raise InvalidValueError(f"{graph.name} can run with no line of {path}; the first:{said}")


def _problems(graph: Graph, item: Item) -> list[str | Problem]:
    if item.problem:
        return [item.problem]
    return [*unknown_inputs(graph, item.inputs), *missing_inputs(graph, item.inputs, _OPTION)]
